use comfy_table::{Cell, ContentArrangement, presets};

use super::{Output, plain};
use crate::failure::Outcome;

/// A table for people: a head and rows.
pub(crate) struct Table {
    table: comfy_table::Table,
    rows: usize,
}

impl Table {
    /// A table with these columns, as wide as the terminal at most.
    pub(crate) fn new(output: &Output, columns: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        if let Some(width) = output.width() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        table.set_header(columns.iter().map(|column| Cell::new(column.to_uppercase())));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { table, rows: 0 }
    }

    /// Adds a row. Control characters are shown, not sent.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        self.table.add_row(cells.into_iter().map(|cell| Cell::new(plain(cell.as_ref()))));
        self.rows += 1;
    }

    /// Prints it, or `nothing` if it has no rows.
    pub(crate) fn print(self, output: &Output, nothing: &str) -> Outcome {
        if self.rows == 0 {
            output.note(nothing);
            return Ok(());
        }
        output.line(self.table.trim_fmt())
    }
}
