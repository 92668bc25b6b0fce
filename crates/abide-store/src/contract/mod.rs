//! What every store must do: the obligations of [`abide_core::Store`], each a function that panics
//! where a store does not keep it.
//!
//! [`store_contract!`](crate::store_contract) makes a test of each:
//! ```
//! # mod tests {
//! use std::sync::Arc;
//! use abide_core::{Store, port::BoxFuture};
//! use abide_store::{MemoryStore, contract::Subject};
//!
//! struct Memory(MemoryStore);
//!
//! impl Subject for Memory {
//!     fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
//!         let store = self.0.clone();
//!         Box::pin(async move { Arc::new(store) as Arc<dyn Store> })
//!     }
//! }
//!
//! abide_store::store_contract!(Memory(MemoryStore::new(16)));
//! # }
//! ```

pub mod agreement;
pub mod alarms;
pub mod changes;
pub mod commits;
pub mod exports;
pub mod feed;
pub mod fixture;
pub mod full;
pub mod groups;
pub mod imports;
pub mod indexes;
pub mod lists;
pub mod messages;
pub mod objects;
pub mod orders;
pub mod pages;
pub mod upkeep;

use std::sync::Arc;

use abide_core::{Store, port::BoxFuture};

/// An empty store of at least 16 shards, kept between openings.
pub trait Subject: Send {
    /// Opens the store; again, when its earlier handles are dropped.
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>>;
}

/// Makes a tokio test of every obligation. The expression gives a fresh [`Subject`] each time.
///
/// With `moving` before it, the tests are those of export and import.
#[macro_export]
macro_rules! store_contract {
    ($subject:expr) => {
        $crate::store_contract! { @tests $subject;
            agreement::lists_are_those_of_the_reference,
            alarms::a_dead_alarm_is_kept_but_not_due,
            alarms::alarms_are_listed_by_object_namespace_and_death,
            alarms::alarms_are_ordered_and_paged,
            alarms::an_alarm_is_replaced_by_its_name_and_removed_by_it,
            alarms::an_alarm_keeps_all_it_was_set_with,
            alarms::an_alarm_knows_on_whose_behalf_it_fires,
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
            commits::reads_never_see_a_part_of_a_batch,
            commits::reads_see_what_was_done_before,
            commits::the_batch_is_durable_after_reopen,
            commits::the_last_commit_id_settles_a_lost_answer,
            feed::feed_is_gap_free_in_commit_order,
            feed::heads_of_the_feed_are_its_last_positions,
            feed::the_feed_of_all_shards_is_whole_or_refused,
            feed::the_feed_of_one_shard_moves_on_past_the_others,
            groups::a_conflict_leaves_out_the_whole_group,
            groups::a_failed_group_leaves_nothing_of_itself,
            groups::a_fenced_commit_leaves_out_the_whole_group,
            groups::a_group_is_done_whole,
            groups::groups_of_one_batch_stand_or_fall_each_by_itself,
            groups::objects_that_cannot_be_together_are_refused,
            groups::reads_never_see_a_part_of_a_group,
            indexes::an_index_finds_only_objects_of_its_kind_and_namespace,
            indexes::an_index_holds_what_was_there_and_what_comes,
            indexes::indexes_are_made_once_and_outlive_reopening,
            indexes::indexes_that_are_not_wanted_any_more_are_dropped,
            indexes::what_has_no_index_is_refused_or_read,
            lists::list_filters_by_state,
            lists::list_leaves_out_graves_and_other_kinds,
            lists::list_pages_by_id_with_prefix,
            messages::a_message_is_acknowledged_once_and_again_without_harm,
            messages::a_message_keeps_all_it_was_sent_with,
            messages::outbox_is_ordered_by_sender_and_number_and_paged,
            messages::outcomes_expire,
            messages::outcomes_keep_answers_and_errors_by_caller_and_key,
            messages::received_is_kept_with_its_commit,
            objects::a_commit_without_a_state_keeps_the_state,
            objects::a_deleted_object_comes_back_in_a_new_incarnation,
            objects::an_object_that_was_never_there_is_nothing_everywhere,
            objects::an_object_without_state_can_still_hold_outcomes_and_messages,
            objects::delete_leaves_a_grave_and_drops_alarms_and_changes_only,
            objects::ids_of_any_character_are_told_apart,
            objects::namespaces_are_told_by_name,
            objects::namespaces_never_meet,
            objects::what_is_loaded_is_what_was_put,
            orders::a_cursor_outlives_the_object_it_came_from,
            orders::a_list_is_in_the_total_order_of_a_field,
            orders::an_ordered_list_may_be_filtered_and_narrowed_to_a_prefix,
            orders::numbers_are_compared_by_their_exact_value,
            orders::pages_join_without_loss_or_double_while_objects_change,
            orders::ties_are_in_the_order_of_the_bytes_of_ids,
            pages::a_list_ends_a_page_with_its_bytes,
            pages::alarms_end_a_page_with_their_bytes,
            pages::changes_end_a_page_with_its_bytes,
            pages::the_outbox_ends_a_page_with_its_bytes,
            upkeep::clean_removes_at_most_its_limit,
            upkeep::status_counts_what_is_there,
            upkeep::the_store_keeps_the_id_it_was_created_with,
            upkeep::verify_finds_nothing_in_a_store_that_was_used_well,
        }
    };
    (moving $subject:expr) => {
        $crate::store_contract! { @tests $subject;
            exports::an_export_does_not_wait_for_its_reader,
            exports::an_export_is_of_one_moment_or_says_so,
            exports::pages_of_any_size_join_to_the_same_rows,
            exports::what_is_exported_is_all_that_was_committed,
            imports::a_restored_store_goes_on_where_the_other_was,
            imports::a_store_that_holds_something_is_replaced_only_when_asked,
            imports::an_import_goes_on_where_it_was_broken_off,
            imports::an_import_of_many_rows_keeps_each,
            imports::an_unfinished_import_is_not_a_store,
            imports::rows_that_do_not_belong_together_are_refused,
            imports::what_is_imported_is_all_that_was_exported,
            imports::whoever_owned_the_store_before_an_import_is_fenced,
        }
    };
    (@tests $subject:expr; $($module:ident :: $obligation:ident,)+) => {
        $(
            #[tokio::test]
            async fn $obligation() {
                $crate::contract::$module::$obligation(&mut $subject).await;
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_obligation_is_in_the_macro() {
        let sources = [
            ("agreement", include_str!("agreement.rs")),
            ("alarms", include_str!("alarms.rs")),
            ("changes", include_str!("changes.rs")),
            ("commits", include_str!("commits.rs")),
            ("exports", include_str!("exports.rs")),
            ("feed", include_str!("feed.rs")),
            ("groups", include_str!("groups.rs")),
            ("imports", include_str!("imports.rs")),
            ("indexes", include_str!("indexes.rs")),
            ("lists", include_str!("lists.rs")),
            ("messages", include_str!("messages.rs")),
            ("objects", include_str!("objects.rs")),
            ("orders", include_str!("orders.rs")),
            ("pages", include_str!("pages.rs")),
            ("upkeep", include_str!("upkeep.rs")),
        ];
        let listed = include_str!("mod.rs");
        for (module, source) in sources {
            let names = source.split("\npub async fn ").skip(1);
            for name in names.filter_map(|rest| rest.split('(').next()) {
                assert!(listed.contains(&format!("{module}::{name},")), "{module}::{name} is not in the macro");
            }
        }
    }
}
