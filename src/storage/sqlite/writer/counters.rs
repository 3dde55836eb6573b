//! Counters of events and deliveries, one for each block of rows and kind.
//!
//! Lists promise an exact total at any size, and counting a million index entries takes longer than
//! reading a page of them. So the writer counts rows in blocks of [`BLOCK`] numbers (`seq`), and a list
//! adds up the blocks that lie as a whole in the range it shows. A block is a range of numbers and not an
//! hour, because an hour may have ten million rows or none. At either end of a range a list counts at most
//! one block by itself, and there are never more counters than rows.
//!
//! The newest block of a table is counted in memory only. The writer stores its counters once, in the
//! transaction of the first row of a later block: with a thousand endpoints that saves three writes per
//! event. So the counter tables have every block before that of the newest row, and no other; lists count
//! the newest block on an index.
//!
//! A row counts for three scopes: its endpoint, its workspace, and the server. Without the wider two, the
//! total of a workspace would add up each of its endpoints in every block.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::domain::event::EventStatus;
use crate::domain::event_state::EventState;
use crate::storage::sqlite::event_state;
use crate::storage::sqlite::event_state::state_is;

/// The size of a block, in numbers. Counting as many entries of an index takes a few milliseconds. Stored
/// counters depend on it: another size takes a migration.
pub(crate) const BLOCK: i64 = 1 << 15;

/// The class of deliveries that got no answer.
const NO_ANSWER: i64 = 0;

/// The scope of a counter, as the column `scope` holds it: the rows of the server, a workspace or an
/// endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CountScope(i64);

impl CountScope {
    /// All rows of the server.
    pub(crate) const SERVER: Self = Self(0);

    /// Returns the scope of a workspace.
    pub(crate) const fn workspace(n: i64) -> Self {
        Self(-n)
    }

    /// Returns the scope of an endpoint.
    pub(crate) const fn endpoint(n: i64) -> Self {
        Self(n)
    }

    /// Returns the value of the column.
    pub(crate) const fn stored(self) -> i64 {
        self.0
    }
}

/// Returns the block of a number.
pub(crate) const fn block_of(seq: i64) -> i64 {
    seq.div_euclid(BLOCK)
}

/// Returns the class under which a delivery is counted: the hundreds of its status code.
fn class_of(code: Option<u16>) -> i64 {
    code.map_or(NO_ANSWER, |code| i64::from(code / 100))
}

/// The properties that rows counted together share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    endpoint: i64,
    event_type: i64,
    /// The class of a delivery, the state of an event.
    kind: i64,
}

/// The counts of one table that are not in its counter table yet.
#[derive(Debug)]
struct Tally {
    upsert: &'static str,
    /// The block of the newest row.
    newest: i64,
    /// The counts of that block, as of the last commit.
    counts: BTreeMap<Key, i64>,
    /// Changes during a group commit, by block. Keys are few, so a sorted map is as fast as a hash map here,
    /// and it has the order of the counter table.
    changes: BTreeMap<(i64, Key), i64>,
}

