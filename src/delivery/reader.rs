//! The reader: a thread that reads the queue for the dispatcher, so that no attempt waits for a read.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::mailbox::Mailbox;
use super::protocol::{AttemptJob, ReadRequest, ReadResult};
use super::sender::Senders;
use crate::fail_point::{FailPoint, hit};
use crate::storage::{Queue, Seq, StoreError, WorkspaceNumber};
use crate::vital::{VitalThread, lock, wait};

/// The pause after a failed read, which spares a failing disk.
const FAILURE_PAUSE: Duration = Duration::from_millis(250);

/// Bytes of bodies that one read brings for events of one endpoint.
const LOAD_BYTES: usize = 256 << 10;

/// A request to the reader. The scheduler bounds their number: one read of each kind per endpoint, and no
/// more jobs than senders.
enum Request {
    /// Read a part of the queue.
    Read(ReadRequest),
    /// Read the body of the job's event and give the job to the senders.
    LoadAndSend(AttemptJob),
}

/// The queue of requests. Workspaces take turns, one request each, so that a workspace with many endpoints
/// does not delay the others. The requests of one workspace keep their order.
#[derive(Default)]
struct RequestQueue {
    /// Workspaces with requests, in the order of their turns.
    turns: VecDeque<WorkspaceNumber>,
    requests: HashMap<WorkspaceNumber, VecDeque<Request>>,
    closed: bool,
}

impl RequestQueue {
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
    queue: Mutex<RequestQueue>,
    arrived: Condvar,
}

impl Requests {
    /// Waits for the next request and returns it; `None` if there will be none.
    fn next(&self) -> Option<Request> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(request) = queue.take() {
                return Some(request);
            }
            if queue.closed {
                return None;
            }
            queue = wait(&self.arrived, queue);
        }
    }
}

/// The side that makes requests. Its drop closes the queue.
struct RequestSender(Arc<Requests>);

impl RequestSender {
    fn put(&self, workspace: WorkspaceNumber, request: Request) {
        lock(&self.0.queue).put(workspace, request);
        self.0.arrived.notify_one();
    }

    /// Closes the queue: the thread ends after all requests that were made.
    fn close(&self) {
        lock(&self.0.queue).closed = true;
        self.0.arrived.notify_one();
    }
}

impl Drop for RequestSender {
    fn drop(&mut self) {
        self.close();
    }
}

/// The reader's handle.
pub(super) struct Reader {
    // Dropped first: the drop of `requests` ends the thread, which may end only after the drop of its handle.
    thread: VitalThread,
    requests: RequestSender,
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
            requests: RequestSender(requests),
        })
    }

    /// Requests a read of the queue.
    pub(super) fn read(&self, workspace: WorkspaceNumber, request: ReadRequest) {
        self.requests.put(workspace, Request::Read(request));
    }

    /// Requests the body of the job's event and those of its followers. The reader then gives the job to the
    /// senders.
    pub(super) fn load_and_send(&self, job: AttemptJob) {
        let workspace = job.event.workspace;
        self.requests.put(workspace, Request::LoadAndSend(job));
    }

    /// Ends the thread after all requests that were made.
    pub(super) fn stop(&self) {
        self.thread.stop(|| self.requests.close());
    }
}

fn run(queue: &dyn Queue, mailbox: &Mailbox, senders: &Senders, requests: &Requests) {
    while let Some(request) = requests.next() {
        hit(FailPoint::ReaderTurn);
        match request {
            Request::Read(request) => mailbox.put_read_result(read(queue, request)),
            Request::LoadAndSend(job) => {
                if !load_and_send(queue, mailbox, senders, job) {
                    break;
                }
            }
        }
    }
    // If the engine stops while the queue cannot be read, there may be more requests. They are dropped here.
    while requests.next().is_some() {}
}

