//! The past of an application, written through its store with its clock: no request leaves the machine, and every
//! duration is as the test says.

use std::sync::{Arc, Condvar, Mutex};

use hookpost::domain::attempt_failure::AttemptFailure;
use hookpost::domain::clock::{Clock, ManualClock};
use hookpost::domain::event_state::Verdict;
use hookpost::domain::event_type::EventType;
use hookpost::domain::message::NewMessage;
use hookpost::storage::sqlite::{SqliteSettings, SqliteStore};
use hookpost::storage::{AttemptRecord, Notice, NoticeSink, Published, Queue, QueuedEvent, Store};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::fixture::{PATIENCE, TestApp};

/// The events that the store has published, and the number of attempts that it has recorded.
#[derive(Default)]
struct Events {
    state: Mutex<(Vec<QueuedEvent>, usize)>,
    changed: Condvar,
}

impl NoticeSink for Events {
    fn committed(&self, notices: Vec<Notice>) {
        let mut state = self.state.lock().unwrap();
        for notice in notices {
            match notice {
                Notice::Published(event) => state.0.push(event),
                Notice::Recorded(_) => state.1 += 1,
                _ => {}
            }
        }
        self.changed.notify_all();
    }
}

/// What a receiver did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) code: Option<u16>,
    pub(super) error: Option<AttemptFailure>,
    pub(super) text: &'static str,
    pub(super) ms: u32,
}

impl Reply {
    /// An answer.
    pub(super) const fn with(code: u16, text: &'static str, ms: u32) -> Self {
        Self {
            code: Some(code),
            error: None,
            text,
            ms,
        }
    }

    /// No answer.
    pub(super) const fn none(error: AttemptFailure, text: &'static str, ms: u32) -> Self {
        Self {
            code: None,
            error: Some(error),
            text,
            ms,
        }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.code.is_some_and(|code| code < 300)
    }
}

/// The store of an application that is stopped meanwhile.
pub(super) struct History {
    pub(super) clock: Arc<ManualClock>,
    workspace: Uuid,
    store: Arc<SqliteStore>,
    events: Arc<Events>,
    recorded: usize,
}

impl History {
    /// Stops an application with a manual clock, and opens its database.
    pub(super) fn of(app: &mut TestApp) -> Self {
        app.stop();
        let clock = app.clock.clone().expect("a manual clock");
        let database = std::path::Path::new(app.database());
        let store = SqliteStore::open(database, SqliteSettings::default(), clock.clone()).unwrap();
        let events = Arc::new(Events::default());
        store.listen(events.clone());
        Self {
            clock,
            workspace: Uuid::parse_str(&app.workspace).unwrap(),
            store,
            events,
            recorded: 0,
        }
    }

    /// Publishes a message. Returns it, and its events.
    pub(super) fn publish(&self, event_type: &str, data: &str) -> (Published, Vec<QueuedEvent>) {
        let new = NewMessage::new(
            self.workspace,
            EventType::parse(event_type).unwrap(),
            RawValue::from_string(data.to_owned()).unwrap(),
        );
        let published = self.store.publish(new).wait().unwrap();
        let events = std::mem::take(&mut self.events.state.lock().unwrap().0);
        (published, events)
    }

    /// Records an attempt that ends now.
    pub(super) fn record(&mut self, event: &QueuedEvent, reply: Reply, verdict: Verdict) {
        self.store.record(AttemptRecord {
            event: event.clone(),
            verdict,
            decided_at: self.clock.now(),
            code: reply.code,
            error: reply.error,
            response: Some(reply.text.to_owned()),
            duration_ms: reply.ms,
            rest: None,
        });
        self.recorded += 1;
        let state = self.events.state.lock().unwrap();
        let waited = self
            .events
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.1 < self.recorded);
        assert!(!waited.unwrap().1.timed_out(), "an attempt was recorded");
    }

    /// Closes the database, and starts the application again.
    pub(super) fn end(self, app: &mut TestApp) {
        self.store.close().unwrap();
        drop(self);
        app.restart();
    }
}
