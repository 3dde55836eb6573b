//! The thread that reads the queue for the dispatcher, so that no read holds up a start.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::inbox::Inbox;
use super::protocol::{ReadRequest, ReadResult, Start};
use super::sender::Senders;
use crate::fail_point::{FailPoint, reach};
use crate::storage::{Queue, Seq, StoreError};
use crate::vital::VitalThread;

/// How long the reader rests after a failed read, so that a broken disk is not hammered.
const FAILURE_PAUSE: Duration = Duration::from_millis(250);

/// Bytes of bodies read at a time for events of one endpoint.
const LOAD_BYTES: usize = 256 << 10;

/// What the reader is asked for. Bounded by the scheduler: one read of a kind per endpoint, and no
/// more bodies than senders.
enum Request {
    Read(ReadRequest),
    Body(Start),
}

/// The reader's handle; dropping it ends the thread.
pub(super) struct Reader {
    // First: a thread whose handle is gone may end, as it does without anybody to ask it.
    thread: VitalThread,
    requests: Sender<Request>,
}

impl Reader {
    pub(super) fn start(
        queue: Arc<dyn Queue>,
        inbox: Arc<Inbox>,
        senders: Senders,
    ) -> std::io::Result<Self> {
        let (requests, received) = channel();
        let work = move || run(&*queue, &inbox, &senders, &received);
        let thread = VitalThread::start("queue-reader", work)?;
        Ok(Self { thread, requests })
    }

    /// Has a part of the queue read.
    pub(super) fn read(&self, request: ReadRequest) {
        let _ = self.requests.send(Request::Read(request));
    }

    /// Has an event sent, after its body was read, and those of its followers read.
    pub(super) fn send(&self, start: Start) {
        let _ = self.requests.send(Request::Body(start));
    }

    /// Ends the thread when it has done what it was asked for.
    pub(super) fn stop(self) {
        self.thread.stop(|| drop(self.requests));
    }
}

fn run(queue: &dyn Queue, inbox: &Inbox, senders: &Senders, requests: &Receiver<Request>) {
    while let Ok(request) = requests.recv() {
        reach(FailPoint::ReaderTurn);
        match request {
            Request::Read(request) => inbox.read(answer(queue, request)),
            Request::Body(start) => {
                if !load(queue, inbox, senders, start) {
                    break;
                }
            }
        }
    }
    // The engine stops over a queue that cannot be read. Whatever it still asks for comes too late.
    while requests.recv().is_ok() {}
}

/// Sends an event whose body has to be read; `false`: the engine stops.
fn load(queue: &dyn Queue, inbox: &Inbox, senders: &Senders, mut start: Start) -> bool {
    let seqs: Vec<Seq> = [start.event.seq]
        .into_iter()
        .chain(std::mem::take(&mut start.followers))
        .collect();
    // Without its body it cannot go, and it must not be forgotten: the reader stays with it.
    let bodies = loop {
        match retried(|| queue.bodies(&seqs, LOAD_BYTES)) {
            Some(bodies) => break bodies,
            None if inbox.is_stopping() => return false,
            None => {}
        }
    };
    let endpoint = start.event.endpoint;
    let mut bodies = bodies.into_iter();
    start.event.body = bodies.next().flatten();
    // First on its way, then those that may follow.
    senders.send(start);
    let followers = seqs[1..].iter().zip(bodies);
    let found = followers.filter_map(|(seq, body)| Some((*seq, body?)));
    inbox.read(ReadResult::Bodies(endpoint, found.collect()));
    true
}

fn answer(queue: &dyn Queue, request: ReadRequest) -> ReadResult {
    match request {
        ReadRequest::Fresh {
            endpoint,
            after,
            limit,
        } => {
            let events = retried(|| queue.fresh(endpoint, after, limit));
            ReadResult::Fresh(endpoint, events, limit)
        }
        ReadRequest::Retries {
            endpoint,
            skipped,
            now,
            limit,
        } => {
            let batch = retried(|| queue.retries(endpoint, skipped, now, limit));
            ReadResult::Retries(endpoint, batch)
        }
        ReadRequest::Redeliveries {
            endpoint,
            skipped,
            limit,
        } => {
            let events = retried(|| queue.redeliveries(endpoint, skipped, limit));
            ReadResult::Redeliveries(endpoint, events, limit)
        }
    }
}

/// Reads; a failure is logged and reported as nothing, and whoever asked will ask again.
fn retried<T>(read: impl Fn() -> Result<T, StoreError>) -> Option<T> {
    match read() {
        Ok(found) => Some(found),
        Err(error) => {
            tracing::warn!(%error, "cannot read the queue");
            std::thread::sleep(FAILURE_PAUSE);
            None
        }
    }
}
