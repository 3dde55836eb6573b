//! The thread that reads the queue for the dispatcher, so that no read holds up a start.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::mailbox::Mailbox;
use super::protocol::{AttemptJob, ReadRequest, ReadResult};
use super::sender::Senders;
use crate::fail_point::{FailPoint, hit};
use crate::storage::{Queue, Seq, StoreError, WorkspaceNumber};
use crate::vital::{VitalThread, lock, wait};

/// How long the reader rests after a failed read, so that a broken disk is not hammered.
const FAILURE_PAUSE: Duration = Duration::from_millis(250);

/// Bytes of bodies read at a time for events of one endpoint.
const LOAD_BYTES: usize = 256 << 10;

/// What the reader is asked for. Bounded by the scheduler: one read of a kind per endpoint, and no
/// more bodies than senders.
enum Request {
    Read(ReadRequest),
    Body(AttemptJob),
}

/// What waits for the reader. Workspaces take turns, a request each, so that one with many endpoints does
/// not hold up the others; those of one workspace keep their order.
#[derive(Default)]
struct Line {
    /// Workspaces with requests, in the order of their turns.
    turns: VecDeque<WorkspaceNumber>,
    requests: HashMap<WorkspaceNumber, VecDeque<Request>>,
    closed: bool,
}

impl Line {
    fn put(&mut self, workspace: WorkspaceNumber, request: Request) {
        let requests = self.requests.entry(workspace).or_default();
        if requests.is_empty() {
            self.turns.push_back(workspace);
        }
        requests.push_back(request);
    }

    fn take(&mut self) -> Option<Request> {
        let workspace = self.turns.pop_front()?;
        let requests = self.requests.get_mut(&workspace)?;
        let request = requests.pop_front();
        if requests.is_empty() {
            self.requests.remove(&workspace);
        } else {
            self.turns.push_back(workspace);
        }
        request
    }
}

#[derive(Default)]
struct Requests {
    line: Mutex<Line>,
    arrived: Condvar,
}

impl Requests {
    /// Waits for a request; `None`: there will be none.
    fn next(&self) -> Option<Request> {
        let mut line = lock(&self.line);
        loop {
            if let Some(request) = line.take() {
                return Some(request);
            }
            if line.closed {
                return None;
            }
            line = wait(&self.arrived, line);
        }
    }
}

/// The side that asks; without it there will be no further request.
struct Asking(Arc<Requests>);

impl Asking {
    fn put(&self, workspace: WorkspaceNumber, request: Request) {
        lock(&self.0.line).put(workspace, request);
        self.0.arrived.notify_one();
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        lock(&self.0.line).closed = true;
        self.0.arrived.notify_one();
    }
}

/// The reader's handle.
pub(super) struct Reader {
    // First: a thread whose handle is gone may end, as it does without anybody to ask it.
    thread: VitalThread,
    requests: Asking,
}

impl Reader {
    pub(super) fn start(
        queue: Arc<dyn Queue>,
        mailbox: Arc<Mailbox>,
        senders: Senders,
    ) -> std::io::Result<Self> {
        let requests = Arc::new(Requests::default());
        let received = requests.clone();
        let work = move || run(&*queue, &mailbox, &senders, &received);
        let thread = VitalThread::start("queue-reader", work)?;
        Ok(Self {
            thread,
            requests: Asking(requests),
        })
    }

    /// Has a part of the queue read.
    pub(super) fn read(&self, workspace: WorkspaceNumber, request: ReadRequest) {
        self.requests.put(workspace, Request::Read(request));
    }

    /// Has an event sent, after its body was read, and those of its followers read.
    pub(super) fn send(&self, start: AttemptJob) {
        let workspace = start.event.workspace;
        self.requests.put(workspace, Request::Body(start));
    }

    /// Ends the thread when it has done what it was asked for.
    pub(super) fn stop(self) {
        self.thread.stop(|| drop(self.requests));
    }
}

