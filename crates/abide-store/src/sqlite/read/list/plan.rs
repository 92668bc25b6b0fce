//! Which way leads to a page.

use abide_core::port::store::ListQuery;
use rusqlite::Connection;

use super::{
    range::{self, RANKS, Range},
    select::Select,
};
use crate::sqlite::{fault::Result, index::Field};

/// So many objects may be read and sorted for a page instead of walking through an order.
const SORTED_MAX: usize = 10_000;

/// A way to a page.
#[derive(Debug)]
pub(super) enum Plan<'f> {
    /// Through all objects of the kind, by id.
    ById,
    /// Through all objects of the kind; the page sorts.
    Sort,
    /// Through these ranges one after the other, which have the order asked for.
    Walk(Vec<Range<'f>>),
    /// Through these ranges; the page sorts.
    Gather(Vec<Range<'f>>),
}

impl<'f> Plan<'f> {
    /// The way that reads least, as far as the indexes can tell.
    pub(super) fn choose(conn: &Connection, query: &ListQuery, fields: &'f [Field]) -> Result<Self> {
        let ordered = query.order.as_ref().map(|order| fields.iter().find(|field| field.path == order.path));
        let ranges = query.filter.as_ref().and_then(|filter| range::ranges(filter, fields));
        if let Some(ranges) = ranges {
            let walkable = match (ranges.as_slice(), ordered) {
                ([one], Some(Some(field))) => one.field.name == field.name,
                ([one], None) => one.is_point(),
                _ => false,
            };
            if walkable {
                return Ok(Self::Walk(ranges));
            }
            // An order without an index would read all of the kind.
            if matches!(ordered, Some(None)) || are_few(conn, query, &ranges)? {
                return Ok(Self::Gather(ranges));
            }
        }
        Ok(match ordered {
            None => Self::ById,
            Some(None) => Self::Sort,
            Some(Some(field)) => Self::Walk(RANKS.map(|rank| Range::all(field, rank)).collect()),
        })
    }
}

/// Counts in the indexes alone.
fn are_few(conn: &Connection, query: &ListQuery, ranges: &[Range<'_>]) -> Result<bool> {
    let mut left = SORTED_MAX;
    for range in ranges {
        let found = Select::count(query, range, left + 1).number(conn)?;
        match left.checked_sub(found) {
            Some(rest) => left = rest,
            None => return Ok(false),
        }
    }
    Ok(true)
}
