//! Workspaces: made, changed, deleted, listed.

use super::fixture::{Open, StoreFixture, named, new_endpoint};
use crate::domain::access::Visibility;
use crate::domain::retention::{ArchiveAfter, DeleteAfter, WorkspaceRetention};
use crate::domain::workspace::{NewWorkspace, WorkspacePatch};
use crate::storage::{Page, StoreError};

pub(super) fn a_workspace_is_found_by_its_id_and_by_its_name(open: Open) {
    let it = StoreFixture::new(open);
    let made = it.workspace("tenant");
    let store = &it.store;
    assert_eq!(
        store.find_workspace(Visibility::All, made.id),
        Ok(made.clone())
    );
    assert_eq!(store.find_workspace_named("tenant"), Ok(made.clone()));
    let id = made.id.to_string();
    assert_eq!(store.find_workspace_named(&id), Ok(made));
    let other = store.find_workspace_named("another");
    assert_eq!(other, Err(StoreError::NotFound));
}

pub(super) fn a_name_is_taken_until_it_is_given_up(open: Open) {
    let it = StoreFixture::new(open);
    let first = it.workspace("first");
    let second = it.workspace("second");
    let create = |name| it.store.create_workspace(named(name)).wait();
    let rename = |id, name| {
        let patch = WorkspacePatch::rename(named(name));
        it.store.update_workspace(Visibility::All, id, patch).wait()
    };
    assert_eq!(create("first"), Err(StoreError::NameTaken));
    assert_eq!(rename(second.id, "first"), Err(StoreError::NameTaken));
    rename(first.id, "first").unwrap();
    it.clock.advance(super::fixture::SECOND);
    let renamed = rename(first.id, "other").unwrap();
    assert_eq!(renamed.modified_at, Some(it.now()));
    assert_eq!(renamed.name, named("other"));
    create("first").unwrap();
    let delete = it.store.delete_workspace(Visibility::All, second.id);
    assert_eq!(delete.wait(), Ok(()));
    create("second").unwrap();
}

pub(super) fn a_workspace_may_have_times_of_its_own(open: Open) {
    let it = StoreFixture::new(open);
    let times = |archive_after, delete_after| WorkspaceRetention {
        archive_after: ArchiveAfter::new(archive_after).unwrap(),
        delete_after: DeleteAfter::new(delete_after).unwrap(),
    };
    let servers = it.workspace("servers");
    assert_eq!(servers.retention, times(0, 0));
    let make = it.store.create_workspace_with(NewWorkspace {
        retention: times(60, 172_800),
        ..NewWorkspace::named(named("own"))
    });
    let own = make.wait().unwrap();
    assert_eq!(own.retention, times(60, 172_800));
    let update = |visibility, patch| it.store.update_workspace(visibility, own.id, patch).wait();
    it.clock.advance(super::fixture::SECOND);
    assert_eq!(
        update(Visibility::All, WorkspacePatch::default()),
        Ok(own.clone()),
        "an empty patch changes something"
    );
    let shorter = WorkspacePatch {
        delete_after: DeleteAfter::new(86_400).ok(),
        ..WorkspacePatch::default()
    };
    let hidden = update(Visibility::Workspace(servers.id), shorter.clone());
    assert_eq!(hidden, Err(StoreError::NotFound));
    let changed = update(Visibility::Workspace(own.id), shorter).unwrap();
    assert_eq!(changed.retention, times(60, 86_400));
    assert_eq!(changed.modified_at, Some(it.now()));
    assert_eq!(changed.name, own.name);
    let back = WorkspacePatch {
        archive_after: Some(ArchiveAfter::SERVERS),
        ..WorkspacePatch::default()
    };
    let changed = update(Visibility::All, back).unwrap();
    assert_eq!(changed.retention, times(0, 86_400));
    let both = WorkspacePatch {
        archive_after: ArchiveAfter::new(1).ok(),
        ..WorkspacePatch::rename(named("servers"))
    };
    assert_eq!(update(Visibility::All, both), Err(StoreError::NameTaken));
    let found = it.store.find_workspace(Visibility::All, own.id);
    assert_eq!(found, Ok(changed));
}

pub(super) fn a_workspace_may_want_operational_events(open: Open) {
    let it = StoreFixture::new(open);
    assert!(!it.workspace("plain").operational_events);
    let wants = it.store.create_workspace_with(NewWorkspace {
        operational_events: true,
        ..NewWorkspace::named(named("wants"))
    });
    let wants = wants.wait().unwrap();
    assert!(wants.operational_events);
    let set = |operational_events| {
        let patch = WorkspacePatch {
            operational_events,
            ..WorkspacePatch::default()
        };
        let changed = it.store.update_workspace(Visibility::All, wants.id, patch);
        let changed = changed.wait().unwrap();
        assert_eq!(
            it.store.find_workspace(Visibility::All, wants.id),
            Ok(changed.clone())
        );
        changed.operational_events
    };
    assert!(set(None), "a patch without it leaves it as it is");
    assert!(!set(Some(false)));
    assert!(set(Some(true)));
}

pub(super) fn a_deleted_workspace_is_absent_with_its_endpoints(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let stays = it.endpoint(&it.workspace("neighbour"), &["a"]);
    let event = it.published(&workspace);
    let delete = || {
        let delete = it.store.delete_workspace(Visibility::All, workspace.id);
        delete.wait()
    };
    assert_eq!(delete(), Ok(()));
    assert_eq!(delete(), Err(StoreError::NotFound));
    let found = it.store.find_workspace(Visibility::All, workspace.id);
    assert_eq!(found, Err(StoreError::NotFound));
    let found = it.store.find_endpoint(Visibility::All, endpoint.id);
    assert_eq!(found, Err(StoreError::NotFound));
    let unknown = Err(StoreError::UnknownWorkspace(workspace.id));
    let create = it.store.create_endpoint(new_endpoint(workspace.id, &["a"]));
    assert_eq!(create.wait(), unknown);
    let (target, _) = it.target(endpoint.id);
    assert!(!target.enabled && event.run <= target.skip_through);
    let targets = it.queue.targets().unwrap();
    let left: Vec<_> = targets.iter().map(|it| it.target.id).collect();
    assert_eq!(left, [stays.id]);
}

pub(super) fn workspaces_are_listed_newest_first(open: Open) {
    let it = StoreFixture::new(open);
    let made = ["a", "b", "c"].map(|name| it.workspace(name));
    let list = |visibility, page| {
        let listed = it.store.list_workspaces(visibility, page).unwrap();
        (listed.items, listed.total)
    };
    let [a, b, c] = made;
    let all = vec![c.clone(), b.clone(), a.clone()];
    assert_eq!(list(Visibility::All, Page::FIRST), (all, 3));
    let page = |number| Page { number, limit: 2 };
    assert_eq!(list(Visibility::All, page(1)), (vec![c, b.clone()], 3));
    assert_eq!(list(Visibility::All, page(2)), (vec![a], 3));
    assert_eq!(list(Visibility::All, page(3)), (vec![], 3));
    assert_eq!(list(Visibility::Workspace(b.id), Page::FIRST), (vec![b], 1));
}
