//! Endpoints: made, changed, disabled, deleted.

use uuid::Uuid;

use super::fixture::{BYTES, Open, SECOND, Settings, StoreFixture, new_endpoint, url};
use crate::domain::access::Visibility;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointPatch};
use crate::domain::event::EventStatus;
use crate::domain::secret::{GivenSecret, Secret};
use crate::domain::signing_secrets::{OldSecret, SecretRotation, SigningSecrets};
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
    it.clock.advance(SECOND);
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
    let replaced = EndpointPatch {
        secret: Some(GivenSecret::Secret(secret.clone())),
        ..EndpointPatch::default()
    };
    let replaced = it.update(endpoint.id, replaced).unwrap();
    expected.target.secrets = SigningSecrets::new(secret);
    assert_eq!(replaced.settings, expected);
    let unknown = it.update(Uuid::from_u128(7), EndpointPatch::default());
    assert_eq!(unknown, Err(StoreError::NotFound));
}

pub(super) fn a_rotated_secret_signs_until_its_end(open: Open) {
    let it = StoreFixture::new(open);
    let (_, endpoint) = it.tenant();
    let secrets = |endpoint: &Endpoint| endpoint.settings.target.secrets.clone();
    let rotate = |rotation: &SecretRotation| {
        let rotate = it
            .store
            .rotate_secret(Visibility::All, endpoint.id, rotation.clone());
        rotate.wait()
    };
    let overlap = SECOND * 10;
    it.clock.advance(SECOND);
    let rotated = rotate(&SecretRotation::random(overlap)).unwrap();
    let first = secrets(&endpoint).present().clone();
    assert_ne!(secrets(&rotated).present(), &first);
    assert_eq!(rotated.modified_at, Some(it.now()));
    let ends_at = it.now().after(overlap);
    let old = OldSecret {
        secret: first,
        ends_at,
    };
    assert_eq!(secrets(&rotated).old(), [old]);
    assert_eq!(it.stored(&endpoint), rotated);
    let (target, changes) = it.target(endpoint.id);
    assert_eq!(changes, [EndpointChange::Created, EndpointChange::Edited]);
    assert_eq!(target.settings, rotated.settings.target);
    // More than there is room for.
    let mut all = vec![secrets(&rotated).present().clone()];
    for _ in 0..2 {
        let rotated = rotate(&SecretRotation::random(overlap)).unwrap();
        all.insert(0, secrets(&rotated).present().clone());
    }
    let stored = secrets(&it.stored(&endpoint));
    let signing: Vec<_> = stored.signing_at(it.now()).cloned().collect();
    assert_eq!(signing, all);
    // The engine starts with the same.
    let targets = it.queue.targets().unwrap();
    assert_eq!(targets[0].target.settings.secrets, stored);
    // Another change leaves them; a public key that nobody has changes nothing.
    let renamed = EndpointPatch {
        name: Some("n".to_owned()),
        ..EndpointPatch::default()
    };
    assert_eq!(secrets(&it.update(endpoint.id, renamed).unwrap()), stored);
    let foreign = GivenSecret::PublicKey("whpk_".to_owned());
    let refused = SecretRotation {
        secret: Some(foreign.clone()),
        ..SecretRotation::random(overlap)
    };
    assert_eq!(rotate(&refused), Err(StoreError::OtherPublicKey));
    let refused = EndpointPatch {
        secret: Some(foreign),
        ..EndpointPatch::default()
    };
    let refused = it.update(endpoint.id, refused);
    assert_eq!(refused, Err(StoreError::OtherPublicKey));
    assert_eq!(secrets(&it.stored(&endpoint)), stored);
    // At the end, only the present one is left in answers.
    it.clock.advance(overlap);
    let left = secrets(&it.stored(&endpoint));
    assert_eq!(left, SigningSecrets::new(all[0].clone()));
    let listed = it
        .store
        .list_endpoints(&EndpointFilter::ALL, Page::FIRST, BYTES);
    assert_eq!(secrets(&listed.unwrap().rows[0].item), left);
}

pub(super) fn an_overlap_is_ended_once(open: Open) {
    let it = StoreFixture::new(open);
    let (_, endpoint) = it.tenant();
    let rotate = |rotation: SecretRotation| {
        let rotate = it
            .store
            .rotate_secret(Visibility::All, endpoint.id, rotation);
        rotate.wait().unwrap()
    };
    let rotated = rotate(SecretRotation::random(SECOND));
    let ended = rotate(SecretRotation::end_of_overlap());
    let present = rotated.settings.target.secrets.present();
    assert_eq!(
        ended.settings.target.secrets,
        SigningSecrets::new(present.clone())
    );
    let (_, changes) = it.target(endpoint.id);
    assert_eq!(rotate(SecretRotation::end_of_overlap()), ended);
    // What changes nothing is no change.
    assert_eq!(it.target(endpoint.id).1, changes);
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
        .rotate_secret(other, endpoint.id, SecretRotation::random(SECOND));
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
