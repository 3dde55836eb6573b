//! The workspace in which a request creates an object.

use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::server::validate::{Field, FieldContext, Input, InputValue, Violation, read};

/// Reads the workspace in which an object is created: the workspace token's own, or the one that an admin
/// token must name. The store checks that the workspace exists.
pub(crate) fn workspace_within(visibility: Visibility, input: &mut Input<'_>) -> Field<Uuid> {
    let own = match visibility {
        Visibility::All => return input.required("workspace_id", read::workspace_id),
        Visibility::Workspace(own) => own,
    };
    let same =
        move |value: InputValue<'_>, context: &mut FieldContext<'_>| match read::workspace_id(
            value, context,
        )? {
            id if id == own => Some(id),
            _ => context.refuse(value, Violation::WorkspaceToken),
        };
    input.optional("workspace_id", same).or(own)
}
