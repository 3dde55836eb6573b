//! Counters: how many events and deliveries of a kind fell into an hour.
//!
//! Lists promise an exact total at any size, and counting a million index entries takes longer than
//! the page they belong to. So the writer counts as it goes: changes gather here during a group
//! commit, and each key is written once when the group ends, in the group's own transaction.
//! Counters therefore never disagree with the rows.
//!
//! A row counts for three scopes: its endpoint, its workspace, and the server. Without the wider two
//! the total of a workspace would add up the hours of each of its endpoints: two million rows after
//! a month of a thousand busy endpoints. They cost the writer little, because one group touches many
//! endpoints but few workspaces, types and hours.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

/// The length of what is counted together, in microseconds.
pub(super) const HOUR_US: i64 = 3_600_000_000;

/// The class of deliveries that got no answer.
const NO_ANSWER: i64 = 0;

/// Whose rows a counter counts, as the column `scope` holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CountScope(i64);

impl CountScope {
    /// Everybody's.
    pub(super) const SERVER: Self = Self(0);

    /// One workspace's.
    pub(super) const fn workspace(n: i64) -> Self {
        Self(-n)
    }

    /// One endpoint's.
    pub(super) const fn endpoint(n: i64) -> Self {
        Self(n)
    }

    /// The value of the column.
    pub(super) const fn stored(self) -> i64 {
        self.0
    }
}

/// The hour of a time.
pub(super) const fn hour_of(created_at: i64) -> i64 {
    created_at.div_euclid(HOUR_US)
}

/// The class under which a delivery is counted: the hundreds of its code.
pub(super) fn class_of(code: Option<u16>) -> i64 {
    code.map_or(NO_ANSWER, |code| i64::from(code / 100))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    endpoint: i64,
    hour: i64,
    event_type: i64,
    /// The class of a delivery, the state of an event.
    kind: i64,
}

/// Changes of the counters during one group commit.
///
/// Keys are few and come in runs, so a sorted map is as quick as a hash here, and hands out the rows
/// in the order of the table they go to.
#[derive(Debug, Default)]
pub(super) struct Counters {
    deliveries: BTreeMap<Key, i64>,
    events: BTreeMap<Key, i64>,
    homes: Homes,
}

/// The workspaces of endpoints, by number. They never change.
type Homes = BTreeMap<i64, i64>;

impl Counters {
    /// Counts a delivery that was recorded.
    pub(super) fn delivery(
        &mut self,
        endpoint: i64,
        created_at: i64,
        event_type: i64,
        code: Option<u16>,
    ) {
        let key = Key {
            endpoint,
            hour: hour_of(created_at),
            event_type,
            kind: class_of(code),
        };
        *self.deliveries.entry(key).or_default() += 1;
    }

    /// Counts `delta` events in `state` that were published at `created_at`.
    pub(super) fn event(
        &mut self,
        endpoint: i64,
        created_at: i64,
        event_type: i64,
        state: i64,
        delta: i64,
    ) {
        let key = Key {
            endpoint,
            hour: hour_of(created_at),
            event_type,
            kind: state,
        };
        *self.events.entry(key).or_default() += delta;
    }

    /// Counts an event published at `created_at` under another state.
    pub(super) fn event_moved(
        &mut self,
        endpoint: i64,
        created_at: i64,
        event_type: i64,
        from: i64,
        to: i64,
    ) {
        if from != to {
            self.event(endpoint, created_at, event_type, from, -1);
            self.event(endpoint, created_at, event_type, to, 1);
        }
    }

    /// Writes the changes, within the caller's transaction, and forgets them. After an error they are
    /// kept; the caller rolls back and calls [`Counters::clear`].
    pub(super) fn flush(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        write(
            connection,
            "INSERT INTO delivery_count (scope, hour, type, class, count) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
            &self.deliveries,
            &mut self.homes,
        )?;
        write(
            connection,
            "INSERT INTO event_count (scope, hour, type, state, count) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
            &self.events,
            &mut self.homes,
        )?;
        self.deliveries.clear();
        self.events.clear();
        Ok(())
    }

