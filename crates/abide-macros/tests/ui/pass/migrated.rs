//! A collection field of a migrated state: the first change after it holds the whole value.
#![deny(warnings)]

use std::sync::Arc;

use abide::{collection::Set, port::Store, prelude::*, store::MemoryStore};

#[derive(State, Default)]
struct Old {
    tags: String,
}

#[object(name = "Tagged")]
impl Old {
    #[handler]
    fn tag(&mut self) {
        self.tags = "a b".into();
    }
}

#[derive(State, Default)]
struct New {
    tags: Set<String>,
}

fn split(_from: u32, state: &mut serde_json::Map<String, serde_json::Value>) -> Result<()> {
    if let Some(tags) = state.get("tags").and_then(|tags| tags.as_str()) {
        let tags: Vec<&str> = tags.split(' ').collect();
        let tags = json!(tags);
        state.insert("tags".into(), tags);
    }
    Ok(())
}

#[object(name = "Tagged", version = 2, migrate = split)]
impl New {
    #[handler]
    fn tag(&mut self, tag: String) {
        self.tags.insert(tag);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(8));
    let abide = Abide::over(store.clone()).register::<Old>().start().await?;
    abide.object::<Old>("x").tag().await?;
    abide.shutdown().await?;

    let abide = Abide::over(store).register::<New>().start().await?;
    let tagged = abide.object::<New>("x");
    let mut changes = tagged.changes(After::Now).await?;
    tagged.tag("c".into()).await?;
    tagged.tag("d".into()).await?;
    let mut state = json!({"tags": "a b"});
    for expected in [json!({"tags": ["a", "b", "c"]}), json!({"tags": ["a", "b", "c", "d"]})] {
        let change = changes.next().await.unwrap()?.change().unwrap();
        change.apply(state.as_object_mut().unwrap()).unwrap();
        assert_eq!(state, expected, "{change:?}");
    }
    Ok(())
}