/// Reads the body that a job needs and gives the job to the senders. Returns false if the engine stops first.
fn load_and_send(
    queue: &dyn Queue,
    mailbox: &Mailbox,
    senders: &Senders,
    mut job: AttemptJob,
) -> bool {
    let seqs: Vec<Seq> = [job.event.seq]
        .into_iter()
        .chain(std::mem::take(&mut job.followers))
        .collect();
    // The job cannot be sent without its body, and must not be lost. So the reader tries until it succeeds.
    let bodies = loop {
        match try_read(|| queue.bodies(&seqs, LOAD_BYTES)) {
            Some(bodies) => break bodies,
            None if mailbox.is_stopping() => return false,
            None => {}
        }
    };
    let endpoint = job.event.endpoint;
    let mut bodies = bodies.into_iter();
    job.event.body = bodies.next().flatten();
    // The job comes before its followers, which may start as soon as the dispatcher has their bodies.
    senders.send([job], false);
    let followers = seqs[1..].iter().zip(bodies);
    let found = followers.filter_map(|(seq, body)| Some((*seq, body?)));
    mailbox.put_read_result(ReadResult::Bodies {
        endpoint,
        bodies: found.collect(),
    });
    true
}

fn read(queue: &dyn Queue, request: ReadRequest) -> ReadResult {
    match request {
        ReadRequest::Fresh {
            endpoint,
            after,
            limit,
        } => {
            let events = try_read(|| queue.fresh(endpoint, after, limit));
            ReadResult::Fresh {
                endpoint,
                events,
                limit,
            }
        }
        ReadRequest::Retries {
            endpoint,
            skip_through,
            now,
            limit,
        } => {
            let batch = try_read(|| queue.retries(endpoint, skip_through, now, limit));
            ReadResult::Retries { endpoint, batch }
        }
        ReadRequest::Redeliveries {
            endpoint,
            skip_through,
            limit,
        } => {
            let events = try_read(|| queue.redeliveries(endpoint, skip_through, limit));
            ReadResult::Redeliveries {
                endpoint,
                events,
                limit,
            }
        }
    }
}

/// Makes a read; `None` if it failed. Logs the error, and pauses after it.
fn try_read<T>(read: impl Fn() -> Result<T, StoreError>) -> Option<T> {
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

    use super::*;
    use crate::delivery::target::LiveTarget;

    use crate::storage::{EndpointNumber, QueuedEvent, Target};

    #[test]
    fn workspaces_take_turns_and_each_keeps_its_order() {
        let mut queue = RequestQueue::default();
        let mut ask = |workspace, endpoint| {
            let request = ReadRequest::Fresh {
                endpoint: EndpointNumber(endpoint),
                after: Seq(0),
                limit: 1,
            };
            queue.put(WorkspaceNumber(workspace), Request::Read(request));
        };
        (1..=4).for_each(|endpoint| ask(1, endpoint));
        ask(2, 5);
        (6..=7).for_each(|endpoint| ask(3, endpoint));
        let order: Vec<i64> = std::iter::from_fn(|| queue.take())
            .map(|request| match request {
                Request::Read(ReadRequest::Fresh { endpoint, .. }) => endpoint.0,
                _ => unreachable!("only such were put"),
            })
            .collect();
        assert_eq!(order, [1, 5, 6, 2, 7, 3, 4]);
        assert!(queue.requests.is_empty());
    }

    /// Returns a job of a workspace that lacks its body.
    fn job(workspace: i64, seq: i64) -> AttemptJob {
        let target = Target::for_tests(EndpointNumber(workspace), WorkspaceNumber(workspace));
        let event = QueuedEvent::for_tests(seq, target.number, target.workspace);
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
            requests: RequestSender(requests.clone()),
        };
        (1..=3).for_each(|seq| reader.load_and_send(job(1, seq)));
        reader.load_and_send(job(2, 4));
        let order: Vec<i64> = std::iter::from_fn(|| lock(&requests.queue).take())
            .map(|request| match request {
                Request::LoadAndSend(job) => job.event.seq.0,
                Request::Read(_) => unreachable!("only jobs were sent"),
            })
            .collect();
        assert_eq!(order, [1, 4, 2, 3]);
        reader.thread.stop(|| drop(go));
    }
}
