//! The changes that happen to the store of a history: publishes, attempts, redeliveries, disabled endpoints.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rusqlite::Connection;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::history::{DAY, History, ModelEvent};
use crate::domain::access::Visibility;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::endpoint::{EndpointPatch, Format};
use crate::domain::event::EventStatus;
use crate::domain::event_type::EventType;
use crate::domain::message::{Idempotency, Message, NewMessage};
use crate::storage::{
    AttemptRecord, Published, Queue, QueuedEvent, Run, Store, StoreError, Verdict,
};

impl History {
    pub(super) fn publish(&mut self, random: &mut StdRng) {
        let workspace = random.random_range(0..2);
        let name = ["a", "b.c"].choose(random).unwrap();
        let new = message(
            self.workspaces[workspace],
            name,
            random.random_range(0..400),
        );
        let published = self.store().publish(new).wait().unwrap();
        self.note(&published.message, workspace);
    }

    /// Notes the events of a message in the model.
    fn note(&mut self, message: &Message, workspace: usize) {
        let now = self.clock.now();
        self.messages.insert(message.id, (workspace, now));
        let mut formats = BTreeSet::new();
        for (id, endpoint) in &message.events {
            let queued = {
                let known = self.engine.0.lock().unwrap();
                known
                    .values()
                    .find(|event| event.id == *id)
                    .unwrap()
                    .clone()
            };
            let format = self.endpoints.iter().find(|it| it.id == *endpoint).unwrap();
            let format = format.settings.target.format;
            let event = ModelEvent {
                queued,
                endpoint: *endpoint,
                format,
                message: message.id,
                is_first_of_format: format != Format::Raw && formats.insert(format as u8),
                published: self.clock.now(),
                workspace,
                attempts: 0,
                is_archived: false,
            };
            self.events.insert(*id, event);
        }
        // One look-up for each event is enough.
        self.engine.0.lock().unwrap().clear();
    }

    /// Publishes to the first workspace; returns the answer.
    pub(super) fn publish_with_key(&mut self, key: &str) -> Published {
        let new = NewMessage {
            idempotency: Some(Idempotency {
                key: key.to_owned(),
                fingerprint: [1; 32],
            }),
            ..message(self.workspaces[0], "a", 10)
        };
        let published = self.store().publish(new).wait().unwrap();
        if !published.replayed {
            self.note(&published.message, 0);
        }
        published
    }

    fn status(&self, event: Uuid) -> EventStatus {
        let found = self.store().find_event(Visibility::All, event, 1 << 20);
        found.unwrap().item.status
    }

    fn pending(&self) -> Vec<Uuid> {
        let is_pending = |id: &Uuid| self.status(*id) == EventStatus::Pending;
        self.events.keys().copied().filter(is_pending).collect()
    }

    /// Attempts some pending events.
    pub(super) fn attempt(&mut self, random: &mut StdRng) {
        for event in self.pending() {
            if random.random_ratio(2, 3) {
                self.attempt_one(event, random);
            }
        }
        self.wait_for_records();
    }

    /// Attempts each event of the latest messages, once.
    pub(super) fn attempt_all(&mut self, random: &mut StdRng) {
        let new: Vec<Uuid> = self
            .events
            .iter()
            .filter(|(_, event)| event.attempts == 0 && event.published == self.clock.now())
            .map(|(id, _)| *id)
            .collect();
        for event in new {
            self.attempt_one(event, random);
        }
        self.wait_for_records();
    }

    fn attempt_one(&mut self, id: Uuid, random: &mut StdRng) {
        let retry = Verdict::RetryAt(self.clock.now().after(DAY / 3));
        let verdict = *[
            Verdict::Succeeded,
            Verdict::Succeeded,
            Verdict::Failed,
            retry,
        ]
        .choose(random)
        .unwrap();
        let event = self.events.get_mut(&id).unwrap();
        event.attempts += 1;
        let record = record(event.queued.clone(), verdict, self.clock.now());
        event.queued.run_attempt += 1;
        event.queued.attempts += 1;
        self.store().record(record);
    }

