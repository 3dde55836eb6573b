//! Random workspaces, endpoints, messages, events and deliveries: in a database, and as plain values.

#![expect(clippy::cast_possible_wrap, reason = "positions in short lists")]

mod deletions;
mod indexed_rows;
mod later_events;
mod random_values;

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rusqlite::{Connection, params};
use uuid::Uuid;

use self::random_values::{MINUTE_US, WallClock, next_number, random_code, random_id};
use super::messages::tags_of;
use crate::domain::endpoint_health::EndpointState;
use crate::domain::event::EventStatus;
use crate::domain::event_state::EventState;
use crate::storage::sqlite::message_tags;
use crate::storage::sqlite::reads::lists::install;
use crate::storage::sqlite::sealing;
use crate::storage::sqlite::writer::counters::Counters;

pub(crate) const TYPES: [&str; 3] = ["order.created", "order.paid", "user"];
pub(crate) const START_US: i64 = 1_700_000_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct WorkspaceRow {
    pub(crate) n: i64,
    pub(crate) id: Uuid,
    pub(crate) deleted: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct EndpointRow {
    pub(crate) n: i64,
    pub(crate) id: Uuid,
    pub(crate) workspace: usize,
    pub(crate) url: String,
    pub(crate) deleted: bool,
    pub(crate) state: EndpointState,
    pub(crate) skip_through: i64,
    /// As in the column.
    pub(crate) subscriptions: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct MessageRow {
    pub(crate) seq: i64,
    pub(crate) id: Uuid,
    pub(crate) workspace: usize,
    pub(crate) event_type: usize,
    pub(crate) created_at: i64,
    pub(crate) body: Option<String>,
    /// The number of events that it became.
    pub(crate) events: u64,
    pub(crate) is_direct: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) seq: i64,
    pub(crate) id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) endpoint: usize,
    pub(crate) event_type: usize,
    pub(crate) state: EventState,
    pub(crate) run: i64,
    pub(crate) code: Option<u16>,
    pub(crate) due: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) payload: Option<String>,
    pub(crate) format: i64,
    /// Set if its rendered body is stored with it.
    pub(crate) has_body: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct DeliveryRow {
    pub(crate) seq: i64,
    pub(crate) id: Uuid,
    pub(crate) event: usize,
    pub(crate) code: Option<u16>,
    pub(crate) created_at: i64,
}

pub(crate) struct ListFixture {
    pub(crate) connection: Connection,
    pub(crate) workspaces: Vec<WorkspaceRow>,
    pub(crate) endpoints: Vec<EndpointRow>,
    /// In the order of `seq`.
    pub(crate) messages: Vec<MessageRow>,
    /// In the order of `seq`.
    pub(crate) events: Vec<EventRow>,
    /// In the order of `seq`.
    pub(crate) deliveries: Vec<DeliveryRow>,
}

impl ListFixture {
    pub(crate) fn generate(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../../../../schema.sql"))
            .unwrap();
        install(&connection).unwrap();
        sealing::install(&connection, &Arc::default()).unwrap();
        let mut fixture = Self {
            connection,
            workspaces: Vec::new(),
            endpoints: Vec::new(),
            messages: Vec::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
        };
        let steps = seed % 2 == 1;
        fixture.add_tenants(&mut random);
        fixture.add_events(&mut random, steps);
        fixture.add_later_events(&mut random);
        fixture.skip_backlogs(&mut random);
        fixture.add_deliveries(&mut random, steps);
        fixture.add_to_list_indexes(&mut random);
        if !seed.is_multiple_of(3) {
            fixture.delete_some(&mut random);
        }
        fixture
    }

    pub(crate) fn status(&self, event: &EventRow) -> EventStatus {
        use EventState::{Failed, Fresh, Retry, Skipped, Succeeded};
        let skip_through = self.endpoints[event.endpoint].skip_through;
        match event.state {
            Fresh | Retry if event.run > skip_through => EventStatus::Pending,
            Fresh | Retry | Skipped => EventStatus::Skipped,
            Succeeded => EventStatus::Succeeded,
            Failed => EventStatus::Failed,
        }
    }

