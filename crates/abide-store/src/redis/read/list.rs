use std::collections::{BTreeSet, VecDeque};

use abide_core::{
    Namespace, StoreError,
    filter::{Expr, Literal, Operator, Path},
    port::store::{ListCursor, ListPage, ListQuery, Listed, Loaded, READ_BYTES, Room},
};
use serde_json::Value as JsonValue;

use super::{all, objects, parts, share};
use crate::redis::{fault::damaged, indexing, reply, script, value, writer::Shared};

/// How many objects one script reads at most.
const PAGE_MAX: usize = 500;
/// How many it reads at least where a filter decides.
const PAGE_FILTERED: usize = 64;

/// The first names of all kinds of all parts.
pub(in crate::redis) async fn namespaces(
    shared: &Shared,
    after: Option<&Namespace>,
    limit: usize,
) -> Result<Vec<Namespace>, StoreError> {
    let members = |tag: &str| {
        let mut cmd = redis::cmd("SMEMBERS");
        cmd.arg(format!("{tag}:kinds"));
        cmd
    };
    let mut names = BTreeSet::new();
    for kinds in parts(shared, members).await? {
        for kind in reply::texts(&kinds)? {
            let name = kind.split_once(':').map_or(kind.as_str(), |(namespace, _)| namespace);
            names.insert(Namespace::new(name).map_err(|_| damaged(format!("{kind:?} is no kind")))?);
        }
    }
    Ok(names.into_iter().filter(|name| after.is_none_or(|after| name > after)).take(limit).collect())
}

/// An object as it was found.
pub(in crate::redis) struct Row {
    member: Vec<u8>,
    pub(in crate::redis) id: String,
    pub(in crate::redis) loaded: Loaded,
}

/// The objects of one part in the order of a set, page by page.
pub(in crate::redis) struct Rows {
    kinds: String,
    part: u32,
    set: String,
    /// Bounds as Redis takes them.
    low: Vec<u8>,
    high: Vec<u8>,
    descending: bool,
    page: usize,
    /// How many bytes a page has about.
    bytes: usize,
    ended: bool,
    read: VecDeque<Row>,
}

impl Rows {
    /// By id, from the first with this prefix.
    pub(in crate::redis) fn by_id(shared: &Shared, kinds: &str, part: u32, prefix: &str, page: usize) -> Self {
        let set = format!("{}:k:{kinds}", shared.names.tag(part));
        let low = if prefix.is_empty() { b"-".to_vec() } else { format!("[{prefix}").into_bytes() };
        let high = if prefix.is_empty() { b"+".to_vec() } else { [b"(", prefix.as_bytes(), &[255]].concat() };
        let (kinds, bytes, read) = (kinds.into(), READ_BYTES, VecDeque::new());
        Self { kinds, part, set, low, high, descending: false, page, bytes, ended: false, read }
    }

    /// The next page; empty at the end.
    pub(in crate::redis) async fn page(&mut self, shared: &Shared) -> Result<Vec<Row>, StoreError> {
        if self.ended {
            return Ok(Vec::new());
        }
        let tag = shared.names.tag(self.part);
        let mut cmd = script::LIST.call(tag);
        cmd.arg(tag).arg(&self.kinds).arg(&self.set).arg(&self.low).arg(&self.high).arg(self.page);
        cmd.arg(if self.descending { "1" } else { "0" }).arg(self.bytes);
        let [found] = all(shared, [(shared.names.slot(self.part), cmd)]).await?;
        let mut rows = Vec::new();
        let mut last = None;
        let (found, members) = reply::counted(found)?;
        self.ended = found.len() == members && members < self.page;
        for row in found {
            let mut row = reply::list(row)?.into_iter();
            let member = reply::bytes(row.next().unwrap_or_default())?;
            let id = reply::text(row.next().unwrap_or_default())?;
            last = Some(member.clone());
            if let Some(loaded) = objects::loaded(row.next().unwrap_or_default())? {
                rows.push(Row { member, id, loaded });
            }
        }
        if let Some(last) = last {
            let bound = [b"(", &last[..]].concat();
            if self.descending { self.high = bound } else { self.low = bound }
        }
        // Rows without an object are a fault that `verify` finds; they do not end a list.
        if rows.is_empty() && !self.ended { Box::pin(self.page(shared)).await } else { Ok(rows) }
    }

    async fn fill(&mut self, shared: &Shared) -> Result<(), StoreError> {
        if self.read.is_empty() {
            let page = self.page(shared).await?;
            self.read.extend(page);
        }
        Ok(())
    }
}

