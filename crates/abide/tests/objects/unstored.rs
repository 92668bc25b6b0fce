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