    fn add_tenants(&mut self, random: &mut StdRng) {
        for n in 1..=random.random_range(1..=4) {
            let workspace = WorkspaceRow {
                n,
                id: random_id(random, START_US),
                deleted: random.random_ratio(1, 5),
            };
            let deleted_at = workspace.deleted.then_some(START_US);
            self.connection
                .execute(
                    "INSERT INTO workspace (n, id, name, created_at, deleted_at) VALUES (?, ?, ?, ?, ?)",
                    params![
                        n,
                        workspace.id.as_bytes(),
                        n.to_string(),
                        START_US,
                        deleted_at
                    ],
                )
                .unwrap();
            self.workspaces.push(workspace);
        }
        for n in 1..=random.random_range(1..=9) {
            let host = ["a.test", "b.test", "xn--caf-dma.test"]
                .choose(random)
                .unwrap();
            let path = ["Hook", "a%20b", "a_b", "hook/1"].choose(random).unwrap();
            let endpoint = EndpointRow {
                n,
                id: random_id(random, START_US),
                workspace: random.random_range(0..self.workspaces.len()),
                url: format!("https://{host}/{path}"),
                deleted: random.random_ratio(1, 5),
                state: match n % 3 {
                    0 => EndpointState::Disabled,
                    1 => EndpointState::Resting,
                    _ => EndpointState::Active,
                },
                skip_through: 0,
                subscriptions: ["*", "order.*", "user order.paid", "none", ""]
                    .choose(random)
                    .unwrap(),
            };
            self.connection
                .execute(
                    "INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at,
                       deleted_at, disabled, resting_until)
                     VALUES (?, ?, ?, ?, 0, 's', ?, ?, ?, ?, ?)",
                    params![
                        n,
                        endpoint.id.as_bytes(),
                        self.workspaces[endpoint.workspace].n,
                        endpoint.url,
                        endpoint.subscriptions,
                        START_US + n,
                        endpoint.deleted.then_some(START_US),
                        (endpoint.state == EndpointState::Disabled).then_some(0),
                        (endpoint.state == EndpointState::Resting).then_some(1),
                    ],
                )
                .unwrap();
            self.endpoints.push(endpoint);
        }
        for (at, name) in TYPES.iter().enumerate() {
            let n = i64::try_from(at).unwrap() + 1;
            self.connection
                .execute("INSERT INTO event_type VALUES (?, ?)", params![n, name])
                .unwrap();
        }
    }

    fn add_events(&mut self, random: &mut StdRng, steps: bool) {
        let mut clock = WallClock(START_US);
        let mut counters = Counters::load(&self.connection).unwrap();
        let mut seq = 0;
        let mut message = 0;
        for _ in 1..=random.random_range(0..120) {
            message += next_number(random);
            let message_id = random_id(random, clock.0);
            let event_type = random.random_range(0..TYPES.len());
            let body = random.random_ratio(3, 4).then(|| format!("raw {message}"));
            let fan_out: i64 = random.random_range(0..4);
            let (created_at, back) = clock.next(random, steps);
            seq += next_number(random);
            let workspace = self.endpoints.choose(random).unwrap().workspace;
            let own = |at: &usize| self.endpoints[*at].workspace == workspace;
            let endpoints: Vec<usize> = (0..self.endpoints.len()).filter(own).collect();
            let is_direct = message % 4 == 0;
            self.connection
                .execute(
                    "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, NULL, ?)",
                    params![
                        message,
                        message_id.as_bytes(),
                        self.workspaces[workspace].n,
                        event_type as i64 + 1,
                        created_at,
                        seq,
                        fan_out,
                        body.as_ref().map(String::as_bytes),
                        is_direct,
                    ],
                )
                .unwrap();
            let n = self.workspaces[workspace].n;
            message_tags::insert(&self.connection, n, message, &tags_of(message)).unwrap();
            self.messages.push(MessageRow {
                seq: message,
                id: message_id,
                workspace,
                event_type,
                created_at,
                body: body.clone(),
                events: fan_out.cast_unsigned(),
                is_direct,
            });
            if back {
                self.step("event", seq);
                self.step("message", message);
            }
            // Some as they are stored today, some with a body for each event, some archived.
            let bodies: Vec<(i64, Option<String>)> = (0..fan_out)
                .map(|place| {
                    let format = random.random_range(0..3);
                    let rendered = format != 0 && random.random();
                    (format, rendered.then(|| format!("own {}", seq + place)))
                })
                .collect();
            for (format, rendered) in &bodies {
                let endpoint = *endpoints.choose(random).unwrap();
                let state = EventState::ALL[random.random_range(0..5)];
                let of_the_format = |it: &&(i64, Option<String>)| it.0 == *format && it.1.is_some();
                let shared = match format {
                    0 => body.clone(),
                    _ => (bodies.iter().take(2).find(of_the_format)).and_then(|it| it.1.clone()),
                };
                let event = EventRow {
                    seq,
                    id: random_id(random, created_at),
                    message_id,
                    endpoint,
                    event_type,
                    state,
                    run: if state == EventState::Fresh || random.random() {
                        seq
                    } else {
                        random.random_range(seq..seq + 200_000)
                    },
                    // An event that succeeded has the code of its success, and a fresh one has none.
                    code: match state {
                        EventState::Fresh => None,
                        EventState::Succeeded => Some(random.random_range(200..300)),
                        _ => random_code(random),
                    },
                    due: (state == EventState::Retry)
                        .then(|| created_at + random.random_range(0..MINUTE_US)),
                    created_at,
                    payload: rendered.clone().or(shared),
                    format: *format,
                    has_body: rendered.is_some(),
                };
                self.insert_event(&event, message, *format, rendered.as_deref());
                let n = self.endpoints[endpoint].n;
                counters.event(seq, n, event_type as i64 + 1, state);
                self.events.push(event);
                seq += 1;
            }
        }
        counters.write(&self.connection).unwrap();
    }

    /// Disables some endpoints that have events already: their pending events are skipped, and not swept.
    fn skip_backlogs(&mut self, random: &mut StdRng) {
        let last = self.events.last().map_or(0, |event| event.seq);
        for (at, endpoint) in self.endpoints.iter_mut().enumerate() {
            if random.random() {
                continue;
            }
            endpoint.skip_through = random.random_range(0..=last + 5);
            let unswept = self.events.iter().any(|event| {
                event.endpoint == at
                    && event.state.is_pending()
                    && event.run <= endpoint.skip_through
            });
            self.connection
                .execute(
                    "UPDATE endpoint SET skip_through = ?, sweep = ? WHERE n = ?",
                    params![endpoint.skip_through, unswept, endpoint.n],
                )
                .unwrap();
        }
    }

    fn add_deliveries(&mut self, random: &mut StdRng, steps: bool) {
        let mut clock = WallClock(START_US);
        let mut counters = Counters::load(&self.connection).unwrap();
        let mut seq = 0;
        if self.events.is_empty() {
            return;
        }
        for _ in 0..random.random_range(0..300) {
            let (created_at, back) = clock.next(random, steps);
            seq += next_number(random);
            if back {
                self.step("delivery", seq);
            }
            let delivery = DeliveryRow {
                seq,
                id: random_id(random, created_at),
                event: random.random_range(0..self.events.len()),
                code: random_code(random),
                created_at,
            };
            let event = &self.events[delivery.event];
            let endpoint = &self.endpoints[event.endpoint];
            let (n, workspace) = (endpoint.n, self.workspaces[endpoint.workspace].n);
            let event_type = event.event_type as i64 + 1;
            self.connection
                .execute(
                    "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, NULL, 5, ?, 'text')",
                    params![
                        seq,
                        delivery.id.as_bytes(),
                        event.seq,
                        n,
                        workspace,
                        event_type,
                        succeeded(delivery.code),
                        delivery.code,
                        created_at
                    ],
                )
                .unwrap();
            counters.delivery(seq, n, event_type, delivery.code);
            self.deliveries.push(delivery);
        }
        counters.write(&self.connection).unwrap();
    }

    fn step(&self, kind: &str, seq: i64) {
        self.connection
            .execute("INSERT INTO clock_step VALUES (?, ?)", params![kind, seq])
            .unwrap();
    }
}

pub(crate) fn succeeded(code: Option<u16>) -> bool {
    code.is_some_and(|code| code / 100 == 2)
}
