use std::{borrow::Cow, ops::Range};

use tokio_postgres::types::ToSql;

/// How many bytes of texts one statement takes, unless a single row has more.
const PART_BYTES_MAX: usize = 8 << 20;
/// How many rows one statement takes.
const PART_ROWS_MAX: usize = 8_192;

/// Rows of one statement, by columns: each becomes an array.
#[derive(Default)]
pub(super) struct Columns<'g> {
    columns: Vec<Column<'g>>,
    bytes: Vec<usize>,
}

enum Column<'g> {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<Option<Cow<'g, str>>>),
}

impl<'g> Columns<'g> {
    pub(super) fn number(&mut self, column: usize, value: i64) {
        self.optional_number(column, Some(value));
    }

    pub(super) fn optional_number(&mut self, column: usize, value: Option<i64>) {
        if let Column::Numbers(values) = self.column(column, || Column::Numbers(Vec::new())) {
            values.push(value);
        }
    }

    pub(super) fn text(&mut self, column: usize, value: Cow<'g, str>) {
        self.optional_text(column, Some(value));
    }

    pub(super) fn optional_text(&mut self, column: usize, value: Option<Cow<'g, str>>) {
        let size = value.as_ref().map_or(0, |text| text.len());
        if let Column::Texts(values) = self.column(column, || Column::Texts(Vec::new())) {
            values.push(value);
            let row = values.len() - 1;
            self.bytes.resize(self.bytes.len().max(row + 1), 0);
            self.bytes[row] += size;
        }
    }

    fn column(&mut self, column: usize, new: impl Fn() -> Column<'g>) -> &mut Column<'g> {
        while self.columns.len() <= column {
            // Columns that come later are of the other kind if this one was not the last to be made.
            self.columns.push(new());
        }
        if self.columns[column].is_empty() {
            self.columns[column] = new();
        }
        &mut self.columns[column]
    }

    /// The bytes of the largest row.
    pub(super) fn largest(&self) -> usize {
        self.bytes.iter().copied().max().unwrap_or(0)
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    /// The rows of each statement.
    pub(super) fn parts(&self) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        for row in 0..self.rows() {
            let size = self.bytes.get(row).copied().unwrap_or(0);
            if row > start && (bytes + size > PART_BYTES_MAX || row - start >= PART_ROWS_MAX) {
                parts.push(start..row);
                (start, bytes) = (row, 0);
            }
            bytes += size;
        }
        parts.push(start..self.rows());
        parts
    }

    /// The values of a statement for these rows.
    pub(super) fn values(&self, rows: Range<usize>) -> Vec<Box<dyn ToSql + Sync + Send + '_>> {
        self.columns.iter().map(|column| column.values(rows.clone())).collect()
    }
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn values(&self, rows: Range<usize>) -> Box<dyn ToSql + Sync + Send + '_> {
        match self {
            Self::Numbers(values) => Box::new(values[rows].to_vec()),
            Self::Texts(values) => {
                let texts: Vec<Option<&str>> = values[rows].iter().map(|text| text.as_deref()).collect();
                Box::new(texts)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rows_are_spread_over_statements() {
        let mut columns = Columns::default();
        for n in 0..5 {
            columns.number(0, n);
            columns.optional_text(2, None);
            columns.text(1, "x".repeat(3 << 20).into());
        }
        assert_eq!(columns.parts(), [0..2, 2..4, 4..5]);
        assert_eq!(columns.values(2..4).len(), 3);
        let mut many = Columns::default();
        (0..20_000).for_each(|n| many.number(0, n));
        assert_eq!(many.parts(), [0..8_192, 8_192..16_384, 16_384..20_000]);
    }
}
