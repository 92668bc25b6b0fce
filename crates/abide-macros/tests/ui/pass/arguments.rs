//! Named, positional, missing and defaulted arguments; raw names; `Self`.
#![deny(warnings)]

use abide::prelude::*;

#[derive(State, Default, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Notes {
    all: Vec<String>,
    #[state(rename = "kind", alias = "sort")]
    r#type: Option<String>,
    #[state(skip)]
    #[serde(skip)]
    cache: Option<usize>,
}

const MOST: usize = 3;

fn limit() -> usize {
    MOST
}

#[object]
impl Notes {
    #[handler]
    fn add(&mut self, mut text: String, #[arg(default = 1)] times: u32, mark: Option<char>) -> usize {
        text.extend(mark);
        for _ in 0..times {
            self.all.push(text.clone());
        }
        self.cache = Some(self.all.len());
        self.all.len()
    }
    #[handler]
    fn list(&self, ctx: &Context, #[arg(default = limit() - 1)] most: usize, #[arg(default)] skip: usize) -> Vec<String> {
        assert_eq!(ctx.key().id(), "x");
        self.all.iter().skip(skip).take(most).cloned().collect()
    }
    #[handler]
    fn r#match(&mut self, r#type: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.r#type, r#type)
    }
    #[handler]
    fn replace(&mut self, with: Self) -> Self {
        std::mem::replace(self, with)
    }
    #[handler]
    fn many(&self, a: (u8, u8), b: Vec<Self>, c: [i8; 2]) -> (usize, i8, u8) {
        (b.len(), c[0] + c[1], a.0 + a.1)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let abide = Abide::open("memory:").register::<Notes>().start().await?;
    let notes = abide.object::<Notes>("x");
    assert_eq!(notes.add("a".into(), 2, None).await?, 2);
    for (args, count) in [
        (json!({"text": "b"}), 3),
        (json!({"text": "b", "mark": "!", "times": 2}), 5),
        (json!(["c"]), 6),
        (json!(["c", 2, "?"]), 8),
    ] {
        let added: usize = abide.call("Notes", "x", "add", args).await?;
        assert_eq!(added, count);
    }
    for (args, expected) in [
        (json!(null), json!(["a", "a"])),
        (json!({}), json!(["a", "a"])),
        (json!([]), json!(["a", "a"])),
        (json!({"most": 1}), json!(["a"])),
        (json!([1, 2]), json!(["b"])),
        (json!({"skip": 7}), json!(["c?"])),
    ] {
        let listed: serde_json::Value = abide.call("Notes", "x", "list", args).await?;
        assert_eq!(listed, expected);
    }
    for args in [json!({"txt": "b"}), json!({"text": "b", "more": 1}), json!(null), json!(["b", 1, "x", 4])] {
        let error = abide.call::<usize>("Notes", "x", "add", args.clone()).await.unwrap_err();
        assert_eq!(error.code(), abide::Code::BadRequest, "{args}: {error}");
    }
    assert_eq!(notes.r#match(Some("t".into())).await?, None);
    let kind: Option<String> = abide.call("Notes", "x", "match", json!({"type": null})).await?;
    assert_eq!(kind.as_deref(), Some("t"));
    let old = notes.replace(Notes::default()).await?;
    assert_eq!(old.all.len(), 8);
    assert_eq!(notes.many((1, 2), vec![old], [-1, -2]).await?, (1, -3, 3));
    Ok(())
}
