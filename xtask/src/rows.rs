//! The rows of a benchmark report: from the files of criterion and of the benchmarks, to a table and to JSON.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What a benchmark says about a row; one that measures by itself, the figure as well.
#[derive(Deserialize)]
struct Said {
    id: String,
    work: String,
    who: Who,
    check: String,
    #[serde(flatten)]
    figure: Option<Figure>,
}

#[derive(Deserialize)]
struct Figure {
    value: f64,
    unit: String,
    samples: usize,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Who {
    Tortie,
    Rival,
    Twin,
    Floor,
}

/// What a row should reach, in its unit, and at most how many times the fastest rival of the run, or the floor, it may take.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Aim {
    least: Option<f64>,
    aim: Option<f64>,
    rival: Option<f64>,
    floor: Option<f64>,
}

/// A row as it is written.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    value: f64,
    unit: String,
    samples: usize,
    /// The fastest crate, program or daemon that did the same work in the same run.
    rival: Option<String>,
    rival_value: Option<f64>,
    ratio: Option<f64>,
    check: String,
    #[serde(skip)]
    work: String,
    #[serde(skip)]
    who: Who,
}

/// All rows of one run.
pub(crate) struct Report {
    rows: Vec<Row>,
    aims: BTreeMap<String, Aim>,
}

impl Report {
    /// Reads criterion's folder, the folder of checks, and the aims.
    ///
    /// Every row needs a check, and rows of the same work the same one: else they did not do the same.
    pub(crate) fn read(criterion: &Path, checks: &Path, aims: &Path) -> anyhow::Result<Self> {
        let mut figures = BTreeMap::new();
        measured(criterion, &mut figures)?;
        let mut rows = Vec::new();
        for entry in std::fs::read_dir(checks).context("no benchmark said anything")? {
            let said: Said = json(&entry?.path())?;
            let Some(Figure { value, unit, samples }) = figures.remove(&said.id).or(said.figure) else {
                bail!("{} gave a check and no figure", said.id);
            };
            let (id, work, who, check) = (said.id, said.work, said.who, said.check);
            let (rival, rival_value, ratio) = (None, None, None);
            rows.push(Row { id, value, unit, samples, rival, rival_value, ratio, check, work, who });
        }
        if let Some(id) = figures.keys().next() {
            bail!("{id} gave a figure and no check: nothing proves what it did");
        }
        let aims = toml::from_str(&std::fs::read_to_string(aims)?)
            .with_context(|| format!("cannot parse {}", aims.display()))?;
        Self::new(rows, aims)
    }

    fn new(mut rows: Vec<Row>, aims: BTreeMap<String, Aim>) -> anyhow::Result<Self> {
        rows.sort_by(|left, right| {
            (&left.work, left.value)
                .partial_cmp(&(&right.work, right.value))
                .unwrap_or(core::cmp::Ordering::Equal)
        });
        let whole = |who| who != Who::Floor;
        for pair in rows.windows(2) {
            if let [left, right] = pair
                && left.work == right.work
                && whole(left.who)
                && whole(right.who)
                && left.check != right.check
            {
                bail!("{} and {} did not do the same: {} and {}", left.id, right.id, left.check, right.check);
            }
        }
        let mut fastest = BTreeMap::new();
        for row in rows.iter().filter(|row| row.who == Who::Rival) {
            fastest.entry(row.work.clone()).or_insert_with(|| (row.id.clone(), row.value));
        }
        for row in rows.iter_mut().filter(|row| row.who != Who::Rival) {
            if let Some((id, value)) = fastest.get(&row.work) {
                row.rival = Some(id.clone());
                row.rival_value = Some(*value);
                row.ratio = Some(row.value / value);
            }
        }
        Ok(Self { rows, aims })
    }

    /// As JSON, an array.
    pub(crate) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.rows)?)
    }

    /// For people: each work, ours first, with the ratio to the rival, or to the twin where there is none.
    pub(crate) fn print(&self) {
        println!("{:<52} {:>14}  {:>20}  {:>16}", "work", "tortie", "beside", "least / aim");
        for row in self.rows.iter().filter(|row| row.who == Who::Tortie) {
            let beside = |who| self.rows.iter().find(|other| other.work == row.work && other.who == who);
            let other = beside(Who::Rival).or_else(|| beside(Who::Twin));
            let mut ratio = other.map_or_else(String::new, |other| {
                let name = other.id.rsplit('/').next().unwrap_or_default();
                let ratio = row.value / other.value;
                let digits = if ratio < 0.1 { 4 } else { 2 };
                format!("{ratio:.digits$} x {name}")
            });
            if let Some(times) = self.times(row, Who::Floor) {
                ratio.push_str(&format!(", {times:.2} x floor"));
            }
            println!(
                "{:<52} {:>14}  {ratio:>20}  {:>16}{}",
                row.id,
                human(row.value, &row.unit),
                self.wanted(row),
                self.verdict(row)
            );
        }
        for row in self.rows.iter().filter(|row| row.who != Who::Tortie) {
            println!("{:<52} {:>14}", row.id, human(row.value, &row.unit));
        }
    }

    fn wanted(&self, row: &Row) -> String {
        let Some(aim) = self.aims.get(&row.id) else { return String::new() };
        let text = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value}"));
        let mut wanted = format!("{} / {} {}", text(aim.least), text(aim.aim), row.unit);
        for (name, most) in [("rival", aim.rival), ("floor", aim.floor)] {
            if let Some(most) = most {
                wanted.push_str(&format!(", {most} x {name}"));
            }
        }
        wanted
    }

    /// How many times the fastest of these a row takes; rows are in the order of what they take.
    fn times(&self, row: &Row, who: Who) -> Option<f64> {
        let beside = self.rows.iter().find(|other| other.work == row.work && other.who == who)?;
        Some(row.value / beside.value)
    }

    fn verdict(&self, row: &Row) -> &'static str {
        let Some(aim) = self.aims.get(&row.id) else { return "" };
        let exceeds =
            |most: Option<f64>, who| most.zip(self.times(row, who)).is_some_and(|(most, times)| times > most);
        let missed = exceeds(aim.rival, Who::Rival) || exceeds(aim.floor, Who::Floor);
        match (aim.least, aim.aim) {
            _ if missed => "  MISSED",
            (_, Some(aim)) if row.value <= aim => "  reached",
            (Some(least), _) if row.value > least => "  MISSED",
            _ => "  on the way",
        }
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("cannot parse {}", path.display()))
}

