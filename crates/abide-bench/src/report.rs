//! Tables of medians, with their spread.

use std::io::IsTerminal;

use comfy_table::{
    CellAlignment, Table,
    presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED},
};
use serde_json::{Map, Value, json};

use crate::load::Measured;

/// The median of some rounds, and how far they lie apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        let at = |index: usize| rounds.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(rounds.len() / 2), low: at(0), high: at(rounds.len().saturating_sub(1)) }
    }

    /// What each round came to, beside what the limit came to in the same round.
    pub(crate) fn ratio(ours: &[f64], limit: &[f64]) -> Self {
        Self::of(ours.iter().zip(limit).map(|(ours, limit)| ours / limit))
    }
}

/// The rounds of one cell.
#[derive(Clone, Default)]
pub(crate) struct Rounds(Vec<Measured>);

impl Rounds {
    pub(crate) fn push(&mut self, measured: Measured) {
        self.0.push(measured);
    }

    pub(crate) fn rates(&self) -> Vec<f64> {
        self.0.iter().map(Measured::rate).collect()
    }

    /// Latencies at a percentile, in microseconds.
    pub(crate) fn micros(&self, percentile: f64) -> Vec<f64> {
        self.0.iter().map(|measured| measured.micros(percentile)).collect()
    }

    pub(crate) fn rate(&self) -> Field {
        Field::count(Spread::of(self.rates()))
    }

    /// Its rate as a part of the limit's.
    pub(crate) fn of_limit(&self, limit: &Self) -> Field {
        Field::ratio(Spread::ratio(&self.rates(), &limit.rates()))
    }

    /// Processor time a call, in microseconds.
    pub(crate) fn processor(&self, digits: usize) -> Field {
        Field::number(Spread::of(self.0.iter().map(Measured::processor)), digits)
    }

    /// The medians of p50 and p99, with `digits` after the point.
    pub(crate) fn latency(&self, digits: usize) -> Field {
        let (p50, p99) = (Spread::of(self.micros(50.0)), Spread::of(self.micros(99.0)));
        let text = format!("{:.digits$} / {:.digits$}", p50.median, p99.median);
        Field { text, json: json!({"p50": value(p50), "p99": value(p99)}) }
    }
}

/// One cell as it is shown, and as JSON.
#[derive(Clone)]
pub(crate) struct Field {
    text: String,
    json: Value,
}

impl Field {
    pub(crate) fn label(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { json: Value::String(text.clone()), text }
    }

    /// `12,345 ±3 %`: half of the way from the lowest to the highest round.
    pub(crate) fn count(spread: Spread) -> Self {
        Self::number(spread, 0)
    }

    /// As `count`, with digits after the point.
    pub(crate) fn number(spread: Spread, digits: usize) -> Self {
        let half = (spread.high - spread.low) / 2.0 / spread.median * 100.0;
        let half = if half.is_finite() { half } else { 0.0 };
        Self { text: format!("{} ±{half:.0} %", number(spread.median, digits)), json: value(spread) }
    }

    /// `0.65 (0.61–0.68)`: the median, the lowest and the highest round.
    pub(crate) fn ratio(spread: Spread) -> Self {
        let Spread { median, low, high } = spread;
        Self { text: format!("{median:.2} ({low:.2}–{high:.2})"), json: value(spread) }
    }
}

fn value(spread: Spread) -> Value {
    json!({"median": spread.median, "low": spread.low, "high": spread.high})
}

/// A scenario's results.
pub(crate) struct Section {
    name: &'static str,
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Field>>,
}

impl Section {
    pub(crate) fn new(name: &'static str, title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { name, title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, row: impl Into<Vec<Field>>) {
        self.rows.push(row.into());
    }

    /// The scenario's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The median in a column of the row with this label, or of one percentile in it.
    pub(crate) fn figure(&self, label: &str, column: &str, part: Option<&str>) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.first().is_some_and(|first| first.text == label))?;
        let json = &row.get(self.columns.iter().position(|name| *name == column)?)?.json;
        part.map_or(Some(json), |part| json.get(part))?.get("median")?.as_f64()
    }

    /// A box on a terminal, Markdown elsewhere.
    pub(crate) fn text(&self) -> String {
        let preset = if std::io::stdout().is_terminal() { UTF8_FULL_CONDENSED } else { ASCII_MARKDOWN };
        let mut table = Table::new();
        table.load_style(preset).set_header(self.columns.iter().copied());
        for row in &self.rows {
            table.add_row(row.iter().map(|field| field.text.as_str()));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!("\n{}: {}\n\n{table}", self.name, self.title)
    }

    pub(crate) fn json(&self) -> Value {
        let object = |row: &Vec<Field>| -> Value {
            let fields = self.columns.iter().zip(row).map(|(column, field)| ((*column).to_owned(), field.json.clone()));
            fields.collect::<Map<_, _>>().into()
        };
        json!({"scenario": self.name, "title": self.title, "rows": self.rows.iter().map(object).collect::<Vec<_>>()})
    }
}

/// `12,345`.
pub(crate) fn count(number_: f64) -> String {
    number(number_, 0)
}

/// `12,345.6`, with so many digits after the point.
pub(crate) fn number(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_every_three_digits() {
        for (value, digits, text) in
            [(0.0, 0, "0"), (999.6, 0, "1,000"), (1_234_567.0, 0, "1,234,567"), (1234.5, 1, "1,234.5")]
        {
            assert_eq!(number(value, digits), text);
        }
    }

    #[test]
    fn a_spread_is_the_median_and_both_ends() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.0, 3.0));
        assert_eq!(Field::number(spread, 0).text, "2 ±50 %");
        assert_eq!(Field::ratio(Spread::ratio(&[2.0, 9.0], &[1.0, 3.0])).text, "3.00 (2.00–3.00)");
    }
}
