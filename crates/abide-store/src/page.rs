//! A page of a list, gathered from objects in whatever order they come.

use std::{cmp::Ordering, collections::BTreeMap};

use abide_core::port::store::{ListCursor, ListPage, ListQuery, Listed, Order};
use serde_json::Value;

/// The first objects after the cursor that were offered, in the order asked for: never more than the
/// page has room for, and one.
pub(crate) struct Page<'q> {
    order: Option<&'q Order>,
    after: Option<Place<'q>>,
    limit: usize,
    objects: BTreeMap<Place<'q>, Listed>,
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
        Self { order, after, limit: query.limit.max(1), objects: BTreeMap::new() }
    }

    /// Whether an object at this place has room. One that was offered already has none.
    pub(crate) fn wants(&self, value: &Value, id: &str) -> bool {
        let place = Place { order: self.order, value: value.clone(), id: id.into() };
        let room =
            self.objects.len() <= self.limit || self.objects.last_key_value().is_some_and(|(last, _)| place < *last);
        room && self.after.as_ref().is_none_or(|after| place > *after) && !self.objects.contains_key(&place)
    }

    /// Takes an object that is wanted.
    pub(crate) fn take(&mut self, value: Value, object: Listed) {
        let place = Place { order: self.order, value, id: object.id.clone() };
        self.objects.insert(place, object);
        if self.objects.len() > self.limit + 1 {
            self.objects.pop_last();
        }
    }

    /// Whether the page is full and it is known that there is more.
    pub(crate) fn is_over(&self) -> bool {
        self.objects.len() > self.limit
    }

    /// The page.
    pub(crate) fn finish(mut self) -> ListPage {
        let more = self.is_over() && self.objects.pop_last().is_some();
        let last = self.objects.last_key_value().filter(|_| more);
        let next = last.map(|(place, _)| ListCursor::after_value(place.id.as_str(), &place.value));
        ListPage { objects: self.objects.into_values().collect(), next }
    }
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
