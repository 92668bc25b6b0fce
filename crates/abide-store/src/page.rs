//! Pages that are put together: of a list, from objects in whatever order they come, and of sorted parts.

use std::{cmp::Ordering, collections::BTreeMap};

use abide_core::port::store::{ListCursor, ListPage, ListQuery, Listed, Order, READ_BYTES, Room};
use serde_json::Value;

/// The first objects after the cursor that were offered, in the order asked for: never more than the page
/// has room for.
pub(crate) struct Page<'q> {
    order: Option<&'q Order>,
    after: Option<Place<'q>>,
    limit: usize,
    objects: BTreeMap<Place<'q>, Listed>,
    bytes: usize,
    /// The first place that is known to be behind the page.
    behind: Option<Place<'q>>,
}

/// Where an object is in the order.
struct Place<'q> {
    order: Option<&'q Order>,
    value: Value,
    id: String,
}

impl<'q> Page<'q> {
    /// An empty page.
    pub(crate) fn new(query: &'q ListQuery) -> Self {
        let order = query.order.as_ref();
        let place = |after: &ListCursor| Place { order, value: after.ordered(), id: after.id.clone() };
        let after = query.after.as_ref().map(place);
        Self { order, after, limit: query.limit.max(1), objects: BTreeMap::new(), bytes: 0, behind: None }
    }

    /// Whether an object at this place has room. One that was offered already has none.
    pub(crate) fn wants(&self, value: &Value, id: &str) -> bool {
        let place = Place { order: self.order, value: value.clone(), id: id.into() };
        self.behind.as_ref().is_none_or(|behind| place < *behind)
            && self.after.as_ref().is_none_or(|after| place > *after)
            && !self.objects.contains_key(&place)
    }

    /// Takes an object that is wanted, and gives up what there is no room for any more.
    pub(crate) fn take(&mut self, value: Value, object: Listed) {
        let place = Place { order: self.order, value, id: object.id.clone() };
        self.bytes += object.bytes();
        self.objects.insert(place, object);
        while self.objects.len() > 1 && (self.objects.len() > self.limit || self.bytes > READ_BYTES) {
            self.give_up();
        }
    }

    /// Nothing at or behind this place is in the page: of some that were offered, no more are known.
    pub(crate) fn end_behind(&mut self, cursor: ListCursor) {
        let end = Place { order: self.order, value: cursor.ordered(), id: cursor.id };
        while self.objects.last_key_value().is_some_and(|(place, _)| *place > end) {
            self.give_up();
        }
        if self.behind.as_ref().is_none_or(|behind| end < *behind) {
            self.behind = Some(end);
        }
    }

    fn give_up(&mut self) {
        if let Some((place, object)) = self.objects.pop_last() {
            self.bytes -= object.bytes();
            self.behind = Some(place);
        }
    }

    /// Whether it is known that there is more than the page has room for.
    pub(crate) fn is_over(&self) -> bool {
        self.behind.is_some()
    }

    /// The page.
    pub(crate) fn finish(self) -> ListPage {
        let last = self.objects.last_key_value().filter(|_| self.behind.is_some());
        let next = last.map(|(place, _)| ListCursor::after_value(place.id.as_str(), &place.value));
        ListPage { objects: self.objects.into_values().collect(), next }
    }
}

/// Sorted rows of one of several places, and where they end if it has more of them.
pub(crate) struct Part<T, K> {
    pub(crate) rows: Vec<T>,
    pub(crate) end: Option<K>,
}

/// The first rows of all parts together, and whether there are more.
pub(crate) fn join<T, K: Ord>(
    parts: Vec<Part<T, K>>,
    limit: usize,
    place: impl Fn(&T) -> K,
    bytes: impl Fn(&T) -> usize,
) -> (Vec<T>, bool) {
    let mut rows = Vec::new();
    let mut end = None;
    for part in parts {
        rows.extend(part.rows);
        // Behind the end of a part there may be some of it that nobody has seen.
        end = match (end, part.end) {
            (Some(one), Some(other)) => Some(std::cmp::min::<K>(one, other)),
            (one, other) => one.or(other),
        };
    }
    let found = rows.len();
    rows.sort_by_cached_key(&place);
    let mut room = Room::of(limit);
    let taken =
        rows.iter().take_while(|row| end.as_ref().is_none_or(|end| place(row) <= *end) && room.takes(bytes(row)));
    let taken = taken.count();
    rows.truncate(taken);
    (rows, taken < found || end.is_some())
}

impl Ord for Place<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.order {
            Some(order) => order.compare((&self.value, &self.id), (&other.value, &other.id)),
            None => self.id.cmp(&other.id),
        }
    }
}

impl PartialOrd for Place<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(parts: &[(&[u32], Option<u32>)], limit: usize) -> (Vec<u32>, bool) {
        let parts = parts.iter().map(|(rows, end)| Part { rows: rows.to_vec(), end: *end });
        join(parts.collect(), limit, |row| *row, |row| *row as usize)
    }

    #[test]
    fn parts_are_joined_as_far_as_all_of_them_are_known() {
        for (parts, limit, rows, more) in [
            (&[(&[][..], None), (&[], None)][..], 9, &[][..], false),
            (&[(&[1, 4], None), (&[2, 3], None)], 9, &[1, 2, 3, 4], false),
            (&[(&[1, 4], None), (&[2, 3], None)], 3, &[1, 2, 3], true),
            (&[(&[1, 4], Some(4)), (&[2, 5], None)], 9, &[1, 2, 4], true),
            (&[(&[1, 4], Some(4)), (&[2, 3], Some(3))], 9, &[1, 2, 3], true),
            (&[(&[1, 4], Some(4)), (&[], None)], 9, &[1, 4], true),
            (&[(&[5 << 20], None), (&[4 << 20], None)], 9, &[4 << 20], true),
            (&[(&[9 << 20], None), (&[10 << 20], None)], 9, &[9 << 20], true),
        ] {
            assert_eq!(joined(parts, limit), (rows.to_vec(), more), "{parts:?}");
        }
    }
}
