//! What the dispatcher hears: commits, reports, reads. Whoever reports never waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::protocol::{AttemptReport, ReadResult};
use super::sender::Reports;
use super::target::LiveTargets;
use crate::storage::{EndpointNumber, Notice, NoticeSink, Seq};
use crate::vital;

/// Published events held for the dispatcher; of later ones only their endpoint and number are kept,
/// and they are read back from disk.
const PUBLISHED_MAX: usize = 10_000;

/// Everything that arrived since the dispatcher last looked.
#[derive(Default)]
pub(super) struct Messages {
    pub(super) notices: Vec<Notice>,
    published: usize,
    /// Endpoints with published events beyond [`PUBLISHED_MAX`], and the highest of each.
    pub(super) overflow: HashMap<EndpointNumber, Seq>,
    pub(super) reports: Vec<AttemptReport>,
    pub(super) reads: Vec<ReadResult>,
    pub(super) stopping: bool,
    woken: bool,
}

impl Messages {
    fn is_empty(&self) -> bool {
        self.notices.is_empty()
            && self.overflow.is_empty()
            && self.reports.is_empty()
            && self.reads.is_empty()
            && !self.woken
    }
}

/// The dispatcher's letter box.
pub(super) struct Mailbox {
    mail: Mutex<Messages>,
    arrived: Condvar,
    live: Arc<LiveTargets>,
}

impl Mailbox {
    pub(super) fn new(live: Arc<LiveTargets>) -> Self {
        Self {
            mail: Mutex::default(),
            arrived: Condvar::new(),
            live,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        vital::lock(&self.mail)
    }

    fn put(&self, put: impl FnOnce(&mut Messages)) {
        let mut mail = self.lock();
        let wake = mail.is_empty();
        put(&mut mail);
        drop(mail);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// Takes a read's result.
    pub(super) fn read(&self, result: ReadResult) {
        self.put(|mail| mail.reads.push(result));
    }

    /// Has the dispatcher look at the clocks.
    pub(super) fn wake(&self) {
        self.put(|mail| mail.woken = true);
    }

    /// Has the dispatcher stop starting attempts.
    pub(super) fn stop(&self) {
        self.put(|mail| {
            mail.stopping = true;
            mail.woken = true;
        });
    }

    /// Whether the engine is stopping.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Takes what arrived, waiting for something for at most `patience`. `stopping` stays set.
    pub(super) fn take(&self, patience: Duration) -> Messages {
        let mut mail = self.lock();
        if mail.is_empty() && !patience.is_zero() {
            mail = vital::wait_timeout(&self.arrived, mail, patience).0;
        }
        let stopping = mail.stopping;
        let taken = std::mem::take(&mut *mail);
        mail.stopping = stopping;
        taken
    }
}

impl NoticeSink for Mailbox {
    fn committed(&self, notices: Vec<Notice>) {
        // Before the caller is answered: no attempt may start after a disable was.
        for notice in &notices {
            if let Notice::Endpoint(target, _) = notice {
                self.live.committed(target);
            }
        }
        self.put(|mail| {
            for notice in notices {
                if let Notice::Published(event) = &notice {
                    if mail.published >= PUBLISHED_MAX {
                        let highest = mail.overflow.entry(event.endpoint).or_default();
                        *highest = event.seq.max(*highest);
                        continue;
                    }
                    mail.published += 1;
                }
                mail.notices.push(notice);
            }
        });
    }
}

impl Reports for Mailbox {
    fn report(&self, report: AttemptReport) {
        self.put(|mail| mail.reports.push(report));
    }
}
