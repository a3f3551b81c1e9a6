//! Routes and stranded addresses over the block size, drawn.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use tortie_ipam::{Figures, Plan};

use super::plan::addresses;

const SIZE: (u32, u32) = (880, 520);
const FONT: &str = "sans-serif";
const ROUTES: RGBColor = RGBColor(31, 90, 166);
const STRANDED: RGBColor = RGBColor(196, 78, 24);

/// An SVG picture of a plan: routes on the left axis, stranded addresses on the right one.
pub(super) fn svg(plan: &Plan) -> Result<String> {
    let mut picture = String::new();
    draw(plan, &mut picture).map_err(|error| anyhow!("the chart cannot be drawn: {error}"))?;
    Ok(picture)
}

fn draw(plan: &Plan, picture: &mut String) -> Result<(), Box<dyn core::error::Error>> {
    let area = SVGBackend::with_string(picture, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let count = i32::try_from(plan.sizes.len())?;
    let most = |figure: fn(&Figures) -> u64| {
        let values = plan.sizes.iter().flat_map(|size| [figure(&size.now), figure(&size.grown)]);
        values.max().unwrap_or(0).max(1).saturating_mul(11) / 10 + 1
    };
    let (routes, stranded) = (most(|figures| figures.routes), most(|figures| figures.stranded));
    let places = -1..count.max(1);
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{} nodes: routes and stranded addresses", plan.nodes), (FONT, 22))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(70)
        .right_y_label_area_size(70)
        .build_cartesian_2d(places.clone(), 0..routes)?
        .set_secondary_coord(places, 0..stranded);
    let name = |place: &i32| {
        let size = usize::try_from(*place).ok().and_then(|place| plan.sizes.get(place));
        size.map_or_else(String::new, |size| format!("/{} ({})", size.block_len, addresses(size)))
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(plan.sizes.len() + 2)
        .x_label_formatter(&name)
        .x_desc("block size (addresses)")
        .y_desc("routes")
        .draw()?;
    chart.configure_secondary_axes().y_desc("stranded addresses").draw()?;
    let line = |figure: fn(&Figures) -> u64, grown: bool| {
        let value = move |at: usize| {
            plan.sizes.get(at).map(|size| if grown { &size.grown } else { &size.now }).map(figure)
        };
        (0..count).filter_map(move |place| Some((place, value(usize::try_from(place).ok()?)?)))
    };
    let grows = plan.sizes.iter().any(|size| size.now != size.grown);
    let with_growth = if grows { &[(false, "now"), (true, "grown")][..] } else { &[(false, "")][..] };
    for (grown, when) in with_growth {
        // What is to come is drawn thick.
        let width = if *grown || !grows { 3 } else { 1 };
        let style = |colour: RGBColor| colour.stroke_width(width);
        let key = move |colour: RGBColor| {
            move |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(width))
        };
        chart
            .draw_series(LineSeries::new(line(|figures| figures.routes, *grown), style(ROUTES)))?
            .label(format!("routes {when}"))
            .legend(key(ROUTES));
        chart
            .draw_secondary_series(LineSeries::new(
                line(|figures| figures.stranded, *grown),
                style(STRANDED),
            ))?
            .label(format!("stranded {when}"))
            .legend(key(STRANDED));
    }
    if let Some(at) = plan.sizes.iter().position(|size| plan.recommended == Some(size.block_len)) {
        let place = i32::try_from(at)?;
        let line = LineSeries::new([(place, 0), (place, routes)], BLACK.mix(0.35).stroke_width(1));
        let key = |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 18, y)], BLACK.mix(0.35));
        chart.draw_series(line)?.label("recommended").legend(key);
    }
    chart.configure_series_labels().border_style(BLACK.mix(0.3)).background_style(WHITE.mix(0.8)).draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tortie_ipam::{Planner, Pool, uniform};

    use super::*;

    #[test]
    fn a_picture_has_axes_lines_and_names() {
        let pool = Pool::new("p", "10.0.0.0/22".parse().unwrap());
        let plan = Planner::new([pool], uniform(10, 30)).growth(50).run().unwrap();
        let drawn = svg(&plan).unwrap();
        assert!(drawn.starts_with("<svg ") && drawn.trim_end().ends_with("</svg>"));
        for words in ["10 nodes", "/26 (64)", "routes now", "stranded grown", "recommended", "block size"] {
            assert!(drawn.contains(words), "{words}");
        }
        assert!(drawn.matches("<polyline").count() >= 5);
        let empty = Planner::new([Pool::new("p", "10.0.0.0/22".parse().unwrap())], []).run().unwrap();
        assert!(svg(&empty).unwrap().contains("0 nodes"));
    }
}
