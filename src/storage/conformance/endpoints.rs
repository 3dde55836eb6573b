//! Endpoints: made, changed, disabled, deleted.

use uuid::Uuid;

use super::fixture::{BYTES, Open, Settings, StoreFixture, new_endpoint, url};
use crate::domain::access::Visibility;
use crate::domain::endpoint::{DisabledReason, EndpointPatch};
use crate::domain::event::EventStatus;
use crate::domain::secret::Secret;
use crate::storage::{EndpointChange, EndpointFilter, EventFilter, Page, Seq, StoreError, Verdict};

pub(super) fn an_endpoint_is_found_as_it_was_made(open: Open) {
    let it = StoreFixture::new(open);
    let workspace = it.workspace("tenant");
    let new = new_endpoint(workspace.id, &["a", "b"]);
    let made = it.store.create_endpoint(new.clone()).wait().unwrap();
    assert_eq!(made.workspace_id, workspace.id);
    assert_eq!(made.settings, new.settings);
    assert_eq!(made.disabled_reason, None);
    assert_eq!(made.created_at, it.now());
    assert_eq!(made.modified_at, None);
    assert_eq!(it.stored(&made), made);
    let (target, changes) = it.target(made.id);
    assert_eq!(changes, [EndpointChange::Created]);
    assert_eq!(target.settings, new.settings.target);
    assert!(target.enabled);
}

pub(super) fn an_endpoint_needs_a_workspace_and_room(open: Open) {
    let settings = Settings {
        max_endpoints: 2,
        disable_after: 0,
    };
    let it = StoreFixture::with(open, settings);
    let (workspace, first) = it.tenant();
    let create = |id| it.store.create_endpoint(new_endpoint(id, &["a"])).wait();
    let unknown = Uuid::from_u128(7);
    assert_eq!(create(unknown), Err(StoreError::UnknownWorkspace(unknown)));
    create(workspace.id).unwrap();
    assert_eq!(create(workspace.id), Err(StoreError::TooManyEndpoints(2)));
    create(it.workspace("neighbour").id).unwrap();
    let delete = it.store.delete_endpoint(Visibility::All, first.id);
    assert_eq!(delete.wait(), Ok(()));
    create(workspace.id).unwrap();
}

pub(super) fn a_patch_changes_what_it_names(open: Open) {
    let it = StoreFixture::new(open);
    let (_, endpoint) = it.tenant();
    it.clock.advance(super::fixture::SECOND);
    let nothing = it.update(endpoint.id, EndpointPatch::default());
    assert_eq!(nothing, Ok(endpoint.clone()));
    let moved = EndpointPatch {
        url: Some(url("moved")),
        ..EndpointPatch::default()
    };
    let changed = it.update(endpoint.id, moved).unwrap();
    let mut expected = endpoint.settings.clone();
    expected.target.url = url("moved");
    assert_eq!(changed.settings, expected);
    assert_eq!(changed.modified_at, Some(it.now()));
    assert_eq!(it.stored(&endpoint), changed);
    let secret = Secret::generate();
    let replace = it
        .store
        .replace_secret(Visibility::All, endpoint.id, secret.clone());
    let replaced = replace.wait().unwrap();
    expected.target.secret = secret;
    assert_eq!(replaced.settings, expected);
    let unknown = it.update(Uuid::from_u128(7), EndpointPatch::default());
    assert_eq!(unknown, Err(StoreError::NotFound));
}

pub(super) fn the_engine_hears_why_an_endpoint_changed(open: Open) {
    let it = StoreFixture::new(open);
    let (_, endpoint) = it.tenant();
    let patches = [
        EndpointPatch {
            url: Some(url("moved")),
            ..EndpointPatch::default()
        },
        EndpointPatch {
            url: Some(url("moved")),
            ..EndpointPatch::default()
        },
        EndpointPatch {
            events: Some(Vec::new()),
            ..EndpointPatch::default()
        },
        EndpointPatch {
            enabled: Some(true),
            ..EndpointPatch::default()
        },
    ];
    for patch in patches {
        it.update(endpoint.id, patch).unwrap();
    }
    let expected = [
        EndpointChange::Created,
        EndpointChange::Moved,
        EndpointChange::Edited,
        EndpointChange::Edited,
        EndpointChange::Enabled,
    ];
    assert_eq!(it.target(endpoint.id).1, expected);
    it.set_enabled(&endpoint, false);
    let (target, changes) = it.target(endpoint.id);
    assert!(!target.enabled);
    // Some stores say so twice: the endpoint was disabled, and it was changed.
    let last = &changes[expected.len()..];
    assert!(!last.is_empty());
    assert!(
        last.iter()
            .all(|change| *change == EndpointChange::Disabled)
    );
}

