//! A store under test, with clocks that the test sets, and the steps that behaviours are made of.

use std::any::Any;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::{Clock, ManualClock, Timestamp};
use crate::domain::endpoint::{Endpoint, EndpointPatch, EndpointSettings, NewEndpoint};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::message::{Idempotency, NewMessage};
use crate::domain::trace_context::TraceContext;
use crate::domain::workspace::{Workspace, WorkspaceName};
use crate::storage::{
    AttemptRecord, EndpointChange, EndpointNumber, EventFilter, Notice, NoticeSink, Page,
    Published, Queue, QueuedEvent, Recorded, Run, Seq, Store, StoreError, Target, Verdict,
};

/// The time for which a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The trace of each message.
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 congo=t61rcWkgMzE";

/// The bytes that a read may take: more than any test stores.
pub(super) const BYTES: usize = 1 << 20;

/// A duration that no behaviour depends on.
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// The settings of a store that behaviours depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The most endpoints of one workspace.
    pub(crate) max_endpoints: u64,
    /// Events in a row that fail and so disable an endpoint; 0: never.
    pub(crate) disable_after: u32,
}

/// A new, empty store.
pub(crate) struct OpenStore {
    /// The side of the API.
    pub(crate) store: Arc<dyn Store>,
    /// The side of the engine, of the same store.
    pub(crate) queue: Arc<dyn Queue>,
    /// A value that must live as long as the store, such as its folder.
    pub(crate) kept: Box<dyn Any>,
}

/// Opens a new store on these clocks.
pub(crate) type Open = fn(Settings, Arc<dyn Clock>) -> OpenStore;

/// The notices that a store has sent.
#[derive(Default)]
struct Heard {
    notices: Mutex<Vec<Notice>>,
    changed: Condvar,
}

impl NoticeSink for Heard {
    fn committed(&self, notices: Vec<Notice>) {
        self.notices.lock().unwrap().extend(notices);
        self.changed.notify_all();
    }
}

/// A store under test.
pub(super) struct StoreFixture {
    pub(super) store: Arc<dyn Store>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) clock: Arc<ManualClock>,
    heard: Arc<Heard>,
    // Last: what the store needs is dropped after it.
    _kept: Box<dyn Any>,
}

impl StoreFixture {
    /// Opens a store that disables endpoints after three failed events and has no other limit.
    pub(super) fn new(open: Open) -> Self {
        Self::with(
            open,
            Settings {
                max_endpoints: 100,
                disable_after: 3,
            },
        )
    }