pub(in crate::redis) async fn list(shared: &Shared, query: &ListQuery) -> Result<ListPage, StoreError> {
    let mut declared = shared.declared.read().clone();
    if indexing::missing(&declared, query).is_some() {
        declared = indexing::reload(shared).await?;
    }
    if let Some(path) = indexing::missing(&declared, query) {
        return Err(StoreError::Unsupported(format!(
            "a list of {} filters or orders by {path}, which has no index, and in Redis it needs one: add #[index] to \
             the field {path}",
            query.kind
        )));
    }
    let mut room = Room::of(query.limit.max(1));
    let mut parts: Vec<Rows> = (0..shared.names.parts).map(|part| rows(shared, query, part)).collect();
    let mut page = ListPage::default();
    let mut last: Option<ListCursor> = None;
    let decoded = query.filter.is_some() || query.order.is_some();
    while let Some(row) = next(shared, &mut parts).await? {
        let Some(state) = row.loaded.state else { continue };
        if !row.id.starts_with(&query.prefix) {
            continue;
        }
        let value = if decoded { state.value() } else { JsonValue::Null };
        if query.filter.as_ref().is_some_and(|filter| !filter.matches(&value)) {
            continue;
        }
        let here = match &query.order {
            Some(order) => ListCursor::after_value(&*row.id, &order.value(&value)),
            None => ListCursor::after_id(&*row.id),
        };
        let Loaded { head, created_at, updated_at, .. } = row.loaded;
        let listed = Listed { id: row.id, seq: head, state, created_at, updated_at };
        if !room.takes(listed.bytes()) {
            page.next = last;
            break;
        }
        last = Some(here);
        page.objects.push(listed);
    }
    Ok(page)
}

/// The next row of all parts together.
async fn next(shared: &Shared, parts: &mut [Rows]) -> Result<Option<Row>, StoreError> {
    let fills = parts.iter_mut().map(|rows| rows.fill(shared));
    futures_util::future::try_join_all(fills).await?;
    let descending = parts.first().is_some_and(|rows| rows.descending);
    let first = parts.iter_mut().filter(|rows| !rows.read.is_empty()).min_by(|left, right| {
        let ordering = left.read[0].member.cmp(&right.read[0].member);
        if descending { ordering.reverse() } else { ordering }
    });
    Ok(first.and_then(|rows| rows.read.pop_front()))
}

/// Where to begin in one part, and in which order.
fn rows(shared: &Shared, query: &ListQuery, part: u32) -> Rows {
    let kinds = format!("{}:{}", query.namespace, query.kind);
    let page = query.limit.max(1).saturating_add(1);
    let page = if query.filter.is_some() { page.max(PAGE_FILTERED) } else { page };
    let page = page.min(PAGE_MAX).div_ceil(usize::try_from(shared.names.parts.min(8)).unwrap_or(1)).max(2);
    let mut rows = Rows::by_id(shared, &kinds, part, &query.prefix, page);
    rows.bytes = share(shared);
    let tag = shared.names.tag(part);
    let index = |path: &Path| format!("{tag}:x:{kinds}:{path}");
    if let Some(order) = &query.order {
        rows.set = index(&order.path);
        rows.descending = order.descending;
        (rows.low, rows.high) = (b"-".to_vec(), b"+".to_vec());
        if let Some(after) = &query.after {
            let bound = [b"(", &value::encode(&after.ordered())[..], after.id.as_bytes()].concat();
            if order.descending { rows.high = bound } else { rows.low = bound }
        }
        return rows;
    }
    let after = query.after.as_ref().map(|after| after.id.as_str()).filter(|id| *id >= query.prefix.as_str());
    match query.filter.as_ref().and_then(|filter| equal(filter.expr())) {
        Some((path, literal)) => {
            let value = value::encode(&literal);
            rows.set = index(path);
            rows.low = match after {
                Some(id) => [b"(", &value[..], id.as_bytes()].concat(),
                None => [b"[", &value[..], query.prefix.as_bytes()].concat(),
            };
            rows.high = [b"(", &value[..], query.prefix.as_bytes(), &[255]].concat();
        }
        None => {
            if let Some(id) = after {
                rows.low = format!("({id}").into_bytes();
            }
        }
    }
    rows
}

/// A field that has to equal one value for the condition to hold.
fn equal(expr: &Expr) -> Option<(&Path, JsonValue)> {
    match expr {
        Expr::And(all) => all.iter().find_map(equal),
        Expr::Comparison(comparison) if comparison.operator == Operator::Equal => {
            let literal = match &comparison.literal {
                Literal::Null => JsonValue::Null,
                Literal::Bool(value) => JsonValue::Bool(*value),
                Literal::Number(number) => JsonValue::Number(number.clone()),
                Literal::Text(text) => JsonValue::String(text.clone()),
            };
            Some((&comparison.path, literal))
        }
        Expr::Comparison(_) | Expr::Or(_) | Expr::Not(_) => None,
    }
}
