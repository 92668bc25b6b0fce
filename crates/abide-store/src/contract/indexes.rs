//! Indexes of fields.

use abide_core::{
    Filter, Kind, Namespace, StoreError,
    filter::Path,
    port::store::{Commit, KindIndexes, ListQuery, Order, Write},
};

use super::{
    Subject,
    fixture::{Owner, at, json, key, named},
};

/// An index holds what was there before it and what comes, changes and goes after it.
pub async fn an_index_holds_what_was_there_and_what_comes(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let mut heads = [0u64; 6];
    for (n, head) in heads.iter_mut().enumerate().take(3) {
        put(&owner, &n.to_string(), head, n as u64).await;
    }
    owner.store.index(vec![indexes("Counter", &["n"])]).await.unwrap();
    assert_eq!(ids(&owner, "n>=1").await, ["1", "2"]);
    for (n, head) in heads.iter_mut().enumerate().skip(3) {
        put(&owner, &n.to_string(), head, n as u64).await;
    }
    assert_eq!(ids(&owner, "n>=1").await, ["1", "2", "3", "4", "5"]);
    put(&owner, "1", &mut heads[1], 0).await;
    put(&owner, "0", &mut heads[0], 9).await;
    owner.done(vec![owner.delete(&key("4"), 1)]).await;
    assert_eq!(ids(&owner, "n>=1").await, ["0", "2", "3", "5"]);
    assert_eq!(ids(&owner, "n=0").await, ["1"]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// Asking for the same indexes again changes nothing; they outlive the store's closing.
pub async fn indexes_are_made_once_and_outlive_reopening(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let wanted = || vec![indexes("Counter", &["n", "t.x"]), indexes("Account", &["n"])];
    let expected = [("Account", "n"), ("Counter", "n"), ("Counter", "t.x")];
    for _ in 0..3 {
        owner.store.index(wanted()).await.unwrap();
        assert_eq!(made(&owner).await, expected);
    }
    drop(owner);
    let owner = Owner::open(subject).await;
    assert_eq!(made(&owner).await, expected);
    owner.store.index(wanted()).await.unwrap();
    assert_eq!(made(&owner).await, expected);
}

/// What a kind does not name any more is dropped; kinds that are not named keep theirs.
pub async fn indexes_that_are_not_wanted_any_more_are_dropped(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    put(&owner, "a", &mut 0, 1).await;
    put(&owner, "b", &mut 0, 2).await;
    owner.store.index(vec![indexes("Counter", &["n", "m"]), indexes("Account", &["n"])]).await.unwrap();
    owner.store.index(vec![indexes("Counter", &["m", "o"])]).await.unwrap();
    assert_eq!(made(&owner).await, [("Account", "n"), ("Counter", "m"), ("Counter", "o")]);
    owner.store.index(vec![indexes("Counter", &[]), indexes("Nobody", &[])]).await.unwrap();
    owner.store.index(Vec::new()).await.unwrap();
    assert_eq!(made(&owner).await, [("Account", "n")]);
    owner.store.index(vec![indexes("Counter", &["n"])]).await.unwrap();
    put(&owner, "c", &mut 0, 3).await;
    assert_eq!(ids(&owner, "n>1").await, ["b", "c"]);
}

/// Objects of other kinds, of other namespaces, and graves are not found through an index.
pub async fn an_index_finds_only_objects_of_its_kind_and_namespace(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let wanted = ["Counter", "Counters", "counter"].map(|kind| indexes(kind, &["count"]));
    owner.store.index(wanted.to_vec()).await.unwrap();
    owner.done(vec![owner.put(&key("ours"), 0), owner.put(&key("gone"), 0)]).await;
    owner.done(vec![owner.delete(&key("gone"), 1), owner.keep(&key("empty"), 0)]).await;
    for (namespace, kind) in [("other", "Counter"), ("default", "Counters"), ("default", "counter")] {
        owner.done(vec![owner.put(&named(namespace, kind, "theirs"), 0)]).await;
    }
    assert_eq!(ids(&owner, "count=1").await, ["ours"]);
    assert_eq!(ids(&owner, "count<=1").await, ["ours"]);
    let query = ListQuery { order: order("count"), ..query("count!=7") };
    let page = owner.store.list(query).await.unwrap();
    assert_eq!(page.objects.iter().map(|object| object.id.as_str()).collect::<Vec<_>>(), ["ours"]);
}

/// A store that needs an index says which field lacks it and what to do; another one needs none.
pub async fn what_has_no_index_is_refused_or_read(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    put(&owner, "a", &mut 0, 1).await;
    owner.store.index(vec![indexes("Counter", &["m"])]).await.unwrap();
    let filtered = query("m=null and deep.n=null");
    let ordered = ListQuery { filter: None, order: order("deep.n"), ..query("n=1") };
    for query in [filtered, ordered] {
        let answer = owner.store.list(query).await;
        if owner.store.needs_index() {
            let Err(StoreError::Unsupported(text)) = answer else { panic!("{answer:?}") };
            assert!(text.contains("deep.n") && text.contains("#[index]"), "{text}");
        } else {
            assert_eq!(answer.unwrap().objects.len(), 1);
        }
    }
}

fn indexes(kind: &str, paths: &[&str]) -> KindIndexes {
    let kind = Kind::new(kind).expect("the kind is legal");
    KindIndexes { kind, paths: paths.iter().map(|path| Path::parse(path).expect("the path parses")).collect() }
}

fn order(path: &str) -> Option<Order> {
    Some(Order { path: Path::parse(path).expect("the path parses"), descending: false })
}

fn query(filter: &str) -> ListQuery {
    ListQuery {
        namespace: Namespace::default(),
        kind: Kind::new("Counter").expect("the kind is legal"),
        prefix: String::new(),
        filter: Some(Filter::parse(filter).expect("the filter parses")),
        order: None,
        after: None,
        limit: 99,
    }
}

async fn ids(owner: &Owner, filter: &str) -> Vec<String> {
    let page = owner.store.list(query(filter)).await.unwrap();
    page.objects.into_iter().map(|object| object.id).collect()
}

async fn made(owner: &Owner) -> Vec<(&'static str, &'static str)> {
    const KNOWN: [&str; 6] = ["Account", "Counter", "n", "m", "o", "t.x"];
    let known = |name: String| KNOWN.into_iter().find(|known| *known == name).expect("the index is one of these");
    let status = owner.store.status().await.unwrap();
    status.indexes.into_iter().map(|(kind, path)| (known(kind), known(path))).collect()
}

async fn put(owner: &Owner, id: &str, head: &mut u64, n: u64) {
    let state = json(&format!(r#"{{"n":{n}}}"#));
    let write = Write::Put { state, version: 1, created_at: at(0), updated_at: at(0) };
    owner.done(vec![Commit { write, ..owner.put(&key(id), *head) }]).await;
    *head += 1;
}
