//! Lists of objects.

use abide_core::{
    Filter, Kind, Namespace, Seq,
    filter::Path,
    port::store::{Commit, KindIndexes, ListCursor, ListPage, ListQuery, Listed, Write},
};

use super::{
    Subject,
    fixture::{Owner, at, count, json, key, named},
};

fn query() -> ListQuery {
    ListQuery {
        namespace: Namespace::default(),
        kind: Kind::new("Counter").expect("the kind is legal"),
        prefix: String::new(),
        filter: None,
        order: None,
        after: None,
        limit: 99,
    }
}

async fn ids(owner: &Owner, query: ListQuery) -> Vec<String> {
    let page = owner.store.list(query).await.unwrap();
    page.objects.into_iter().map(|object| object.id).collect()
}

/// Objects come by id, in pages that say whether there are more, and may be narrowed to a prefix.
pub async fn list_pages_by_id_with_prefix(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let mut all = ["", "a", "ab", "ab\0", "ab\u{10ffff}", "ac", "a🦀", "b", "é", "🦀", "%", "_"];
    all[0] = "\u{10ffff}\u{10ffff}";
    owner.done(all.iter().map(|id| owner.put(&key(id), 0)).collect()).await;
    all.sort_unstable();
    for prefix in ["", "a", "ab", "b", "\u{10ffff}", "%", "zz"] {
        let expected: Vec<_> = all.iter().filter(|id| id.starts_with(prefix)).collect();
        for limit in [1, 2, 99] {
            let mut found: Vec<String> = Vec::new();
            let mut after = None;
            loop {
                let page = ListQuery { prefix: prefix.into(), after, limit, ..query() };
                let ListPage { objects, next } = owner.store.list(page).await.unwrap();
                assert!(objects.len() == limit || next.is_none());
                found.extend(objects.into_iter().map(|object| object.id));
                assert_eq!(next.is_some(), found.len() < expected.len());
                after = next;
                if after.is_none() {
                    break;
                }
            }
            assert!(found.iter().eq(expected.iter().copied()), "{prefix:?}: {found:?}");
        }
    }
    let outside = ListQuery { prefix: "a".into(), after: Some(ListCursor::after_id("b")), ..query() };
    assert_eq!(ids(&owner, outside).await, Vec::<String>::new());
    let before = ListQuery { prefix: "b".into(), after: Some(ListCursor::after_id("a")), ..query() };
    assert_eq!(ids(&owner, before).await, ["b"]);
}

/// Only objects with a state are listed, of the one kind and namespace, with all that is asked for.
pub async fn list_leaves_out_graves_and_other_kinds(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    owner.grow(&key("there"), 2).await;
    owner.done(vec![owner.put(&key("gone"), 0), owner.delete(&key("gone"), 1)]).await;
    owner.done(vec![owner.keep(&key("empty"), 0)]).await;
    owner.done(vec![owner.put(&named("default", "Counters", "x"), 0)]).await;
    owner.done(vec![owner.put(&named("default", "Counte", "x"), 0)]).await;
    owner.done(vec![owner.put(&named("other", "Counter", "x"), 0)]).await;
    let page = owner.store.list(query()).await.unwrap();
    let there = Listed { id: "there".into(), seq: Seq::new(2), state: count(2), created_at: at(0), updated_at: at(2) };
    assert_eq!((page.objects, page.next), (vec![there], None));
}

/// A filter decides over states as `Filter::matches` does; pages of what matches are full.
pub async fn list_filters_by_state(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    if owner.store.needs_index() {
        let paths = ["n", "status", "at.city"].map(|path| Path::parse(path).expect("the path parses"));
        let wanted = KindIndexes { kind: query().kind, paths: paths.to_vec() };
        owner.store.index(vec![wanted]).await.unwrap();
    }
    for (id, state) in [
        ("1", r#"{"n":1,"status":"open","at":{"city":"Ulm"}}"#),
        ("2", r#"{"n":2.5,"status":"shut"}"#),
        ("3", r#"{"n":"3","status":null}"#),
        ("4", r#"{"n":18446744073709551615,"status":"\u0000"}"#),
        ("5", r#"{"status":true,"n":-1e300}"#),
        ("6", "{}"),
    ] {
        let write = Write::Put { state: json(state), version: 1, created_at: at(0), updated_at: at(0) };
        let put = Commit { write, ..owner.put(&key(id), 0) };
        owner.done(vec![put]).await;
    }
    for (filter, expected) in [
        ("n>1", vec!["2", "4"]),
        ("n=1.0", vec!["1"]),
        ("n='3'", vec!["3"]),
        ("not n>1", vec!["1", "3", "5", "6"]),
        ("status=null", vec!["3", "6"]),
        ("status=true or at.city=Ulm", vec!["1", "5"]),
        ("status!=open and n<=2.5", vec!["2", "5"]),
        ("n>=18446744073709551615", vec!["4"]),
    ] {
        let filter = Some(Filter::parse(filter).expect("the filter parses"));
        let query = ListQuery { filter, ..query() };
        assert_eq!(ids(&owner, query.clone()).await, expected, "{:?}", query.filter);
        let page = ListQuery { limit: 1, ..query };
        let page = owner.store.list(page).await.unwrap();
        assert_eq!((page.objects.len(), page.next.is_some()), (1, expected.len() > 1));
    }
}