fn run(queue: &dyn Queue, mailbox: &Mailbox, senders: &Senders, requests: &Requests) {
    while let Some(request) = requests.next() {
        hit(FailPoint::ReaderTurn);
        match request {
            Request::Read(request) => mailbox.read(answer(queue, request)),
            Request::Body(start) => {
                if !load(queue, mailbox, senders, start) {
                    break;
                }
            }
        }
    }
    // The engine stops over a queue that cannot be read. Whatever it still asks for comes too late.
    while requests.next().is_some() {}
}

/// Sends an event whose body has to be read; `false`: the engine stops.
fn load(queue: &dyn Queue, mailbox: &Mailbox, senders: &Senders, mut start: AttemptJob) -> bool {
    let seqs: Vec<Seq> = [start.event.seq]
        .into_iter()
        .chain(std::mem::take(&mut start.followers))
        .collect();
    // Without its body it cannot go, and it must not be forgotten: the reader stays with it.
    let bodies = loop {
        match retried(|| queue.bodies(&seqs, LOAD_BYTES)) {
            Some(bodies) => break bodies,
            None if mailbox.is_stopping() => return false,
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
    mailbox.read(ReadResult::Bodies(endpoint, found.collect()));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use uuid::Uuid;

    use super::*;
    use crate::delivery::target::LiveTarget;
    use crate::domain::clock::Timestamp;
    use crate::domain::endpoint::DeliverySettings;
    use crate::domain::endpoint_url::EndpointUrl;
    use crate::domain::secret::Secret;
    use crate::storage::{EndpointNumber, QueuedEvent, Run, Target};

    #[test]
    fn workspaces_take_turns_and_each_keeps_its_order() {
        let mut line = Line::default();
        let mut ask = |workspace, endpoint| {
            let request = ReadRequest::Fresh {
                endpoint: EndpointNumber(endpoint),
                after: Seq(0),
                limit: 1,
            };
            line.put(WorkspaceNumber(workspace), Request::Read(request));
        };
        (1..=4).for_each(|endpoint| ask(1, endpoint));
        ask(2, 5);
        (6..=7).for_each(|endpoint| ask(3, endpoint));
        let order: Vec<i64> = std::iter::from_fn(|| line.take())
            .map(|request| match request {
                Request::Read(ReadRequest::Fresh { endpoint, .. }) => endpoint.0,
                _ => unreachable!("only such were put"),
            })
            .collect();
        assert_eq!(order, [1, 5, 6, 2, 7, 3, 4]);
        assert!(line.requests.is_empty());
    }

    /// An attempt of an event of a workspace, whose body has to be read.
    fn start(workspace: i64, seq: i64) -> AttemptJob {
        let target = Target {
            number: EndpointNumber(workspace),
            workspace: WorkspaceNumber(workspace),
            id: Uuid::nil(),
            settings: DeliverySettings {
                url: EndpointUrl::from_stored("https://a".to_owned()),
                secret: Secret::generate(),
            },
            enabled: true,
            skip_through: Run(0),
        };
        let event = QueuedEvent {
            seq: Seq(seq),
            id: Uuid::nil(),
            endpoint: target.number,
            workspace: target.workspace,
            event_type: 1,
            run: Run(seq),
            run_attempt: 0,
            run_started: Timestamp::default(),
            attempts: 0,
            body: None,
        };
        AttemptJob {
            event,
            target: Arc::new(LiveTarget::new(target)),
            followers: Vec::new(),
        }
    }

    #[test]
    fn bodies_are_read_in_the_turns_of_their_workspaces() {
        // A thread that reads nothing, so that everything waits.
        let (go, gate) = channel::<()>();
        let work = move || assert!(gate.recv().is_err(), "nothing is sent");
        let thread = VitalThread::start("test", work).unwrap();
        let requests = Arc::new(Requests::default());
        let reader = Reader {
            thread,
            requests: Asking(requests.clone()),
        };
        (1..=3).for_each(|seq| reader.send(start(1, seq)));
        reader.send(start(2, 4));
        let order: Vec<i64> = std::iter::from_fn(|| lock(&requests.line).take())
            .map(|request| match request {
                Request::Body(start) => start.event.seq.0,
                Request::Read(_) => unreachable!("only bodies were asked for"),
            })
            .collect();
        assert_eq!(order, [1, 4, 2, 3]);
        reader.thread.stop(|| drop(go));
    }
}
