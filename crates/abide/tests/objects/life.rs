use std::sync::atomic::{AtomicUsize, Ordering};

use abide::{Code, prelude::*};

use super::{Counter, memory};

async fn sqlite(path: &std::path::Path) -> Abide {
    Abide::open(format!("sqlite:{}", path.display())).register::<Counter>().register::<Noted>().start().await.unwrap()
}

#[derive(State, Default)]
pub struct Noted {
    notes: Vec<String>,
}

#[object(hibernate_after = "1s")]
impl Noted {
    #[handler]
    pub fn note(&mut self, text: String) -> Vec<String> {
        self.notes.push(text);
        self.notes.clone()
    }

    #[hook]
    fn on_create(&mut self) {
        self.notes.push("created".into());
    }

    #[hook]
    async fn on_activate(&mut self) {
        self.notes.push("activated".into());
    }

    #[hook]
    fn on_deactivate(&mut self) {
        self.notes.push("deactivated".into());
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    {
        let abide = sqlite(&path).await;
        let counter = abide.object::<Counter>("a");
        for _ in 0..10 {
            counter.increment(1).await.unwrap();
        }
        abide.shutdown().await.unwrap();
    }
    let abide = sqlite(&path).await;
    let counter = abide.object::<Counter>("a");
    assert_eq!(counter.get().await.unwrap(), 10);
    let reply = counter.increment(1).reply().await.unwrap();
    assert_eq!((reply.value, reply.seq.number()), (11, 11));
    abide.shutdown().await.unwrap();
}

#[tokio::test]
async fn hooks_run_when_an_object_is_created_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let abide = sqlite(&path).await;
    let noted = abide.object::<Noted>("a");
    assert_eq!(noted.note("one".into()).await.unwrap(), ["created", "one"]);
    abide.shutdown().await.unwrap();
    let abide = sqlite(&path).await;
    let notes = abide.object::<Noted>("a").note("two".into()).await.unwrap();
    assert_eq!(notes, ["created", "one", "deactivated", "activated", "two"]);
    abide.evict_idle();
    let notes = abide.object::<Noted>("a").note("three".into()).await.unwrap();
    assert_eq!(notes[5..], ["deactivated", "activated", "three"]);
    abide.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_deleted_object_is_gone_and_a_new_one_goes_on_counting_seqs() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    counter.increment(5).await.unwrap();
    counter.delete().await.unwrap();
    assert!(counter.peek().await.unwrap().is_none());
    assert_eq!(counter.get().await.unwrap(), 0);
    counter.delete().await.unwrap();
    let reply = counter.increment(1).reply().await.unwrap();
    assert_eq!((reply.value, reply.seq.number()), (1, 3));
}

