//! The contract, on a Redis Cluster of three servers.

use std::sync::Arc;

use abide_core::{
    Store, StoreError,
    port::{BoxFuture, store::Commit},
};
use abide_services::RedisCluster;
use abide_store::{
    RedisStore,
    contract::{
        Subject, alarms, changes, commits, exports, feed,
        fixture::{Owner, key},
        imports, indexes, lists, messages, objects, orders, upkeep,
    },
};

/// A store of its own in a cluster that is there already.
struct InCluster {
    url: String,
}

impl Subject for InCluster {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let url = self.url.clone();
        Box::pin(async move { Arc::new(RedisStore::open(&url).await.unwrap()) as Arc<dyn Store> })
    }
}

/// Checks obligations one after the other, each in a store of its own.
macro_rules! check {
    ($cluster:expr; $($module:ident :: $obligation:ident,)+) => {
        $(
            let url = format!("{}?prefix={}&shards=16", $cluster.url(), stringify!($obligation));
            $module::$obligation(&mut InCluster { url }).await;
        )+
    };
}

#[tokio::test]
async fn a_cluster_keeps_the_contract() {
    let cluster = RedisCluster::start().unwrap();
    check! { cluster;
        alarms::a_dead_alarm_is_kept_but_not_due,
        alarms::alarms_are_listed_by_object_namespace_and_death,
        alarms::alarms_are_ordered_and_paged,
        alarms::an_alarm_is_replaced_by_its_name_and_removed_by_it,
        changes::a_kind_without_history_keeps_no_changes_and_moves_its_floor,
        changes::changes_are_paged_and_dense,
        changes::snapshot_is_the_latest_at_or_before,
        changes::trim_moves_the_floor,
        commits::a_batch_is_applied_when_commit_is_called_even_if_nobody_waits,
        commits::a_commit_with_an_epoch_to_come_changes_nothing,
        commits::a_failed_commit_leaves_nothing_of_itself,
        commits::a_failed_expectation_leaves_out_only_its_own_commit,
        commits::a_fenced_owner_cannot_commit,
        commits::batches_take_effect_in_the_order_of_calls,
        commits::claim_raises_every_epoch_by_one,
        commits::commits_of_one_batch_to_one_object_apply_in_order,
        commits::the_batch_is_durable_after_reopen,
        commits::the_last_commit_id_settles_a_lost_answer,
        feed::feed_is_gap_free_in_commit_order,
        feed::heads_of_the_feed_are_its_last_positions,
        indexes::an_index_holds_what_was_there_and_what_comes,
        lists::list_filters_by_state,
        lists::list_leaves_out_graves_and_other_kinds,
        lists::list_pages_by_id_with_prefix,
        messages::a_message_is_acknowledged_once_and_again_without_harm,
        messages::outbox_is_ordered_by_sender_and_number_and_paged,
        messages::outcomes_expire,
        messages::received_is_kept_with_its_commit,
        objects::a_deleted_object_comes_back_in_a_new_incarnation,
        objects::delete_leaves_a_grave_and_drops_alarms_and_changes_only,
        objects::ids_of_any_character_are_told_apart,
        orders::a_list_is_in_the_total_order_of_a_field,
        upkeep::clean_removes_at_most_its_limit,
        upkeep::status_counts_what_is_there,
        upkeep::verify_finds_nothing_in_a_store_that_was_used_well,
    }
}

#[tokio::test]
async fn a_cluster_is_moved_like_any_other_store() {
    let cluster = RedisCluster::start().unwrap();
    check! { cluster;
        exports::an_export_is_of_one_moment_or_says_so,
        exports::pages_of_any_size_join_to_the_same_rows,
        exports::what_is_exported_is_all_that_was_committed,
        imports::a_restored_store_goes_on_where_the_other_was,
        imports::a_store_that_holds_something_is_replaced_only_when_asked,
        imports::an_import_goes_on_where_it_was_broken_off,
        imports::an_unfinished_import_is_not_a_store,
        imports::rows_that_do_not_belong_together_are_refused,
        imports::what_is_imported_is_all_that_was_exported,
        imports::whoever_owned_the_store_before_an_import_is_fenced,
    }
}

#[tokio::test]
async fn a_group_over_several_slots_is_refused_and_changes_nothing() {
    let cluster = RedisCluster::start().unwrap();
    let owner = Owner::open(&mut InCluster { url: format!("{}?shards=16", cluster.url()) }).await;
    assert!(!owner.store.groups());
    let grouped = |id| Commit { group: Some(1), ..owner.put(&key(id), 0) };
    let others = (0..50).map(|n| n.to_string());
    let apart = others.into_iter().find(|id| key(id).shard(16) != key("a").shard(16)).unwrap();
    let refused = owner.store.commit(vec![grouped("a"), grouped(&apart)]).await;
    assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{refused:?}");
    assert_eq!((owner.head(&key("a")).await, owner.head(&key(&apart)).await), (0, 0));
}

/// A part of a cluster that is away holds up its own objects; nobody is told that a half was all.
#[tokio::test]
async fn a_batch_of_which_a_part_is_away_is_unknown() {
    let mut cluster = RedisCluster::start().unwrap();
    let owner = Owner::open(&mut InCluster { url: format!("{}?shards=64", cluster.url()) }).await;
    let keys: Vec<_> = (0..60).map(|n| key(&n.to_string())).collect();
    owner.done(keys.iter().map(|key| owner.put(key, 0)).collect()).await;
    cluster.servers()[2].kill9().unwrap();
    let failed = owner.store.commit(keys.iter().map(|key| owner.put(key, 1)).collect()).await;
    assert!(matches!(failed, Err(StoreError::Unknown(_))), "{failed:?}");
    cluster.servers()[2].start_again().unwrap();
    let mut heads = Vec::new();
    for key in &keys {
        heads.push(until_loaded(&owner, key).await);
    }
    assert!(heads.contains(&1) && heads.contains(&2), "{heads:?}");
}

async fn until_loaded(owner: &Owner, key: &abide_core::Key) -> u64 {
    for _ in 0..200 {
        if let Ok(loaded) = owner.store.load(key).await {
            return loaded.map_or(0, |loaded| loaded.head.number());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{key} cannot be loaded again");
}
