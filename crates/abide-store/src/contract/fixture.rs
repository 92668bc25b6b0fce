//! Short ways to say what the obligations are about.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use abide_core::{
    ChangeRecord, Epoch, Json, Key, Seq, Store, Timestamp,
    port::store::{Alarm, AlarmWrite, Commit, Committed, Loaded, MessageId, OutboxMessage, Outcome, Write},
};

use super::Subject;

/// The counter with this id in the default namespace.
pub fn key(id: &str) -> Key {
    named("default", "Counter", id)
}

/// An object by its whole name.
pub fn named(namespace: &str, kind: &str, id: &str) -> Key {
    Key::parse(namespace, kind, id).expect("the name is legal")
}

/// A moment, so many milliseconds after the first of 2026.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + millis)
}

/// A JSON text.
pub fn json(text: &str) -> Json {
    Json::parse(text).expect("the text is JSON")
}

/// The state of a counter.
pub fn count(count: u64) -> Json {
    json(&format!(r#"{{"count":{count}}}"#))
}

/// An alarm.
pub fn alarm(name: &str, due: i64) -> Alarm {
    Alarm {
        name: name.into(),
        due: at(due),
        token: u64::MAX - 1,
        payload: json(r#"{"why":"because"}"#),
        attempt: 0,
        schedule: None,
        principal: None,
        dead: None,
    }
}

/// A message from `sender` to `target`.
pub fn message(sender: &Key, n: u64, target: &Key) -> OutboxMessage {
    OutboxMessage {
        id: MessageId { sender: sender.clone(), n },
        target: target.clone(),
        handler: "add".into(),
        args: json("[1]"),
        principal: None,
        at: at(0),
    }
}

/// An outcome that expires at the given time.
pub fn outcome(caller: &str, call_key: &str, expires: i64) -> Outcome {
    Outcome {
        caller: caller.into(),
        call_key: call_key.into(),
        fingerprint: u64::MAX,
        seq: Seq::new(1),
        reply: Ok(json("6")),
        expires_at: at(expires),
    }
}

/// An owner of all shards of a store.
pub struct Owner {
    /// The store.
    pub store: Arc<dyn Store>,
    epochs: Vec<Epoch>,
    ids: AtomicU64,
}

impl Owner {
    /// Opens the store and claims it.
    pub async fn open(subject: &mut dyn Subject) -> Self {
        Self::claim(subject.open().await).await
    }

    /// Claims a store.
    pub async fn claim(store: Arc<dyn Store>) -> Self {
        let epochs = store.claim().await.expect("the store can be claimed");
        Self { store, epochs, ids: AtomicU64::new(1) }
    }

    /// A commit on head `expected` that does nothing yet.
    pub fn keep(&self, key: &Key, expected: u64) -> Commit {
        let shard = key.shard(self.store.shards());
        let epoch = self.epochs[shard.number() as usize];
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        Commit::keep(key.clone(), shard, epoch, id, Seq::new(expected))
    }

    /// A commit of one change that makes the counter's state its new seq.
    pub fn put(&self, key: &Key, expected: u64) -> Commit {
        let seq = expected + 1;
        Commit {
            write: Write::Put { state: count(seq), version: 1, created_at: at(0), updated_at: at(seq.cast_signed()) },
            changes: vec![change(seq)],
            ..self.keep(key, expected)
        }
    }

    /// A commit of one change that deletes the object.
    pub fn delete(&self, key: &Key, expected: u64) -> Commit {
        Commit {
            write: Write::Delete { at: at(expected.cast_signed() + 1) },
            changes: vec![change(expected + 1)],
            ..self.keep(key, expected)
        }
    }

    /// A commit that sets alarms.
    pub fn alarms(&self, key: &Key, expected: u64, alarms: Vec<Alarm>) -> Commit {
        Commit { alarms: alarms.into_iter().map(AlarmWrite::Set).collect(), ..self.put(key, expected) }
    }

    /// Objects that can be in one group, if the store has groups; their ids begin with these.
    pub fn together<const N: usize>(&self, ids: [&str; N]) -> [Key; N] {
        let (store, shards) = (&self.store, self.store.shards());
        let of_first = |id: &str| {
            key(ids[0]).shard(shards) == key(id).shard(shards) || {
                !store.groups() || store.together(&[key(ids[0]).shard(shards), key(id).shard(shards)])
            }
        };
        ids.map(|id| {
            let mut named = std::iter::once(id.to_owned()).chain((1..).map(|n| format!("{id}{n}")));
            key(&named.find(|id| of_first(id)).expect("some id hashes to the right shard"))
        })
    }

    /// Commits a batch and gives its answers.
    pub async fn commit(&self, batch: Vec<Commit>) -> Vec<Committed> {
        let answers = self.store.commit(batch).await;
        answers.expect("the store commits")
    }

    /// Commits a batch of which all must be done.
    pub async fn done(&self, batch: Vec<Commit>) {
        let commits = batch.len();
        assert_eq!(self.commit(batch).await, vec![Committed::Done; commits]);
    }

    /// Puts `count` changes, one commit each.
    pub async fn grow(&self, key: &Key, count: u64) {
        for expected in 0..count {
            self.done(vec![self.put(key, expected)]).await;
        }
    }

    /// Loads an object that must have been there.
    pub async fn load(&self, key: &Key) -> Loaded {
        let loaded = self.store.load(key).await.expect("the store loads");
        loaded.unwrap_or_else(|| panic!("{key} was never there"))
    }

    /// The head of an object; zero if it was never there.
    pub async fn head(&self, key: &Key) -> u64 {
        let loaded = self.store.load(key).await.expect("the store loads");
        loaded.map_or(0, |loaded| loaded.head.number())
    }

    /// The seqs of a page of changes.
    pub async fn seqs(&self, key: &Key, after: u64, limit: usize) -> Vec<u64> {
        let page = self.store.changes(key, Seq::new(after), limit).await;
        let page = page.expect("the store reads changes");
        page.changes.iter().map(|c| c.seq.number()).collect()
    }
}

/// A change of a counter.
pub fn change(seq: u64) -> ChangeRecord {
    ChangeRecord {
        seq: Seq::new(seq),
        at: at(seq.cast_signed()),
        json: json(&format!(r#"{{"seq":{seq},"at":"{}","patch":{{"count":{seq}}}}}"#, at(seq.cast_signed()))),
        snapshot: None,
    }
}