#[tokio::test]
async fn an_earlier_state_can_be_read_within_history() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    for _ in 0..30 {
        counter.increment(1).await.unwrap();
    }
    let key = counter.key().unwrap().clone();
    for seq in 22..=30 {
        let then = abide.state_at(&key, abide::Seq::new(seq)).await.unwrap();
        let state: serde_json::Value = then.state.value();
        assert_eq!(state["count"], seq, "{state}");
    }
    assert_eq!(abide.state_at(&key, abide::Seq::new(3)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(abide.state_at(&key, abide::Seq::new(31)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_states_of_an_object_that_came_back_can_be_read_from_its_first_on() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    for _ in 0..2 {
        counter.increment(5).await.unwrap();
    }
    counter.delete().await.unwrap();
    let key = counter.key().unwrap().clone();
    for count in 1..=3 {
        let seq = counter.increment(1).reply().await.unwrap().seq;
        let then: serde_json::Value = abide.state_at(&key, seq).await.unwrap().state.value();
        assert_eq!(then["count"], count, "{then}");
    }
    let first: serde_json::Value = abide.state_at(&key, abide::Seq::new(4)).await.unwrap().state.value();
    assert_eq!(first["count"], 1, "{first}");
    for gone in [1, 2, 3] {
        assert_eq!(abide.state_at(&key, abide::Seq::new(gone)).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_state_that_is_dropped_while_it_is_read_is_never_another_one() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    let key = counter.key().unwrap().clone();
    let writing = {
        let counter = counter.clone();
        tokio::spawn(async move {
            for _ in 0..20_000 {
                counter.increment(1).await.unwrap();
            }
        })
    };
    let (mut read, mut dropped) = (0, 0);
    while !writing.is_finished() {
        let head = counter.peek().await.unwrap().map_or(0, |now| now.seq.number());
        for back in 8..16 {
            let Some(seq) = head.checked_sub(back).filter(|seq| *seq > 0) else { continue };
            match abide.state_at(&key, abide::Seq::new(seq)).await {
                Ok(then) => {
                    let state: serde_json::Value = then.state.value();
                    assert_eq!(state["count"], seq, "{state}");
                    assert!(then.updated_at > abide::Timestamp::EPOCH);
                    read += 1;
                }
                Err(error) => {
                    assert!(matches!(error.code(), Code::NotFound | Code::Unavailable), "{error}");
                    dropped += 1;
                }
            }
        }
    }
    writing.await.unwrap();
    assert!(read > 0 && dropped > 0, "{read} read, {dropped} dropped");
}

#[tokio::test]
async fn idle_objects_hibernate_and_are_there_again() {
    let abide = memory().await;
    for id in 0..100 {
        abide.object::<Counter>(&id.to_string()).increment(id).await.unwrap();
    }
    abide.hibernate_all();
    assert_eq!(abide.objects_in_memory(), 100);
    assert_eq!(abide.object::<Counter>("7").increment(1).await.unwrap(), 8);
    abide.evict_idle();
    assert_eq!(abide.objects_in_memory(), 0);
    assert_eq!(abide.object::<Counter>("9").increment(1).await.unwrap(), 10);
}

#[tokio::test]
async fn a_node_that_shuts_down_refuses_new_calls_with_a_sentence() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    counter.increment(1).await.unwrap();
    abide.shutdown().await.unwrap();
    let error = counter.increment(1).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.detail().contains("shutting down"), "{error}");
}

static FAREWELLS: AtomicUsize = AtomicUsize::new(0);

#[derive(State, Default)]
pub struct Fleeting {
    seen: u32,
}

#[object]
impl Fleeting {
    #[handler]
    pub fn see(&mut self) {
        self.seen += 1;
    }

    #[handler]
    pub fn leave(&mut self, ctx: &mut Context) {
        ctx.delete_self();
    }

    #[hook]
    fn on_delete(&mut self) {
        FAREWELLS.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn on_delete_runs_whoever_deletes_the_object_and_only_if_there_is_one() {
    let abide = Abide::open("memory:").register::<Fleeting>().start().await.unwrap();
    let (own, other) = (abide.object::<Fleeting>("own"), abide.object::<Fleeting>("other"));
    other.delete().await.unwrap();
    assert_eq!(FAREWELLS.load(Ordering::SeqCst), 0);
    own.see().await.unwrap();
    own.see().await.unwrap();
    own.leave().await.unwrap();
    assert_eq!(FAREWELLS.load(Ordering::SeqCst), 1);
    other.see().await.unwrap();
    other.delete().await.unwrap();
    assert_eq!(FAREWELLS.load(Ordering::SeqCst), 2);
}

#[derive(State, Default)]
pub struct Lazy {
    notes: Vec<String>,
}

#[object(durability = "behind:20ms")]
impl Lazy {
    #[handler]
    pub fn note(&mut self, text: String) -> Vec<String> {
        self.notes.push(text);
        self.notes.clone()
    }

    #[hook]
    fn on_deactivate(&mut self) {
        self.notes.push("deactivated".into());
    }
}

#[tokio::test]
async fn what_a_behind_object_does_as_it_leaves_memory_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("a.db").display());
    let abide = Abide::open(url.clone()).register::<Lazy>().start().await.unwrap();
    let lazy = abide.object::<Lazy>("a");
    assert_eq!(lazy.note("one".into()).await.unwrap(), ["one"]);
    // An answer that is not yet written, and then at once the way out.
    abide.evict_idle();
    assert_eq!(lazy.note("two".into()).await.unwrap(), ["one", "deactivated", "two"]);
    abide.shutdown().await.unwrap();
    let abide = Abide::open(url).register::<Lazy>().start().await.unwrap();
    let notes = abide.object::<Lazy>("a").note("three".into()).await.unwrap();
    assert_eq!(notes, ["one", "deactivated", "two", "deactivated", "three"]);
    abide.shutdown().await.unwrap();
}