    /// Returns the pending events, as senders have them.
    pub(super) fn attempts_under_way(&self) -> Vec<QueuedEvent> {
        let pending = self.pending().into_iter();
        pending
            .map(|event| self.events[&event].queued.clone())
            .collect()
    }

    /// Records attempts, whatever became of their events.
    pub(super) fn end_attempts(&self, attempts: Vec<QueuedEvent>) {
        for event in attempts {
            let verdict = Verdict::Succeeded;
            self.store()
                .record(record(event, verdict, self.clock.now()));
        }
        self.wait_for_records();
    }

    /// Waits until the writer has done all that was queued: records come first.
    fn wait_for_records(&self) {
        self.store().touch_tokens(Vec::new()).wait().unwrap();
    }

    pub(super) fn redeliver(&mut self, random: &mut StdRng) {
        let ids: Vec<Uuid> = self.events.keys().copied().collect();
        let Some(id) = ids.choose(random).copied() else {
            return;
        };
        match self.store().redeliver(Visibility::All, id).wait() {
            Ok(()) => {
                let waiting = self.events[&id].queued.endpoint;
                let found = self.store().redeliveries(waiting, Run(0), 1000);
                let found = found.unwrap().into_iter().find(|event| event.id == id);
                self.events.get_mut(&id).unwrap().queued = found.unwrap();
            }
            Err(StoreError::EventArchived | StoreError::EndpointDisabled) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Redelivers an event; returns it as the engine gets it.
    pub(super) fn redeliver_one(&self, id: Uuid) -> QueuedEvent {
        self.store().redeliver(Visibility::All, id).wait().unwrap();
        let waiting = self.events[&id].queued.endpoint;
        let found = self.store().redeliveries(waiting, Run(0), 1000).unwrap();
        found.into_iter().find(|event| event.id == id).unwrap()
    }

    pub(super) fn disable_all(&self) {
        let patch = EndpointPatch {
            enabled: Some(false),
            ..EndpointPatch::default()
        };
        for endpoint in &self.endpoints {
            let changed = self
                .store()
                .update_endpoint(Visibility::All, endpoint.id, patch.clone());
            changed.wait().unwrap();
        }
        self.wait_until_swept();
    }

    pub(super) fn disable_or_enable(&mut self, random: &mut StdRng) {
        let endpoint = self.endpoints.choose(random).unwrap().id;
        let patch = EndpointPatch {
            enabled: Some(random.random()),
            ..EndpointPatch::default()
        };
        let changed = self
            .store()
            .update_endpoint(Visibility::All, endpoint, patch);
        changed.wait().unwrap();
        self.wait_until_swept();
    }

    /// Waits until the writer has marked the skipped events: until then they count as pending.
    fn wait_until_swept(&self) {
        let end = std::time::Instant::now() + Duration::from_secs(30);
        let sql = "SELECT count(*) FROM endpoint WHERE sweep = 1";
        let connection = Connection::open(&self.database).unwrap();
        while connection.query_row(sql, [], |row| row.get::<_, i64>(0)) != Ok(0) {
            assert!(std::time::Instant::now() < end, "not swept");
            std::thread::yield_now();
        }
    }
}

fn record(event: QueuedEvent, verdict: Verdict, decided_at: Timestamp) -> AttemptRecord {
    AttemptRecord {
        event,
        verdict,
        decided_at,
        code: Some(if verdict == Verdict::Succeeded {
            200
        } else {
            500
        }),
        error: None,
        response: None,
        duration_ms: 1,
        rest: None,
    }
}

fn message(workspace_id: Uuid, name: &str, length: usize) -> NewMessage {
    NewMessage::new(
        workspace_id,
        EventType::parse(name).unwrap(),
        RawValue::from_string(format!("\"{}\"", "x".repeat(length))).unwrap(),
    )
}
