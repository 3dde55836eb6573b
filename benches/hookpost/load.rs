//! Publishes events, in a closed loop (as fast as the answers come) or an open one (at a rate).
//!
//! In a closed loop a thread takes turns with its connections: it reads the answer of one, writes that
//! one's next request and goes on to the next. Answers come about in the order of the requests, so it
//! rarely waits, and a request costs two system calls.
//!
//! In an open loop every event has a time when it is due, whatever became of those before it, and
//! latencies count from there: a stall of the server counts for all events that waited.

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::report::Latencies;

/// Makes a delivered body of the usual form about 300 bytes long.
const PADDING: usize = 188;
/// A generator needs no more: the server is the larger part of the work.
const CLOSED_THREADS: usize = 2;
/// Connections of a closed loop.
const CLOSED_CONNECTIONS: usize = 64;
/// At 1,000/s each thread has 16 ms per event before events have to wait for a thread.
const OPEN_THREADS: usize = 16;

/// Microseconds since the program began: what events carry, to be read when they are delivered.
pub(crate) fn now_us() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let elapsed = EPOCH.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// The events to publish. Event `n` goes to token `n % tokens`, with type `n / tokens % types`.
pub(crate) struct Stream {
    pub(crate) api: SocketAddr,
    pub(crate) tokens: Vec<String>,
    pub(crate) types: Vec<String>,
    /// The receiver counts the deliveries of one phase at a time; phase 0 is never counted.
    pub(crate) phase: u32,
}

/// The results of the requests.
#[derive(Default)]
pub(crate) struct Posted {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) elapsed: Duration,
    /// From due time to answer; of an open loop only.
    pub(crate) latencies: Latencies,
}

impl Posted {
    pub(crate) fn per_second(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64()
    }

    fn count(&mut self, status: u16) {
        if (200..300).contains(&status) {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.latencies.add(other.latencies);
    }
}

impl Stream {
    fn request(&self, seq: u64, due_us: u64, request: &mut Vec<u8>) {
        let turn = |n: u64, len: usize| usize::try_from(n % len as u64).unwrap_or_default();
        let token = &self.tokens[turn(seq, self.tokens.len())];
        let kind = &self.types[turn(seq / self.tokens.len() as u64, self.types.len())];
        let mut body = [0_u8; 1024];
        let mut rest = &mut body[..];
        let phase = self.phase;
        let filled = write!(
            rest,
            r#"{{"type":"{kind}","data":{{"mark":[{phase},{seq},{due_us}],"pad":"{:.<PADDING$}"}}}}"#,
            ""
        );
        filled.expect("types are short");
        let left = rest.len();
        let body = &body[..body.len() - left];
        request.clear();
        let written = write!(
            request,
            "POST /api/webhooks/events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.api,
            body.len()
        );
        written.expect("a vector grows");
        request.extend_from_slice(body);
    }

    /// Publishes the events of `range` as fast as they are accepted.
    pub(crate) fn closed(&self, range: Range<u64>) -> anyhow::Result<Posted> {
        closed(self.api, range, |seq, request| {
            self.request(seq, now_us(), request);
        })
    }

    /// Publishes `rate` events a second for `time`.
    pub(crate) fn open(&self, rate: u64, time: Duration) -> anyhow::Result<Posted> {
        let next = AtomicU64::new(0);
        let count = events(rate, time);
        let start_us = now_us() + 100_000;
        on_threads(OPEN_THREADS, || {
            let mut posted = Posted::default();
            let mut request = Vec::new();
            let mut connection = Connection::open(self.api)?;
            loop {
                let seq = next.fetch_add(1, Ordering::Relaxed);
                if seq >= count {
                    return Ok(posted);
                }
                let due_us = start_us + seq * 1_000_000 / rate;
                thread::sleep(Duration::from_micros(due_us.saturating_sub(now_us())));
                self.request(seq, due_us, &mut request);
                connection.send(&request)?;
                posted.count(connection.receive()?);
                posted.latencies.push(now_us() - due_us);
            }
        })
    }
}

/// Makes the requests of `range` as fast as they are answered. `write` writes one into an empty buffer.
pub(crate) fn closed(
    api: SocketAddr,
    range: Range<u64>,
    write: impl Fn(u64, &mut Vec<u8>) + Sync,
) -> anyhow::Result<Posted> {
    let next = AtomicU64::new(range.start);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seq| *seq < range.end);
    on_threads(CLOSED_THREADS, || {
        let mut posted = Posted::default();
        let mut request = Vec::new();
        let mut turns = VecDeque::new();
        let mut send = |connection: &mut Connection, seq| {
            request.clear();
            write(seq, &mut request);
            connection.send(&request)
        };
        for _ in 0..CLOSED_CONNECTIONS / CLOSED_THREADS {
            let mut connection = Connection::open(api)?;
            if let Some(seq) = take() {
                send(&mut connection, seq)?;
                turns.push_back(connection);
            }
        }
        while let Some(mut connection) = turns.pop_front() {
            posted.count(connection.receive()?);
            if let Some(seq) = take() {
                send(&mut connection, seq)?;
                turns.push_back(connection);
            }
        }
        Ok(posted)
    })
}

/// Returns the number of events that an open loop publishes.
pub(crate) fn events(rate: u64, time: Duration) -> u64 {
    (time.as_secs_f64() * rate as f64) as u64
}

/// Runs the same on several threads and adds up the results.
fn on_threads(
    threads: usize,
    work: impl Fn() -> anyhow::Result<Posted> + Sync,
) -> anyhow::Result<Posted> {
    let start = Instant::now();
    let mut sum = Posted::default();
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        for thread in running {
            sum.add(thread.join().expect("generators do not panic")?);
        }
        anyhow::Ok(())
    })?;
    sum.elapsed = start.elapsed();
    Ok(sum)
}
