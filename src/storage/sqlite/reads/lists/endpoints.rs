//! The list of endpoints.

use rusqlite::{Connection, params};

use super::query::Found;
use super::rows;
use super::scope::Scope;
use super::statement::prepare;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint_health::EndpointState;
use crate::storage::filter::{EndpointFilter, Page};
use crate::storage::part::Paged;
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::rows::Columns;
use crate::storage::sqlite::writer::recent_attempts::RecentAttempts;

/// Returns endpoints as they are at `now`, newest first; no deleted ones, and none of deleted workspaces.
///
/// The search for a text in URLs ignores the case of ASCII letters. A normalised URL has no other letters,
/// since hosts are in Punycode and paths percent-encoded. There are thousands of endpoints at most, so all
/// that may match are checked.
pub(crate) fn list_endpoints(
    connection: &Connection,
    recent: &RecentAttempts,
    filter: &EndpointFilter,
    page: Page,
    bytes: usize,
    now: Timestamp,
) -> rusqlite::Result<Paged<Endpoint>> {
    let snapshot = connection.unchecked_transaction()?;
    let scope = Scope::resolve(&snapshot, filter.visibility, &filter.workspaces, &[], &[])?;
    let mut numbers = match scope {
        None => Vec::new(),
        Some(scope) => matching(&snapshot, &scope, filter, now)?,
    };
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let shown: Vec<i64> = numbers
        .iter()
        .copied()
        .skip(usize::try_from(page.offset()).unwrap_or(usize::MAX))
        .take(usize::try_from(page.limit).unwrap_or(usize::MAX))
        .collect();
    let found = Found {
        seqs: shown,
        total: numbers.len() as u64,
        searched: None,
    };
    found.read(|numbers| rows::endpoints(&snapshot, recent, numbers, bytes, now))
}

fn matching(
    connection: &Connection,
    scope: &Scope,
    filter: &EndpointFilter,
    now: Timestamp,
) -> rusqlite::Result<Vec<i64>> {
    let url = filter.url.as_deref().unwrap_or_default();
    let url = url.to_ascii_lowercase();
    // Every text contains the empty one, so without a filter nothing is left out.
    let mut statement = prepare(
        connection,
        concat!(
            "SELECT e.n, e.key, e.disabled IS NOT NULL, e.paused IS NOT NULL, ",
            endpoint_rows::rest_columns!("e."),
            " FROM workspace w
             JOIN endpoint e INDEXED BY endpoint_workspace ON e.workspace = w.n
             WHERE w.n = ?1 AND w.deleted_at IS NULL AND e.deleted_at IS NULL
             AND (?2 = '' OR instr(lower(e.url), ?2) > 0)"
        ),
    )?;
    let mut numbers = Vec::new();
    for workspace in scope.each_workspace(connection)? {
        let mut found = statement.query(params![workspace, url])?;
        while let Some(row) = found.next()? {
            let mut columns = Columns::of(row);
            let (number, key): (i64, String) = (columns.get()?, columns.get()?);
            let (is_disabled, is_paused) = (columns.get()?, columns.get()?);
            let rest = endpoint_rows::rest(&mut columns)?;
            let state = EndpointState::of(is_disabled, is_paused, rest, now);
            let has_state = filter.states.is_empty() || filter.states.contains(&state);
            let has_key = filter.keys.is_empty() || filter.keys.contains(&key);
            if has_state && has_key {
                numbers.push(number);
            }
        }
    }
    Ok(numbers)
}
