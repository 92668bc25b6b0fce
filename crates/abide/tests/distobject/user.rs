//! The kind that both sides share, and a node for it.

use std::time::Duration;

use abide::{After, Change, Update, prelude::*};
use abide_services::Redis;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A user, as the program of distobject knows it.
#[derive(State, Default, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) visits: u64,
    pub(crate) updated_at: String,
}

#[object(layout = "distobject", prefix = "user", channel = "user-updates", history = "all")]
impl User {
    #[handler]
    pub(crate) fn sign_up(&mut self, name: String, email: Option<String>) {
        (self.name, self.email) = (name, email);
    }

    #[handler]
    pub(crate) fn rename(&mut self, name: String) {
        self.name = name;
    }

    #[handler]
    pub(crate) fn visit(&mut self, nth: u64) -> u64 {
        self.visits = nth;
        self.visits
    }

    /// Builds on what the other side wrote.
    #[handler]
    pub(crate) fn visit_again(&mut self) -> u64 {
        self.visits += 1;
        self.visits
    }

    #[handler]
    pub(crate) fn visits(&self) -> u64 {
        self.visits
    }

    #[handler]
    pub(crate) fn leave(&mut self, ctx: &mut Context) {
        ctx.delete_self();
    }
}

/// A node that hears what is told of users.
pub(crate) async fn node(redis: &Redis) -> Abide {
    let abide = Abide::open(redis.url()).register::<User>().start().await.unwrap();
    let of_nobody = json!({"id": "nobody:a", "changes": {}}).to_string();
    soon("the subscription", async {
        while redis.ask(&["PUBLISH", "user-updates", &of_nobody]).unwrap() == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    abide
}

/// Waits for what has to come.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Every change of a user, up to the one after which it has had so many visits.
pub(crate) async fn changes_until(user: &Ref<User>, visits: u64) -> Vec<Change> {
    let mut stream = user.changes(After::Start).await.unwrap();
    let mut changes: Vec<Change> = Vec::new();
    soon("the last update", async {
        while changes.last().is_none_or(|last| last.patch.get("visits").is_none_or(|found| *found != visits)) {
            match stream.next().await.unwrap().unwrap() {
                update @ Update::Change(_) => changes.push(update.change().unwrap()),
                reset @ Update::Reset { .. } => panic!("all changes are kept: {reset:?}"),
            }
        }
    })
    .await;
    assert!((1..).zip(&changes).all(|(seq, change)| change.seq.number() == seq), "the log is dense");
    changes
}
