//! The engine on a real store, with scripted receivers and a clock that moves by hand.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tempfile::TempDir;
use uuid::Uuid;

use super::http_client::{Attempt, Failure, Response};
use super::{Engine, EngineSettings, Transport};
use crate::domain::access::Reach;
use crate::domain::clock::{Clock, ManualClock, Timestamp};
use crate::domain::delivery_error::DeliveryError;
use crate::domain::endpoint::{EndpointPatch, Format, NewEndpoint};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::message::NewMessage;
use crate::domain::retry::RetryPolicy;
use crate::domain::secret::Secret;
use crate::domain::workspace::WorkspaceName;
use crate::storage::sqlite::{SqliteSettings, SqliteStore};
use crate::storage::{Pending, Published, Store};

/// How long a test waits for what must happen soon.
const PATIENCE: Duration = Duration::from_secs(20);

/// One answer of a scripted receiver.
#[derive(Clone, Debug)]
enum Answer {
    Code(u16),
    CodeAfter(u16, &'static str),
    Error(DeliveryError),
    /// Nothing until it is released.
    Hang,
}

#[derive(Default)]
struct Scripted {
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
    fn answer(&self, url: &str, answer: Answer) {
        self.state
            .lock()
            .unwrap()
            .answers
            .insert(url.to_owned(), answer);
    }

    fn release(&self) {
        self.state.lock().unwrap().released = true;
        self.changed.notify_all();
    }

    /// Waits until `url` has seen `count` attempts; answers their event ids.
    fn wait(&self, url: &str, count: usize) -> Vec<String> {
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

    /// Waits until so many attempts were seen in all.
    fn wait_for_total(&self, count: usize) {
        let end = Instant::now() + 6 * PATIENCE;
        let mut state = self.state.lock().unwrap();
        while state.seen.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count}", state.seen.len());
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The ids of the events of all attempts at `url`, in order.
    fn seen_by(&self, url: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let seen = state.seen.iter().filter(|(to, _)| to == url);
        seen.map(|(_, id)| id.clone()).collect()
    }

    fn count(&self) -> usize {
        self.state.lock().unwrap().seen.len()
    }
}

impl Transport for Scripted {
    fn post(&self, url: &str, headers: &[(&'static str, &str)], _: &[u8]) -> Attempt {
        let id = headers
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
                retry_after: retry_after.map(str::to_owned),
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
                    kind: DeliveryError::Timeout,
                    message: "hung".to_owned(),
                    is_final: false,
                })
            }
        };
        Attempt {
            result,
            duration: Duration::from_millis(1),
        }
    }
}

struct Bench {
    folder: TempDir,
    clock: Arc<ManualClock>,
    script: Arc<Scripted>,
    store: Arc<SqliteStore>,
    engine: Engine,
    workspace: Uuid,
    senders: u32,
}

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

impl Bench {
    fn new() -> Self {
        Self::with_senders(16)
    }

