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