pub(super) fn disabling_skips_what_is_pending_and_enabling_does_not_bring_it_back(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let done = it.published(&workspace);
    it.record(&done, Verdict::Succeeded);
    let fresh = it.published(&workspace);
    let retry = it.published(&workspace);
    it.retry_at(&retry, it.now());
    let asked_for = it.published(&workspace);
    it.record(&asked_for, Verdict::Failed);
    let asked_for = it.redeliver(&asked_for);
    let disabled = it.set_enabled(&endpoint, false);
    assert_eq!(disabled.disabled_reason, Some(DisabledReason::Manual));
    let all_skipped = || {
        for event in [&fresh, &retry, &asked_for] {
            let shown = it.event(event.id);
            assert_eq!(shown.status, EventStatus::Skipped);
            assert_eq!(shown.next_attempt_at, None);
        }
        assert_eq!(it.status(&done), EventStatus::Succeeded);
    };
    all_skipped();
    let skip_through = it.target(endpoint.id).0.skip_through;
    for event in [&fresh, &retry, &asked_for] {
        assert!(event.run <= skip_through);
    }
    assert_eq!(it.set_enabled(&endpoint, true).disabled_reason, None);
    all_skipped();
    // What is published now has a later number than what was skipped.
    let next = it.published(&workspace);
    assert!(next.run > skip_through);
    assert_eq!(it.status(&next), EventStatus::Pending);
    let after = Seq(skip_through.0);
    assert_eq!(it.fresh(next.endpoint, after)[0].seq, next.seq);
    let retries = it.queue.retries(next.endpoint, skip_through, it.now(), 10);
    assert_eq!(retries.unwrap().events.len(), 0);
    assert_eq!(it.redeliveries(next.endpoint, skip_through).len(), 0);
}

pub(super) fn a_deleted_endpoint_is_absent_and_its_events_are_skipped(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let event = it.published(&workspace);
    let delete = || {
        it.store
            .delete_endpoint(Visibility::All, endpoint.id)
            .wait()
    };
    assert_eq!(delete(), Ok(()));
    let absent = Err(StoreError::NotFound);
    assert_eq!(delete(), Err(StoreError::NotFound));
    let found = it.store.find_endpoint(Visibility::All, endpoint.id);
    assert_eq!(found, absent);
    assert_eq!(it.update(endpoint.id, EndpointPatch::default()), absent);
    let listed = it
        .store
        .list_endpoints(&EndpointFilter::ALL, Page::FIRST, BYTES);
    assert_eq!(listed.unwrap().total, 0);
    assert!(it.queue.targets().unwrap().is_empty());
    let (target, changes) = it.target(endpoint.id);
    assert!(!target.enabled);
    assert_eq!(changes, [EndpointChange::Created, EndpointChange::Disabled]);
    // Its events stay.
    assert_eq!(it.status(&event), EventStatus::Skipped);
    let skipped = EventFilter {
        statuses: vec![EventStatus::Skipped],
        ..EventFilter::ALL
    };
    assert_eq!(it.events(&skipped, Page::FIRST), (vec![event.id], 1));
}

pub(super) fn what_is_out_of_reach_is_absent(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let event = it.published(&workspace);
    let other = Visibility::Workspace(it.workspace("neighbour").id);
    let absent = || Err(StoreError::NotFound);
    let found = it.store.find_endpoint(other, endpoint.id);
    assert_eq!(found, absent());
    let patch = EndpointPatch {
        enabled: Some(false),
        ..EndpointPatch::default()
    };
    let update = it.store.update_endpoint(other, endpoint.id, patch);
    assert_eq!(update.wait(), absent());
    let replace = it
        .store
        .replace_secret(other, endpoint.id, Secret::generate());
    assert_eq!(replace.wait(), absent());
    let delete = it.store.delete_endpoint(other, endpoint.id);
    assert_eq!(delete.wait(), Err(StoreError::NotFound));
    assert_eq!(it.stored(&endpoint), endpoint);
    let found = it.store.find_event(other, event.id, BYTES);
    assert_eq!(found, Err(StoreError::NotFound));
    let listed = EventFilter {
        visibility: other,
        ..EventFilter::ALL
    };
    assert_eq!(it.events(&listed, Page::FIRST), (vec![], 0));
    let message = it.event(event.id).message_id;
    assert_eq!(it.store.has_message(other, message), Ok(false));
    let own = Visibility::Workspace(workspace.id);
    assert_eq!(it.store.has_message(own, message), Ok(true));
    assert_eq!(it.store.has_message(own, event.id), Ok(false));
    let found = it.store.find_workspace(other, workspace.id);
    assert_eq!(found, Err(StoreError::NotFound));
    let delete = it.store.delete_workspace(other, workspace.id);
    assert_eq!(delete.wait(), Err(StoreError::NotFound));
}
