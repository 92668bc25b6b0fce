//! Programs of distobject beside Abide.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use abide_core::{
    Change, ChangeRecord, Key, Kind, Seq, Store,
    port::store::{Commit, Committed, Write},
};
use abide_services::Redis;
use abide_store::{
    RedisStore,
    contract::fixture::{Owner, at, json, named},
    redis::{FieldForm, KindLayout},
};
use serde_json::{Value, json};

/// What to install instead of nothing: a folder, or whatever `pip install` takes.
const PACKAGE_VARIABLE: &str = "ABIDE_DISTOBJECT";
const UPDATES: u64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(30);

fn layout() -> KindLayout {
    KindLayout {
        kind: Kind::new("User").unwrap(),
        prefix: "user".into(),
        channel: "user-updates".into(),
        fields: BTreeMap::from([("visits".to_owned(), FieldForm::Number)]),
    }
}

async fn open(redis: &Redis) -> (RedisStore, Owner) {
    let store = RedisStore::open(&redis.url()).await.unwrap();
    store.lay_out(vec![layout()]).unwrap();
    let owner = Owner::claim(Arc::new(store.clone())).await;
    (store, owner)
}

fn user(id: &str) -> Key {
    named("default", "User", id)
}

fn put(owner: &Owner, key: &Key, expected: u64, state: &Value) -> Commit {
    let change = Change { patch: state.as_object().unwrap().clone(), ..change(expected + 1) };
    let record =
        ChangeRecord { seq: change.seq, at: change.at, json: abide_core::Json::of(&change).unwrap(), snapshot: None };
    let updated_at = at(1_000 * expected.cast_signed());
    let write = Write::Put { state: json(&state.to_string()), version: 1, created_at: at(0), updated_at };
    Commit { write, changes: vec![record], ..owner.keep(key, expected) }
}

fn change(seq: u64) -> Change {
    serde_json::from_value(json!({"seq": seq, "at": at(0), "cause": {"handler": "test"}})).unwrap()
}

