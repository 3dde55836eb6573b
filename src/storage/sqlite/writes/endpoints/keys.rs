//! The keys of endpoints: each is unique in its workspace.

use rusqlite::{OptionalExtension, params};

use crate::domain::endpoint_key::EndpointKey;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointNumber, StoreError};

/// Refuses a key that an endpoint of the workspace has, other than the one with the number `own`.
pub(super) fn check_key(
    context: &WriteContext<'_>,
    workspace: i64,
    key: &EndpointKey,
    own: Option<EndpointNumber>,
) -> Result<(), OperationError> {
    match find_key(context, workspace, key)? {
        Some(other) if Some(other) != own => Err(StoreError::KeyTaken.into()),
        _ => Ok(()),
    }
}

/// Returns the endpoint of a workspace that has this key, if it is one.
pub(super) fn find_key(
    context: &WriteContext<'_>,
    workspace: i64,
    key: &EndpointKey,
) -> rusqlite::Result<Option<EndpointNumber>> {
    if key.is_none() {
        return Ok(None);
    }
    context
        .connection
        .prepare_cached(
            "SELECT n FROM endpoint INDEXED BY endpoint_key
             WHERE workspace = ?1 AND key = ?2 AND key <> ''",
        )?
        .query_row(params![workspace, key.as_str()], |row| {
            row.get(0).map(EndpointNumber)
        })
        .optional()
}
