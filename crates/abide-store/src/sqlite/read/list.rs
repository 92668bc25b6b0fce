use abide_core::port::store::{ListPage, ListQuery, Listed};
use rusqlite::{Connection, Row};

use crate::{
    filter::Matcher,
    page::Page,
    sqlite::{
        fault::Result,
        row::{json, seq, text, time},
    },
};

pub(in crate::sqlite) fn list(conn: &Connection, query: &ListQuery) -> Result<ListPage> {
    let after = query.after.as_ref().filter(|_| query.order.is_none()).map_or("", |after| &after.id);
    let (from, start) =
        if after >= query.prefix.as_str() { ("id > ?3", after) } else { ("id >= ?3", query.prefix.as_str()) };
    let end = end_of_prefix(&query.prefix);
    let to = end.as_ref().map_or("?4 IS NULL", |_| "id < ?4");
    let mut statement = conn.prepare_cached(&format!(
        "SELECT id, head, created_at, updated_at, state FROM objects
         WHERE namespace = ?1 AND kind = ?2 AND {from} AND {to} AND state IS NOT NULL ORDER BY id"
    ))?;
    let (namespace, kind) = (query.namespace.as_str(), query.kind.as_str());
    let mut rows = statement.query((namespace, kind, start, end))?;
    let matcher = Matcher::new(query.filter.as_ref(), query.order.as_ref());
    let mut page = Page::new(query);
    while let Some(row) = rows.next()? {
        if let Some(value) = matcher.look(text(row, 4)?)
            && page.wants(&value, text(row, 0)?)
        {
            page.take(value, listed(row)?);
        }
        if query.order.is_none() && page.is_over() {
            break;
        }
    }
    Ok(page.finish())
}

fn listed(row: &Row<'_>) -> Result<Listed> {
    Ok(Listed {
        id: text(row, 0)?.into(),
        seq: seq(row, 1)?,
        state: json(row, 4)?,
        created_at: time(row, 2)?,
        updated_at: time(row, 3)?,
    })
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
