//! The thread that reads the queue for the dispatcher, so that no read holds up a start.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::inbox::Inbox;
use super::protocol::{ReadRequest, ReadResult, Start};
use super::sender::Senders;
use crate::storage::{Queue, Seq, StoreError};

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
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

impl Reader {
    pub(super) fn start(
        queue: Arc<dyn Queue>,
        inbox: Arc<Inbox>,
        senders: Senders,
    ) -> std::io::Result<Self> {
        let (requests, received) = channel();
        let thread = std::thread::Builder::new()
            .name("queue-reader".to_owned())
            .spawn(move || run(&*queue, &inbox, &senders, &received))?;
        Ok(Self { requests, thread })
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
        drop(self.requests);
        let _ = self.thread.join();
    }
}

fn run(queue: &dyn Queue, inbox: &Inbox, senders: &Senders, requests: &Receiver<Request>) {
    while let Ok(request) = requests.recv() {
        match request {
            Request::Read(request) => inbox.read(answer(queue, request)),
            Request::Body(start) => {
                if !load(queue, inbox, senders, start) {
                    return;
                }
            }
        }
    }
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
