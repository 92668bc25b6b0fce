use std::sync::Arc;

use abide_core::{
    Key, Store, StoreError,
    port::{
        BoxFuture,
        store::{Commit, Committed, MessageId, Row},
    },
};
use abide_services::{
    Postgres,
    postgres::{Options, Shared, shared},
};
use abide_store::{
    MemoryStore, OpenError,
    contract::{
        Subject,
        fixture::{Owner, alarm, at, key, message},
        full::{rows, same, sorted},
    },
    join, open, open_existing,
};

use super::world::well;

/// Two schemas of one server, each with half of the shards.
struct Two([Shared; 2]);

impl Two {
    fn new() -> Self {
        Self([shared().unwrap(), shared().unwrap()])
    }
}

fn url(schema: &Shared) -> String {
    format!("{}&shards=16", schema.url())
}

fn both(one: &Shared, other: &Shared) -> String {
    join(&[url(one), url(other)])
}

impl Subject for Two {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async { open(&both(&self.0[0], &self.0[1])).await.unwrap() })
    }
}

abide_store::store_contract!(Two::new());

mod moving {
    use super::Two;

    abide_store::store_contract!(moving Two::new());
}

async fn refusal(url: &str) -> String {
    match open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error @ (OpenError::Parts { .. } | OpenError::PartOnly { .. })) => error.to_string(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn only_the_databases_of_one_store_make_it() {
    let [a, b, c, d, e] = [(); 5].map(|()| shared().unwrap());
    let owner = Owner::claim(open(&both(&a, &b)).await.unwrap()).await;
    for n in 0..40 {
        owner.grow(&key(&n.to_string()), 1).await;
    }
    let count = |schema: &Shared| schema.sql("SELECT count(*) FROM objects").unwrap().trim().parse::<u64>().unwrap();
    assert!(count(&a) > 0 && count(&b) > 0 && count(&a) + count(&b) == 40);
    drop(owner);
    // The order does not matter: each says what it holds.
    let owner = Owner::claim(open(&both(&b, &a)).await.unwrap()).await;
    assert_eq!(owner.store.status().await.unwrap().objects, [("Counter".into(), 40)]);
    assert_eq!(owner.head(&key("7")).await, 1);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());

    drop((open(&url(&c)).await.unwrap(), open(&url(&d)).await.unwrap()));
    let looked = open_existing(&both(&c, &d)).await.map(|store| store.name()).unwrap_err();
    assert!(looked.to_string().contains("does not say which shards it holds"), "{looked}");
    drop(open(&url(&c)).await.expect("looking made it a part"));
    drop(open(&both(&c, &d)).await.unwrap());
    assert_eq!(open_existing(&both(&c, &d)).await.unwrap().name(), "split");
    assert!(refusal(&both(&a, &d)).await.contains("of the store"));
    assert!(refusal(&both(&a, &a)).await.contains("holds already"));
    assert!(refusal(&both(&a, &e)).await.contains("says nothing of itself"));
    assert!(refusal(&both(&e, &e)).await.contains("the same database"));
    assert!(refusal(&url(&a)).await.contains("a part of a store only (shards 0 to "));
    // Half a store is not looked at, or backed up, as if it were all of it.
    let looked_at = open_existing(&url(&b)).await.map(drop).unwrap_err();
    assert!(matches!(&looked_at, OpenError::PartOnly { part, .. } if part.contains(" of the store ")), "{looked_at}");
    Owner::claim(open(&url(&e)).await.unwrap()).await.grow(&key("a"), 1).await;
    let f = shared().unwrap();
    assert!(refusal(&both(&e, &f)).await.contains("holds objects already"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_takes_only_its_own_objects_with_it() {
    let start = || Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let (one, mut other) = (start(), start());
    let url = |server: &Postgres| format!("{}?shards=16&wait=1", server.url());
    let owner = Owner::claim(open(&join(&[url(&one), url(&other)])).await.unwrap()).await;
    let holds = |wanted: std::ops::Range<u32>| {
        let of = move |key: &Key| wanted.contains(&key.shard(16).number());
        (0..).map(|n| key(&n.to_string())).find(of).unwrap()
    };
    let (here, there) = (holds(0..8), holds(8..16));
    let ringing = |key: &Key| {
        let outbox = vec![message(key, 1, &here)];
        Commit { outbox, ..owner.alarms(key, 0, vec![alarm("ring", 1)]) }
    };
    owner.done(vec![ringing(&here), ringing(&there)]).await;
    let due = async || owner.store.due_alarms(at(2), None, 9).await.map(|page| (page.alarms.len(), page.partial));
    let sent = async || owner.store.outbox(None, 9).await.map(|page| (page.messages.len(), page.partial));
    assert_eq!((due().await, sent().await), (Ok((2, false)), Ok((2, false))));
    other.kill9().unwrap();
    assert_eq!(due().await, Ok((1, true)), "the alarms of one database wait for the other");
    assert_eq!(sent().await, Ok((1, true)), "the messages of one database wait for the other");
    let ids = [&here, &there].map(|sender| MessageId { sender: sender.clone(), n: 1 });
    let left = owner.store.acknowledge(ids.to_vec()).await;
    assert_eq!(left, Ok(vec![ids[1].clone()]), "what cannot be taken out is given back");
    assert_eq!(sent().await, Ok((0, true)));
    let alone = owner.store.commit(vec![owner.put(&there, 1)]).await;
    assert!(matches!(alone, Err(StoreError::Unavailable(_))), "{alone:?}");
    let answers = owner.commit(vec![owner.put(&here, 1), owner.put(&there, 1)]).await;
    assert_eq!(answers, [Committed::Done, Committed::Unavailable]);
    assert_eq!(owner.head(&here).await, 2);
    other.start_again().unwrap();
    well("the other database", async || {
        owner.store.commit(vec![owner.put(&there, 1)]).await.ok().filter(|answers| *answers == [Committed::Done])
    })
    .await;
    well("looking for messages there", async || (sent().await == Ok((1, false))).then_some(())).await;
    assert_eq!(due().await, Ok((2, false)));
    assert_eq!(owner.store.acknowledge(ids.to_vec()).await, Ok(Vec::new()));
    assert_eq!(sent().await, Ok((0, false)));
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// The rows of so many objects.
async fn many(objects: u64) -> (MemoryStore, Vec<Row>) {
    let memory = MemoryStore::new(16);
    let owner = Owner::claim(Arc::new(memory.clone())).await;
    owner.done((0..objects).map(|n| owner.put(&key(&n.to_string()), 0)).collect()).await;
    let rows = rows(&memory, 500).await;
    (memory, rows)
}

async fn take(store: &dyn Store, rows: &[Row], from: usize, to: usize) -> Result<(), StoreError> {
    for first in (from..to).step_by(100) {
        store.import(first as u64, rows[first..to.min(first + 100)].to_vec()).await?;
    }
    Ok(())
}

async fn begin(store: &dyn Store) -> usize {
    usize::try_from(store.import_begin("a backup".into(), false).await.unwrap()).unwrap()
}

async fn ends_well(store: &dyn Store, memory: &MemoryStore, count: usize) {
    store.import_done(count as u64).await.unwrap();
    assert_eq!(store.status().await.unwrap().importing, None);
    same(&sorted(store).await, &sorted(memory).await);
    assert_eq!(store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_goes_on_where_it_was_after_one_of_the_servers_crashed() {
    // Long enough that nothing but a commit that waits for it writes the log to the disk.
    let options = || Options { fsync: false, ..Options::default() }.with("wal_writer_delay", "10s");
    let (one, mut other) = (Postgres::start_with(&options()).unwrap(), Postgres::start_with(&options()).unwrap());
    let url = |server: &Postgres| format!("{}?shards=16", server.url());
    let store = open(&join(&[url(&one), url(&other)])).await.unwrap();
    let (memory, rows) = many(1_000).await;
    assert_eq!(begin(&*store).await, 0);
    take(&*store, &rows, 0, 1_000).await.unwrap();
    other.kill9().unwrap();
    other.start_again().unwrap();
    let from = well("the import", async || store.import_begin("a backup".into(), false).await.ok()).await;
    assert_eq!(from, 1_000);
    take(&*store, &rows, 1_000, rows.len()).await.unwrap();
    ends_well(&*store, &memory, rows.len()).await;
}

#[tokio::test]
async fn a_restore_begins_again_when_a_database_lost_rows_that_were_in() {
    let (a, b) = (shared().unwrap(), shared().unwrap());
    let store = open(&both(&a, &b)).await.unwrap();
    let (memory, rows) = many(400).await;
    let lose = |to: &str| {
        b.sql("TRUNCATE objects, log").unwrap();
        b.sql(&format!("UPDATE meta SET value = '{to}' WHERE name IN ('import_rows', 'import_open')")).unwrap();
    };
    assert_eq!(begin(&*store).await, 0);
    take(&*store, &rows, 0, 500).await.unwrap();
    lose("0");
    assert_eq!(begin(&*store).await, 0);
    assert_eq!(a.sql("SELECT count(*) FROM objects").unwrap().trim(), "0");
    take(&*store, &rows, 0, 300).await.unwrap();
    assert_eq!(begin(&*store).await, 300);
    take(&*store, &rows, 300, rows.len()).await.unwrap();
    // Once more, when the end has reached the first database.
    lose("0");
    store.import_done(rows.len() as u64).await.unwrap_err();
    assert_eq!(begin(&*store).await, 0);
    take(&*store, &rows, 0, rows.len()).await.unwrap();
    assert_eq!(begin(&*store).await, rows.len());
    ends_well(&*store, &memory, rows.len()).await;
    store.claim().await.unwrap();
}

#[tokio::test]
async fn a_database_that_lost_all_of_a_restore_is_not_one_that_was_told_of_its_end() {
    let (a, b) = (shared().unwrap(), shared().unwrap());
    let store = open(&both(&a, &b)).await.unwrap();
    let (memory, rows) = many(200).await;
    let all = rows.len();
    let lose = || {
        b.sql("TRUNCATE objects, log").unwrap();
        b.sql("DELETE FROM meta WHERE name LIKE '%import\\_%'").unwrap();
    };
    assert_eq!(begin(&*store).await, 0);
    take(&*store, &rows, 0, all).await.unwrap();
    lose();
    // Once more, while the first database is told already.
    for _ in 0..2 {
        store.import_done(all as u64).await.unwrap_err();
    }
    store.claim().await.unwrap_err();
    assert_eq!(begin(&*store).await, 0);
    take(&*store, &rows, 0, all).await.unwrap();
    ends_well(&*store, &memory, all).await;

    // What it was told of a restore of the same backup before that one says nothing of this one.
    let before = b.sql("SELECT value FROM meta WHERE name = 'note_import_reached'").unwrap();
    assert_eq!(store.import_begin("a backup".into(), true).await, Ok(0));
    take(&*store, &rows, 0, all).await.unwrap();
    lose();
    b.sql(&format!("INSERT INTO meta VALUES ('note_import_reached', '{}')", before.trim())).unwrap();
    store.import_done(all as u64).await.unwrap_err();
    assert_eq!(begin(&*store).await, 0);
    take(&*store, &rows, 0, all).await.unwrap();
    ends_well(&*store, &memory, all).await;
}

#[tokio::test]
async fn an_end_that_reached_all_databases_and_was_not_noted_is_an_end() {
    let (a, b) = (shared().unwrap(), shared().unwrap());
    let store = open(&both(&a, &b)).await.unwrap();
    let (memory, rows) = many(100).await;
    begin(&*store).await;
    take(&*store, &rows, 0, rows.len()).await.unwrap();
    let noted = a.sql("SELECT value FROM meta WHERE name = 'note_import'").unwrap();
    let ending = noted.trim().replace("\"ending\":false", "\"ending\":true");
    assert_ne!(noted.trim(), ending);
    let broken_off = || a.sql(&format!("UPDATE meta SET value = '{ending}' WHERE name = 'note_import'")).unwrap();
    ends_well(&*store, &memory, rows.len()).await;
    broken_off();
    assert_eq!(begin(&*store).await, rows.len());
    ends_well(&*store, &memory, rows.len()).await;
    // Once the store is used, it is one that holds something.
    broken_off();
    store.claim().await.unwrap();
    let refused = store.import_begin("a backup".into(), false).await;
    assert!(matches!(&refused, Err(StoreError::Unsupported(text)) if text.contains("holds something")), "{refused:?}");
    // And whoever asks for all of it to be replaced gets that.
    broken_off();
    assert_eq!(store.import_begin("a backup".into(), true).await, Ok(0));
    take(&*store, &rows, 0, rows.len()).await.unwrap();
    ends_well(&*store, &memory, rows.len()).await;
}
