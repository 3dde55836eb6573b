//! The behaviours that every store must show, whether it keeps its rows in a file or elsewhere. Access tokens
//! are the exception: a store that only tests use may return an error from each of their methods.
//!
//! The traits describe each method; these tests describe how the methods work together. They use nothing but
//! [`Store`](super::Store), [`Queue`](super::Queue), the notices and the clock, so they hold for a file, for
//! memory and for a database elsewhere alike. [`tests`] names the stores, and is the only place that does: a
//! new store gets a function there that opens an empty one, and all of these tests run on it.
//!
//! Tested elsewhere, because only one of the two stores has them: access tokens (on the running server, in
//! `tests/it/tokens`), searches for text, pages in parts and pieces of payloads (`sqlite::reads::lists`),
//! retention and erasure (`sqlite::maintenance`), and crashes (`tests/it/crash`). A store that a server runs
//! on needs all of them.

mod attempts;
mod disabling;
mod endpoints;
mod fixture;
mod lists;
mod overviews;
mod publishing;
mod queue;
mod redelivery;
mod rests;
mod workspaces;

pub(crate) use self::fixture::{OpenStore, Settings};

/// Hands every behaviour to the macro `$each`, file by file, together with the function that opens a store.
/// A behaviour that is not in this list is dead code, which the compiler reports.
macro_rules! behaviours {
    ($each:ident, $open:path) => {
        $each!(
            $open,
            publishing,
            [
                a_message_becomes_an_event_for_each_endpoint_that_subscribes,
                a_message_that_no_endpoint_wants_is_stored_without_events,
                a_filter_decides_who_gets_a_message_and_who_missed_it,
                a_disabled_or_deleted_endpoint_gets_no_events,
                a_repeated_key_returns_the_first_message_and_publishes_nothing,
                a_key_with_another_body_is_refused,
                a_key_belongs_to_its_workspace_and_is_free_after_a_day,
                an_unknown_or_deleted_workspace_is_refused,
                a_message_that_names_endpoints_goes_to_these_alone,
                endpoints_that_the_workspace_does_not_have_are_refused_by_their_places,
                a_batch_is_stored_in_its_order,
                a_batch_replays_what_was_published_before_or_is_in_it_twice,
                of_a_batch_with_a_fault_nothing_is_stored_and_all_faults_are_told,
            ]
        );
        $each!(
            $open,
            queue,
            [
                fresh_events_come_in_publish_order_from_a_number_on_and_no_more_than_asked,
                retries_come_when_they_are_due_soonest_first_and_no_more_than_asked,
                redeliveries_come_in_publish_order_and_apart_from_retries,
                skipped_runs_are_not_handed_out,
                an_event_is_handed_out_with_its_run_and_its_attempts,
                targets_are_the_enabled_endpoints_with_their_backlog,
                bodies_come_in_order_as_many_as_fit_and_one_at_least,
            ]
        );
        $each!(
            $open,
            attempts,
            [
                an_attempt_moves_its_event_as_the_verdict_says,
                a_delivery_tells_the_attempt_as_it_was,
                attempts_of_all_runs_are_numbered_in_the_order_of_their_records,
                a_wait_does_not_grow_by_a_clock_that_was_set_back,
                an_attempt_of_a_skipped_run_succeeds_or_is_skipped,
                an_attempt_of_a_replaced_run_counts_and_changes_nothing_but_by_an_early_success,
                a_final_event_keeps_its_state_whatever_attempts_end_later,
            ]
        );
        $each!(
            $open,
            disabling,
            [
                so_many_failed_events_in_a_row_disable_an_endpoint,
                a_success_ends_the_row_and_so_does_enabling,
                gone_disables_at_once,
                zero_means_never_but_for_gone,
                what_was_not_attempted_was_skipped_or_was_replaced_does_not_count,
                attempts_to_a_disabled_endpoint_do_not_disable_it_again,
            ]
        );
        $each!(
            $open,
            redelivery,
            [
                a_redelivery_begins_a_run_that_waits_for_nothing,
                what_cannot_be_redelivered_is_refused,
                the_newest_run_counts,
                a_pending_event_can_be_skipped_and_a_late_success_still_counts,
                what_is_not_pending_cannot_be_skipped,
            ]
        );
        $each!(
            $open,
            rests,
            [
                a_rest_is_shown_until_it_ends_and_resumed_after_a_restart,
                a_rest_ends_with_its_url_by_enabling_and_by_disabling,
                a_clock_that_was_set_back_shows_no_rest_that_is_too_long,
                the_last_attempts_are_told_by_their_result,
            ]
        );
        $each!(
            $open,
            endpoints,
            [
                an_endpoint_is_found_as_it_was_made,
                an_endpoint_needs_a_workspace_and_room,
                a_patch_changes_what_it_names,
                a_rotated_secret_signs_until_its_end,
                an_overlap_is_ended_once,
                the_engine_hears_why_an_endpoint_changed,
                disabling_skips_what_is_pending_and_enabling_does_not_bring_it_back,
                a_deleted_endpoint_is_absent_and_its_events_are_skipped,
                what_is_out_of_reach_is_absent,
            ]
        );
        $each!(
            $open,
            workspaces,
            [
                a_workspace_is_found_by_its_id_and_by_its_name,
                a_name_is_taken_until_it_is_given_up,
                a_workspace_may_have_times_of_its_own,
                a_workspace_may_want_operational_events,
                a_deleted_workspace_is_absent_with_its_endpoints,
                workspaces_are_listed_newest_first,
            ]
        );
        $each!(
            $open,
            lists,
            [
                events_are_listed_newest_first_with_an_exact_total,
                events_are_listed_by_each_filter,
                deliveries_are_listed_newest_first_and_by_each_filter,
                endpoints_are_listed_newest_first_by_workspace_and_url,
                messages_are_listed_newest_first_and_by_each_filter,
                what_an_endpoint_missed_is_listed,
                notices_come_in_the_order_of_commits_and_before_the_answer,
            ]
        );
        $each!(
            $open,
            overviews,
            [
                charts_count_attempts_by_time_and_scope,
                the_charts_of_others_are_absent,
                a_summary_tells_the_state_of_an_endpoint,
                an_overview_counts_what_is_pending_and_names_endpoints_in_trouble,
                messages_and_types_are_found,
            ]
        );
    };
}

mod tests;
