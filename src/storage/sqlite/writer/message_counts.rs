//! Counters of messages, one for each block of numbers and kind, for exact totals of lists.
//!
//! They count the messages up to the mark of the list index of messages, and no others: a batch that is added to
//! the index is counted in the same transaction that raises the mark. So they are right in a file of an earlier
//! version from the first moment on, where mark and counters begin at 0, and a start has nothing to count. Lists
//! step over the newest rows of the table anyway, and count those themselves.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::counters::{CountScope, block_of};

/// The statement that adds to a counter.
const ADD: &str =
    "INSERT INTO message_count (block, scope, type, routed, count) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET count = count + excluded.count";

/// The properties of a message that counters know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CountedMessage {
    pub(super) workspace: i64,
    pub(super) event_type: i64,
    /// Set if it has, or had, an event.
    pub(super) is_routed: bool,
}

/// Changes of the counters during one group commit.
#[derive(Debug, Default)]
pub(super) struct MessageCounts(BTreeMap<(i64, CountedMessage), i64>);

impl MessageCounts {
    /// Adds `delta` messages with numbers in the block of `seq`.
    pub(super) fn add(&mut self, seq: i64, message: CountedMessage, delta: i64) {
        *self.0.entry((block_of(seq), message)).or_default() += delta;
    }

    /// Writes the changes, within the caller's transaction. They must be dropped if it is rolled back.
    pub(super) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut scoped: BTreeMap<(i64, CountScope, i64, bool), i64> = BTreeMap::new();
        for ((block, message), delta) in std::mem::take(&mut self.0) {
            let CountedMessage {
                workspace,
                event_type,
                is_routed,
            } = message;
            for scope in [CountScope::workspace(workspace), CountScope::SERVER] {
                let counter = (block, scope, event_type, is_routed);
                *scoped.entry(counter).or_default() += delta;
            }
        }
        let mut add = connection.prepare_cached(ADD)?;
        for ((block, scope, event_type, is_routed), delta) in scoped {
            if delta != 0 {
                add.execute(params![block, scope.stored(), event_type, is_routed, delta])?;
            }
        }
        Ok(())
    }
}