impl Tally {
    /// Counts the newest block. The statement `newest` finds its last number, and `rows` its keys and counts.
    fn load(
        connection: &Connection,
        newest: &str,
        rows: &str,
        upsert: &'static str,
    ) -> rusqlite::Result<Self> {
        let newest = block_of(connection.query_row(newest, [], |row| row.get(0))?);
        let counts = connection
            .prepare(rows)?
            .query_map([newest * BLOCK], |row| {
                let key = Key {
                    endpoint: row.get(0)?,
                    event_type: row.get(1)?,
                    kind: row.get(2)?,
                };
                Ok((key, row.get(3)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            upsert,
            newest,
            counts,
            changes: BTreeMap::new(),
        })
    }

    fn change(&mut self, seq: i64, key: Key, delta: i64) {
        *self.changes.entry((block_of(seq), key)).or_default() += delta;
    }

    /// Returns the block that will be the newest once the changes are committed.
    fn newest_then(&self) -> i64 {
        let last = self.changes.last_key_value();
        last.map_or(self.newest, |((block, _), _)| self.newest.max(*block))
    }

    /// Writes the counts of the blocks that will then be older than the newest.
    fn write(
        &self,
        connection: &Connection,
        workspace_of_endpoint: &mut Workspaces,
    ) -> rusqlite::Result<()> {
        let newest = self.newest_then();
        let ends = (self.newest < newest).then_some(&self.counts);
        let complete = ends
            .into_iter()
            .flatten()
            .map(|(key, count)| (self.newest, key, count));
        let changes = self
            .changes
            .iter()
            .map(|((block, key), delta)| (*block, key, delta))
            .take_while(|(block, ..)| *block < newest);
        let mut scoped: BTreeMap<(i64, CountScope, i64, i64), i64> = BTreeMap::new();
        for (block, key, delta) in complete.chain(changes) {
            for scope in [
                CountScope::endpoint(key.endpoint),
                CountScope::workspace(workspace(connection, key.endpoint, workspace_of_endpoint)?),
                CountScope::SERVER,
            ] {
                let counter = (block, scope, key.event_type, key.kind);
                *scoped.entry(counter).or_default() += delta;
            }
        }
        if scoped.is_empty() {
            return Ok(());
        }
        let mut upsert = connection.prepare_cached(self.upsert)?;
        for ((block, scope, event_type, kind), delta) in scoped {
            if delta != 0 {
                upsert.execute(params![block, scope.stored(), event_type, kind, delta])?;
            }
        }
        Ok(())
    }

    /// Returns the number of pending events in the newest block, if this is the table of events.
    fn pending(&self) -> i64 {
        let pending = EventState::of_status(EventStatus::Pending);
        let is_pending = |key: &Key| {
            pending
                .iter()
                .any(|state| event_state::number(*state) == key.kind)
        };
        let counts = self.counts.iter().filter(|(key, _)| is_pending(key));
        counts.map(|(_, count)| count).sum()
    }

    fn committed(&mut self) {
        let newest = self.newest_then();
        if newest > self.newest {
            self.newest = newest;
            self.counts.clear();
        }
        for ((block, key), delta) in std::mem::take(&mut self.changes) {
            if block == newest {
                *self.counts.entry(key).or_default() += delta;
            }
        }
    }
}

/// Changes of the counters during one group commit, and the counts of the newest blocks.
#[derive(Debug)]
pub(crate) struct Counters {
    deliveries: Tally,
    events: Tally,
    workspace_of_endpoint: Workspaces,
    /// Pending events, as of the last commit.
    pending: i64,
    /// Changes of that number during a group commit.
    pending_change: i64,
}

/// The statement for the highest number that a table had: the row may be deleted.
macro_rules! newest {
    ($table:literal) => {
        concat!(
            "SELECT max((SELECT coalesce(max(seq), 0) FROM ",
            $table,
            "), (SELECT value FROM meta WHERE key = 'last_",
            $table,
            "'))"
        )
    };
}

/// The workspaces of endpoints, by number. They never change.
type Workspaces = BTreeMap<i64, i64>;

impl Counters {
    /// Counts the newest blocks of the file: some ten milliseconds.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        // NOT INDEXED: only the end of the table is wanted, and the tables are in the order of `seq`.
        let deliveries = Tally::load(
            connection,
            newest!("delivery"),
            "SELECT endpoint, type, coalesce(code, 0) / 100 AS class, count(*)
             FROM delivery NOT INDEXED WHERE seq >= ? GROUP BY endpoint, type, class",
            "INSERT INTO delivery_count (block, scope, type, class, count) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        let events = Tally::load(
            connection,
            newest!("event"),
            "SELECT endpoint, type, state, count(*)
             FROM event NOT INDEXED WHERE seq >= ? GROUP BY endpoint, type, state",
            "INSERT INTO event_count (block, scope, type, state, count) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        let pending = stored_pending(connection, events.newest)? + events.pending();
        Ok(Self {
            deliveries,
            events,
            workspace_of_endpoint: Workspaces::new(),
            pending,
            pending_change: 0,
        })
    }

    /// Counts delivery `seq`, which was recorded.
    pub(crate) fn delivery(&mut self, seq: i64, endpoint: i64, event_type: i64, code: Option<u16>) {
        self.change_delivery(seq, endpoint, event_type, code, 1);
    }

    /// Counts delivery `seq` no longer: it was deleted.
    pub(crate) fn delivery_deleted(
        &mut self,
        seq: i64,
        endpoint: i64,
        event_type: i64,
        code: Option<u16>,
    ) {
        self.change_delivery(seq, endpoint, event_type, code, -1);
    }

    fn change_delivery(
        &mut self,
        seq: i64,
        endpoint: i64,
        event_type: i64,
        code: Option<u16>,
        delta: i64,
    ) {
        let key = Key {
            endpoint,
            event_type,
            kind: class_of(code),
        };
        self.deliveries.change(seq, key, delta);
    }

    /// Counts event `seq`, which was published and is in `state`.
    pub(crate) fn event(&mut self, seq: i64, endpoint: i64, event_type: i64, state: EventState) {
        self.change_event(seq, endpoint, event_type, state, 1);
    }

    /// Counts event `seq` no longer: it was deleted in `state`.
    pub(crate) fn event_deleted(
        &mut self,
        seq: i64,
        endpoint: i64,
        event_type: i64,
        state: EventState,
    ) {
        self.change_event(seq, endpoint, event_type, state, -1);
    }

    /// Counts event `seq` under its new state.
    pub(crate) fn event_moved(
        &mut self,
        seq: i64,
        endpoint: i64,
        event_type: i64,
        from: EventState,
        to: EventState,
    ) {
        if from != to {
            self.change_event(seq, endpoint, event_type, from, -1);
            self.change_event(seq, endpoint, event_type, to, 1);
        }
    }

    fn change_event(
        &mut self,
        seq: i64,
        endpoint: i64,
        event_type: i64,
        state: EventState,
        delta: i64,
    ) {
        let key = Key {
            endpoint,
            event_type,
            kind: event_state::number(state),
        };
        if state.is_pending() {
            self.pending_change += delta;
        }
        self.events.change(seq, key, delta);
    }

    /// Returns the number of pending events as of the last commit, those of skipped runs included until they
    /// are swept.
    pub(crate) const fn pending(&self) -> i64 {
        self.pending
    }

    /// Writes the blocks that are complete, within the caller's transaction. The caller then reports how that
    /// transaction ended: [`Counters::committed`] or [`Counters::rolled_back`].
    pub(crate) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.deliveries
            .write(connection, &mut self.workspace_of_endpoint)?;
        self.events
            .write(connection, &mut self.workspace_of_endpoint)
    }

    /// Notes that the transaction was committed: the rows that were counted are in the file.
    pub(crate) fn committed(&mut self) {
        self.deliveries.committed();
        self.events.committed();
        self.pending += std::mem::take(&mut self.pending_change);
    }

    /// Notes that the transaction was rolled back: the changes are void. New endpoints may be gone as well,
    /// and their numbers free.
    pub(crate) fn rolled_back(&mut self) {
        self.deliveries.changes.clear();
        self.events.changes.clear();
        self.pending_change = 0;
        self.workspace_of_endpoint.clear();
    }
}

/// Returns the number of pending events in the blocks before `newest`: one search for each block.
fn stored_pending(connection: &Connection, newest: i64) -> rusqlite::Result<i64> {
    let mut of_block = connection.prepare(concat!(
        "SELECT coalesce(sum(count), 0) FROM event_count WHERE block = ?1 AND scope = ?2 AND ",
        state_is!(pending)
    ))?;
    let first = "SELECT coalesce(min(block), 0) FROM event_count";
    let first = connection.query_row(first, [], |row| row.get::<_, i64>(0))?;
    let mut sum = 0;
    for block in first..newest {
        let scope = CountScope::SERVER.stored();
        sum += of_block.query_row([block, scope], |row| row.get::<_, i64>(0))?;
    }
    Ok(sum)
}

fn workspace(
    connection: &Connection,
    endpoint: i64,
    workspace_of_endpoint: &mut Workspaces,
) -> rusqlite::Result<i64> {
    if let Some(workspace) = workspace_of_endpoint.get(&endpoint) {
        return Ok(*workspace);
    }
    let workspace = connection
        .prepare_cached("SELECT workspace FROM endpoint WHERE n = ?")?
        .query_row([endpoint], |row| row.get(0))?;
    workspace_of_endpoint.insert(endpoint, workspace);
    Ok(workspace)
}

#[cfg(test)]
mod tests;
