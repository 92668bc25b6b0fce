//! What is under way at the same time keeps its order.

use std::{sync::Arc, time::Duration};

use abide_core::{
    Kind, Namespace, Store,
    filter::Path,
    port::store::{Committed, KindIndexes, ListQuery, Order},
};
use abide_services::{Proxy, Redis};
use abide_store::{
    RedisOptions, RedisStore,
    contract::fixture::{Owner, key},
};
use futures_util::FutureExt;

/// What goes either way takes so long while it is delayed.
const DELAY: Duration = Duration::from_secs(2);

async fn open(url: &str) -> Arc<dyn Store> {
    let options = RedisOptions { shards: Some(16), answer_within: Duration::from_secs(40), ..RedisOptions::default() };
    Arc::new(RedisStore::open_with(url, options).await.unwrap())
}

/// A server, and an owner that reaches it through a proxy.
async fn behind_a_proxy() -> (Redis, Proxy, Owner) {
    let redis = Redis::start().unwrap();
    let proxy = Proxy::start(redis.port()).unwrap();
    let url = redis.url().replace(&redis.port().to_string(), &proxy.port().to_string());
    let owner = Owner::claim(open(&url).await).await;
    (redis, proxy, owner)
}

async fn until_held(proxy: &Proxy) {
    while proxy.held() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_is_encoded_anew_is_not_overtaken() {
    let (redis, proxy, owner) = behind_a_proxy().await;
    let (a, path) = (key("a"), Path::parse("count").unwrap());
    owner.grow(&a, 1).await;
    let kind = Kind::new("Counter").unwrap();
    let query = ListQuery {
        namespace: Namespace::default(),
        kind: kind.clone(),
        prefix: String::new(),
        filter: None,
        order: Some(Order { path: path.clone(), descending: false }),
        after: None,
        limit: 9,
    };
    assert!(owner.store.list(query.clone()).await.is_err(), "there is an index already");
    // One round is on its way while somebody else declares an index, of which the next one knows.
    proxy.delay(DELAY);
    let first = owner.store.commit(vec![owner.put(&a, 1)]);
    until_held(&proxy).await;
    proxy.delay(Duration::ZERO);
    open(&redis.url()).await.index(vec![KindIndexes { kind, paths: vec![path] }]).await.unwrap();
    assert_eq!(owner.store.list(query.clone()).await.unwrap().objects.len(), 1);
    let rest: Vec<_> = (2..20).map(|head| owner.store.commit(vec![owner.put(&a, head)])).collect();
    assert_eq!(first.await, Ok(vec![Committed::Done]));
    for commit in rest {
        assert_eq!(commit.await, Ok(vec![Committed::Done]), "it went out before the one that it builds on");
    }
    assert_eq!(owner.store.list(query).await.unwrap().objects[0].seq.number(), 20);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_that_are_sent_again_keep_their_order() {
    let (redis, proxy, owner) = behind_a_proxy().await;
    let a = key("a");
    owner.grow(&a, 1).await;
    for round in 0..5u64 {
        let head = 1 + round * 9;
        proxy.delay(Duration::from_millis(100));
        let first = owner.store.commit(vec![owner.put(&a, head)]);
        until_held(&proxy).await;
        redis.ask(&["SCRIPT", "FLUSH"]).unwrap();
        let rest: Vec<_> = (1..9).map(|n| owner.store.commit(vec![owner.put(&a, head + n)])).collect();
        proxy.delay(Duration::ZERO);
        assert_eq!(first.await, Ok(vec![Committed::Done]));
        for commit in rest {
            assert_eq!(commit.await, Ok(vec![Committed::Done]), "it went out before the one that it builds on");
        }
    }
    assert_eq!(owner.head(&a).await, 46);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_all_rounds_under_way() {
    let (_redis, proxy, owner) = behind_a_proxy().await;
    let a = key("a");
    owner.grow(&a, 1).await;
    proxy.delay(DELAY / 4);
    let mut first = owner.store.commit(vec![owner.put(&a, 1)]);
    assert!((&mut first).now_or_never().is_none());
    until_held(&proxy).await;
    let mut second = owner.store.commit(vec![owner.put(&a, 2)]);
    assert!((&mut second).now_or_never().is_none());
    owner.store.close().await;
    for commit in [first, second] {
        assert_eq!(commit.now_or_never(), Some(Ok(vec![Committed::Done])), "the store was closed before it was done");
    }
}
