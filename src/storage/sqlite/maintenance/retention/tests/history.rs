//! A store, what happens to it, and a model of the events that must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rusqlite::{Connection, params};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::clock::{Clock, ManualClock, Timestamp};
use crate::domain::endpoint::{Endpoint, EndpointPatch, EndpointSettings, Format, NewEndpoint};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event::EventStatus;
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::message::NewMessage;
use crate::domain::workspace::WorkspaceName;
use crate::storage::sqlite::SqliteStore;
use crate::storage::sqlite::maintenance::background::WakeUp;
use crate::storage::sqlite::maintenance::retention::{KeepFor, Retention};
use crate::storage::sqlite::maintenance::work::Work;
use crate::storage::sqlite::writer::counters::BLOCK;
use crate::storage::{
    AttemptRecord, DeliveryFilter, EventFilter, Notice, NoticeSink, Page, Queue, QueuedEvent,
    Store, StoreError, Verdict,
};

pub(super) const DAY: Duration = Duration::from_hours(24);
const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const FORMATS: [Format; 3] = [Format::Raw, Format::Discord, Format::Slack];

/// The events that the engine would have to deliver, as the store has told it.
#[derive(Default)]
struct Engine(Mutex<BTreeMap<i64, QueuedEvent>>);

impl NoticeSink for Engine {
    fn committed(&self, notices: Vec<Notice>) {
        let mut events = self.0.lock().unwrap();
        for notice in notices {
            if let Notice::Published(event) = notice {
                events.insert(event.seq.0, event);
            }
        }
    }
}

/// An event of the model.
#[derive(Clone, Debug)]
struct ModelEvent {
    queued: QueuedEvent,
    endpoint: Uuid,
    format: Format,
    message: Uuid,
    /// Set if it may hold the rendered body of its message and format.
    is_first_of_format: bool,
    published: Timestamp,
    workspace: usize,
    attempts: u64,
}

pub(super) struct History {
    _folder: tempfile::TempDir,
    database: PathBuf,
    clock: Arc<ManualClock>,
    store: Option<Arc<SqliteStore>>,
    engine: Arc<Engine>,
    workspaces: Vec<Uuid>,
    endpoints: Vec<Endpoint>,
    keep_for: KeepFor,
    /// The own time of each workspace.
    own: Vec<Option<Duration>>,
    /// All events that must be there.
    events: BTreeMap<Uuid, ModelEvent>,
}

impl History {
    pub(super) fn new(random: &mut StdRng) -> Self {
        let endpoints = random.random_range(1..12);
        let mut history = Self::with_endpoints(endpoints);
        history.begin_deliveries_near_the_end_of_a_block(random);
        history.keep_for.messages = random
            .random_ratio(4, 5)
            .then(|| DAY * random.random_range(1..20));
        for workspace in 0..history.workspaces.len() {
            if random.random() {
                history.set_own(workspace, DAY * random.random_range(1..20));
            }
        }
        history
    }

    /// Returns a history with two workspaces, which share these endpoints, and keep events for a day.
    pub(super) fn with_endpoints(endpoints: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("test.db");
        let clock = Arc::new(ManualClock::new(START));
        let mut history = Self {
            _folder: folder,
            database,
            clock,
            store: None,
            engine: Arc::default(),
            workspaces: Vec::new(),
            endpoints: Vec::new(),
            keep_for: KeepFor {
                payloads: Some(DAY * 5),
                messages: Some(DAY),
            },
            own: vec![None; 2],
            events: BTreeMap::new(),
        };
        history.open();
        for name in ["a", "b"] {
            let name = WorkspaceName::parse(name).unwrap();
            let made = history.store().create_workspace(name).wait().unwrap();
            history.workspaces.push(made.id);
        }
        for number in 0..endpoints {
            let url = EndpointUrl::from_stored("https://r.test/".to_owned());
            let mut settings = EndpointSettings {
                events: vec![Subscription::parse("*").unwrap()],
                ..EndpointSettings::raw(url)
            };
            settings.target.format = FORMATS[number / 2 % 3];
            let new = NewEndpoint {
                workspace_id: history.workspaces[number % 2],
                settings,
            };
            let made = history.store().create_endpoint(new).wait().unwrap();
            history.endpoints.push(made);
        }
        history
    }

