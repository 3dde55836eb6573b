//! Redelivering: a new run of an event.

use uuid::Uuid;

use super::fixture::{Open, SECOND, StoreFixture};
use crate::domain::access::Visibility;
use crate::domain::event::EventStatus;
use crate::storage::{Notice, Run, StoreError, Verdict};

pub(super) fn a_redelivery_begins_a_run_that_waits_for_nothing(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    for verdict in [
        Verdict::Succeeded,
        Verdict::Failed,
        Verdict::RetryAt(it.now().after(SECOND)),
    ] {
        let first = it.published(&workspace);
        it.record(&first, verdict);
        it.clock.advance(SECOND);
        let second = it.redeliver(&first);
        assert_eq!((second.id, second.endpoint), (first.id, first.endpoint));
        assert!(second.run > first.run);
        let event = it.event(first.id);
        assert_eq!((event.status, event.attempts), (EventStatus::Pending, 1));
        assert_eq!(event.next_attempt_at, Some(it.now()));
        let heard = it.notices().into_iter().any(|notice| {
            matches!(notice, Notice::Redeliver { endpoint, seq }
                if (endpoint, seq) == (first.endpoint, first.seq))
        });
        assert!(heard, "the engine hears of it before the caller does");
        it.record(&second, Verdict::Succeeded);
        let event = it.event(first.id);
        assert_eq!((event.status, event.attempts), (EventStatus::Succeeded, 2));
    }
}

pub(super) fn what_cannot_be_redelivered_is_refused(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let neighbour = it.workspace("neighbour");
    let event = it.published(&workspace);
    let redeliver = |visibility, id| it.store.redeliver(visibility, id).wait();
    let within = Visibility::Workspace(workspace.id);
    let unknown = Uuid::from_u128(7);
    assert_eq!(redeliver(within, unknown), Err(StoreError::NotFound));
    let out_of_reach = Visibility::Workspace(neighbour.id);
    assert_eq!(redeliver(out_of_reach, event.id), Err(StoreError::NotFound));
    it.set_enabled(&endpoint, false);
    let refused = Err(StoreError::EndpointDisabled);
    assert_eq!(redeliver(within, event.id), refused);
    assert_eq!(it.status(&event), EventStatus::Skipped);
    it.set_enabled(&endpoint, true);
    assert_eq!(redeliver(within, event.id), Ok(()));
    let delete = it.store.delete_endpoint(within, endpoint.id);
    assert_eq!(delete.wait(), Ok(()));
    assert_eq!(redeliver(within, event.id), Err(StoreError::NotFound));
}

pub(super) fn the_newest_run_counts(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let first = it.published(&workspace);
    let second = it.redeliver(&first);
    let third = it.redeliver(&first);
    assert!(third.run > second.run);
    assert_eq!(it.redeliveries(first.endpoint, Run(0)).len(), 1);
    it.record(&second, Verdict::Failed);
    assert_eq!(it.status(&first), EventStatus::Pending);
    it.record(&third, Verdict::Failed);
    assert_eq!(it.status(&first), EventStatus::Failed);
}

pub(super) fn a_pending_event_can_be_skipped_and_a_late_success_still_counts(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let skip = |id| {
        it.store
            .skip_event(Visibility::Workspace(workspace.id), id)
            .wait()
    };
    let fresh = it.published(&workspace);
    assert_eq!(skip(fresh.id), Ok(()));
    let event = it.event(fresh.id);
    assert_eq!(
        (event.status, event.next_attempt_at),
        (EventStatus::Skipped, None)
    );
    assert_eq!(event.modified_at, Some(it.now()));
    let heard = it.notices().into_iter().any(|notice| {
        matches!(notice, Notice::Skipped { endpoint, seq }
            if (endpoint, seq) == (fresh.endpoint, fresh.seq))
    });
    assert!(heard, "the engine hears of it before the caller does");
    // Its attempt was under way.
    it.record(&fresh, Verdict::RetryAt(it.now().after(SECOND)));
    assert_eq!(it.status(&fresh), EventStatus::Skipped);
    it.record(&fresh, Verdict::Succeeded);
    assert_eq!(it.status(&fresh), EventStatus::Succeeded);
    let waiting = it.published(&workspace);
    it.record(&waiting, Verdict::RetryAt(it.now().after(SECOND)));
    assert_eq!(skip(waiting.id), Ok(()));
    assert_eq!(it.status(&waiting), EventStatus::Skipped);
    let again = it.redeliver(&waiting);
    assert_eq!(it.status(&waiting), EventStatus::Pending);
    assert_eq!(skip(again.id), Ok(()));
    assert_eq!(it.redeliveries(again.endpoint, Run(0)).len(), 0);
}

pub(super) fn what_is_not_pending_cannot_be_skipped(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let neighbour = it.workspace("neighbour");
    let within = Visibility::Workspace(workspace.id);
    let skip = |visibility, id| it.store.skip_event(visibility, id).wait();
    assert_eq!(skip(within, Uuid::from_u128(7)), Err(StoreError::NotFound));
    let pending = it.published(&workspace);
    let out_of_reach = Visibility::Workspace(neighbour.id);
    assert_eq!(skip(out_of_reach, pending.id), Err(StoreError::NotFound));
    for verdict in [Verdict::Succeeded, Verdict::Failed] {
        let event = it.published(&workspace);
        it.record(&event, verdict);
        assert_eq!(skip(within, event.id), Err(StoreError::NotPending));
    }
    // Skipped at once, although a sweep marks it only later.
    it.set_enabled(&endpoint, false);
    assert_eq!(skip(within, pending.id), Err(StoreError::NotPending));
}
