use std::time::Duration;

use abide::{Code, prelude::*};

#[derive(State, Default)]
pub struct Box {
    got: Vec<i64>,
    closed: bool,
}

#[object]
impl Box {
    #[handler]
    pub fn send_all(&mut self, ctx: &mut Context, to: String, from: i64, count: i64) -> Result<()> {
        for n in from..from + count {
            ctx.object::<Self>(&to).put(n).send(ctx)?;
        }
        Ok(())
    }

    #[handler]
    pub fn send_and_fail(&mut self, ctx: &mut Context, to: String) -> Result<()> {
        ctx.send("Box", &to, "put", json!({"n": 99}))?;
        Err(Error::rejected("no"))
    }

    #[handler]
    pub fn send_and_go(&mut self, ctx: &mut Context, to: String, n: i64) -> Result<()> {
        ctx.delete_self();
        ctx.object::<Self>(&to).put(n).send(ctx)
    }

    #[handler]
    pub fn put(&mut self, n: i64) -> Result<()> {
        if self.closed {
            return Err(Error::unavailable("closed for now; try again"));
        }
        self.got.push(n);
        Ok(())
    }

    #[handler]
    pub fn close(&mut self, closed: bool) {
        self.closed = closed;
    }

    #[handler]
    pub fn got(&self) -> Vec<i64> {
        self.got.clone()
    }

    #[handler]
    pub async fn ask(&mut self, ctx: &mut Context, path: Vec<String>) -> Result<usize> {
        match path.split_first() {
            Some((next, rest)) => ctx.object::<Self>(next).ask(rest.to_vec()).await,
            None => Ok(self.got.len()),
        }
    }

    #[handler(reentrant)]
    pub fn peek(&self) -> usize {
        self.got.len()
    }

    #[handler]
    pub async fn ask_back(&mut self, ctx: &mut Context, me: String) -> Result<usize> {
        self.got.push(1);
        ctx.object::<Self>("other").peek_at(me).await
    }

    #[handler]
    pub async fn peek_at(&mut self, ctx: &mut Context, id: String) -> Result<usize> {
        ctx.object::<Self>(&id).peek().await
    }
}

async fn start(url: &str) -> Abide {
    Abide::open(url).register::<Box>().start().await.unwrap()
}

async fn wait_for(object: &BoxRef, count: usize) -> Vec<i64> {
    for _ in 0..3000 {
        let got = object.got().await.unwrap();
        if got.len() >= count {
            return got;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("only {} arrived", object.got().await.unwrap().len());
}

#[tokio::test]
async fn messages_arrive_in_order_and_once() {
    let abide = start("memory:").await;
    for from in 0..10 {
        abide.object::<Box>("a").send_all("b".into(), from * 20, 20).await.unwrap();
    }
    assert_eq!(wait_for(&abide.object::<Box>("b"), 200).await, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_turn_that_fails_sends_nothing() {
    let abide = start("memory:").await;
    abide.object::<Box>("a").send_and_fail("b".into()).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(abide.object::<Box>("b").got().await.unwrap().is_empty());
}

#[tokio::test]
async fn messages_survive_a_crash_of_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("a.db").display());
    let abide = start(&url).await;
    abide.object::<Box>("a").send_all("b".into(), 0, 500).await.unwrap();
    abide.abort();
    drop(abide);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let abide = start(&url).await;
    assert_eq!(wait_for(&abide.object::<Box>("b"), 500).await, (0..500).collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(abide.store_status().await.unwrap().outbox, 0);
    abide.shutdown().await.unwrap();
}

#[tokio::test]
async fn more_messages_than_memory_may_hold_arrive_all_the_same() {
    let abide =
        Abide::open("memory:").register::<Box>().configure(|o| o.messages_in_memory = 50).start().await.unwrap();
    for from in 0..10 {
        abide.object::<Box>("a").send_all("b".into(), from * 30, 30).await.unwrap();
    }
    assert_eq!(wait_for(&abide.object::<Box>("b"), 300).await, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_that_comes_back_to_its_own_turn_fails_at_once() {
    let abide = start("memory:").await;
    let path = ["b", "c", "a"].map(String::from).to_vec();
    let error = abide.object::<Box>("a").ask(path).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), (Code::Deadlock, false));
    assert!(error.detail().contains("through other objects"), "{error}");
    assert_eq!(abide.object::<Box>("a").ask(vec!["b".into(), "c".into()]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_call_to_itself_is_told_apart_from_a_circle() {
    let abide = start("memory:").await;
    let error = abide.object::<Box>("a").ask(vec!["a".into()]).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), (Code::Deadlock, false));
    assert!(error.detail().contains("Box/a calls itself") && error.detail().contains("`self`"), "{error}");
}

#[tokio::test]
async fn a_reentrant_reader_sees_the_state_before_the_turn_that_waits() {
    let abide = start("memory:").await;
    let a = abide.object::<Box>("a");
    a.put(0).await.unwrap();
    assert_eq!(a.ask_back("a".into()).await.unwrap(), 1);
    assert_eq!(a.got().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_message_arrives_of_an_object_that_deletes_itself_in_its_first_turn() {
    let dir = tempfile::tempdir().unwrap();
    for url in ["memory:".into(), format!("sqlite:{}", dir.path().join("a.db").display())] {
        let abide = start(&url).await;
        abide.object::<Box>("a").send_and_go("b".into(), 1).await.unwrap();
        abide.object::<Box>("a").send_and_go("b".into(), 2).await.unwrap();
        abide.object::<Box>("a").send_and_go("b".into(), 3).key("k3").await.unwrap();
        abide.object::<Box>("a").send_and_go("b".into(), 4).key("k4").await.unwrap();
        assert_eq!(wait_for(&abide.object::<Box>("b"), 4).await, [1, 2, 3, 4], "{url}");
        assert!((*abide.object::<Box>("a")).peek().await.unwrap().is_none());
        abide.shutdown().await.unwrap();
    }
}
