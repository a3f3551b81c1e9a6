//! Tables for people.

use core::fmt::Write as _;

/// Columns with two spaces between them, the first row being the heads.
pub(crate) fn plain(rows: &[Vec<String>]) -> String {
    let widths = widths(rows);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _infallible = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Columns in a frame, the first row being the heads.
pub(crate) fn framed(rows: &[Vec<String>]) -> String {
    let widths = widths(rows);
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
    let mut text = format!("{rule}+\n");
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _infallible = if index == 0 {
                write!(text, "| {cell:^width$} ")
            } else {
                write!(text, "| {cell:<width$} ")
            };
        }
        text.push_str("|\n");
        if index == 0 {
            let _infallible = writeln!(text, "{rule}+");
        }
    }
    let _infallible = writeln!(text, "{rule}+");
    text
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    (0..columns).map(width).collect()
}

/// A count with at most five digits, as C's `%.5g` prints it.
pub(crate) fn count(number: u128) -> String {
    let digits = number.to_string();
    let Some((head, tail)) = digits.split_at_checked(5).filter(|(_, tail)| !tail.is_empty()) else {
        return digits;
    };
    // Half goes to the even neighbour.
    let half = format!("5{}", "0".repeat(tail.len() - 1));
    let odd = head.ends_with(['1', '3', '5', '7', '9']);
    let up = tail > half.as_str() || (tail == half && odd);
    let rounded = head.parse::<u32>().unwrap_or(0) + u32::from(up);
    let (rounded, exponent) =
        if rounded == 100_000 { (10_000, tail.len() + 5) } else { (rounded, tail.len() + 4) };
    let rounded = rounded.to_string();
    let (first, rest) = rounded.split_at(1);
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{first}{point}{rest}e+{exponent:02}")
}

/// A count with its share of the whole.
pub(crate) fn share(number: u128, whole: u128) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a share in whole percents")]
    let percent = if whole == 0 { 0.0 } else { number as f64 / whole as f64 * 100.0 };
    format!("{} ({percent:.0}%)", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_printed_as_c_does() {
        // printf '%.5g\n' of each.
        for (number, want) in [
            (0, "0"),
            (64, "64"),
            (65536, "65536"),
            (99999, "99999"),
            (100_000, "1e+05"),
            (131_072, "1.3107e+05"),
            (1_048_576, "1.0486e+06"),
            (999_995, "1e+06"),
            (999_985, "9.9998e+05"),
            (999_975, "9.9998e+05"),
            (16_777_216, "1.6777e+07"),
            (1 << 64, "1.8447e+19"),
            (u128::MAX, "3.4028e+38"),
        ] {
            assert_eq!(count(number), want, "{number}");
        }
        assert_eq!(share(1, 3), "1 (33%)");
        assert_eq!(share(0, 0), "0 (0%)");
        assert_eq!(share(65531, 65536), "65531 (100%)");
    }

    #[test]
    fn tables_are_aligned() {
        let rows = [vec!["A".to_owned(), "LONG".to_owned()], vec!["wide".to_owned(), "é".to_owned()]];
        assert_eq!(plain(&rows), "A     LONG\nwide  é\n");
        let framed = framed(&rows);
        let want = "+------+------+\n|  A   | LONG |\n+------+------+\n| wide | é    |\n+------+------+\n";
        assert_eq!(framed, want);
    }
}
