//! Fields of one value are indexed under the names they are stored by; lists go by them.
#![deny(warnings)]

use abide::prelude::*;

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
enum Rank {
    #[default]
    Low,
    High,
}

#[derive(State, Default)]
struct Player {
    #[index]
    score: i64,
    #[index]
    #[state(rename = "full name")]
    name: Option<String>,
    #[index]
    rank: Rank,
    games: Vec<String>,
}

#[object]
impl Player {
    #[handler]
    fn set(&mut self, score: i64, name: Option<String>) {
        self.score = score;
        self.name = name;
        if score > 100 {
            self.rank = Rank::High;
        }
        self.games.push("one".into());
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let abide = Abide::open("memory:").register::<Player>().start().await?;
    for (id, score) in [("a", 5), ("b", 500), ("c", 7), ("d", 7)] {
        abide.object::<Player>(id).set(score, Some(format!("the {id}"))).await?;
    }
    let indexes = abide.store_status().await?.indexes;
    let of = |path: &str| ("Player".to_string(), path.to_string());
    assert_eq!(indexes, [of("`full name`"), of("rank"), of("score")]);
    let page = abide.find::<Player>().filter("score > 5").order("-score").limit(2).await?;
    let found: Vec<_> = page.objects.iter().map(|found| (found.id.as_str(), found.snapshot.state.score)).collect();
    assert_eq!(found, [("b", 500), ("d", 7)]);
    let rest = abide.find::<Player>().filter("score > 5").order("-score").after(page.next.unwrap()).await?;
    assert_eq!(rest.objects.len(), 1);
    assert!(rest.next.is_none());
    assert!(abide.find::<Player>().order("score desc").await.is_err());
    assert!(abide.find::<Player>().filter("score >").await.is_err());
    Ok(())
}