    /// Sets the number of the next delivery, as if those before it were deleted.
    fn begin_deliveries_near_the_end_of_a_block(&mut self, random: &mut StdRng) {
        self.store.take().unwrap().stop();
        let last = 2 * BLOCK - random.random_range(1..80);
        let sql = "UPDATE meta SET value = ?1 WHERE key = 'last_delivery'";
        let connection = Connection::open(&self.database).unwrap();
        connection.execute(sql, [last]).unwrap();
        drop(connection);
        self.open();
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    fn set_own(&mut self, workspace: usize, time: Duration) {
        self.own[workspace] = Some(time);
        let set = "UPDATE workspace SET delete_after = ?2 WHERE id = ?1";
        let connection = Connection::open(&self.database).unwrap();
        let id = self.workspaces[workspace];
        connection
            .execute(set, params![id, time.as_secs()])
            .unwrap();
    }

    // A tool's store has no janitor of its own.
    fn open(&mut self) {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let store = SqliteStore::open_for_tool(&self.database, "test", clock).unwrap();
        store.listen(self.engine.clone());
        self.store = Some(store);
    }

    fn store(&self) -> &SqliteStore {
        self.store.as_ref().unwrap()
    }

    /// Opens the database again. The numbers of events jump, as after many redeliveries, so that blocks of counters
    /// end.
    pub(super) fn restart(&mut self, random: &mut StdRng) {
        self.store.take().unwrap().stop();
        let connection = Connection::open(&self.database).unwrap();
        let sql =
            "UPDATE meta SET value = max(value, (SELECT coalesce(max(seq), 0) FROM event)) + ?1
                   WHERE key = 'last_run'";
        connection
            .execute(sql, [random.random_range(0..60_000)])
            .unwrap();
        drop(connection);
        self.open();
    }

    pub(super) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(super) fn publish(&mut self, random: &mut StdRng) {
        let workspace = random.random_range(0..2);
        let new = NewMessage {
            workspace_id: self.workspaces[workspace],
            event_type: EventType::parse(["a", "b.c"].choose(random).unwrap()).unwrap(),
            timestamp: None,
            data: RawValue::from_string(format!("\"{}\"", "x".repeat(random.random_range(0..400))))
                .unwrap(),
            idempotency: None,
            trace: None,
            summary: None,
        };
        let published = self.store().publish(new).wait().unwrap().message;
        let mut formats = BTreeSet::new();
        for (id, endpoint) in published.events {
            let queued = {
                let known = self.engine.0.lock().unwrap();
                known.values().find(|event| event.id == id).unwrap().clone()
            };
            let format = self.endpoints.iter().find(|it| it.id == endpoint).unwrap();
            let format = format.settings.target.format;
            let event = ModelEvent {
                queued,
                endpoint,
                format,
                message: published.id,
                is_first_of_format: format != Format::Raw && formats.insert(format as u8),
                published: self.clock.now(),
                workspace,
                attempts: 0,
            };
            self.events.insert(id, event);
        }
        // One look-up for each event is enough.
        self.engine.0.lock().unwrap().clear();
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
        let record = AttemptRecord {
            event: event.queued.clone(),
            verdict,
            decided_at: self.clock.now(),
            code: Some(if verdict == Verdict::Succeeded {
                200
            } else {
                500
            }),
            error: None,
            response: None,
            duration_ms: 1,
        };
        event.queued.run_attempt += 1;
        event.queued.attempts += 1;
        self.store().record(record);
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
                let found = self
                    .store()
                    .redeliveries(waiting, crate::storage::Run(0), 1000);
                let found = found.unwrap().into_iter().find(|event| event.id == id);
                self.events.get_mut(&id).unwrap().queued = found.unwrap();
            }
            Err(StoreError::EventArchived | StoreError::EndpointDisabled) => {}
            Err(error) => panic!("{error}"),
        }
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

