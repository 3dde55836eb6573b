//! A fixture: an engine with a real store, scripted receivers and a clock that the test moves.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tempfile::TempDir;
use uuid::Uuid;

use crate::delivery::http_client::{Failure, HttpResult, Request, Response};
use crate::delivery::{Engine, EngineSettings, Transport};
use crate::domain::access::Visibility;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::{Clock, ManualClock, Timestamp};
use crate::domain::endpoint::{EndpointPatch, EndpointSettings, NewEndpoint};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_type::EventType;
use crate::domain::message::NewMessage;
use crate::domain::retry::RetryPolicy;
use crate::domain::retry_after::RetryHeaders;
use crate::domain::workspace::WorkspaceName;
use crate::metrics::DeliveryMetrics;
use crate::spans::Spans;
use crate::storage::sqlite::{SqliteSettings, SqliteStore};
use crate::storage::{Pending, Published, Store};

/// The longest time that a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer of a scripted receiver.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Code(u16),
    CodeAfter(u16, &'static str),
    Error(AttemptFailure),
    /// No answer until the receivers are released.
    Hang,
}

/// Scripted receivers, in place of the HTTP client.
#[derive(Default)]
pub(super) struct Scripted {
    state: Mutex<ScriptState>,
    changed: Condvar,
}

#[derive(Default)]
struct ScriptState {
    answers: HashMap<String, Answer>,
    seen: Vec<(String, String)>,
    released: bool,
}

impl Scripted {
    pub(super) fn answer(&self, url: &str, answer: Answer) {
        self.state
            .lock()
            .unwrap()
            .answers
            .insert(url.to_owned(), answer);
    }

    pub(super) fn release(&self) {
        self.state.lock().unwrap().released = true;
        self.changed.notify_all();
    }

    /// Waits until `url` has seen `count` attempts; returns the ids of their events.
    pub(super) fn wait(&self, url: &str, count: usize) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        let mut state = self.state.lock().unwrap();
        loop {
            let seen: Vec<String> = state
                .seen
                .iter()
                .filter(|(to, _)| to == url)
                .map(|(_, id)| id.clone())
                .collect();
            if seen.len() >= count {
                return seen;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{url} saw {} of {count} attempts",
                seen.len()
            );
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until all receivers together have seen `count` attempts.
    pub(super) fn wait_for_total(&self, count: usize) {
        let end = Instant::now() + 6 * PATIENCE;
        let mut state = self.state.lock().unwrap();
        while state.seen.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count}", state.seen.len());
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Returns the ids of the events of all attempts at `url`, in order.
    pub(super) fn seen_by(&self, url: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let seen = state.seen.iter().filter(|(to, _)| to == url);
        seen.map(|(_, id)| id.clone()).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.state.lock().unwrap().seen.len()
    }
}

impl Transport for Scripted {
    fn post(&self, request: &Request<'_>) -> HttpResult {
        let url = request.url;
        let id = request
            .headers
            .iter()
            .find(|(name, _)| *name == "webhook-id")
            .unwrap()
            .1;
        let mut state = self.state.lock().unwrap();
        state.seen.push((url.to_owned(), id.to_owned()));
        self.changed.notify_all();
        let answer = state.answers.get(url).cloned().unwrap_or(Answer::Code(200));
        let response = |code, retry_after: Option<&str>| {
            Ok(Response {
                code,
                body: String::new(),
                retry: RetryHeaders {
                    retry_after: retry_after.map(str::to_owned),
                    ..RetryHeaders::default()
                },
                location: None,
            })
        };
        let result = match answer {
            Answer::Code(code) => response(code, None),
            Answer::CodeAfter(code, after) => response(code, Some(after)),
            Answer::Error(kind) => Err(Failure {
                kind,
                message: "scripted".to_owned(),
                is_final: false,
            }),
            Answer::Hang => {
                while !state.released {
                    state = self.changed.wait(state).unwrap();
                }
                Err(Failure {
                    kind: AttemptFailure::Timeout,
                    message: "hung".to_owned(),
                    is_final: false,
                })
            }
        };
        HttpResult {
            result,
            duration: Duration::from_millis(1),
        }
    }
}

/// An engine with everything around it.
pub(super) struct EngineFixture {
    folder: TempDir,
    pub(super) clock: Arc<ManualClock>,
    pub(super) script: Arc<Scripted>,
    pub(super) store: Arc<SqliteStore>,
    engine: Engine,
    workspace: Uuid,
    senders: u32,
}

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

impl EngineFixture {
    pub(super) fn new() -> Self {
        Self::with_senders(16)
    }

    pub(super) fn with_senders(senders: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let script = Arc::new(Scripted::default());
        let (store, engine) = start(&folder, &clock, &script, senders);
        let name = WorkspaceName::parse("test").unwrap();
        let workspace = store.create_workspace(name).wait().unwrap().id;
        Self {
            folder,
            clock,
            script,
            store,
            engine,
            workspace,
            senders,
        }
    }

    pub(super) fn restart(&mut self) {
        self.engine.stop();
        self.store.stop();
        (self.store, self.engine) = start(&self.folder, &self.clock, &self.script, self.senders);
    }

    pub(super) fn endpoint(&self, url: &str) -> Uuid {
        let new = NewEndpoint::new(
            self.workspace,
            EndpointSettings::raw(EndpointUrl::from_stored(url.to_owned())),
        );
        self.store.create_endpoint(new).wait().unwrap().id
    }

    pub(super) fn publish(&self) -> Vec<Uuid> {
        let published = self.submit().wait().unwrap();
        published.message.events.iter().map(|(id, _)| *id).collect()
    }

    pub(super) fn submit(&self) -> Pending<Published> {
        let new = NewMessage::new(
            self.workspace,
            EventType::parse("a.b").unwrap(),
            RawValue::from_string("{}".to_owned()).unwrap(),
        );
        self.store.publish(new)
    }

    /// Waits until the query `sql` on the database returns `expected`.
    pub(super) fn wait_for(&self, what: &str, sql: &str, expected: i64) {
        let end = Instant::now() + PATIENCE;
        let connection = rusqlite::Connection::open(self.folder.path().join("h.db")).unwrap();
        loop {
            let found: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
            if found == expected {
                return;
            }
            assert!(
                Instant::now() < end,
                "{what}: {found} instead of {expected}"
            );
            std::thread::yield_now();
        }
    }

    pub(super) fn patch(&self, id: Uuid, enabled: bool) {
        let patch = EndpointPatch {
            enabled: Some(enabled),
            ..EndpointPatch::default()
        };
        self.store
            .update_endpoint(Visibility::All, id, patch)
            .wait()
            .unwrap();
    }
}

fn start(
    folder: &TempDir,
    clock: &Arc<ManualClock>,
    script: &Arc<Scripted>,
    senders: u32,
) -> (Arc<SqliteStore>, Engine) {
    let path = folder.path().join("h.db");
    let store = SqliteStore::open(&path, SqliteSettings::default(), clock.clone()).unwrap();
    let settings = EngineSettings {
        senders,
        retry: RetryPolicy {
            waits: [5, 30, 120].map(Duration::from_secs).to_vec(),
            expire_after: Duration::from_hours(72),
        },
        grace: PATIENCE,
    };
    let clock: Arc<dyn Clock> = clock.clone();
    let metrics = DeliveryMetrics::default();
    let engine = Engine::start(
        store.clone(),
        script.clone(),
        settings,
        clock,
        &metrics,
        Spans::default(),
    )
    .unwrap();
    (store, engine)
}
