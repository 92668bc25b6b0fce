//! Random histories: the SQLite store answers as the reference does.

#![cfg(feature = "sqlite")]

use abide_core::{
    ChangeRecord, Epoch, FeedPosition, Filter, Incarnation, Json, Key, Seq, Shard, Store, Timestamp,
    filter::Path,
    port::store::{
        Alarm, AlarmCursor, AlarmWrite, AlarmsQuery, Commit, Committed, FeedEntry, KindIndexes, ListQuery, MessageId,
        Order, OutboxMessage, Outcome, Write,
    },
};
use abide_store::{MemoryStore, SqliteOptions, SqliteStore};
use proptest::{collection::vec, option, prelude::*, sample::select};

const SHARDS: u32 = 4;

/// One step of a history. Heads and epochs are given as differences from the right ones.
#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Part>),
    Claim,
    Clean(i64, usize),
    Acknowledge(Vec<(usize, u64)>),
    Reopen,
}

#[derive(Clone, Debug)]
struct Part {
    object: usize,
    stale: bool,
    fenced: bool,
    write: u8,
    changes: u64,
    keep: bool,
    trim: Option<u64>,
    snapshot: bool,
    alarms: Vec<(u8, i64, u8)>,
    messages: Vec<(u64, usize)>,
    received: Vec<(usize, u64)>,
    outcomes: Vec<(u8, i64)>,
    state: &'static str,
    /// Parts of one number that stand next to each other are one group.
    group: Option<u64>,
}

fn objects() -> Vec<Key> {
    [("default", "A", "x"), ("default", "A", "xy\0"), ("default", "B", "x"), ("other", "A", "x")]
        .map(|(namespace, kind, id)| Key::parse(namespace, kind, id).unwrap())
        .to_vec()
}

const STATES: [&str; 8] = [
    r#"{"n":1,"t":"a"}"#,
    r#"{"n":1.0,"deep":{"n":[1]}}"#,
    r#"{"n":-1e300,"t":null}"#,
    r#"{"n":9223372036854775808}"#,
    r#"{"t":"\u0000","n":"1"}"#,
    r#"{"\"q\\":true,"t":"🦀"}"#,
    r#"{"n":0.1,"deep":{"n":0.30000000000000004}}"#,
    "{}",
];

const FILTERS: [&str; 10] = [
    "n=1",
    "n>0",
    "not n<=1",
    "t=null",
    "t!='a'",
    "deep.n=0.30000000000000004 or n='1'",
    "deep.n=null and n>=9223372036854775808",
    "t>=a",
    "`\"q\\`=true",
    "n<-1e299",
];

