//! Events that were made after the publish of their message, as a job makes them.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rusqlite::params;

use super::random_values::{next_number, random_code, random_id};
use super::{EventRow, ListFixture};
use crate::domain::event_state::EventState;
use crate::storage::sqlite::writer::counters::Counters;

impl ListFixture {
    /// Adds events of older messages, with numbers above those of all others. An event of a message without any becomes
    /// its range.
    pub(super) fn add_later_events(&mut self, random: &mut StdRng) {
        let mut counters = Counters::load(&self.connection).unwrap();
        let (mut seq, mut created_at) = (self.events.last())
            .map_or((1, super::START_US), |event| (event.seq, event.created_at));
        for _ in 0..random.random_range(0..15) {
            if self.messages.is_empty() {
                break;
            }
            let at = random.random_range(0..self.messages.len());
            let message = self.messages[at].clone();
            let own = |place: &usize| self.endpoints[*place].workspace == message.workspace;
            let endpoints: Vec<usize> = (0..self.endpoints.len()).filter(own).collect();
            seq += next_number(random);
            created_at += random.random_range(1..60_000_000);
            // A rendered body is never shared with the events of the publish.
            let format = if message.body.is_some() {
                random.random_range(0..3)
            } else {
                0
            };
            let state = EventState::ALL[random.random_range(2..5)];
            let body = (format != 0).then(|| format!("later {seq}"));
            let event = EventRow {
                seq,
                id: random_id(random, created_at),
                message_id: message.id,
                endpoint: *endpoints.choose(random).unwrap(),
                event_type: message.event_type,
                state,
                run: seq,
                code: match state {
                    EventState::Succeeded => Some(204),
                    _ => random_code(random),
                },
                due: None,
                created_at,
                payload: if format == 0 {
                    message.body.clone()
                } else {
                    body.clone()
                },
                format,
                has_body: body.is_some(),
            };
            self.insert_event(&event, message.seq, format, body.as_deref());
            let n = self.endpoints[event.endpoint].n;
            let event_type = i64::try_from(event.event_type).unwrap() + 1;
            counters.event(seq, n, event_type, event.state);
            let sql = if message.events == 0 {
                "UPDATE message SET first_event = ?2, events = 1 WHERE seq = ?1"
            } else {
                "INSERT INTO later_event VALUES (?1, ?2)"
            };
            self.connection
                .execute(sql, params![message.seq, seq])
                .unwrap();
            self.messages[at].events += 1;
            self.events.push(event);
        }
        counters.write(&self.connection).unwrap();
    }

    pub(super) fn insert_event(
        &self,
        event: &EventRow,
        message: i64,
        format: i64,
        rendered: Option<&str>,
    ) {
        let endpoint = &self.endpoints[event.endpoint];
        self.connection
            .execute(
                "INSERT INTO event VALUES
                 (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, NULL, 1, ?, ?, ?, NULL, ?, NULL)",
                params![
                    event.seq,
                    event.id.as_bytes(),
                    message,
                    endpoint.n,
                    self.workspaces[endpoint.workspace].n,
                    event.event_type as i64 + 1,
                    format,
                    event.state,
                    event.run,
                    event.code,
                    event.due,
                    event.created_at,
                    rendered.map(str::as_bytes)
                ],
            )
            .unwrap();
    }
}