    fn with_senders(senders: u32) -> Self {
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

    fn restart(&mut self) {
        self.engine.stop();
        self.store.stop();
        (self.store, self.engine) = start(&self.folder, &self.clock, &self.script, self.senders);
    }

    fn endpoint(&self, url: &str) -> Uuid {
        let new = NewEndpoint {
            workspace_id: self.workspace,
            url: EndpointUrl::from_stored(url.to_owned()),
            format: Format::Raw,
            secret: Secret::generate(),
            events: vec![Subscription::parse("*").unwrap()],
        };
        self.store.create_endpoint(new).wait().unwrap().id
    }

    fn publish(&self) -> Vec<Uuid> {
        let published = self.submit().wait().unwrap();
        published.message.events.iter().map(|(id, _)| *id).collect()
    }

    fn submit(&self) -> Pending<Published> {
        let new = NewMessage {
            workspace_id: self.workspace,
            event_type: EventType::parse("a.b").unwrap(),
            timestamp: None,
            data: RawValue::from_string("{}".to_owned()).unwrap(),
            idempotency: None,
        };
        self.store.publish(new)
    }

    /// Waits until `condition` holds of the file.
    fn wait_for(&self, what: &str, sql: &str, expected: i64) {
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

    fn patch(&self, id: Uuid, enabled: bool) {
        let patch = EndpointPatch {
            enabled: Some(enabled),
            ..EndpointPatch::default()
        };
        self.store
            .update_endpoint(Reach::Server, id, patch)
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
    let engine = Engine::start(store.clone(), script.clone(), settings, clock).unwrap();
    (store, engine)
}

const DELIVERED: &str = "SELECT count(*) FROM event WHERE state = 2";

#[test]
fn events_are_delivered_in_publish_order_and_recorded() {
    let bench = Bench::new();
    bench.endpoint("https://a");
    let published: Vec<String> = (0..300)
        .flat_map(|_| bench.publish())
        .map(|id| id.to_string())
        .collect();
    let mut seen = bench.script.wait("https://a", 300);
    bench.wait_for("succeeded", DELIVERED, 300);
    bench.wait_for(
        "deliveries",
        "SELECT count(*) FROM delivery WHERE succeeded AND attempt = 1",
        300,
    );
    assert_eq!(bench.script.count(), 300, "nothing is sent twice");
    // Threads may overtake each other by the few places that are in flight together.
    for (at, id) in seen.iter().enumerate() {
        let place = published.iter().position(|p| p == id).unwrap();
        assert!(place.abs_diff(at) <= 2, "{place} was sent as number {at}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 300);
}

#[test]
fn a_failed_event_is_retried_on_schedule_and_then_failed() {
    let bench = Bench::new();
    bench.endpoint("https://a");
    bench.script.answer("https://a", Answer::Code(404));
    bench.publish();
    let mut attempts = 1;
    bench.script.wait("https://a", 1);
    for wait in [5.0, 30.0, 120.0_f64] {
        let sql = format!("SELECT count(*) FROM event WHERE state = 1 AND attempts = {attempts}");
        bench.wait_for("waiting", &sql, 1);
        bench.clock.advance(Duration::from_secs_f64(wait * 0.79));
        bench.clock.advance(Duration::from_secs_f64(wait * 0.42));
        attempts += 1;
        bench.script.wait("https://a", attempts);
    }
    bench.wait_for(
        "failed",
        "SELECT count(*) FROM event WHERE state = 3 AND attempts = 4",
        1,
    );
    bench.wait_for("counted", "SELECT failures FROM endpoint", 1);
    bench.clock.advance(Duration::from_secs(100_000));
    assert_eq!(bench.script.count(), 4);
}

#[test]
fn a_dead_endpoint_rests_and_its_waiting_events_are_not_charged() {
    let bench = Bench::new();
    bench.endpoint("https://a");
    bench
        .script
        .answer("https://a", Answer::Error(DeliveryError::Connect));
    for _ in 0..20 {
        bench.publish();
    }
    bench.script.wait("https://a", 3);
    bench.wait_for("recorded", "SELECT count(*) FROM delivery", 3);
    bench.wait_for(
        "uncharged",
        "SELECT count(*) FROM event WHERE attempts = 0",
        17,
    );
    bench.script.answer("https://a", Answer::Code(200));
    bench.clock.advance(Duration::from_secs(7));
    bench.wait_for("after rest", DELIVERED, 20);
}

#[test]
fn gone_disables_and_skips_and_enabling_starts_over() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("https://a");
    bench
        .script
        .answer("https://a", Answer::CodeAfter(503, "60"));
    for _ in 0..5 {
        bench.publish();
    }
    bench.script.wait("https://a", 1);
    bench.wait_for("held", "SELECT count(*) FROM delivery", 1);
    bench.script.answer("https://a", Answer::Code(410));
    bench.clock.advance(Duration::from_secs(59));
    bench.clock.advance(Duration::from_secs(2));
    bench.script.wait("https://a", 2);
    bench.wait_for(
        "gone",
        "SELECT count(*) FROM endpoint WHERE disabled = 1",
        1,
    );
    bench.wait_for("skipped", "SELECT count(*) FROM event WHERE state = 4", 4);
    assert!(bench.publish().is_empty());
    bench.script.answer("https://a", Answer::Code(204));
    bench.patch(endpoint, true);
    bench.publish();
    bench.wait_for("delivered again", DELIVERED, 1);
}

#[test]
fn redelivery_waits_for_neither_rest_nor_hold_and_counts_on() {
    let bench = Bench::new();
    bench.endpoint("https://a");
    bench
        .script
        .answer("https://a", Answer::Error(DeliveryError::Connect));
    let ids: Vec<Uuid> = (0..3).flat_map(|_| bench.publish()).collect();
    bench.wait_for("resting", "SELECT count(*) FROM delivery", 3);
    bench.script.answer("https://a", Answer::Code(404));
    bench.store.redeliver(Reach::Server, ids[1]).wait().unwrap();
    bench.script.wait("https://a", 4);
    bench.wait_for(
        "counted",
        "SELECT count(*) FROM delivery WHERE attempt = 2",
        1,
    );
    bench.script.answer("https://a", Answer::Code(200));
    bench.store.redeliver(Reach::Server, ids[2]).wait().unwrap();
    bench.wait_for("delivered", DELIVERED, 1);
    bench.clock.advance(Duration::from_secs(7));
    bench.wait_for("the others in their time", DELIVERED, 3);
    bench.store.redeliver(Reach::Server, ids[2]).wait().unwrap();
    bench.wait_for("once more", "SELECT max(attempt) FROM delivery", 3);
}

#[test]
fn a_restart_resumes_what_was_pending() {
    let mut bench = Bench::new();
    bench.endpoint("https://a");
    bench
        .script
        .answer("https://a", Answer::Error(DeliveryError::Connect));
    for _ in 0..3000 {
        bench.publish();
    }
    bench.wait_for("resting", "SELECT count(*) FROM delivery", 3);
    bench.restart();
    bench.script.answer("https://a", Answer::Code(200));
    bench.clock.advance(Duration::from_secs(100));
    bench.wait_for("delivered", DELIVERED, 3000);
}

/// A backlog a hundred times the window, and a process that ends twice in the middle of it.
#[test]
fn a_backlog_beyond_the_window_is_delivered_in_order_through_restarts() {
    const EVENTS: usize = 100_000;
    // One attempt at a time, so that the order in which they are noted down is that of their starts.
    let mut bench = Bench::with_senders(8);
    bench.endpoint("https://a");
    bench
        .script
        .answer("https://a", Answer::Error(DeliveryError::Connect));
    let mut published = Vec::with_capacity(EVENTS);
    for _ in 0..EVENTS / 5000 {
        let group: Vec<_> = (0..5000).map(|_| bench.submit()).collect();
        for pending in group {
            let (id, _) = pending.wait().unwrap().message.events[0];
            published.push(id.to_string());
        }
    }
    // It rests after three failures; so many events have had their first attempt.
    bench.wait_for("resting", "SELECT count(*) FROM delivery", 3);
    for part in [EVENTS / 3, EVENTS * 2 / 3, EVENTS] {
        bench.restart();
        bench.script.answer("https://a", Answer::Code(200));
        bench.clock.advance(Duration::from_secs(100));
        bench.script.wait_for_total(part);
    }
    bench.wait_for("delivered", DELIVERED, i64::try_from(EVENTS).unwrap());
    let mut known = HashSet::new();
    let seen = bench.script.seen_by("https://a");
    let firsts: Vec<&String> = seen.iter().filter(|id| known.insert(*id)).collect();
    assert_eq!(
        seen.len(),
        EVENTS + 3,
        "but for the three, nothing is sent twice"
    );
    assert_eq!(firsts.len(), EVENTS);
    assert!(firsts.into_iter().eq(&published), "the order of publish");
}

#[test]
fn after_a_disable_is_answered_no_attempt_starts() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("https://a");
    bench.script.answer("https://a", Answer::Hang);
    for _ in 0..10 {
        bench.publish();
    }
    bench.script.wait("https://a", 1);
    bench.patch(endpoint, false);
    let started = bench.script.count();
    bench.script.release();
    bench.wait_for("swept", "SELECT count(*) FROM event WHERE state = 4", 10);
    bench.wait_for(
        "recorded",
        "SELECT count(*) FROM delivery",
        i64::try_from(started).unwrap(),
    );
    assert_eq!(bench.script.count(), started);
}
