//! The deletion of some messages, and of some of the list indexes' entries of what was deleted.

use std::collections::HashMap;

use rand::RngExt;
use rand::rngs::StdRng;
use uuid::Uuid;

use super::{DeliveryRow, EventRow, ListFixture};
use crate::domain::clock::Timestamp;
use crate::metrics::StorageMetrics;
use crate::storage::sqlite::writer::cache::WriterCache;
use crate::storage::sqlite::writer::charts::Charts;
use crate::storage::sqlite::writer::counters::Counters;
use crate::storage::sqlite::writer::list_indexes::ListIndexes;
use crate::storage::sqlite::writer::operation::WriteContext;
use crate::storage::sqlite::writer::recent_attempts::RecentAttempts;
use crate::storage::sqlite::writer::workspace_cache::PublishHints;
use crate::storage::sqlite::writes::delete_messages::delete_messages;
use crate::storage::sqlite::writes::empty_blocks::delete_empty_blocks;
use crate::storage::sqlite::writes::tombstones::{TABLES, delete_entries};

impl ListFixture {
    /// Deletes messages: the oldest ones, or some here and there. The work on the tombstones ends anywhere.
    pub(super) fn delete_some(&mut self, random: &mut StdRng) {
        let mut messages: Vec<(i64, Uuid)> = self
            .connection
            .prepare("SELECT seq, id FROM message ORDER BY seq")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        if random.random() {
            messages.truncate(random.random_range(0..=messages.len()));
        } else {
            messages.retain(|_| random.random());
        }
        let numbers: Vec<i64> = messages.iter().map(|(seq, _)| *seq).collect();
        let mut cache = WriterCache::load(&self.connection, PublishHints::default()).unwrap();
        let mut counters = Counters::load(&self.connection).unwrap();
        let mut list_indexes = ListIndexes::load(&self.connection).unwrap();
        let mut context = WriteContext {
            connection: &self.connection,
            cache: &mut cache,
            counters: &mut counters,
            charts: &mut Charts::default(),
            recent: &RecentAttempts::default(),
            list_indexes: &mut list_indexes,
            metrics: &StorageMetrics::default(),
            notices: &mut Vec::new(),
            operator: None,
            is_size_limit_reached: false,
            has_erased: false,
            now: Timestamp::from_micros(i64::MAX / 2),
            weight: 0,
        };
        let mut done = 0;
        while done < numbers.len() {
            done += delete_messages(&mut context, &numbers[done..])
                .unwrap()
                .messages;
        }
        context.list_indexes.advance(&self.connection).unwrap();
        context.counters.write(&self.connection).unwrap();
        context.counters.committed();
        if random.random() {
            while delete_empty_blocks(&mut context).unwrap() {}
        }
        clear_tombstones(&mut context, random);
        self.forget(&messages);
    }

    /// Removes from the model what the rules say. That is all finished events of these messages, but those whose
    /// rendered body a pending event of the message and format may need.
    fn forget(&mut self, messages: &[(i64, Uuid)]) {
        let all = self.events.clone();
        let is_deleted = |event: &EventRow| {
            let is_needed_by = |other: &EventRow| {
                other.message_id == event.message_id
                    && other.state.is_pending()
                    && other.format == event.format
            };
            messages.iter().any(|(_, id)| *id == event.message_id)
                && !event.state.is_pending()
                && !(event.has_body && all.iter().any(is_needed_by))
        };
        let mut left = HashMap::new();
        let mut events = Vec::new();
        for (at, event) in all.iter().enumerate() {
            if !is_deleted(event) {
                left.insert(at, events.len());
                events.push(event.clone());
            }
        }
        let deliveries = self.deliveries.iter().filter_map(|delivery| {
            let event = *left.get(&delivery.event)?;
            Some(DeliveryRow {
                event,
                ..delivery.clone()
            })
        });
        self.deliveries = deliveries.collect();
        self.events = events;
        let events = &self.events;
        let is_gone = |id: Uuid| {
            messages.iter().any(|(_, named)| *named == id)
                && !events.iter().any(|event| event.message_id == id)
        };
        self.messages.retain(|message| !is_gone(message.id));
    }
}

/// Deletes the entries of deleted rows, up to a random point.
fn clear_tombstones(context: &mut WriteContext<'_>, random: &mut StdRng) {
    let mut left = if random.random() {
        usize::MAX
    } else {
        random.random_range(0..200)
    };
    for table in &TABLES {
        let mut rows = table.read(context.connection, usize::MAX >> 1).unwrap();
        for (statement, key) in table.work() {
            rows.sort_unstable_by_key(key);
            let mut done = 0;
            while done < rows.len() && left > 0 {
                let most = rows.len().min(done + left);
                let step = delete_entries(context, statement, &rows[done..most]).unwrap();
                done += step;
                left -= step;
            }
        }
    }
}
