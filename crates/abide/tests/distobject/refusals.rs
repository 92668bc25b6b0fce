//! Where the layout cannot be.

use abide::{Code, prelude::*};

use crate::user::User;

#[derive(State, Default)]
struct Hasty {
    n: u64,
}

#[object(layout = "distobject", durability = "volatile")]
impl Hasty {
    #[handler]
    fn n(&self) -> u64 {
        self.n
    }
}

#[derive(State, Default)]
struct Twin {
    n: u64,
}

#[object(layout = "distobject", prefix = "user", channel = "twins")]
impl Twin {
    #[handler]
    fn n(&self) -> u64 {
        self.n
    }
}

#[tokio::test]
async fn a_node_over_another_store_does_not_start() {
    let error = Abide::open("memory:").register::<User>().start().await.err().unwrap();
    assert_eq!(error.code(), Code::BadRequest);
    assert_eq!(
        error.detail(),
        "a store of type memory cannot keep User with `layout = \"distobject\"`: that is how objects are kept in \
         Redis; open the store at redis://…, or remove the option; nothing was changed"
    );
}

#[tokio::test]
async fn a_kind_that_is_not_stored_before_it_answers_cannot_be_shared() {
    let error = Abide::open("memory:").register::<Hasty>().start().await.err().unwrap();
    assert_eq!(
        error.detail(),
        "kind Hasty has `layout = \"distobject\"`, but it is never written (`durability = \"volatile\"`): remove one"
    );
}

#[tokio::test]
async fn two_kinds_cannot_have_the_same_keys() {
    let error = Abide::open("memory:").register::<User>().register::<Twin>().start().await.err().unwrap();
    assert_eq!(error.detail(), "kinds Twin and User have the same prefix \"user\"");
}