    pub(super) fn with(open: Open, settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(
            1_700_000_000_000_000,
        )));
        let OpenStore { store, queue, kept } = open(settings, clock.clone());
        let heard = Arc::new(Heard::default());
        queue.listen(heard.clone());
        Self {
            store,
            queue,
            clock,
            heard,
            _kept: kept,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns all notices so far, without waiting.
    pub(super) fn notices(&self) -> Vec<Notice> {
        self.heard.notices.lock().unwrap().clone()
    }

    /// Waits until `find` finds something among the notices.
    fn wait_for<T>(&self, what: &str, find: impl Fn(&[Notice]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut notices = self.heard.notices.lock().unwrap();
        loop {
            if let Some(found) = find(&notices) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} among {notices:?}");
            notices = self.heard.changed.wait_timeout(notices, left).unwrap().0;
        }
    }

    pub(super) fn workspace(&self, name: &str) -> Workspace {
        self.store.create_workspace(named(name)).wait().unwrap()
    }

    /// Makes an endpoint that is subscribed to `types`.
    pub(super) fn endpoint(&self, workspace: &Workspace, types: &[&str]) -> Endpoint {
        let new = new_endpoint(workspace.id, types);
        self.store.create_endpoint(new).wait().unwrap()
    }

    /// Makes a workspace with one endpoint that gets every type `a`.
    pub(super) fn tenant(&self) -> (Workspace, Endpoint) {
        let workspace = self.workspace("tenant");
        let endpoint = self.endpoint(&workspace, &["a"]);
        (workspace, endpoint)
    }

    /// Returns the last state of an endpoint that a notice has told the engine, and the kinds of change of all
    /// notices of it.
    pub(super) fn target(&self, id: Uuid) -> (Target, Vec<EndpointChange>) {
        let mut last = None;
        let mut changes = Vec::new();
        for notice in self.notices() {
            if let Notice::Endpoint(target, change) = notice
                && target.id == id
            {
                last = Some(target);
                changes.push(change);
            }
        }
        (last.expect("the engine hears of every endpoint"), changes)
    }

    pub(super) fn number(&self, endpoint: &Endpoint) -> EndpointNumber {
        self.target(endpoint.id).0.number
    }

    /// Publishes a message without an idempotency key.
    pub(super) fn publish(&self, workspace: &Workspace, event_type: &str) -> Published {
        let message = message(workspace.id, event_type, "{}", None);
        self.store.publish(message).wait().unwrap()
    }

    /// Publishes a message of type `a` that has one event, and returns the event as the engine gets it.
    pub(super) fn published(&self, workspace: &Workspace) -> QueuedEvent {
        let published = self.publish(workspace, "a");
        let [(id, _)] = published.message.events[..] else {
            panic!("not one event: {published:?}");
        };
        let of_event = |notice: &Notice| match notice {
            Notice::Published(event) if event.id == id => Some(event.clone()),
            _ => None,
        };
        let found = self.notices().iter().find_map(of_event);
        found.expect("the engine hears of a publish before the publisher does")
    }

    pub(super) fn event(&self, id: Uuid) -> Event {
        self.store
            .find_event(Visibility::All, id, BYTES)
            .unwrap()
            .item
    }

    pub(super) fn status(&self, event: &QueuedEvent) -> EventStatus {
        self.event(event.id).status
    }

    /// Records an attempt that a receiver answered, and waits until the record is on disk.
    pub(super) fn record(&self, event: &QueuedEvent, verdict: Verdict) -> Recorded {
        self.store_record(self.attempt_record(event, verdict))
    }

    pub(super) fn attempt_record(&self, event: &QueuedEvent, verdict: Verdict) -> AttemptRecord {
        AttemptRecord {
            event: event.clone(),
            verdict,
            decided_at: self.now(),
            code: Some(match verdict {
                Verdict::Succeeded => 204,
                Verdict::Gone => 410,
                Verdict::Failed | Verdict::RetryAt(_) => 500,
            }),
            error: None,
            response: Some("said".to_owned()),
            duration_ms: 7,
            rest: None,
        }
    }

    pub(super) fn store_record(&self, record: AttemptRecord) -> Recorded {
        let of_event = |notice: &Notice| match notice {
            Notice::Recorded(recorded) => Some(*recorded),
            _ => None,
        };
        let before = self.notices().iter().filter_map(of_event).count();
        self.queue.record(record);
        self.wait_for("record", |notices| {
            notices.iter().filter_map(of_event).nth(before)
        })
    }

    /// Records the end of a run that waited for too long: no request was made.
    pub(super) fn expire(&self, event: &QueuedEvent) -> Recorded {
        self.store_record(AttemptRecord {
            code: None,
            error: Some(AttemptFailure::Expired),
            response: None,
            ..self.attempt_record(event, Verdict::Failed)
        })
    }

    /// Records an attempt after which the event waits for another one, at `due`.
    pub(super) fn retry_at(&self, event: &QueuedEvent, due: Timestamp) {
        let recorded = self.record(event, Verdict::RetryAt(due));
        assert_eq!(recorded.due, Some(due));
    }

    /// Starts a new run, and returns the event as the engine gets it for that run.
    pub(super) fn redeliver(&self, event: &QueuedEvent) -> QueuedEvent {
        self.store
            .redeliver(Visibility::All, event.id)
            .wait()
            .unwrap();
        let waiting = self.redeliveries(event.endpoint, Run(0));
        let found = waiting.into_iter().find(|it| it.seq == event.seq);
        found.expect("a redelivery waits for its first attempt")
    }

    pub(super) fn fresh(&self, endpoint: EndpointNumber, after: Seq) -> Vec<QueuedEvent> {
        self.queue.fresh(endpoint, after, 100).unwrap()
    }

    pub(super) fn redeliveries(
        &self,
        endpoint: EndpointNumber,
        skip_through: Run,
    ) -> Vec<QueuedEvent> {
        self.queue
            .redeliveries(endpoint, skip_through, 100)
            .unwrap()
    }

    /// Returns the events whose retry is due now.
    pub(super) fn retries(&self, endpoint: EndpointNumber) -> Vec<QueuedEvent> {
        let batch = self.queue.retries(endpoint, Run(0), self.now(), 100);
        batch.unwrap().events
    }

    pub(super) fn update(&self, id: Uuid, patch: EndpointPatch) -> Result<Endpoint, StoreError> {
        self.store
            .update_endpoint(Visibility::All, id, patch)
            .wait()
    }

    pub(super) fn set_enabled(&self, endpoint: &Endpoint, enabled: bool) -> Endpoint {
        let patch = EndpointPatch {
            enabled: Some(enabled),
            ..EndpointPatch::default()
        };
        self.update(endpoint.id, patch).unwrap()
    }

    /// Returns the endpoint as the API gets it.
    pub(super) fn stored(&self, endpoint: &Endpoint) -> Endpoint {
        let found = self.store.find_endpoint(Visibility::All, endpoint.id);
        found.unwrap()
    }

    /// Lists events: their ids in the order of the list, and the total.
    pub(super) fn events(&self, filter: &EventFilter, page: Page) -> (Vec<Uuid>, u64) {
        let found = self.store.list_events(filter, page, BYTES).unwrap();
        assert_eq!(found.rest, [], "all rows fit into the bytes");
        (
            found.rows.iter().map(|row| row.item.id).collect(),
            found.total,
        )
    }
}

pub(super) fn named(name: &str) -> WorkspaceName {
    WorkspaceName::parse(name).unwrap()
}

pub(super) fn url(path: &str) -> EndpointUrl {
    EndpointUrl::from_stored(format!("https://receiver.example/{path}"))
}

pub(super) fn new_endpoint(workspace_id: Uuid, types: &[&str]) -> NewEndpoint {
    let subscription = |text: &&str| Subscription::parse(text).unwrap();
    NewEndpoint::new(
        workspace_id,
        EndpointSettings {
            events: types.iter().map(subscription).collect(),
            ..EndpointSettings::raw(url("hook"))
        },
    )
}

/// Builds a message. A key makes the publish idempotent; the fingerprint is that of `data`.
pub(super) fn message(
    workspace_id: Uuid,
    event_type: &str,
    data: &str,
    key: Option<&str>,
) -> NewMessage {
    let mut fingerprint = [0; 32];
    fingerprint[..data.len()].copy_from_slice(data.as_bytes());
    NewMessage {
        idempotency: key.map(|key| Idempotency {
            key: key.to_owned(),
            fingerprint,
        }),
        trace: TraceContext::from_stored(TRACE).map(Arc::new),
        ..NewMessage::new(
            workspace_id,
            EventType::parse(event_type).unwrap(),
            RawValue::from_string(data.to_owned()).unwrap(),
        )
    }
}

/// Returns the numbers of events, for comparisons.
pub(super) fn seqs(events: &[QueuedEvent]) -> Vec<Seq> {
    events.iter().map(|event| event.seq).collect()
}
