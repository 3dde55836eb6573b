//! The endpoints that have waiting events.

use rusqlite::Connection;

use super::scope::Scope;
use super::statement::prepare;
use crate::storage::sqlite::event_state::state_is;

/// An endpoint with waiting events.
pub(super) struct WaitingEndpoint {
    pub(super) endpoint: i64,
    pub(super) skip_through: i64,
    /// Set if some of its skipped events are not swept yet, and still have the state of waiting ones.
    pub(super) unswept: bool,
}

/// An endpoint that has events in the queue, skipped ones included until they are swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueuedEndpoint {
    /// Its number.
    pub(crate) endpoint: i64,
    /// Set if some of them wait for another attempt.
    pub(crate) has_retries: bool,
}

/// Returns the endpoints in scope that have waiting events.
pub(super) fn backlogs(
    connection: &Connection,
    scope: &Scope,
) -> rusqlite::Result<Vec<WaitingEndpoint>> {
    let endpoints = if let Some(endpoints) = &scope.endpoints {
        endpoints.clone()
    } else {
        let waiting = waiting_endpoints(connection)?;
        waiting.iter().map(|found| found.endpoint).collect()
    };
    let sql = "SELECT n, skip_through, sweep, workspace FROM endpoint WHERE n = ?";
    let mut statement = prepare(connection, sql)?;
    let mut backlogs = Vec::new();
    for endpoint in endpoints {
        let mut rows = statement.query([endpoint])?;
        let Some(row) = rows.next()? else { continue };
        let workspace = row.get(3)?;
        if scope.includes_workspace(workspace) {
            backlogs.push(WaitingEndpoint {
                endpoint: row.get(0)?,
                skip_through: row.get(1)?,
                unswept: row.get(2)?,
            });
        }
    }
    Ok(backlogs)
}

/// The first endpoint after a number that has an event in a partial index.
macro_rules! first_after {
    ($index:literal, $state:ident) => {
        concat!(
            "SELECT min(endpoint) FROM event INDEXED BY ",
            $index,
            " WHERE ",
            state_is!($state),
            " AND endpoint > ?"
        )
    };
}

/// Returns the endpoints with waiting events, by number, by stepping through the indexes from one endpoint to the next:
/// they are fewer than all endpoints, and far fewer than their events.
pub(crate) fn waiting_endpoints(connection: &Connection) -> rusqlite::Result<Vec<QueuedEndpoint>> {
    let mut endpoints = Vec::new();
    for (has_retries, sql) in [
        (true, first_after!("event_waiting", retry)),
        (false, first_after!("event_fresh", fresh)),
    ] {
        let mut statement = prepare(connection, sql)?;
        let mut last = 0;
        while let Some(endpoint) =
            statement.query_row([last], |row| row.get::<_, Option<i64>>(0))?
        {
            endpoints.push(QueuedEndpoint {
                endpoint,
                has_retries,
            });
            last = endpoint;
        }
    }
    // Stable: of two entries of an endpoint, the one with retries stays.
    endpoints.sort_by_key(|found| found.endpoint);
    endpoints.dedup_by_key(|found| found.endpoint);
    Ok(endpoints)
}