/// Every change of an object, decoded.
async fn changes(store: &RedisStore, key: &Key) -> Vec<Change> {
    let page = store.changes(key, Seq::ZERO, 1 << 20).await.unwrap();
    page.changes.iter().map(|record| record.decode().unwrap()).collect()
}

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// A Python with what the programs need, made once and kept.
fn python() -> PathBuf {
    let package = std::env::var(PACKAGE_VARIABLE).ok();
    let name = if package.is_some() { "distobject-published" } else { "distobject" };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = folder.join("bin/python");
    let made = folder.join("made");
    if !made.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "redis", "ulid-py"]).args(&package);
        run(&mut pip);
        std::fs::write(made, "").unwrap();
    }
    python
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A running program, and what it says.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(python: &Path, redis: &Redis, arguments: &[&str]) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/redis/program.py");
        let mut command = Command::new(python);
        command.arg(program).arg(redis.url()).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn says(&mut self) -> Value {
        let line = self.lines.next().expect("the program goes on").unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        if let Some(published) = said["published"].as_bool() {
            assert_eq!(published, std::env::var_os(PACKAGE_VARIABLE).is_some(), "which distobject runs");
        }
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_updates_go_each_way_and_none_is_missed() {
    let (python, redis) = (python(), Redis::start().unwrap());
    let (store, owner) = open(&redis).await;
    from_python(&python, &redis, &store).await;
    to_python(&python, &redis, &owner).await;
    both_at_once(&python, &redis, &store, &owner).await;
    assert_eq!(store.verify(9).await.unwrap(), Vec::<String>::new());
}

async fn from_python(python: &Path, redis: &Redis, store: &RedisStore) {
    let mut foreign = store.foreign();
    let mut program = Program::start(python, redis, &["write", &UPDATES.to_string()]);
    let id = program.says()["id"].as_str().unwrap().to_owned();
    let key = user(id.strip_prefix("user:").unwrap());
    assert_eq!(program.says()["done"], UPDATES);
    let changes = eventually("the last update", async || {
        let changes = changes(store, &key).await;
        changes.last().is_some_and(|last| last.patch["visits"] == UPDATES).then_some(changes)
    })
    .await;
    let visits: Vec<_> = changes.iter().map(|change| change.patch["visits"].as_u64().unwrap()).collect();
    assert_eq!(visits, (0..=UPDATES).collect::<Vec<_>>());
    assert!(changes.iter().all(|change| change.cause.handler == "distobject"));
    let loaded = store.load(&key).await.unwrap().unwrap();
    assert_eq!(loaded.head.number(), UPDATES + 1);
    assert_eq!(loaded.state.unwrap().value()["visits"], UPDATES);
    assert_eq!(foreign.recv().await.unwrap(), key);
}

async fn to_python(python: &Path, redis: &Redis, owner: &Owner) {
    let id = "01JZZZZZZZZZZZZZZZZZZZZZZZ";
    let key = user(id);
    let state = |visits: u64| json!({"name": "Bob", "email": null, "visits": visits, "updated_at": ""});
    owner.done(vec![put(owner, &key, 0, &state(0))]).await;
    let mut program = Program::start(python, redis, &["hear", &format!("user:{id}"), &UPDATES.to_string()]);
    assert_eq!(program.says()["name"], "Bob");
    for n in 1..=UPDATES {
        owner.done(vec![put(owner, &key, n, &state(n))]).await;
    }
    let said = program.says();
    let told: Vec<u64> =
        said["told"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(told, (1..=UPDATES).collect::<Vec<_>>());
    let seconds = at(1_000 * UPDATES.cast_signed()).as_millis() / 1_000;
    assert_eq!(said["updated_at"], seconds.to_string());
    let state = owner.load(&key).await.state.unwrap().value();
    assert_eq!((&state["visits"], &state["email"]), (&json!(UPDATES), &Value::Null), "typed values survive");
}

/// Each side writes a field of its own; in the end all agree on both.
async fn both_at_once(python: &Path, redis: &Redis, store: &RedisStore, owner: &Owner) {
    let id = "01JYYYYYYYYYYYYYYYYYYYYYYY";
    let key = user(id);
    let first = json!({"name": "Eve", "email": "e", "visits": 0, "updated_at": ""});
    owner.done(vec![put(owner, &key, 0, &first)]).await;
    let mut program = Program::start(python, redis, &["rename", &format!("user:{id}"), "200"]);
    for n in 1..=200 {
        loop {
            let loaded = owner.load(&key).await;
            let mut state = loaded.state.unwrap().value();
            state["visits"] = n.into();
            let answers = owner.commit(vec![put(owner, &key, loaded.head.number(), &state)]).await;
            match answers[..] {
                [Committed::Done] => break,
                [Committed::Conflict { .. }] => {}
                _ => panic!("{answers:?}"),
            }
        }
    }
    assert_eq!(program.says()["done"], 200);
    let last = eventually("agreement", async || {
        let state = owner.load(&key).await.state.unwrap().value();
        (state["name"] == "name 200" && state["visits"] == 200).then_some(state)
    })
    .await;
    let flat = |field: &str| redis.ask(&["HGET", &format!("user:{id}"), field]).unwrap();
    assert_eq!((flat("name"), flat("visits"), flat("email")), ("name 200".into(), "200".into(), "e".into()));
    // The log leads to the same state.
    let mut replayed = serde_json::Map::new();
    for change in changes(store, &key).await {
        change.apply(&mut replayed).unwrap();
    }
    assert_eq!(Value::Object(replayed), last);
}

#[tokio::test]
async fn the_flat_hash_has_the_fields_of_the_state_and_nothing_else() {
    let redis = Redis::start().unwrap();
    let (_store, owner) = open(&redis).await;
    let key = user("a:b");
    let hash = |key: &str| {
        let text = redis.ask(&["HGETALL", key]).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect::<BTreeMap<_, _>>()
    };
    let expected = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>()
    };
    owner.done(vec![put(&owner, &key, 0, &json!({"name": "A", "visits": 1, "on": true, "tags": ["x"]}))]).await;
    let first = expected(&[("name", "A"), ("visits", "1"), ("on", "true"), ("tags", r#"["x"]"#)]);
    assert_eq!(hash("user:a:b"), first);
    owner.done(vec![put(&owner, &key, 1, &json!({"name": "A", "visits": 2}))]).await;
    assert_eq!(hash("user:a:b"), expected(&[("name", "A"), ("visits", "2")]));
    owner.done(vec![owner.delete(&key, 2)]).await;
    assert_eq!(hash("user:a:b"), expected(&[]));
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_foreign_write_without_a_message_is_seen_by_the_next_load() {
    let redis = Redis::start().unwrap();
    let (store, owner) = open(&redis).await;
    let key = user("a");
    owner.done(vec![put(&owner, &key, 0, &json!({"name": "A", "visits": 1}))]).await;
    redis.ask(&["HSET", "user:a", "visits", "7", "name", "B", "visits", "many"]).unwrap();
    redis.ask(&["HSET", "user:a", "visits", "8"]).unwrap();
    let loaded = owner.load(&key).await;
    assert_eq!(loaded.state.unwrap().value(), json!({"name": "B", "visits": 8}));
    assert_eq!(loaded.head.number(), 2);
    let stale = owner.commit(vec![put(&owner, &key, 1, &json!({"name": "C", "visits": 1}))]).await;
    assert_eq!(stale, [Committed::Conflict { head: Seq::new(2) }]);
    // What no number is stays out, and is looked at once.
    redis.ask(&["HSET", "user:a", "visits", "many"]).unwrap();
    assert_eq!(owner.load(&key).await.state.unwrap().value()["visits"], 8);
    assert_eq!(store.load(&key).await.unwrap().unwrap().head.number(), 3);
}

#[tokio::test]
async fn a_deleted_object_is_not_brought_back_by_a_late_writer() {
    let redis = Redis::start().unwrap();
    let (_store, owner) = open(&redis).await;
    let key = user("a");
    owner.done(vec![put(&owner, &key, 0, &json!({"name": "A"})), owner.delete(&key, 1)]).await;
    redis.ask(&["HSET", "user:a", "name", "zombie"]).unwrap();
    redis.ask(&["PUBLISH", "user-updates", r#"{"id":"user:a","changes":{"name":"zombie"}}"#]).unwrap();
    eventually("the end of the zombie", async || (redis.ask(&["EXISTS", "user:a"]).unwrap() == "0").then_some(()))
        .await;
    assert_eq!(owner.load(&key).await.state, None);
}

#[tokio::test]
async fn what_was_written_while_nobody_listened_is_found_when_the_connection_is_back() {
    let mut redis = Redis::start().unwrap();
    let (store, owner) = open(&redis).await;
    let key = user("a");
    owner.done(vec![put(&owner, &key, 0, &json!({"name": "A", "visits": 1}))]).await;
    redis.kill9().unwrap();
    redis.start_again().unwrap();
    redis.ask(&["HSET", "user:a", "visits", "2"]).unwrap();
    let found = eventually("the write", async || {
        let page = store.changes(&key, Seq::new(1), 9).await.ok()?;
        page.changes.first().cloned()
    })
    .await;
    assert_eq!(found.decode().unwrap().patch, *json!({"visits": 2}).as_object().unwrap());
}