fn part() -> impl Strategy<Value = Part> {
    let flags = (
        0..4usize,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        0..10u8,
        0..4u64,
        prop::bool::weighted(0.8),
        option::weighted(0.2, 0..20u64),
        prop::bool::weighted(0.2),
    );
    let rest = (
        vec((0..3u8, 0..5i64, 0..4u8), 0..3),
        vec((1..6u64, 0..4usize), 0..3),
        vec((0..4usize, 0..9u64), 0..2),
        vec((0..3u8, 0..8i64), 0..2),
        select(&STATES),
        option::weighted(0.4, 0..2u64),
    );
    (flags, rest).prop_map(|(flags, (alarms, messages, received, outcomes, state, group))| Part {
        object: flags.0,
        stale: flags.1,
        fenced: flags.2,
        write: flags.3,
        changes: flags.4,
        keep: flags.5,
        trim: flags.6,
        snapshot: flags.7,
        alarms,
        messages,
        received,
        outcomes,
        state,
        group,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => vec(part(), 1..6).prop_map(Step::Batch),
        1 => Just(Step::Claim),
        1 => (0..8i64, 0..5usize).prop_map(|(now, limit)| Step::Clean(now, limit)),
        2 => vec((0..4usize, 1..6u64), 0..3).prop_map(Step::Acknowledge),
        1 => Just(Step::Reopen),
    ]
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// What the test knows of the stores' common state to make sensible commits.
struct World {
    objects: Vec<Key>,
    heads: Vec<u64>,
    epoch: Epoch,
    commits: u64,
}

impl World {
    fn commit(&mut self, part: &Part) -> Commit {
        let key = &self.objects[part.object];
        let expected = self.heads[part.object] + u64::from(part.stale);
        self.commits += 1;
        let change = |n: u64| ChangeRecord {
            seq: Seq::new(expected + n),
            at: at((expected + n).cast_signed()),
            json: Json::trusted(format!(r#"{{"seq":{},"by":{}}}"#, expected + n, self.commits)),
            snapshot: part.snapshot.then(|| Json::trusted(part.state)),
        };
        Commit {
            key: key.clone(),
            shard: key.shard(SHARDS),
            epoch: if part.fenced { Epoch::ZERO } else { self.epoch },
            id: self.commits,
            group: part.group,
            expected: Seq::new(expected),
            incarnation: Incarnation::new(self.commits % 3),
            write: part.write(),
            changes: (1..=part.changes).map(change).collect(),
            keep_changes: part.keep,
            trim: part.trim.map(Seq::new),
            alarms: part.alarms.iter().map(alarm).collect(),
            outbox: part.messages.iter().map(|(n, target)| self.message(key, *n, *target)).collect(),
            received: part.received.iter().map(|(sender, n)| (self.objects[*sender].clone(), *n)).collect(),
            outcomes: part.outcomes.iter().map(|o| outcome(*o, self.commits)).collect(),
            taken: Default::default(),
        }
    }

    fn message(&self, sender: &Key, n: u64, target: usize) -> OutboxMessage {
        OutboxMessage {
            id: MessageId { sender: sender.clone(), n },
            target: self.objects[target].clone(),
            handler: "add".into(),
            args: Json::trusted(self.commits.to_string()),
            principal: None,
            at: at(0),
        }
    }
}

impl Part {
    fn write(&self) -> Write {
        match self.write {
            0..=1 => Write::Keep,
            2 => Write::Delete { at: at(77) },
            version => Write::Put {
                state: Json::trusted(self.state),
                version: version.into(),
                created_at: at(version.into()),
                updated_at: at(5),
            },
        }
    }
}

fn alarm((name, due, what): &(u8, i64, u8)) -> AlarmWrite {
    let name = format!("alarm {name}");
    match what {
        0 => AlarmWrite::Remove(name.into()),
        _ => AlarmWrite::Set(Alarm {
            name: name.into(),
            due: at(*due),
            token: u64::from(*what),
            payload: Json::null(),
            attempt: 0,
            schedule: None,
            principal: (*what == 2).then(|| Json::trusted(r#"{"subject":"alice"}"#)),
            dead: (*what == 1).then(|| "gave up".into()),
        }),
    }
}

fn outcome((name, expires): (u8, i64), fingerprint: u64) -> Outcome {
    Outcome {
        caller: "me".into(),
        call_key: name.to_string().into(),
        fingerprint,
        seq: Seq::new(1),
        reply: Ok(Json::null()),
        expires_at: at(expires),
    }
}

/// Everything that can be read, as text that may be compared.
async fn everything(store: &dyn Store, objects: &[Key]) -> String {
    let mut all = String::new();
    let mut add = |what: &str, value: &dyn std::fmt::Debug| {
        all.push_str(&format!("{what}: {value:?}\n"));
    };
    for key in objects {
        add("load", &store.load(key).await.unwrap());
        for (after, limit) in [(0, 99), (0, 2), (3, 2), (9, 3)] {
            add("changes", &store.changes(key, Seq::new(after), limit).await.unwrap());
        }
        for seq in [0, 1, 4, 99] {
            add("snapshot", &store.snapshot(key, Seq::new(seq)).await.unwrap());
        }
        for (name, now) in [("0", 0), ("1", 3), ("2", 6)] {
            add("outcome", &store.outcome(key, "me", name, at(now)).await.unwrap());
        }
        for sender in objects {
            add("received", &store.received(key, sender).await.unwrap());
        }
        for (of, dead) in [(Some(key), false), (Some(key), true), (None, false), (None, true)] {
            let query =
                AlarmsQuery { key: of.cloned(), namespace: key.namespace().clone(), dead, after: None, limit: 5 };
            add("alarms", &store.alarms(query).await.unwrap().alarms);
        }
        for filter in [None].into_iter().chain(FILTERS.map(Some)) {
            let query = ListQuery {
                namespace: key.namespace().clone(),
                kind: key.kind().clone(),
                prefix: "x".into(),
                filter: filter.map(|filter| Filter::parse(filter).unwrap()),
                order: None,
                after: None,
                limit: 2,
            };
            for order in [None, Some("n"), Some("-deep.n")] {
                let order = order.map(|order| Order::parse(order).unwrap());
                add("list", &store.list(ListQuery { order, ..query.clone() }).await.unwrap());
            }
        }
    }
    let after = AlarmCursor { due: at(2), key: objects[1].clone(), name: "alarm 1".into() };
    add("due", &store.due_alarms(at(3), None, 99).await.unwrap().alarms);
    add("due", &store.due_alarms(at(4), Some(after), 3).await.unwrap().alarms);
    add("outbox", &store.outbox(None, 99).await.unwrap().messages);
    let after = MessageId { sender: objects[0].clone(), n: 3 };
    add("outbox", &store.outbox(Some(after), 2).await.unwrap().messages);
    let status = store.status().await.unwrap();
    add("status", &(status.objects, status.changes, status.alarms, status.dead_alarms));
    add("status", &(status.outbox, status.outcomes));
    all
}

/// The seqs of every object in the order of the feed: a step may hold several.
async fn feed(store: &dyn Store) -> Vec<(Key, u64)> {
    let page = store.feed(None, FeedPosition::ZERO, usize::MAX).await.unwrap();
    assert!(page.entries.is_sorted_by(|a, b| a.position < b.position));
    assert!(!page.more);
    let seqs = |entry: FeedEntry| {
        let (first, last) = (entry.first.number(), entry.last.number());
        (first..=last).map(move |seq| (entry.key.clone(), seq))
    };
    let mut all: Vec<_> = page.entries.into_iter().flat_map(seqs).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

async fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { shards: Some(SHARDS), cached_objects: 2, ..SqliteOptions::default() };
    let open = || SqliteStore::open(folder.path().join("abide.db"), options.clone()).unwrap();
    let (memory, mut sqlite) = (MemoryStore::new(SHARDS), open());
    let paths = ["n", "deep.n"].map(|path| Path::parse(path).unwrap()).to_vec();
    sqlite.index(vec![KindIndexes { kind: objects()[0].kind().clone(), paths }]).await.unwrap();
    let mut world = World { objects: objects(), heads: vec![0; 4], epoch: Epoch::ZERO, commits: 0 };
    for step in steps {
        match &step {
            Step::Batch(parts) => {
                let before = world.heads.clone();
                let mut batch = Vec::new();
                for part in parts {
                    let commit = world.commit(part);
                    if commit.epoch == world.epoch && !part.stale {
                        world.heads[part.object] += part.changes;
                    }
                    batch.push(commit);
                }
                let expected = memory.commit(batch.clone()).await.unwrap();
                world.heads = before;
                for (part, answer) in parts.iter().zip(&expected) {
                    world.heads[part.object] += if *answer == Committed::Done { part.changes } else { 0 };
                }
                prop_assert_eq!(sqlite.commit(batch).await.unwrap(), expected);
            }
            Step::Claim => {
                let expected = memory.claim().await;
                world.epoch = expected.as_ref().unwrap()[0];
                prop_assert_eq!(sqlite.claim().await, expected);
            }
            Step::Clean(now, limit) => {
                let expected = memory.clean(at(*now), *limit).await;
                prop_assert_eq!(sqlite.clean(at(*now), *limit).await, expected);
                // Which ones of several go first is open.
                memory.clean(at(*now), 99).await.unwrap();
                sqlite.clean(at(*now), 99).await.unwrap();
            }
            Step::Acknowledge(messages) => {
                let id = |(sender, n): &(usize, u64)| MessageId { sender: world.objects[*sender].clone(), n: *n };
                let ids: Vec<_> = messages.iter().map(id).collect();
                memory.acknowledge(ids.clone()).await.unwrap();
                sqlite.acknowledge(ids).await.unwrap();
            }
            Step::Reopen => {
                drop(sqlite);
                sqlite = open();
            }
        }
        let expected = everything(&memory, &world.objects).await;
        prop_assert_eq!(everything(&sqlite, &world.objects).await, expected, "after {:?}", step);
    }
    prop_assert_eq!(feed(&sqlite).await, feed(&memory).await);
    let shards = |heads: Vec<(Shard, FeedPosition)>| heads.into_iter().map(|(shard, _)| shard).collect::<Vec<_>>();
    prop_assert_eq!(shards(sqlite.feed_heads().await.unwrap()), shards(memory.feed_heads().await.unwrap()));
    let faults = |faults: Vec<String>| -> Vec<String> {
        let ignore = |fault: &String| !fault.contains("it is deleted and has");
        faults.into_iter().filter(ignore).collect()
    };
    prop_assert_eq!(faults(memory.verify(99).await.unwrap()), Vec::<String>::new());
    prop_assert_eq!(faults(sqlite.verify(99).await.unwrap()), Vec::<String>::new());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_as_memory_does(steps in vec(step(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(steps))?;
    }
}
