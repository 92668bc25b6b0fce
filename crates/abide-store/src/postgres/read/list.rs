use std::pin::pin;

use abide_core::port::store::{ListCursor, ListPage, ListQuery, Listed, Room};
use futures_util::TryStreamExt;
use tokio_postgres::{Row, types::Type};

use super::rows;
use crate::postgres::{
    connect::SharedConn,
    fault::Result,
    field::{Condition, Field, of_kind},
    row::{self, STATE, seq, text, time},
};

pub(in crate::postgres) async fn list(conn: SharedConn, query: ListQuery) -> Result<ListPage> {
    let limit = query.limit.max(1);
    let (sql, values) = statement(&query, limit);
    // Not prepared: the plan depends on the values, and which index serves.
    let values = values.into_iter().map(|value| (value, Type::TEXT));
    let (mut found, mut room, mut more) = (Vec::new(), Room::of(limit), false);
    let reading = async {
        let mut rows = pin!(conn.client().query_typed_raw(&sql, values).await?);
        // What a state takes is known when it is printed: what comes behind the page is passed over.
        while !more && let Some(row) = rows.try_next().await? {
            more = !room.takes(row.raw_size_bytes());
            found.extend((!more).then_some(row));
        }
        Ok(())
    };
    conn.limited(reading).await?;
    let objects = found.iter().map(listed).collect::<Result<Vec<_>>>()?;
    let last = objects.last().filter(|_| more);
    let next = last.map(|last| match &query.order {
        Some(order) => ListCursor::after_value(last.id.as_str(), &order.value(&last.state.value())),
        None => ListCursor::after_id(last.id.as_str()),
    });
    Ok(ListPage { objects, next })
}

fn statement(query: &ListQuery, limit: usize) -> (String, Vec<String>) {
    let mut condition = Condition { sql: String::new(), values: Vec::new() };
    let namespace = condition.value(query.namespace.as_str());
    condition.sql = format!("namespace = {namespace} AND {}", of_kind(query.kind.as_str()));
    if !query.prefix.is_empty() {
        let from = condition.value(&query.prefix);
        condition.sql += &format!(" AND id >= {from}");
        if let Some(end) = end_of_prefix(&query.prefix) {
            let end = condition.value(&end);
            condition.sql += &format!(" AND id < {end}");
        }
    }
    if let Some(filter) = &query.filter {
        condition.filter(filter.expr());
    }
    let mut order = "id".to_owned();
    match (&query.order, &query.after) {
        (Some(by), after) => {
            order = Field::new(&by.path).order(by.descending);
            if let Some(after) = after {
                condition.after(by, &after.ordered(), &after.id);
            }
        }
        (None, Some(after)) => {
            let id = condition.value(&after.id);
            condition.sql += &format!(" AND id > {id}");
        }
        (None, None) => {}
    }
    let Condition { sql, values } = condition;
    let limit = rows(limit).saturating_add(1);
    let sql = format!(
        "SELECT id, head, created_at, updated_at, {STATE} FROM objects o WHERE {sql} ORDER BY {order} LIMIT {limit}"
    );
    (sql, values)
}

fn listed(row: &Row) -> Result<Listed> {
    Ok(Listed {
        id: text(row, 0)?,
        seq: seq(row, 1)?,
        created_at: time(row, 2)?,
        updated_at: time(row, 3)?,
        state: row::state(row, 4)?.unwrap_or_else(abide_core::Json::null),
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
