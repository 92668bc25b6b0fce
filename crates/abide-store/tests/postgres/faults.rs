use std::time::Duration;

use abide_core::{StoreError, port::store::Committed};
use abide_services::{
    Postgres, Proxy,
    postgres::Options,
    proxy::{Cut, Direction},
};
use abide_store::{
    PostgresOptions,
    contract::fixture::{Owner, key, message},
};
use tokio::time::sleep;

use super::world::{Load, open, options, settled, well};

fn through(proxy: &Proxy) -> String {
    format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_restarted_under_load_loses_nothing_it_confirmed() {
    let mut server = Postgres::start().unwrap();
    let load = Load::start(Owner::claim(open(&server.url(), options()).await).await, 16);
    for _ in 0..2 {
        sleep(Duration::from_millis(400)).await;
        server.kill9().unwrap();
        server.start_again().unwrap();
        sleep(Duration::from_millis(400)).await;
        server.stop().unwrap();
        server.start_again().unwrap();
    }
    sleep(Duration::from_millis(400)).await;
    let told = load.check().await;
    assert!(told.done > 100, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_given_up_in_time_and_gives_no_wrong_answer() {
    let server = Postgres::start().unwrap();
    let short = PostgresOptions {
        statement_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        wait: Duration::from_secs(2),
        ..options()
    };
    let load = Load::start(Owner::claim(open(&server.url(), short).await).await, 8);
    sleep(Duration::from_millis(300)).await;
    server.pause().unwrap();
    sleep(Duration::from_secs(5)).await;
    server.resume().unwrap();
    sleep(Duration::from_millis(500)).await;
    let told = load.check().await;
    assert!(told.unknown + told.unavailable > 0, "{told:?}");
}

/// What a commit found may have been changed by one before it whose answer was lost, even where the head stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_not_done_where_another_has_come_in_between_that_left_the_head() {
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let owner = Owner::claim(open(&server.url(), options()).await).await;
    for (refused, next) in [Owner::keep, Owner::put].into_iter().enumerate() {
        let key = key(&refused.to_string());
        owner.grow(&key, 1).await;
        server.sql("UPDATE abide.objects SET commit_id = 99").unwrap();
        assert_eq!(server.log().matches("division by zero").count(), refused);
        assert_eq!(owner.commit(vec![next(&owner, &key, 1)]).await, [Committed::Done], "built on what is there now");
        assert_eq!(server.log().matches("division by zero").count(), refused + 1);
    }
}

/// A COMMIT that waits for a standby shows as soon as nobody waits for it any more, and would be gone after a
/// failover: until the standby has it, nobody is told that it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_for_a_standby_is_not_told_of_before_the_standby_has_it() {
    let mut server = Postgres::start().unwrap();
    let short =
        PostgresOptions { statement_timeout: Duration::from_secs(1), wait: Duration::from_secs(3), ..options() };
    let owner = Owner::claim(open(&server.url(), short).await).await;
    let (a, b) = (key("a"), key("b"));
    owner.grow(&b, 1).await;
    let waits_for = |server: &Postgres, standbys: &str| {
        server.sql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{standbys}'")).unwrap();
        server.sql("SELECT pg_reload_conf()").unwrap();
    };
    waits_for(&server, "nobody");
    // The server's processes hear of it one after the other.
    let mut head = 0;
    let lost = loop {
        let commit = owner.put(&a, head);
        match owner.store.commit(vec![commit.clone()]).await {
            Ok(answers) => assert_eq!(answers, [Committed::Done]),
            Err(StoreError::Unknown(_)) => break commit,
            Err(error) => panic!("{error}"),
        }
        head += 1;
    };
    for crash in [false, true] {
        if crash {
            server.kill9().unwrap();
            server.start_again().unwrap();
        }
        let told = owner.store.load(&a).await;
        assert!(matches!(&told, Err(StoreError::Unavailable(_))), "{told:?}");
        let told = owner.store.outbox(None, 9).await;
        assert!(matches!(&told, Err(StoreError::Unavailable(_))), "{told:?}");
        let told = owner.store.commit(vec![owner.put(&b, 1)]).await;
        assert!(matches!(&told, Err(StoreError::Unavailable(_))), "{told:?}");
        assert_eq!(owner.head(&b).await, 1, "no doubt is about it");
    }
    waits_for(&server, "");
    let head = settled(&owner, &a, head, &lost).await;
    assert_eq!(owner.commit(vec![owner.put(&a, head), owner.put(&b, 1)]).await, [Committed::Done; 2]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// Wherever the connection breaks, the answer is right: Done is there, Unavailable is not, and Unknown
/// is settled by reading back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_any_step_of_a_commit_gives_a_right_answer() {
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let owner = Owner::claim(open(&through(&proxy), options()).await).await;
    let (a, b) = (key("a"), key("b"));
    let mut head = 0;
    let (mut unknown, mut retried) = (0, 0);
    let texts = [
        Cut::Before(Direction::ToServer, b"BEGIN".to_vec()),
        Cut::After(Direction::ToServer, b"BEGIN".to_vec()),
        Cut::Before(Direction::ToServer, b"COMMIT".to_vec()),
        Cut::After(Direction::ToServer, b"COMMIT".to_vec()),
        Cut::Before(Direction::ToClient, b"COMMIT".to_vec()),
        Cut::After(Direction::ToClient, b"COMMIT".to_vec()),
    ];
    let bytes = |n: u64| [Direction::ToServer, Direction::ToClient].map(|way| Cut::AfterBytes(way, 1 + n * 67));
    for cut in texts.into_iter().chain((0..20).flat_map(bytes)) {
        let mut commit = owner.put(&a, head);
        commit.outbox = vec![message(&a, head + 1, &b)];
        proxy.cut_when(cut.clone());
        let before = proxy.cuts();
        match owner.store.commit(vec![commit.clone()]).await {
            Ok(answers) => {
                assert_eq!(answers, [Committed::Done], "{cut:?}");
                retried += proxy.cuts() - before;
                head += 1;
            }
            Err(StoreError::Unknown(_)) => {
                unknown += 1;
                head = settled(&owner, &a, head, &commit).await;
            }
            Err(error) => panic!("{cut:?}: {error}"),
        }
        // What is left of the rule must not meet the check.
        proxy.cut();
        assert_eq!(owner.head(&a).await, head, "{cut:?}");
    }
    assert!(unknown > 0 && retried > 0, "{unknown} unknown, {retried} done again");
    let sent = owner.store.outbox(None, 99).await.unwrap().messages;
    assert_eq!(sent.len() as u64, head);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// As it may be after a crash without `synchronous_commit`, or when a standby that lagged was promoted: the
/// last that was answered is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_has_no_hole_where_a_server_came_back_without_what_it_answered_last() {
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let owner = Owner::claim(open(&through(&proxy), options()).await).await;
    let a = key("a");
    let shard = owner.put(&a, 0).shard;
    let beside = (0..).map(|n| key(&format!("beside-{n}"))).find(|key| owner.put(key, 0).shard == shard).unwrap();
    owner.grow(&a, 3).await;
    server.sql("DELETE FROM abide.log WHERE seq = 3; UPDATE abide.objects SET head = 2").unwrap();
    proxy.cut();
    while owner.store.load(&a).await.is_err() {}
    assert_eq!(owner.commit(vec![owner.put(&beside, 0)]).await, [Committed::Done]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    assert_eq!(owner.commit(vec![owner.put(&a, 2)]).await, [Committed::Done]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_way_to_the_server_only_takes_time() {
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let load = Load::start(Owner::claim(open(&through(&proxy), options()).await).await, 8);
    proxy.delay(Duration::from_millis(20));
    sleep(Duration::from_secs(1)).await;
    proxy.delay(Duration::ZERO);
    let told = load.check().await;
    assert!(told.done > 0 && told.unavailable + told.unknown == 0, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_is_followed() {
    let mut primary = Postgres::start().unwrap();
    let standby = primary.standby().unwrap();
    let ports = (primary.port(), standby.port());
    let url = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", ports.1, ports.0);
    // Confirmed only when the standby has it, too: otherwise a failover may lose what was confirmed.
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
    primary.sql("SELECT pg_reload_conf()").unwrap();
    let load = Load::start(Owner::claim(open(&url, options()).await).await, 8);
    sleep(Duration::from_millis(500)).await;
    primary.kill9().unwrap();
    sleep(Duration::from_millis(200)).await;
    standby.promote().unwrap();
    let (owner, other) = (std::sync::Arc::clone(&load.owner), key("after the failover"));
    well("writing to the promoted standby", async || {
        let answers = owner.store.commit(vec![owner.put(&other, 0)]).await.ok()?;
        assert_eq!(answers, [Committed::Done]);
        Some(())
    })
    .await;
    let told = load.check().await;
    assert!(told.done > 10, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_becomes_read_only_is_refused_until_it_accepts_writes_again() {
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let short = PostgresOptions { wait: Duration::from_secs(1), ..options() };
    let owner = Owner::claim(open(&server.url(), short).await).await;
    owner.grow(&key("a"), 1).await;
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    let refused = well("the setting", async || owner.store.commit(vec![owner.put(&key("b"), 0)]).await.err()).await;
    let StoreError::Unavailable(sentence) = refused else { panic!("{refused}") };
    assert!(sentence.contains("only reads"), "{sentence}");
    server.sql("ALTER SYSTEM RESET default_transaction_read_only").unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    well("writing", async || owner.store.commit(vec![owner.put(&key("c"), 0)]).await.ok()).await;
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}
