//! Access to the database for command-line tools, beside a running server or without one.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;

use super::output;
use crate::config::parse_workspace_name;
use crate::domain::access::Visibility;
use crate::domain::clock::SystemClock;
use crate::domain::workspace::Workspace;
use crate::storage::sqlite::SqliteStore;
use crate::storage::{Listed, Page, Store, StoreError};

/// The largest page of a list.
const PAGE: u64 = 100;

/// Opens the database. If there is none, makes it and tells the user, because the path may be mistyped: a
/// server with another file would not see the changes. A program that waits for the file names `command` as
/// its holder.
pub(super) fn open_or_make(database: &Path, command: &str) -> anyhow::Result<Arc<SqliteStore>> {
    let is_new = !database.exists();
    let store = SqliteStore::open_for_tool(database, command, Arc::new(SystemClock::new()))?;
    if is_new {
        let path = database.canonicalize().unwrap_or_else(|_| database.into());
        output::remark(&format!("Made the database {}.", path.display()));
    }
    Ok(store)
}

/// Opens a database that exists; an error if there is none. A list or a revocation must not make a file
/// at a mistyped path.
pub(super) fn open(database: &Path, command: &str) -> anyhow::Result<Arc<SqliteStore>> {
    if !database.exists() {
        bail!("there is no database at {}", database.display());
    }
    open_or_make(database, command)
}

/// Returns all rows of a list, read page by page.
pub(super) fn all<T>(
    list: impl Fn(Page) -> Result<Listed<T>, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut rows = Vec::new();
    for number in 1.. {
        let page = list(Page {
            number,
            limit: PAGE,
        })?;
        let is_short = page.items.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        rows.extend(page.items);
        if is_short {
            break;
        }
    }
    Ok(rows)
}

/// Returns all workspaces, newest first.
pub(super) fn workspaces(store: &dyn Store) -> Result<Vec<Workspace>, StoreError> {
    all(|page| store.list_workspaces(Visibility::All, page))
}

/// Returns the workspace with that name or id; makes it if the name is new. The second value is true if it
/// was made now. Blocks.
pub(super) fn ensure_workspace(
    store: &dyn Store,
    name_or_id: &str,
) -> anyhow::Result<(Workspace, bool)> {
    match store.find_workspace_named(name_or_id.trim()) {
        Ok(workspace) => return Ok((workspace, false)),
        Err(StoreError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    if let Ok(id) = uuid::Uuid::try_parse(name_or_id.trim()) {
        return Err(StoreError::UnknownWorkspace(id).into());
    }
    let name = parse_workspace_name(name_or_id).map_err(anyhow::Error::msg)?;
    match store.create_workspace(name.clone()).wait() {
        Ok(workspace) => Ok((workspace, true)),
        // Another process has just made it.
        Err(StoreError::NameTaken) => Ok((store.find_workspace_named(name.as_str())?, false)),
        Err(error) => Err(error.into()),
    }
}
