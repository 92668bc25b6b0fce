//! Collection fields put their operations into the change, any other field its value.
#![deny(warnings)]

use abide::{
    collection::{Counter, List, Map, Set},
    prelude::*,
};

#[derive(State, Default)]
struct Board {
    title: String,
    likes: Counter,
    tags: Set<String>,
    votes: Map<String, i64>,
    lines: List<String>,
}

#[object]
impl Board {
    #[handler]
    fn fill(&mut self) {
        self.title = "t".into();
        self.likes += 1;
        self.tags.insert("a".into());
        self.votes.insert("ann".into(), 1);
        self.lines.push("one".into());
    }
    #[handler]
    fn edit(&mut self) {
        self.likes += 2;
        self.tags.insert("b".into());
        *self.votes.get_or_default("ann".into()) += 1;
        self.lines[0].push('!');
    }
    #[handler]
    fn replace(&mut self) {
        self.tags = ["x".to_string()].into();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let abide = Abide::open("memory:").register::<Board>().start().await?;
    let board = abide.object::<Board>("x");
    board.fill().await?;
    let mut changes = board.changes(After::Now).await?;
    board.edit().await?;
    board.replace().await?;
    let mut next = async || match changes.next().await {
        Some(Ok(Update::Change(record))) => record.decode().unwrap(),
        other => panic!("{other:?}"),
    };
    let edit = next().await;
    assert!(edit.patch.is_empty(), "{:?}", edit.patch);
    assert_eq!(
        serde_json::Value::from(edit.ops),
        json!({
            "likes": [{"op": "add", "by": 2}],
            "tags": [{"op": "include", "value": "b"}],
            "votes": [{"op": "put", "key": "ann", "value": 2}],
            "lines": [{"op": "replace", "at": 0, "value": "one!"}],
        })
    );
    let replace = next().await;
    assert_eq!(serde_json::Value::from(replace.patch), json!({"tags": ["x"]}));
    assert!(replace.ops.is_empty());
    Ok(())
}
