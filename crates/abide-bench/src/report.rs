//! Tables of medians, with their spread.

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

use crate::load::Measured;

/// One measured cell: the median of its rounds, and how far they lie apart.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) rate: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Cell {
    pub(crate) fn of(mut rounds: Vec<Measured>) -> Self {
        rounds.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
        let median = &rounds[rounds.len() / 2];
        let ends = (rounds.first(), rounds.last());
        let rate = |end: Option<&Measured>| end.map_or(0.0, Measured::rate);
        Self {
            rate: median.rate(),
            low: rate(ends.0),
            high: rate(ends.1),
            p50: median.micros(50.0),
            p99: median.micros(99.0),
        }
    }
}

/// A table whose first column is text and whose others are numbers.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// `12,345`.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
