//! Fields that are not stored, when a turn fails.

use abide::{Code, prelude::*};

#[derive(State, Default)]
pub struct Desk {
    count: i64,
    #[state(skip)]
    papers: Vec<String>,
}

#[object]
impl Desk {
    #[handler]
    pub fn put(&mut self, paper: String) -> i64 {
        self.papers.push(paper);
        self.count += 1;
        self.count
    }

    #[handler]
    pub fn refuse(&mut self, paper: String) -> Result<()> {
        self.put(paper);
        Err(Error::rejected("no more papers"))
    }

    #[handler]
    pub async fn refuse_later(&mut self, ctx: &mut Context, paper: String) -> Result<()> {
        ctx.object::<Self>("other").put(paper.clone()).await?;
        self.refuse(paper)
    }

    #[handler]
    pub fn fall(&mut self, paper: String) {
        self.put(paper);
        panic!("the desk falls, as planned");
    }

    #[handler]
    pub async fn fall_later(&mut self, ctx: &mut Context, paper: String) -> Result<()> {
        ctx.object::<Self>("other").put(paper.clone()).await?;
        self.put(paper);
        panic!("the desk falls in the end, as planned");
    }

    /// Hears that another one falls, or is too slow, and passes it on.
    #[handler]
    pub async fn pass_on(&mut self, ctx: &mut Context, paper: String, falls: bool) -> Result<()> {
        self.put(paper.clone());
        let other = ctx.object::<Self>("other");
        if falls { other.fall(paper).await } else { other.stall(paper).timeout("20ms").await }
    }

    /// Changes nothing that is stored.
    #[handler]
    pub fn slip(&mut self, paper: String) {
        self.papers.push(paper);
    }

    #[handler]
    pub async fn stall(&mut self, paper: String) {
        self.put(paper);
        std::future::pending::<()>().await;
    }

    #[handler]
    pub fn look(&self) -> (i64, Vec<String>) {
        (self.count, self.papers.clone())
    }
}

async fn start() -> Abide {
    Abide::open("memory:").register::<Desk>().start().await.unwrap()
}

