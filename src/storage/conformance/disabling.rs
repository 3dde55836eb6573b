//! Disabling by the server: after 410 Gone, and after failed events in a row.

use super::fixture::{Open, Settings, StoreFixture};
use crate::domain::endpoint::{DisabledReason, Endpoint};
use crate::domain::event::EventStatus;
use crate::domain::workspace::Workspace;
use crate::storage::{EndpointChange, Verdict};

fn reason(it: &StoreFixture, endpoint: &Endpoint) -> Option<DisabledReason> {
    it.stored(endpoint).disabled_reason
}

/// Publishes an event, and records an attempt of it.
fn attempt(it: &StoreFixture, workspace: &Workspace, verdict: Verdict) {
    let event = it.published(workspace);
    it.record(&event, verdict);
}

pub(super) fn so_many_failed_events_in_a_row_disable_an_endpoint(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    attempt(&it, &workspace, Verdict::Failed);
    attempt(&it, &workspace, Verdict::RetryAt(it.now()));
    attempt(&it, &workspace, Verdict::Failed);
    assert_eq!(reason(&it, &endpoint), None);
    let waiting = it.published(&workspace);
    attempt(&it, &workspace, Verdict::Failed);
    assert_eq!(reason(&it, &endpoint), Some(DisabledReason::Failing));
    let (target, changes) = it.target(endpoint.id);
    assert!(!target.enabled);
    assert_eq!(changes, [EndpointChange::Created, EndpointChange::Disabled]);
    assert!(waiting.run <= target.skip_through);
    assert_eq!(it.status(&waiting), EventStatus::Skipped);
}

pub(super) fn a_success_ends_the_row_and_so_does_enabling(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let fail_twice = || {
        attempt(&it, &workspace, Verdict::Failed);
        attempt(&it, &workspace, Verdict::Failed);
        assert_eq!(reason(&it, &endpoint), None);
    };
    fail_twice();
    attempt(&it, &workspace, Verdict::Succeeded);
    fail_twice();
    it.set_enabled(&endpoint, true);
    fail_twice();
    // Even the success of an attempt whose event has left the run.
    let older = it.published(&workspace);
    it.redeliver(&older);
    it.record(&older, Verdict::Succeeded);
    fail_twice();
}

pub(super) fn gone_disables_at_once(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    attempt(&it, &workspace, Verdict::Gone);
    assert_eq!(reason(&it, &endpoint), Some(DisabledReason::Gone));
    assert!(!it.target(endpoint.id).0.enabled);
}

pub(super) fn zero_means_never_but_for_gone(open: Open) {
    let settings = Settings {
        max_endpoints: 100,
        disable_after: 0,
    };
    let it = StoreFixture::with(open, settings);
    let (workspace, endpoint) = it.tenant();
    for _ in 0..20 {
        attempt(&it, &workspace, Verdict::Failed);
    }
    assert_eq!(reason(&it, &endpoint), None);
    attempt(&it, &workspace, Verdict::Gone);
    assert_eq!(reason(&it, &endpoint), Some(DisabledReason::Gone));
}

pub(super) fn what_was_not_attempted_was_skipped_or_was_replaced_does_not_count(open: Open) {
    let settings = Settings {
        max_endpoints: 100,
        disable_after: 1,
    };
    let it = StoreFixture::with(open, settings);
    let (workspace, endpoint) = it.tenant();
    let over = it.published(&workspace);
    it.expire(&over);
    assert_eq!(it.status(&over), EventStatus::Failed);
    let replaced = it.published(&workspace);
    it.redeliver(&replaced);
    it.record(&replaced, Verdict::Gone);
    let skipped = it.published(&workspace);
    it.set_enabled(&endpoint, false);
    it.set_enabled(&endpoint, true);
    it.record(&skipped, Verdict::Gone);
    assert_eq!(it.status(&skipped), EventStatus::Skipped);
    assert_eq!(reason(&it, &endpoint), None);
    attempt(&it, &workspace, Verdict::Failed);
    assert_eq!(reason(&it, &endpoint), Some(DisabledReason::Failing));
}

pub(super) fn attempts_to_a_disabled_endpoint_do_not_disable_it_again(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let event = it.published(&workspace);
    it.set_enabled(&endpoint, false);
    let (before, changes) = it.target(endpoint.id);
    it.record(&event, Verdict::Gone);
    assert_eq!(reason(&it, &endpoint), Some(DisabledReason::Manual));
    assert_eq!(it.target(endpoint.id), (before, changes));
}