/// `benchmark.json` of criterion.
#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<BTreeMap<String, f64>>,
}

/// `estimates.json` of criterion.
#[derive(Deserialize)]
struct Estimates {
    median: Median,
}

#[derive(Deserialize)]
struct Median {
    point_estimate: f64,
}

/// `sample.json` of criterion.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
}

/// Walks to every `<group>/<function>/new/`: the median of one element, in nanoseconds.
fn measured(folder: &Path, figures: &mut BTreeMap<String, Figure>) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.file_name().is_none_or(|name| name != "new") {
            measured(&path, figures)?;
            continue;
        }
        let benchmark: Benchmark = json(&path.join("benchmark.json"))?;
        let estimates: Estimates = json(&path.join("estimates.json"))?;
        let sample: Sample = json(&path.join("sample.json"))?;
        let elements = benchmark.throughput.and_then(|of| of.get("Elements").copied()).unwrap_or(1.0);
        let value = estimates.median.point_estimate / elements;
        figures.insert(benchmark.full_id, Figure { value, unit: "ns".into(), samples: sample.iters.len() });
    }
    Ok(())
}

fn human(value: f64, unit: &str) -> String {
    let digits = match value {
        value if value < 10.0 => 3,
        value if value < 1000.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, who: Who, value: f64, check: &str) -> Row {
        let work = id.rsplit_once('/').unwrap().0.to_owned();
        Row {
            id: id.into(),
            value,
            unit: "ns".into(),
            samples: 10,
            rival: None,
            rival_value: None,
            ratio: None,
            check: check.into(),
            work,
            who,
        }
    }

    #[test]
    fn the_rival_is_the_fastest_that_is_neither_twin_nor_floor() {
        let report = Report::new(
            vec![
                row("a/b/tortie", Who::Tortie, 30.0, "7"),
                row("a/b/slow", Who::Rival, 90.0, "7"),
                row("a/b/fast", Who::Rival, 60.0, "7"),
                row("a/b/naive_twin", Who::Twin, 20.0, "7"),
                row("a/b/floor", Who::Floor, 10.0, "other"),
                row("a/c/tortie", Who::Tortie, 5.0, "8"),
                row("a/c/naive_twin", Who::Twin, 50.0, "8"),
            ],
            BTreeMap::new(),
        )
        .unwrap();
        let of = |id: &str| report.rows.iter().find(|row| row.id == id).unwrap();
        assert_eq!(of("a/b/tortie").rival.as_deref(), Some("a/b/fast"));
        assert_eq!(of("a/b/tortie").ratio, Some(0.5));
        assert_eq!(of("a/b/slow").ratio, None);
        assert_eq!(of("a/c/tortie").ratio, None, "a twin is no rival");
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        let fields: Vec<_> = json[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["check", "id", "ratio", "rival", "rival_value", "samples", "unit", "value"]);
    }

    #[test]
    fn a_row_may_take_so_many_times_the_rival_and_the_floor() {
        let verdict = |aim: Aim| {
            let rows = vec![
                row("a/b/tortie", Who::Tortie, 30.0, "7"),
                row("a/b/slow", Who::Rival, 90.0, "7"),
                row("a/b/fast", Who::Rival, 60.0, "7"),
                row("a/b/floor", Who::Floor, 10.0, "7"),
            ];
            let report = Report::new(rows, BTreeMap::from([("a/b/tortie".to_owned(), aim)])).unwrap();
            report.verdict(report.rows.iter().find(|row| row.who == Who::Tortie).unwrap()).trim()
        };
        let aim = Aim { aim: Some(30.0), ..Aim::default() };
        assert_eq!(verdict(aim), "reached");
        assert_eq!(verdict(Aim { rival: Some(0.5), floor: Some(3.0), ..aim }), "reached");
        assert_eq!(verdict(Aim { rival: Some(0.4), ..aim }), "MISSED");
        assert_eq!(verdict(Aim { floor: Some(2.9), ..aim }), "MISSED");
    }

    #[test]
    fn rows_that_did_not_do_the_same_are_refused() {
        let rows = vec![row("a/b/tortie", Who::Tortie, 1.0, "7"), row("a/b/naive_twin", Who::Twin, 2.0, "6")];
        assert!(Report::new(rows, BTreeMap::new()).is_err());
    }

    #[test]
    fn the_aims_are_of_their_form() {
        let text = std::fs::read_to_string(crate::shell::root().join("benches/aims.toml")).unwrap();
        let aims: BTreeMap<String, Aim> = toml::from_str(&text).unwrap();
        assert!(
            aims.values().all(|aim| [aim.least, aim.aim, aim.rival, aim.floor].iter().any(Option::is_some))
        );
    }
}
