//! Lists in the order of a field.

use abide_core::{
    Filter, Kind, Namespace,
    filter::Path,
    port::store::{Commit, KindIndexes, ListCursor, ListPage, ListQuery, Order, Write},
};

use super::{
    Subject,
    fixture::{Owner, at, json, key},
};

/// The values of a field in their order; those of one line are equal.
const ORDERED: [&[&str]; 23] = [
    &[r#"{"x":1}"#, r#"{"n":null}"#],
    &[r#"{"n":false}"#],
    &[r#"{"n":true}"#],
    &[r#"{"n":-1e300}"#],
    &[r#"{"n":-9223372036854775808}"#],
    &[r#"{"n":-1}"#, r#"{"n":-1.0}"#],
    &[r#"{"n":-0.5}"#],
    &[r#"{"n":0}"#, r#"{"n":0.0}"#],
    &[r#"{"n":0.1}"#],
    &[r#"{"n":0.30000000000000004}"#],
    &[r#"{"n":9007199254740992}"#],
    &[r#"{"n":9007199254740993}"#],
    &[r#"{"n":9223372036854775807}"#],
    &[r#"{"n":9223372036854775808}"#],
    &[r#"{"n":9223372036854775809}"#],
    &[r#"{"n":18446744073709551614}"#],
    &[r#"{"n":18446744073709551615}"#],
    &[r#"{"n":1e300}"#],
    &[r#"{"n":""}"#],
    &[r#"{"n":"\u0000"}"#],
    &[r#"{"n":"10"}"#],
    &[r#"{"n":"9"}"#],
    &[r#"{"n":"Z"}"#],
];

/// More of them: texts go by code points, lists and objects are all equal.
const ORDERED_TOO: [&[&str]; 5] = [
    &[r#"{"n":"a"}"#],
    &[r#"{"n":"a "}"#],
    &[r#"{"n":"é"}"#],
    &[r#"{"n":"\ud83e\udd80"}"#],
    &[r#"{"n":[]}"#, r#"{"n":{"m":1}}"#, r#"{"n":[[2]]}"#],
];

/// Values of all types have one order, ties go by id, and descending is exactly the reverse; pages of
/// any size join.
pub async fn a_list_is_in_the_total_order_of_a_field(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let lines: Vec<&[&str]> = ORDERED.into_iter().chain(ORDERED_TOO).collect();
    let (mut batch, mut expected) = (Vec::new(), Vec::new());
    for (line, states) in lines.iter().enumerate() {
        // Ids that say nothing of the order of lines, but the order of ties.
        let ids = states.iter().enumerate().map(|(n, state)| (format!("{}.{line}.{n}", line * 7 % 10), state));
        for (id, state) in ids {
            batch.push(put(&owner, &id, 0, state));
            expected.push(id);
        }
    }
    batch.reverse();
    owner.done(batch).await;
    both_ways(&owner, async |owner| {
        for limit in [1, 2, 7, 99] {
            let found = all(owner, query("n", false, limit)).await;
            assert_eq!(found, expected, "limit {limit}");
            let mut found = all(owner, query("n", true, limit)).await;
            found.reverse();
            assert_eq!(found, expected, "descending, limit {limit}");
        }
    })
    .await;
}

/// Whole numbers that floating ones cannot tell apart are told apart by filters, and so are their places.
pub async fn numbers_are_compared_by_their_exact_value(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let numbers: [u64; 6] = [
        9_007_199_254_740_992,
        9_007_199_254_740_993,
        9_223_372_036_854_775_807,
        9_223_372_036_854_775_808,
        u64::MAX - 1,
        u64::MAX,
    ];
    // Greater numbers have smaller ids.
    let id = |n: &u64| (9 - numbers.iter().position(|number| number == n).unwrap_or(0)).to_string();
    owner.done(numbers.iter().map(|n| put(&owner, &id(n), 0, &format!(r#"{{"n":{n}}}"#))).collect()).await;
    both_ways(&owner, async |owner| {
        for literal in &numbers {
            type Holds = fn(&u64, &u64) -> bool;
            let holds: [(&str, Holds); 6] =
                [("<", u64::lt), ("<=", u64::le), ("=", u64::eq), ("!=", u64::ne), (">=", u64::ge), (">", u64::gt)];
            for (operator, holds) in holds {
                let expected: Vec<String> = numbers.iter().filter(|n| holds(n, literal)).map(id).collect();
                let filter = Filter::parse(&format!("n{operator}{literal}")).expect("the filter parses");
                for limit in [1, 99] {
                    let query = ListQuery { filter: Some(filter.clone()), ..query("n", false, limit) };
                    assert_eq!(all(owner, query.clone()).await, expected, "n{operator}{literal}");
                    let mut by_id = all(owner, ListQuery { order: None, ..query }).await;
                    by_id.reverse();
                    assert_eq!(by_id, expected, "n{operator}{literal} by id");
                }
            }
        }
    })
    .await;
}

/// Ids are ordered by their bytes: capitals before small letters, letters with accents after both.
pub async fn ties_are_in_the_order_of_the_bytes_of_ids(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let mut ids = ["a", "B", "á", "b", "A", "-a", "_", "a-b", "a b", "ab", "🦀", "\u{ffff}", "1", "10", "2"];
    owner.done(ids.iter().map(|id| put(&owner, id, 0, r#"{"n":1}"#)).collect()).await;
    ids.sort_unstable();
    both_ways(&owner, async |owner| {
        assert_eq!(all(owner, query("n", false, 2)).await, ids);
        let mut descending = all(owner, query("n", true, 2)).await;
        descending.reverse();
        assert_eq!(descending, ids);
    })
    .await;
    let by_id = ListQuery { order: None, ..query("n", false, 2) };
    assert_eq!(all(&owner, by_id).await, ids);
}

/// Filter, prefix and order work together: what is left is in order, and pages of it are full.
pub async fn an_ordered_list_may_be_filtered_and_narrowed_to_a_prefix(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let state = |n: u64| format!(r#"{{"n":{},"m":"{}"}}"#, n * 7 % 20, n % 3);
    let ids: Vec<String> = (0..40).map(|n| format!("{}/{n}", n % 2)).collect();
    owner.done(ids.iter().zip(0..).map(|(id, n)| put(&owner, id, 0, &state(n))).collect()).await;
    let mut expected: Vec<(u64, String)> = (0..40)
        .filter(|n| n % 2 == 1 && n % 3 == 1 && n * 7 % 20 >= 5)
        .map(|n| (n * 7 % 20, format!("1/{n}")))
        .collect();
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
    assert!(expected.len() > 3);
    both_ways(&owner, async |owner| {
        let filter = Some(Filter::parse("m='1' and n>=5").expect("the filter parses"));
        for limit in [1, 2, 99] {
            let query = ListQuery { filter: filter.clone(), prefix: "1/".into(), ..query("n", false, limit) };
            assert_eq!(all(owner, query).await, expected);
        }
    })
    .await;
}

/// While others are created, deleted, moved and filled, an object that stays as it is comes exactly once.
pub async fn pages_join_without_loss_or_double_while_objects_change(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    if owner.store.needs_index() {
        owner.store.index(vec![indexes(&["n"])]).await.unwrap();
    }
    let steady: Vec<String> = (0..30).map(|n| format!("s{n:02}")).collect();
    let value = |n: usize| format!(r#"{{"n":{}}}"#, n / 3);
    owner.done(steady.iter().enumerate().map(|(n, id)| put(&owner, id, 0, &value(n))).collect()).await;
    owner.done((0..30).map(|n| put(&owner, &format!("m{n:02}"), 0, &value(n))).collect()).await;
    for descending in [false, true] {
        let mut moved = 0..30;
        let mut found: Vec<String> = Vec::new();
        let mut ask = query("n", descending, 4);
        loop {
            let ListPage { objects, next } = owner.store.list(ask.clone()).await.unwrap();
            found.extend(objects.into_iter().map(|object| object.id).filter(|id| id.starts_with('s')));
            ask.after = next;
            if ask.after.is_none() {
                break;
            }
            for n in moved.by_ref().take(3) {
                let (id, new) = (format!("m{n:02}"), format!("new{n}{descending}"));
                let head = owner.head(&key(&id)).await;
                let far = format!(r#"{{"n":{}}}"#, (n + 15) % 30);
                owner.done(vec![put(&owner, &id, head, &far), put(&owner, &new, 0, &value(n))]).await;
                owner.done(vec![owner.delete(&key(&new), 1)]).await;
            }
        }
        let mut expected = steady.clone();
        if descending {
            expected.reverse();
        }
        assert_eq!(found, expected, "descending: {descending}");
    }
}

/// A cursor is a place, not an object: what stood there may be gone, changed or never have been.
pub async fn a_cursor_outlives_the_object_it_came_from(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let states = [("a", r#"{"n":1}"#), ("b", r#"{"n":2}"#), ("c", r#"{"n":2}"#), ("d", r#"{"n":"2"}"#), ("e", "{}")];
    owner.done(states.iter().map(|(id, state)| put(&owner, id, 0, state)).collect()).await;
    owner.done(vec![owner.delete(&key("b"), 1)]).await;
    both_ways(&owner, async |owner| {
        for (id, value, descending, expected) in [
            ("b", "2", false, vec!["c", "d"]),
            ("b", "2", true, vec!["a", "e"]),
            ("zz", "1.5", false, vec!["c", "d"]),
            ("zz", "2", false, vec!["d"]),
            ("zz", "true", false, vec!["a", "c", "d"]),
            ("zz", "[]", false, vec![]),
            ("zz", "[]", true, vec!["d", "c", "a", "e"]),
            ("a", "null", false, vec!["e", "a", "c", "d"]),
            ("a", "null", true, vec![]),
        ] {
            let value = serde_json::from_str(value).expect("the value is JSON");
            let after = Some(ListCursor::after_value(id, &value));
            let query = ListQuery { after, ..query("n", descending, 99) };
            assert_eq!(all(owner, query).await, expected, "after {id} {value}, descending {descending}");
        }
    })
    .await;
}

/// Runs a check without indexes, where the store can, and with them.
async fn both_ways(owner: &Owner, check: impl AsyncFn(&Owner)) {
    if !owner.store.needs_index() {
        check(owner).await;
    }
    owner.store.index(vec![indexes(&["n", "m"])]).await.unwrap();
    check(owner).await;
}

fn indexes(paths: &[&str]) -> KindIndexes {
    let paths = paths.iter().map(|path| Path::parse(path).expect("the path parses")).collect();
    KindIndexes { kind: kind(), paths }
}

fn kind() -> Kind {
    Kind::new("Counter").expect("the kind is legal")
}

fn query(path: &str, descending: bool, limit: usize) -> ListQuery {
    ListQuery {
        namespace: Namespace::default(),
        kind: kind(),
        prefix: String::new(),
        filter: None,
        order: Some(Order { path: Path::parse(path).expect("the path parses"), descending }),
        after: None,
        limit,
    }
}

/// The ids of all pages.
async fn all(owner: &Owner, mut query: ListQuery) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let ListPage { objects, next } = owner.store.list(query.clone()).await.unwrap();
        assert!(objects.len() == query.limit || objects.len() < query.limit && next.is_none());
        ids.extend(objects.into_iter().map(|object| object.id));
        query.after = next;
        if query.after.is_none() {
            return ids;
        }
    }
}

fn put(owner: &Owner, id: &str, head: u64, state: &str) -> Commit {
    let write = Write::Put { state: json(state), version: 1, created_at: at(0), updated_at: at(0) };
    Commit { write, ..owner.put(&key(id), head) }
}
