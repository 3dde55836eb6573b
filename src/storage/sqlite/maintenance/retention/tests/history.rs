//! A store, what happens to it, and a model of the events that must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::clock::{Clock, ManualClock, Timestamp};
use crate::domain::endpoint::{Endpoint, EndpointSettings, Format, NewEndpoint};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_type::Subscription;
use crate::domain::retention::KeepFor;
use crate::domain::workspace::WorkspaceName;
use crate::storage::sqlite::SqliteStore;
use crate::storage::sqlite::maintenance::background::WakeUp;
use crate::storage::sqlite::maintenance::retention::{Retention, delete_oldest};
use crate::storage::sqlite::maintenance::work::Work;
use crate::storage::sqlite::writer::counters::BLOCK;
use crate::storage::{Notice, NoticeSink, Queue, QueuedEvent, Store};

pub(super) const DAY: Duration = Duration::from_hours(24);
const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const FORMATS: [Format; 3] = [Format::Raw, Format::Discord, Format::Slack];

/// The events that the engine would have to deliver, as the store has told it, and the number of attempts that were
/// recorded.
#[derive(Default)]
pub(super) struct Engine(pub(super) Mutex<BTreeMap<i64, QueuedEvent>>, AtomicUsize);

impl NoticeSink for Engine {
    fn committed(&self, notices: Vec<Notice>) {
        let mut events = self.0.lock().unwrap();
        for notice in notices {
            match notice {
                Notice::Published(event) => {
                    events.insert(event.seq.0, event);
                }
                Notice::Recorded(_) => {
                    self.1.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
        }
    }
}

/// An event of the model.
#[derive(Clone, Debug)]
pub(super) struct ModelEvent {
    pub(super) queued: QueuedEvent,
    pub(super) endpoint: Uuid,
    pub(super) format: Format,
    pub(super) message: Uuid,
    /// Set if it may hold the rendered body of its message and format.
    pub(super) is_first_of_format: bool,
    pub(super) published: Timestamp,
    pub(super) workspace: usize,
    pub(super) attempts: u64,
    pub(super) is_archived: bool,
}

pub(super) struct History {
    _folder: tempfile::TempDir,
    pub(super) database: PathBuf,
    pub(super) clock: Arc<ManualClock>,
    store: Option<Arc<SqliteStore>>,
    pub(super) engine: Arc<Engine>,
    pub(super) workspaces: Vec<Uuid>,
    pub(super) endpoints: Vec<Endpoint>,
    keep_for: KeepFor,
    /// The own times of each workspace, for messages and for payloads.
    own: Vec<Option<Duration>>,
    pub(super) own_payloads: Vec<Option<Duration>>,
    /// All events that must be there.
    pub(super) events: BTreeMap<Uuid, ModelEvent>,
    /// All messages that must be there: their workspaces and times.
    pub(super) messages: BTreeMap<Uuid, (usize, Timestamp)>,
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
                let time = DAY * random.random_range(1..20);
                history.set_own(workspace, "delete_after", time);
                history.own[workspace] = Some(time);
            }
            if random.random() {
                let time = DAY * random.random_range(1..8);
                history.set_own(workspace, "archive_after", time);
                history.own_payloads[workspace] = Some(time);
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
            own_payloads: vec![None; 2],
            events: BTreeMap::new(),
            messages: BTreeMap::new(),
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
            let new = NewEndpoint::new(history.workspaces[number % 2], settings);
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

    fn set_own(&self, workspace: usize, column: &str, time: Duration) {
        let set = format!("UPDATE workspace SET {column} = ?2 WHERE id = ?1");
        let connection = Connection::open(&self.database).unwrap();
        let id = self.workspaces[workspace];
        connection
            .execute(&set, params![id, time.as_secs()])
            .unwrap();
    }

    // A tool's store has no janitor of its own.
    fn open(&mut self) {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let store = SqliteStore::open_for_tool(&self.database, "test", clock).unwrap();
        store.listen(self.engine.clone());
        self.store = Some(store);
    }

    pub(super) fn store(&self) -> &SqliteStore {
        self.store.as_ref().unwrap()
    }

    /// Opens the database again. The numbers of events jump, as after so many redeliveries: blocks of counters end.
    pub(super) fn restart(&mut self, jump: i64) {
        self.store.take().unwrap().stop();
        let connection = Connection::open(&self.database).unwrap();
        let sql =
            "UPDATE meta SET value = max(value, (SELECT coalesce(max(seq), 0) FROM event)) + ?1
                   WHERE key = 'last_run'";
        connection.execute(sql, [jump]).unwrap();
        drop(connection);
        self.open();
    }

    pub(super) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Deletes every finished event, as a database does that has reached its largest size.
    pub(super) fn delete_all(&mut self) {
        let wake_up = WakeUp::default();
        let work = Work::new(&self.store().writer, &self.store().files, &wake_up);
        delete_oldest(&work, self.clock.now().after(DAY), &|| false).unwrap();
        self.events.clear();
        self.messages.clear();
    }

    /// Applies retention, and the rules to the model.
    pub(super) fn apply(&mut self) {
        self.apply_with(&|| {});
        let pending: BTreeSet<Uuid> = self.model_pending();
        let now = self.clock.now();
        self.archive_in_model(&pending);
        let (own, servers) = (self.own.clone(), self.keep_for.messages);
        let is_old = |workspace: usize, published: Timestamp| {
            let time = [own[workspace], servers].into_iter().flatten().min();
            time.is_some_and(|time| published < now.before(time))
        };
        let events = self.events.clone();
        self.events.retain(|id, event| {
            let is_old = is_old(event.workspace, event.published);
            let is_needed_by = |other: &ModelEvent| {
                other.message == event.message
                    && other.format == event.format
                    && pending.contains(&other.queued.id)
            };
            !is_old
                || pending.contains(id)
                || event.is_first_of_format && events.values().any(is_needed_by)
        });
        let with_events: BTreeSet<Uuid> = self.events.values().map(|it| it.message).collect();
        self.messages.retain(|id, (workspace, published)| {
            !is_old(*workspace, *published) || with_events.contains(id)
        });
    }

    /// Returns the ids of all messages in the file.
    pub(super) fn stored_messages(&self) -> BTreeSet<Uuid> {
        let connection = Connection::open(&self.database).unwrap();
        let mut ids = connection.prepare("SELECT id FROM message").unwrap();
        let rows = ids.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Keeps all for ever, but the payloads of the first workspace.
    pub(super) fn keep_only_payloads_of_the_first_workspace_for(&mut self, time: Duration) {
        self.keep_for = KeepFor::default();
        self.set_own(0, "archive_after", time);
    }

    /// Applies retention, and calls `before_look` before each look at the file.
    pub(super) fn apply_with(&self, before_look: &dyn Fn()) {
        let wake_up = WakeUp::default();
        let work = Work::new(&self.store().writer, &self.store().files, &wake_up);
        let work = work.before_each_look(before_look);
        Retention {
            work: &work,
            connection: &work.connection().unwrap(),
            now: self.clock.now(),
            keep_for: self.keep_for,
        }
        .apply()
        .unwrap();
    }

    fn archive_in_model(&mut self, pending: &BTreeSet<Uuid>) {
        let of_pending: BTreeSet<Uuid> = pending
            .iter()
            .map(|event| self.events[event].message)
            .collect();
        let now = self.clock.now();
        for event in self.events.values_mut() {
            let times = [self.own_payloads[event.workspace], self.keep_for.payloads];
            let time = times.into_iter().flatten().min();
            let is_old = time.is_some_and(|time| event.published < now.before(time));
            event.is_archived |= is_old && !of_pending.contains(&event.message);
        }
    }

    pub(super) fn is_archived(&self, id: Uuid) -> bool {
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

    /// Returns the number of attempts of which the engine knows that they were recorded.
    pub(super) fn recorded(&self) -> usize {
        self.engine.1.load(Ordering::Relaxed)
    }

    /// Returns the highest number in a table.
    pub(super) fn newest(&self, table: &str) -> i64 {
        let connection = Connection::open(&self.database).unwrap();
        let sql = format!("SELECT coalesce(max(seq), 0) FROM {table}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    /// Returns the number up to which events are in the list indexes.
    pub(super) fn indexed_events(&self) -> i64 {
        let connection = Connection::open(&self.database).unwrap();
        let sql = "SELECT value FROM meta WHERE key = 'event_indexed'";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}