    /// Forgets everything, for after a rollback: even endpoints may be gone, and their numbers free.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn write(
    connection: &Connection,
    upsert: &str,
    changes: &BTreeMap<Key, i64>,
    homes: &mut Homes,
) -> rusqlite::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(upsert)?;
    for ((scope, hour, event_type, kind), delta) in by_scope(connection, changes, homes)? {
        if delta != 0 {
            statement.execute(params![scope.stored(), hour, event_type, kind, delta])?;
        }
    }
    Ok(())
}

type ScopedKey = (CountScope, i64, i64, i64);

fn by_scope(
    connection: &Connection,
    changes: &BTreeMap<Key, i64>,
    homes: &mut Homes,
) -> rusqlite::Result<BTreeMap<ScopedKey, i64>> {
    let mut scoped = BTreeMap::new();
    for (key, delta) in changes {
        for scope in [
            CountScope::endpoint(key.endpoint),
            CountScope::workspace(home(connection, key.endpoint, homes)?),
            CountScope::SERVER,
        ] {
            *scoped
                .entry((scope, key.hour, key.event_type, key.kind))
                .or_default() += delta;
        }
    }
    Ok(scoped)
}

fn home(connection: &Connection, endpoint: i64, homes: &mut Homes) -> rusqlite::Result<i64> {
    if let Some(workspace) = homes.get(&endpoint) {
        return Ok(*workspace);
    }
    let workspace = connection
        .prepare_cached("SELECT workspace FROM endpoint WHERE n = ?")?
        .query_row([endpoint], |row| row.get(0))?;
    homes.insert(endpoint, workspace);
    Ok(workspace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Endpoints 1, 7 and 8 in workspace 2.
    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../schema.sql"))
            .unwrap();
        connection
            .execute(
                "INSERT INTO workspace VALUES (2, x'02', 'w', 0, NULL, NULL)",
                [],
            )
            .unwrap();
        for n in [1, 7, 8] {
            connection
                .execute(
                    "INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at)
                     VALUES (?1, zeroblob(?1), 2, 'u', 0, 's', '', 0)",
                    [n],
                )
                .unwrap();
        }
        connection
    }

    fn rows(connection: &Connection, table: &str) -> Vec<[i64; 5]> {
        connection
            .prepare(&format!(
                "SELECT * FROM {table} WHERE count <> 0 ORDER BY 1, 2, 3, 4"
            ))
            .unwrap()
            .query_map([], |row| {
                Ok([0, 1, 2, 3, 4].map(|column| row.get(column).unwrap()))
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    #[test]
    fn a_row_counts_for_its_endpoint_its_workspace_and_the_server() {
        let connection = database();
        let mut counters = Counters::default();
        counters.delivery(7, HOUR_US - 1, 3, Some(204));
        counters.delivery(7, 0, 3, Some(200));
        counters.flush(&connection).unwrap();
        counters.delivery(8, HOUR_US, 3, None);
        counters.delivery(8, 1, 3, Some(299));
        counters.flush(&connection).unwrap();
        counters.flush(&connection).unwrap();
        assert_eq!(
            rows(&connection, "delivery_count"),
            [
                [-2, 0, 3, 2, 3],
                [-2, 1, 3, 0, 1],
                [0, 0, 3, 2, 3],
                [0, 1, 3, 0, 1],
                [7, 0, 3, 2, 2],
                [8, 0, 3, 2, 1],
                [8, 1, 3, 0, 1],
            ]
        );
    }

    #[test]
    fn events_move_between_states_and_a_cleared_change_is_gone() {
        let connection = database();
        let mut counters = Counters::default();
        counters.event(1, 5, 1, 0, 3);
        counters.flush(&connection).unwrap();
        counters.event_moved(1, 5, 1, 0, 2);
        counters.event_moved(1, 5, 1, 2, 2);
        counters.flush(&connection).unwrap();
        counters.event(1, 5, 1, 0, 9);
        counters.clear();
        counters.flush(&connection).unwrap();
        let of_endpoint: Vec<_> = rows(&connection, "event_count")
            .into_iter()
            .filter(|row| row[0] == 1)
            .collect();
        assert_eq!(of_endpoint, [[1, 0, 1, 0, 2], [1, 0, 1, 2, 1]]);
    }
}
