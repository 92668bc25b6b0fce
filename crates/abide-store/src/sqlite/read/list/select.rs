//! The statements that read a list.

use abide_core::port::store::ListQuery;
use rusqlite::{Connection, Rows, params_from_iter, types::Value};

use super::range::{Bound, Range};
use crate::sqlite::fault::Result;

/// What every statement reads; the ordered value comes after it.
const COLUMNS: &str = "id, head, created_at, updated_at, state";

/// A statement and what it is given.
#[derive(Clone, Debug)]
pub(super) struct Select {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Select {
    /// All objects of the kind after an id, by id.
    pub(super) fn by_id(query: &ListQuery, after: Option<&str>) -> Self {
        let (namespace, kind) = (query.namespace.as_str(), query.kind.as_str());
        let values = vec![Value::Text(namespace.into()), Value::Text(kind.into())];
        let sql = format!("SELECT {COLUMNS} FROM objects WHERE namespace = ? AND kind = ? AND state IS NOT NULL");
        Self { sql, values }.ids(query, after, false).and(" ORDER BY id")
    }

    /// The objects of a range, in the order of the index or its reverse; `after` is an id among objects of one value.
    pub(super) fn range(query: &ListQuery, range: &Range<'_>, after: Option<&str>, descending: bool) -> Self {
        let value = &range.field.value;
        let direction = if descending { " DESC" } else { "" };
        let sql = format!("SELECT {COLUMNS}, {value} FROM objects");
        // Where all have one value, only their ids order them, and SQLite need not be told to look.
        let by = if range.is_point() { String::new() } else { format!("{value}{direction}, ") };
        Self { sql, values: Vec::new() }
            .of(query, range)
            .ids(query, after, descending)
            .and(&format!(" ORDER BY {by}id{direction}"))
    }

    /// How many objects a range has, counted up to a limit.
    pub(super) fn count(query: &ListQuery, range: &Range<'_>, limit: usize) -> Self {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM objects".to_owned();
        let mut count = Self { sql, values: Vec::new() }.of(query, range).and(" LIMIT ?)");
        count.values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        count
    }

    /// Runs it.
    pub(super) fn rows<T>(&self, conn: &Connection, read: impl FnOnce(&mut Rows<'_>) -> Result<T>) -> Result<T> {
        let mut statement = conn.prepare_cached(&self.sql)?;
        read(&mut statement.query(params_from_iter(&self.values))?)
    }

    /// The one number it finds.
    pub(super) fn number(&self, conn: &Connection) -> Result<usize> {
        let mut statement = conn.prepare_cached(&self.sql)?;
        let number: i64 = statement.query_row(params_from_iter(&self.values), |row| row.get(0))?;
        Ok(usize::try_from(number).unwrap_or(0))
    }

    fn of(mut self, query: &ListQuery, range: &Range<'_>) -> Self {
        let field = range.field;
        let (name, rank, of_kind) = (&field.name, &field.rank, &field.of_kind);
        self.sql.push_str(&format!(" INDEXED BY {name} WHERE namespace = ? AND {of_kind} AND {rank} = ?"));
        self.values.extend([Value::Text(query.namespace.as_str().into()), Value::Integer(range.rank)]);
        match (&range.lower, &range.upper) {
            (Some(lower), Some(upper)) if lower == upper && lower.included => self.compare(&field.value, "=", lower),
            (lower, upper) => {
                let down = |bound: &Bound| if bound.included { ">=" } else { ">" };
                let up = |bound: &Bound| if bound.included { "<=" } else { "<" };
                lower.iter().for_each(|bound| self.compare(&field.value, down(bound), bound));
                upper.iter().for_each(|bound| self.compare(&field.value, up(bound), bound));
            }
        }
        self
    }

    fn compare(&mut self, value: &str, operator: &str, bound: &Bound) {
        self.sql.push_str(&format!(" AND {value} {operator} ?"));
        self.values.push(bound.value.clone());
    }

    /// Only ids with the prefix asked for, and only those after an id.
    fn ids(mut self, query: &ListQuery, after: Option<&str>, descending: bool) -> Self {
        let mut add = |condition: &str, id: String| {
            self.sql.push_str(condition);
            self.values.push(Value::Text(id));
        };
        if !query.prefix.is_empty() {
            add(" AND id >= ?", query.prefix.clone());
            end_of_prefix(&query.prefix).into_iter().for_each(|end| add(" AND id < ?", end));
        }
        if let Some(after) = after {
            add(if descending { " AND id < ?" } else { " AND id > ?" }, after.into());
        }
        self
    }

    fn and(mut self, end: &str) -> Self {
        self.sql.push_str(end);
        self
    }
}

/// The smallest text after every text that begins with `prefix`; `None` if there is no such text.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_just_after_all_that_begins_with_it() {
        for (prefix, end) in [
            ("", None),
            ("a", Some("b")),
            ("ab", Some("ac")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(end_of_prefix(prefix).as_deref(), end, "{prefix:?}");
        }
    }
}
