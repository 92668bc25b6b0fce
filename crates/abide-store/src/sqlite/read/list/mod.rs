//! Lists: by id, or through the indexes of fields.

mod plan;
mod range;
mod select;
#[cfg(test)]
mod tests;

use abide_core::port::store::{ListCursor, ListPage, ListQuery, Listed};
use rusqlite::{
    Connection, Row,
    types::{Value, ValueRef},
};

use self::{
    plan::Plan,
    range::{Bound, COARSE, RANK_NUMBER, RANK_TEXT, Range},
    select::Select,
};
use crate::{
    filter::Matcher,
    page::Page,
    sqlite::{
        fault::Result,
        index::Field,
        row::{json, seq, text, time},
    },
};

/// Where the ordered value stands in a row of a range.
const VALUE: usize = 5;

pub(in crate::sqlite) fn list(conn: &Connection, query: &ListQuery) -> Result<ListPage> {
    let fields = Field::of_kind(conn, &query.kind)?;
    let plan = Plan::choose(conn, query, &fields)?;
    let mut reading =
        Reading { conn, matcher: Matcher::new(query.filter.as_ref(), query.order.as_ref()), page: Page::new(query) };
    let by_id = query.after.as_ref().filter(|_| query.order.is_none()).map(|after| after.id.as_str());
    match plan {
        Plan::ById => reading.until_over(&Select::by_id(query, by_id))?,
        Plan::Sort => reading.all(&Select::by_id(query, None))?,
        Plan::Gather(ranges) => {
            ranges.iter().try_for_each(|range| reading.all(&Select::range(query, range, by_id, false)))?;
        }
        Plan::Walk(ranges) => {
            for select in steps(query, ranges) {
                reading.until_over(&select)?;
                if reading.page.is_over() {
                    break;
                }
            }
        }
    }
    Ok(reading.page.finish())
}

/// The statements of a walk through ranges in their order, from the cursor on.
fn steps(query: &ListQuery, mut ranges: Vec<Range<'_>>) -> Vec<Select> {
    let Some(order) = &query.order else {
        let after = query.after.as_ref().map(|after| after.id.as_str());
        return ranges.iter().map(|range| Select::range(query, range, after, false)).collect();
    };
    let descending = order.descending;
    if descending {
        ranges.reverse();
    }
    let Some(after) = &query.after else {
        return ranges.iter().map(|range| Select::range(query, range, None, descending)).collect();
    };
    let (rank, value) = place(after);
    let mut steps = Vec::new();
    for range in ranges {
        let passed = if descending { range.rank > rank } else { range.rank < rank };
        if range.rank == rank {
            steps.extend(within(query, &range, after, value.as_ref(), descending));
        } else if !passed {
            steps.push(Select::range(query, &range, None, descending));
        }
    }
    steps
}

/// What is left of the range that the cursor stands in: first the objects of the cursor's value, then
/// those beyond it.
fn within(
    query: &ListQuery,
    range: &Range<'_>,
    after: &ListCursor,
    value: Option<&Value>,
    descending: bool,
) -> Vec<Select> {
    let Some(value) = value else {
        return vec![Select::range(query, range, Some(&after.id), descending)];
    };
    let bound = |included| Some(Bound { value: value.clone(), included });
    let at = Range { lower: bound(true), upper: bound(true), ..range.clone() };
    let beyond = match descending {
        true => Range { upper: bound(false), ..range.clone() },
        false => Range { lower: bound(false), ..range.clone() },
    };
    // Several numbers may look like the cursor's; the page knows which of them come after it.
    let id = Some(after.id.as_str()).filter(|_| at.is_point());
    [(range.and(&at), id), (range.and(&beyond), None)]
        .into_iter()
        .filter_map(|(range, id)| Some(Select::range(query, &range?, id, descending)))
        .collect()
}

/// A cursor's rank, and its number or text.
fn place(after: &ListCursor) -> (i64, Option<Value>) {
    match after.ordered() {
        serde_json::Value::Null => (0, None),
        serde_json::Value::Bool(value) => (1 + i64::from(value), None),
        serde_json::Value::Number(number) => (RANK_NUMBER, Some(range::of_number(&number))),
        serde_json::Value::String(text) => (RANK_TEXT, Some(Value::Text(text))),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => (5, None),
    }
}

/// A page while it is read.
struct Reading<'q> {
    conn: &'q Connection,
    matcher: Matcher<'q>,
    page: Page<'q>,
}

impl Reading<'_> {
    /// Offers every row to the page.
    fn all(&mut self, select: &Select) -> Result<()> {
        select.rows(self.conn, |rows| {
            while let Some(row) = rows.next()? {
                offer(&self.matcher, &mut self.page, row)?;
            }
            Ok(())
        })
    }

    /// Offers rows that come in order until the page is full and nothing that follows can be in it.
    fn until_over(&mut self, select: &Select) -> Result<()> {
        select.rows(self.conn, |rows| {
            let mut last = None;
            while let Some(row) = rows.next()? {
                // Numbers that look equal may be out of order among themselves.
                let looks = coarse(row)?;
                if self.page.is_over() && (looks.is_none() || looks != last) {
                    break;
                }
                last = looks;
                offer(&self.matcher, &mut self.page, row)?;
                if self.page.is_over() && last.is_none() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// The ordered value of a row, if others that differ look like it.
fn coarse(row: &Row<'_>) -> Result<Option<f64>> {
    if row.as_ref().column_count() <= VALUE {
        return Ok(None);
    }
    match row.get_ref(VALUE)? {
        ValueRef::Real(real) if real >= COARSE => Ok(Some(real)),
        _ => Ok(None),
    }
}

fn offer(matcher: &Matcher<'_>, page: &mut Page<'_>, row: &Row<'_>) -> Result<()> {
    if let Some(value) = matcher.look(text(row, 4)?)
        && page.wants(&value, text(row, 0)?)
    {
        page.take(value, listed(row)?);
    }
    Ok(())
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
