//! The fields of workspaces.

use uuid::Uuid;

use crate::domain::retention::{ArchiveAfter, DeleteAfter, WorkspaceRetention};
use crate::domain::workspace::{NewWorkspace, WorkspaceName, WorkspacePatch};
use crate::server::validate::{Checked, Field, Input, read};

/// The fields of a new workspace.
pub(crate) type NewWorkspaceFields = (
    Field<WorkspaceName>,
    Field<Option<ArchiveAfter>>,
    Field<Option<DeleteAfter>>,
    Field<Option<bool>>,
);

/// Reads the fields of a new workspace.
pub(crate) fn new_workspace(input: &mut Input<'_>) -> NewWorkspaceFields {
    (
        input.required("name", read::workspace_name),
        input.optional("archive_after", read::archive_after),
        input.optional("delete_after", read::delete_after),
        input.optional("operational_events", read::boolean),
    )
}

/// Returns the new workspace of its fields.
pub(crate) fn taken_workspace(fields: NewWorkspaceFields, ok: &Checked) -> NewWorkspace {
    let (name, archive_after, delete_after, operational_events) = fields;
    NewWorkspace {
        name: name.take(ok),
        retention: WorkspaceRetention {
            archive_after: archive_after.take(ok).unwrap_or_default(),
            delete_after: delete_after.take(ok).unwrap_or_default(),
        },
        operational_events: operational_events.take(ok).unwrap_or_default(),
    }
}

/// The fields of a change.
pub(crate) struct WorkspaceChange {
    id: Field<Uuid>,
    name: Field<Option<WorkspaceName>>,
    archive_after: Field<Option<ArchiveAfter>>,
    delete_after: Field<Option<DeleteAfter>>,
    operational_events: Field<Option<bool>>,
}

impl WorkspaceChange {
    /// Reads the fields.
    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        Self {
            id: input.path(read::workspace_id),
            name: input.optional("name", read::workspace_name),
            archive_after: input.optional("archive_after", read::archive_after),
            delete_after: input.optional("delete_after", read::delete_after),
            operational_events: input.optional("operational_events", read::boolean),
        }
    }

    /// Returns the id of the workspace, and the change.
    pub(crate) fn take(self, ok: &Checked) -> (Uuid, WorkspacePatch) {
        let patch = WorkspacePatch {
            name: self.name.take(ok),
            archive_after: self.archive_after.take(ok),
            delete_after: self.delete_after.take(ok),
            operational_events: self.operational_events.take(ok),
        };
        (self.id.take(ok), patch)
    }
}