fn papers(papers: &[&str]) -> Vec<String> {
    papers.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_handler_that_answers_with_an_error_leaves_them_as_they_are() {
    let abide = start().await;
    let desk = abide.object::<Desk>("a");
    desk.put("a".into()).await.unwrap();
    assert_eq!(desk.refuse("b".into()).await.unwrap_err().code(), Code::Rejected);
    assert_eq!(desk.look().await.unwrap(), (1, papers(&["a", "b"])));
    assert_eq!(desk.refuse_later("c".into()).await.unwrap_err().code(), Code::Rejected);
    assert_eq!(desk.look().await.unwrap(), (1, papers(&["a", "b", "c"])));
    assert_eq!(desk.put("d".into()).await.unwrap(), 2);
    assert_eq!(desk.look().await.unwrap(), (2, papers(&["a", "b", "c", "d"])));
}

#[tokio::test]
async fn a_panic_and_a_turn_that_is_broken_off_empty_them() {
    let abide = start().await;
    let desk = abide.object::<Desk>("a");
    desk.put("a".into()).await.unwrap();
    assert_eq!(desk.fall("b".into()).await.unwrap_err().code(), Code::Internal);
    assert_eq!(desk.look().await.unwrap(), (1, papers(&[])));
    desk.put("c".into()).await.unwrap();
    assert_eq!(desk.stall("d".into()).timeout("20ms").await.unwrap_err().code(), Code::Deadline);
    assert_eq!(desk.look().await.unwrap(), (2, papers(&[])));
    desk.put("e".into()).await.unwrap();
    assert_eq!(desk.fall_later("f".into()).await.unwrap_err().code(), Code::Internal);
    assert_eq!(desk.look().await.unwrap(), (3, papers(&[])));
}

#[tokio::test]
async fn a_handler_that_passes_on_how_another_object_failed_leaves_them_as_they_are() {
    let abide = start().await;
    let (desk, other) = (abide.object::<Desk>("a"), abide.object::<Desk>("other"));
    for desk in [&desk, &other] {
        desk.put("a".into()).await.unwrap();
    }
    assert_eq!(desk.pass_on("b".into(), true).await.unwrap_err().code(), Code::Internal);
    assert_eq!(desk.look().await.unwrap(), (1, papers(&["a", "b"])));
    assert_eq!(other.look().await.unwrap(), (1, papers(&[])), "the one that fell");
    assert_eq!(desk.pass_on("c".into(), false).await.unwrap_err().code(), Code::Deadline);
    assert_eq!(desk.look().await.unwrap(), (1, papers(&["a", "b", "c"])));
}

#[tokio::test]
async fn a_transaction_that_gives_up_leaves_them_as_its_turns_left_them() {
    let abide = start().await;
    let (a, b, fresh) = (abide.object::<Desk>("a"), abide.object::<Desk>("b"), abide.object::<Desk>("fresh"));
    for desk in [&a, &b] {
        desk.put("a".into()).await.unwrap();
    }
    let given_up = abide
        .transaction(&[&a, &b, &fresh], |tx| {
            let (a, b, fresh) = (a.within(&tx), b.within(&tx), fresh.within(&tx));
            async move {
                fresh.put("b".into()).await?;
                a.put("b".into()).await?;
                b.refuse("b".into()).await
            }
        })
        .await;
    assert_eq!(given_up.unwrap_err().code(), Code::Rejected);
    for desk in [&a, &b] {
        assert_eq!(desk.look().await.unwrap(), (1, papers(&["a", "b"])));
        assert_eq!(desk.put("c".into()).reply().await.unwrap().seq.number(), 2, "what is stored was taken back");
    }
    assert_eq!(fresh.look().await.unwrap(), (0, papers(&[])), "it was not made");
    assert!(fresh.peek().await.unwrap().is_none());
}

#[tokio::test]
async fn a_transaction_that_commits_keeps_them_also_where_nothing_else_changed() {
    let abide = start().await;
    let (a, b) = (abide.object::<Desk>("a"), abide.object::<Desk>("b"));
    for put in [false, true] {
        for desk in [&a, &b] {
            desk.put("a".into()).await.unwrap();
        }
        abide
            .transaction(&[&a, &b], |tx| {
                let (a, b) = (a.within(&tx), b.within(&tx));
                async move {
                    a.slip("b".into()).await?;
                    if put { b.put("b".into()).await.map(drop) } else { b.slip("b".into()).await }
                }
            })
            .await
            .unwrap();
    }
    assert_eq!(a.look().await.unwrap(), (2, papers(&["a", "b", "a", "b"])));
    assert_eq!(b.look().await.unwrap(), (3, papers(&["a", "b", "a", "b"])));
}

#[tokio::test]
async fn a_turn_of_a_transaction_that_is_broken_off_empties_them() {
    let abide = start().await;
    let (a, b) = (abide.object::<Desk>("a"), abide.object::<Desk>("b"));
    for desk in [&a, &b] {
        desk.put("a".into()).await.unwrap();
    }
    let given_up = abide
        .transaction(&[&a, &b], |tx| {
            let (a, b) = (a.within(&tx), b.within(&tx));
            async move {
                assert_eq!(a.fall("b".into()).await.unwrap_err().code(), Code::Internal);
                b.stall("b".into()).timeout("20ms").await
            }
        })
        .await;
    assert_eq!(given_up.unwrap_err().code(), Code::Deadline);
    for desk in [&a, &b] {
        assert_eq!(desk.look().await.unwrap(), (1, papers(&[])));
    }
}

#[tokio::test]
async fn an_object_that_was_not_made_has_none() {
    let abide = start().await;
    let desk = abide.object::<Desk>("a");
    desk.refuse("a".into()).await.unwrap_err();
    assert!(desk.peek().await.unwrap().is_none());
    desk.put("b".into()).await.unwrap();
    assert_eq!(desk.look().await.unwrap(), (1, papers(&["b"])));
}