    /// Applies retention, and the rules to the model.
    pub(super) fn apply(&mut self) {
        let wake_up = WakeUp::default();
        let work = Work::new(&self.store().writer, &self.store().files, &wake_up);
        Retention {
            work: &work,
            connection: &work.connection().unwrap(),
            now: self.clock.now(),
            keep_for: self.keep_for,
        }
        .apply()
        .unwrap();
        let pending: BTreeSet<Uuid> = self.model_pending();
        let now = self.clock.now();
        let events = self.events.clone();
        self.events.retain(|id, event| {
            let own = self.own[event.workspace];
            let time = [own, self.keep_for.messages].into_iter().flatten().min();
            let is_old = time.is_some_and(|time| event.published < now.before(time));
            let is_needed_by = |other: &ModelEvent| {
                other.message == event.message
                    && other.format == event.format
                    && pending.contains(&other.queued.id)
            };
            !is_old
                || pending.contains(id)
                || event.is_first_of_format && events.values().any(is_needed_by)
        });
    }

    fn is_archived(&self, id: Uuid) -> bool {
        let found = self.store().find_event(Visibility::All, id, 1 << 20);
        found.is_ok_and(|found| found.item.payload.is_none())
    }

    /// Returns the pending events; panics if one of those that were pending before is gone.
    fn model_pending(&self) -> BTreeSet<Uuid> {
        let connection = Connection::open(&self.database).unwrap();
        let mut pending = connection
            .prepare("SELECT id FROM event WHERE state IN (0, 1)")
            .unwrap();
        let rows = pending.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Compares lists and totals with the model.
    pub(super) fn assert_is_as_modelled(&self, seed: u64) {
        let visible = Visibility::All;
        let mut filters = vec![(None, None)];
        for endpoint in &self.endpoints {
            filters.push((Some(endpoint.id), None));
        }
        for (at, workspace) in self.workspaces.iter().enumerate() {
            filters.push((None, Some((at, *workspace))));
        }
        for (endpoint, workspace) in filters {
            let of_filter = |event: &&ModelEvent| {
                endpoint.is_none_or(|id| event.endpoint == id)
                    && workspace.is_none_or(|(at, _)| event.workspace == at)
            };
            let expected: Vec<&ModelEvent> = self.events.values().filter(of_filter).collect();
            let events = EventFilter {
                visibility: visible,
                workspaces: workspace.iter().map(|(_, id)| *id).collect(),
                endpoints: endpoint.into_iter().collect(),
                messages: Vec::new(),
                event_types: Vec::new(),
                statuses: Vec::new(),
                after: None,
                before: None,
                query: None,
            };
            let mut listed = BTreeSet::new();
            for number in 1.. {
                let page = Page { number, limit: 100 };
                let found = self.store().list_events(&events, page, 1 << 30).unwrap();
                assert_eq!(found.total, expected.len() as u64, "{seed}");
                listed.extend(found.rows.iter().map(|row| row.item.id));
                if found.rows.len() < 100 {
                    break;
                }
            }
            let ids: BTreeSet<Uuid> = expected.iter().map(|event| event.queued.id).collect();
            assert_eq!(listed, ids, "{seed}");
            let deliveries = DeliveryFilter {
                visibility: visible,
                workspaces: events.workspaces.clone(),
                endpoints: events.endpoints.clone(),
                event: None,
                messages: Vec::new(),
                event_types: Vec::new(),
                after: None,
                before: None,
                succeeded: None,
                code_class: None,
                query: None,
            };
            let page = Page {
                number: 1,
                limit: 10,
            };
            let found = self.store().list_deliveries(&deliveries, page, 1 << 20);
            let attempts: u64 = expected.iter().map(|event| event.attempts).sum();
            assert_eq!(found.unwrap().total, attempts, "{seed}");
        }
        for (id, event) in &self.events {
            let young = self.clock.now().since(event.published) < DAY * 5;
            if young {
                assert!(!self.is_archived(*id), "{seed}: {event:?}");
            }
        }
    }

    /// Returns the number of events in the list index of workspaces.
    pub(super) fn indexed_events(&self) -> i64 {
        let connection = Connection::open(&self.database).unwrap();
        let sql = "SELECT value FROM meta WHERE key = 'event_indexed'";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}
