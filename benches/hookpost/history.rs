//! A history of messages and deliveries, written through the store itself, with a clock that this module moves:
//! months take minutes.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hookpost::domain::access::Visibility;
use hookpost::domain::clock::{Clock, ManualClock, Timestamp};
use hookpost::domain::event_type::EventType;
use hookpost::domain::message::NewMessage;
use hookpost::storage::sqlite::{SqliteSettings, SqliteStore};
use hookpost::storage::{
    AttemptRecord, Notice, NoticeSink, Page, Queue, QueuedEvent, Store, Verdict,
};
use serde_json::value::RawValue;
use uuid::Uuid;

pub(crate) const DAY: Duration = Duration::from_hours(24);
/// Messages that wait for the writer at a time: some groups of it.
const BATCH: usize = 4000;
/// Makes a delivered body of the usual form about 300 bytes long.
const PADDING: usize = 225;
/// One event of so many fails at first, and is delivered an hour later.
const RETRIED: u64 = 50;
const PATIENCE: Duration = Duration::from_mins(10);

/// The events that the store has published, and the number of attempts that it has recorded.
#[derive(Default)]
struct Events {
    published: Mutex<(Vec<QueuedEvent>, usize)>,
    changed: Condvar,
}

impl NoticeSink for Events {
    fn committed(&self, notices: Vec<Notice>) {
        let mut state = self.published.lock().expect("nothing panics with it");
        for notice in notices {
            match notice {
                Notice::Published(event) => state.0.push(QueuedEvent {
                    body: None,
                    ..event
                }),
                Notice::Recorded(_) => state.1 += 1,
                _ => {}
            }
        }
        self.changed.notify_all();
    }
}

/// A store that writes history.
pub(crate) struct History {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) clock: Arc<ManualClock>,
    events: Arc<Events>,
    workspaces: Vec<Uuid>,
    types: Vec<EventType>,
    recorded: usize,
    messages: u64,
}

impl History {
    /// Opens a database that has workspaces and endpoints. The clock shows `now`.
    pub(crate) fn open(
        database: &Path,
        settings: SqliteSettings,
        types: &[String],
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let clock = Arc::new(ManualClock::new(now));
        let store = SqliteStore::open(database, settings, clock.clone())?;
        let events = Arc::new(Events::default());
        store.listen(events.clone());
        let mut workspaces = Vec::new();
        for number in 1.. {
            let page = Page { number, limit: 100 };
            let found = store.list_workspaces(Visibility::All, page)?.items;
            let is_last = found.len() < 100;
            workspaces.extend(found.into_iter().map(|workspace| workspace.id));
            if is_last {
                break;
            }
        }
        let types: Option<Vec<_>> = types.iter().map(|name| EventType::parse(name)).collect();
        Ok(Self {
            store,
            clock,
            events,
            workspaces,
            types: types.context("a type")?,
            recorded: 0,
            messages: 0,
        })
    }

    /// Publishes messages evenly over `time`, and delivers them at once.
    pub(crate) fn pass(&mut self, time: Duration, messages: u64) -> anyhow::Result<()> {
        let steps = messages.div_ceil(BATCH as u64).max(24);
        for step in 0..steps {
            let until = messages * (step + 1) / steps;
            let from = messages * step / steps;
            self.publish(until - from)?;
            self.clock.advance(time / u32::try_from(steps)?);
        }
        Ok(())
    }

    /// Publishes messages that are not delivered.
    pub(crate) fn leave_pending(&mut self, messages: u64) -> anyhow::Result<()> {
        let mut left = messages;
        while left > 0 {
            let count = left.min(BATCH as u64);
            self.send(count)?;
            self.lock()?.0.clear();
            left -= count;
        }
        Ok(())
    }

    fn publish(&mut self, count: u64) -> anyhow::Result<()> {
        self.send(count)?;
        let events = std::mem::take(&mut self.lock()?.0);
        let (failed, delivered): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| event.seq.0.unsigned_abs().is_multiple_of(RETRIED));
        let due = self.clock.now().after(Duration::from_hours(1));
        self.record(&delivered, Verdict::Succeeded)?;
        self.record(&failed, Verdict::RetryAt(due))?;
        self.record(&failed, Verdict::Succeeded)
    }

    /// Publishes messages, and waits until they are stored.
    fn send(&mut self, count: u64) -> anyhow::Result<()> {
        let mut waiting = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let number = self.messages;
            self.messages += 1;
            let workspaces = self.workspaces.len() as u64;
            let turn = |n: u64, len: usize| usize::try_from(n % len as u64).unwrap_or_default();
            let data = format!(r#"{{"number":{number},"pad":"{:.<PADDING$}"}}"#, "");
            let new = NewMessage::new(
                self.workspaces[turn(number, self.workspaces.len())],
                self.types[turn(number / workspaces, self.types.len())].clone(),
                RawValue::from_string(data)?,
            );
            waiting.push(self.store.publish(new));
        }
        for published in waiting {
            published.wait()?;
        }
        Ok(())
    }

    fn record(&mut self, events: &[QueuedEvent], verdict: Verdict) -> anyhow::Result<()> {
        let decided_at = self.clock.now();
        for event in events {
            self.store.record(AttemptRecord {
                event: event.clone(),
                verdict,
                decided_at,
                code: Some(if verdict == Verdict::Succeeded {
                    204
                } else {
                    503
                }),
                error: None,
                response: None,
                duration_ms: 12,
                rest: None,
            });
        }
        self.recorded += events.len();
        let end = Instant::now() + PATIENCE;
        let mut state = self.lock()?;
        while state.1 < self.recorded {
            ensure!(Instant::now() < end, "attempts were not recorded");
            let waited = self
                .events
                .changed
                .wait_timeout(state, Duration::from_secs(1));
            state = waited
                .map_err(|_| anyhow::anyhow!("the writer panicked"))?
                .0;
        }
        Ok(())
    }

    fn lock(&self) -> anyhow::Result<std::sync::MutexGuard<'_, (Vec<QueuedEvent>, usize)>> {
        let locked = self.events.published.lock();
        locked.map_err(|_| anyhow::anyhow!("the writer panicked"))
    }
}
