use std::sync::Arc;

use abide_core::{
    Seq, Store,
    port::{BoxFuture, store::Committed},
};
use abide_services::postgres::{Shared, shared};
use abide_store::{
    PostgresOptions,
    contract::{
        Subject,
        fixture::{Owner, key},
    },
};

use super::world::{open, options};

/// Nothing may depend on what the writer remembers of objects.
struct Forgetful(Shared);

impl Subject for Forgetful {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async { open(&self.0.url(), PostgresOptions { cached_objects: 0, ..options() }).await })
    }
}

mod without {
    use super::{Forgetful, shared};

    abide_store::store_contract! { @tests Forgetful(shared().unwrap());
        commits::a_failed_commit_leaves_nothing_of_itself,
        commits::a_failed_expectation_leaves_out_only_its_own_commit,
        commits::a_fenced_owner_cannot_commit,
        commits::batches_take_effect_in_the_order_of_calls,
        commits::commits_of_one_batch_to_one_object_apply_in_order,
        feed::feed_is_gap_free_in_commit_order,
        groups::a_conflict_leaves_out_the_whole_group,
        groups::groups_of_one_batch_stand_or_fall_each_by_itself,
        objects::a_deleted_object_comes_back_in_a_new_incarnation,
    }
}

/// Nobody does this to a store; but were it done, no commit would go wrong.
#[tokio::test]
async fn what_is_remembered_is_held_against_what_is_there() {
    let schema = shared().unwrap();
    let owner = Owner::claim(open(&schema.url(), options()).await).await;
    let (a, b) = (key("a"), key("b"));
    for key in [&a, &b] {
        owner.grow(key, 3).await;
    }
    schema.sql("UPDATE objects SET head = 5").unwrap();
    assert_eq!(owner.commit(vec![owner.keep(&a, 3)]).await, [Committed::Conflict { head: Seq::new(5) }]);
    schema.sql("UPDATE objects SET head = 7").unwrap();
    assert_eq!(owner.commit(vec![owner.put(&b, 7)]).await, [Committed::Done]);
    assert_eq!(
        owner.commit(vec![owner.put(&b, 8), owner.put(&b, 8)]).await,
        [Committed::Done, Committed::Conflict { head: Seq::new(9) }]
    );
    assert_eq!(owner.head(&b).await, 9);
}

#[tokio::test]
async fn an_owner_that_remembers_is_fenced_all_the_same() {
    let schema = shared().unwrap();
    let owner = Owner::claim(open(&schema.url(), options()).await).await;
    let a = key("a");
    owner.grow(&a, 3).await;
    let next = Owner::claim(open(&schema.url(), options()).await).await;
    for _ in 0..2 {
        let answers = owner.commit(vec![owner.put(&a, 3)]).await;
        assert_eq!(answers, [Committed::Fenced { current: next.put(&a, 3).epoch }]);
    }
    assert_eq!(next.commit(vec![next.put(&a, 3)]).await, [Committed::Done]);
}
