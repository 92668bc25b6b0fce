use abide_core::port::store::Alarm;
use abide_services::postgres::shared;
use abide_store::{
    OpenError, PostgresOptions, PostgresStore,
    contract::fixture::{Owner, alarm, json, key},
    open_existing,
};

use super::world::{open, options};

async fn refusal(url: &str, options: PostgresOptions) -> OpenError {
    match PostgresStore::open(url, options).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let schema = shared().unwrap();
    drop(open(&schema.url(), options()).await);
    schema.sql("UPDATE meta SET value = '99' WHERE name = 'schema'").unwrap();
    let error = refusal(&schema.url(), options()).await;
    assert!(matches!(error, OpenError::NewerSchema { found: 99, .. }), "{error}");
    assert_eq!(schema.sql("SELECT value FROM meta WHERE name = 'schema'").unwrap().trim(), "99");
}

#[tokio::test]
async fn alarms_of_a_store_from_before_they_had_principals_fire_on_behalf_of_nobody_until_set_again() {
    let schema = shared().unwrap();
    let a = key("a");
    let (old, theirs) = (alarm("old", 1), Alarm { principal: Some(json(r#"{"subject":"alice"}"#)), ..alarm("new", 2) });
    let owner = Owner::claim(open(&schema.url(), options()).await).await;
    owner.done(vec![owner.alarms(&a, 0, vec![old.clone(), theirs.clone()])]).await;
    drop(owner);
    schema.sql("ALTER TABLE alarms DROP COLUMN principal; UPDATE meta SET value = '1' WHERE name = 'schema'").unwrap();
    let looked = open_existing(&schema.url()).await.map(|store| store.name()).unwrap_err();
    assert!(matches!(looked, OpenError::OlderSchema { found: 1, known: 2, .. }), "{looked}");
    assert_eq!(schema.sql("SELECT value FROM meta WHERE name = 'schema'").unwrap().trim(), "1");
    let owner = Owner::claim(open(&schema.url(), options()).await).await;
    assert_eq!(owner.store.status().await.unwrap().schema, 2);
    assert_eq!(owner.load(&a).await.alarms, [Alarm { principal: None, ..theirs.clone() }, old.clone()]);
    owner.done(vec![owner.alarms(&a, 1, vec![theirs.clone()])]).await;
    assert_eq!(owner.load(&a).await.alarms, [theirs, old]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_create_the_same_store_at_once_find_one_store() {
    let schema = shared().unwrap();
    let openings: Vec<_> = (0..8)
        .map(|_| {
            let url = schema.url();
            tokio::spawn(async move { open(&url, options()).await.status().await.unwrap().id })
        })
        .collect();
    let mut ids = Vec::new();
    for opening in openings {
        ids.push(opening.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(schema.sql("SELECT count(*) FROM shards").unwrap().trim(), "16");
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused() {
    let schema = shared().unwrap();
    schema.sql(&format!("CREATE SCHEMA \"{0}\"; CREATE TABLE \"{0}\".t (n int)", schema.schema())).unwrap();
    let error = refusal(&schema.url(), options()).await;
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
}

#[tokio::test]
async fn the_number_of_shards_is_fixed_when_a_store_is_created() {
    let schema = shared().unwrap();
    drop(open(&format!("{}&shards=3", schema.url()), PostgresOptions::default()).await);
    let error = refusal(&schema.url(), options()).await;
    assert!(matches!(error, OpenError::Shards { found: 3, wanted: 16, .. }), "{error}");
    assert_eq!(open(&schema.url(), PostgresOptions::default()).await.shards(), 3);
}

#[tokio::test]
async fn what_cannot_be_reached_is_named_without_its_password() {
    let options = PostgresOptions { wait: std::time::Duration::from_millis(300), ..options() };
    let error = refusal("postgres://me:secret@127.0.0.1:1/db", options).await.to_string();
    assert!(error.contains("127.0.0.1:1/db") && error.contains("refused"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn looking_for_a_store_makes_none() {
    let schema = shared().unwrap();
    let there = || schema.sql("SELECT count(*) FROM information_schema.schemata WHERE schema_name = current_schema()");
    let error = open_existing(&schema.url()).await.map(|store| store.name()).unwrap_err();
    assert!(matches!(error, OpenError::NotThere { .. }), "{error}");
    assert!(error.to_string().contains("abide store init"), "{error}");
    assert_eq!(there().unwrap().trim(), "0");
    drop(open(&schema.url(), options()).await);
    assert_eq!(open_existing(&schema.url()).await.unwrap().shards(), 16);
}
