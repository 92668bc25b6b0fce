use abide_core::{
    Filter, Kind, Namespace, Store,
    filter::Path,
    port::store::{Commit, KindIndexes, ListQuery, Order, Write},
};
use abide_services::postgres::shared;
use abide_store::{
    MemoryStore,
    contract::fixture::{Owner, at, json, key},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::Value;

use super::world::{open, options};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::sample::select(&[9_007_199_254_740_992.0, 9_223_372_036_854_775_808.0, 0.1, -0.0, 1e300])
            .prop_map(Value::from),
        "[a-cé🦀\"\\\\\0\u{1}' ]{0,3}".prop_map(Value::from),
        "a{199,202}[bc]?".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-c0\0]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let path = "[a-c](\\.[a-c]|\\.`0`)?";
    let operator = proptest::sample::select(&["=", "!=", "<", "<=", ">", ">="]);
    let literal = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        (-3i64..3).prop_map(|n| n.to_string()),
        proptest::sample::select(&["9007199254740993", "9223372036854775808", "0.1", "0", "1e300", "-0.5"])
            .prop_map(str::to_owned),
        "'[a-cé🦀\"\0\u{1}]{0,2}'",
        "'a{199,202}b?'",
    ];
    let comparison = (path, operator, literal).prop_map(|(p, o, l)| format!("{p}{o}{l}"));
    let negated = (any::<bool>(), comparison).prop_map(|(not, c)| if not { format!("not {c}") } else { c });
    let joined = (proptest::collection::vec(negated, 1..4), any::<bool>());
    joined.prop_map(|(all, and)| Filter::parse(&all.join(if and { " and " } else { " or " })).unwrap())
}

fn order() -> impl Strategy<Value = Option<Order>> {
    let order = ("[a-c](\\.[a-c])?", any::<bool>())
        .prop_map(|(path, descending)| Order { path: Path::parse(&path).unwrap(), descending });
    proptest::option::of(order)
}

/// All pages of a query.
async fn pages(store: &dyn Store, mut query: ListQuery) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let page = store.list(query.clone()).await.unwrap();
        pages.push(page.objects.into_iter().map(|object| object.id).collect());
        match page.next {
            Some(next) => query.after = Some(next),
            None => return pages,
        }
    }
}

async fn fill(owner: &Owner, states: &[String]) {
    let put = |(n, state): (usize, &String)| Commit {
        write: Write::Put { state: json(state), version: 1, created_at: at(0), updated_at: at(0) },
        ..owner.put(&key(&format!("{n:03}")), 0)
    };
    owner.done(states.iter().enumerate().map(put).collect()).await;
}

/// Random filters and orders over random states mean what they mean in memory, with indexes and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_those_of_the_reference() {
    let schema = shared().unwrap();
    let postgres = Owner::claim(open(&schema.url(), options()).await).await;
    let memory = Owner::claim(std::sync::Arc::new(MemoryStore::new(16))).await;
    let mut random = TestRunner::deterministic();
    let state = proptest::collection::btree_map("[a-c]", value(), 0..4);
    let mut states: Vec<String> = (0..300)
        .map(|_| {
            let state = state.new_tree(&mut random).unwrap().current();
            Value::Object(state.into_iter().collect()).to_string()
        })
        .collect();
    states.extend(["[1]", "null", r#"{"a":1e400}"#, r#"{"a":"\ud800"}"#, r#"{"b":2,"b":1}"#].map(str::to_owned));
    fill(&postgres, &states).await;
    fill(&memory, &states).await;
    let of_counters = Kind::new("Counter").unwrap();
    let indexes = |paths: &[&str]| KindIndexes {
        kind: of_counters.clone(),
        paths: paths.iter().map(|path| Path::parse(path).unwrap()).collect(),
    };
    for paths in [&[][..], &["a", "b.c"], &["b.c"]] {
        postgres.store.index(vec![indexes(paths)]).await.unwrap();
        let made = postgres.store.status().await.unwrap().indexes;
        assert_eq!(made.into_iter().map(|(_, path)| path).collect::<Vec<_>>(), paths);
        let there = schema.sql("SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'indexed_%'").unwrap();
        assert!(there.trim().parse::<usize>().unwrap() >= paths.len());
        for _ in 0..70 {
            let filter = proptest::option::of(filter()).new_tree(&mut random).unwrap().current();
            let order = order().new_tree(&mut random).unwrap().current();
            let limit = (7usize..200).new_tree(&mut random).unwrap().current();
            let (namespace, kind) = (Namespace::default(), of_counters.clone());
            let query = ListQuery { namespace, kind, prefix: String::new(), filter, order, after: None, limit };
            let expected = pages(&*memory.store, query.clone()).await;
            assert_eq!(pages(&*postgres.store, query.clone()).await, expected, "{query:?}");
        }
    }
}

/// With many objects, a filter and an order on an indexed field do not read them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_used() {
    let schema = shared().unwrap();
    let owner = Owner::claim(open(&schema.url(), options()).await).await;
    let path = Path::parse("count").unwrap();
    let kind = Kind::new("Counter").unwrap();
    owner.store.index(vec![KindIndexes { kind: kind.clone(), paths: vec![path.clone()] }]).await.unwrap();
    for thousand in 0..5 {
        let put = |n: i32| {
            let state = json(&format!(r#"{{"count":{n}}}"#));
            let write = Write::Put { state, version: 1, created_at: at(0), updated_at: at(0) };
            Commit { write, ..owner.put(&key(&n.to_string()), 0) }
        };
        owner.done((thousand * 1_000..(thousand + 1) * 1_000).map(put).collect()).await;
    }
    schema.sql("ANALYZE objects").unwrap();
    let reads = "SELECT coalesce(sum(idx_scan), 0) FROM pg_stat_user_indexes
                 WHERE indexrelname LIKE 'indexed_%' AND schemaname = current_schema()";
    let query = |filter: Option<&str>, order| ListQuery {
        namespace: Namespace::default(),
        kind: kind.clone(),
        prefix: String::new(),
        filter: filter.map(|text| Filter::parse(text).unwrap()),
        order,
        after: None,
        limit: 10,
    };
    let descending = Some(Order { path, descending: true });
    for (filter, order, first) in
        [(Some("count=4321"), None, "4321"), (Some("count>4990"), None, "4991"), (None, descending, "4999")]
    {
        let page = owner.store.list(query(filter, order)).await.unwrap();
        assert_eq!(page.objects[0].id, first);
    }
    // A server counts for good what a connection did when the connection ends.
    owner.store.close().await;
    super::world::well("counting the reads", async || {
        let count: u64 = schema.sql(reads).unwrap().trim().parse().unwrap();
        (count >= 3).then_some(())
    })
    .await;
}
