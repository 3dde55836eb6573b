//! The receiver. The path of a request says how the receiver behaves.
//!
//! | path | behaviour |
//! |---|---|
//! | `/ok/SLOT` | answers 200 at once |
//! | `/flaky/SLOT` | the same, but of a flaky phase the first attempt of one event in 200 gets a 500 |
//! | `/delay-MS/SLOT` | answers 200 after so many milliseconds |
//! | `/fail/SLOT` | answers 500 at once |
//! | `/hang/SLOT` | takes the request and never answers |
//! | `/drip/SLOT` | answers one byte a second |
//! | `/gate/SLOT` | takes the request, and answers once the gate is open |
//!
//! One thread serves all connections, in batches of those that are ready, so that it takes as little of
//! the machine as it can. SLOT tells the endpoints of one message apart.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::http::Frame;
use crate::load::now_us;
use crate::report::Latencies;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const ERROR: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno";
/// A time longer than any attempt: a client that had to wait has given up by then.
const LONGEST_HOLD: Duration = Duration::from_millis(10_500);
/// One event in so many fails at first on a flaky path.
const FLAKY: u64 = 200;

/// A running receiver. Dropping it closes its port and its connections.
pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    tally: Mutex<Tally>,
    gate: watch::Sender<bool>,
}

/// The deliveries of one phase.
#[derive(Default)]
pub(crate) struct Tally {
    phase: u32,
    fanout: u64,
    /// By event and slot: how often it was delivered.
    seen: Vec<u8>,
    /// By event and slot, of a flaky phase: whether it was refused already.
    refused: Vec<bool>,
    pub(crate) distinct: u64,
    pub(crate) repeated: u64,
    /// From due time to the arrival of the whole request.
    pub(crate) latencies: Latencies,
    /// The arrival of the last one, in the time of [`now_us`].
    pub(crate) last_us: u64,
}

impl Tally {
    fn deliver(&mut self, seq: u64, slot: u64, due_us: u64, now_us: u64) {
        let at = seq * self.fanout + slot % self.fanout;
        let Some(seen) = usize::try_from(at)
            .ok()
            .and_then(|at| self.seen.get_mut(at))
        else {
            return;
        };
        if *seen == 0 {
            self.distinct += 1;
            self.latencies.push(now_us.saturating_sub(due_us));
            self.last_us = now_us;
        } else {
            self.repeated += 1;
        }
        *seen = seen.saturating_add(1);
    }

    /// Reports whether a flaky path refuses this attempt.
    fn refuses(&mut self, seq: u64, slot: u64) -> bool {
        let at = seq * self.fanout + slot % self.fanout;
        // Scattered, or all of them would go to the same few endpoints.
        let scattered = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let refused = usize::try_from(at)
            .ok()
            .and_then(|at| self.refused.get_mut(at));
        scattered.is_multiple_of(FLAKY) && refused.is_some_and(|was| !std::mem::replace(was, true))
    }
}

impl Receiver {
    /// Starts one on this port, or on a free one.
    pub(crate) fn start(port: Option<u16>) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            tally: Mutex::default(),
            gate: watch::Sender::new(true),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serving = shared.clone();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::spawn(accept(listener, serving));
                let _ = stopped.await;
            });
        });
        Ok(Self {
            addr,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(crate) fn url(&self, behaviour: &str, slot: u64) -> String {
        format!("http://{}/{behaviour}/{slot}", self.addr)
    }

    /// Opens the gate, or closes it.
    pub(crate) fn open_gate(&self, open: bool) {
        self.shared.gate.send_replace(open);
    }

    /// Begins to count the deliveries of a new phase: so many events, each for `fanout` endpoints.
    pub(crate) fn expect(&self, events: u64, fanout: u64) -> u32 {
        let mut tally = self.tally();
        *tally = Tally {
            phase: tally.phase + 1,
            fanout,
            seen: vec![0; usize::try_from(events * fanout).expect("it fits into memory")],
            ..Tally::default()
        };
        tally.phase
    }

    /// The same, for a phase in which flaky paths are flaky.
    pub(crate) fn expect_flaky(&self, events: u64, fanout: u64) -> u32 {
        let phase = self.expect(events, fanout);
        let mut tally = self.tally();
        tally.refused = vec![false; tally.seen.len()];
        phase
    }

    /// Waits until so many have come, or none has for `patience`; then what was counted.
    pub(crate) fn wait(&self, distinct: u64, patience: Duration) -> MutexGuard<'_, Tally> {
        let mut progress = (0, Instant::now());
        loop {
            let tally = self.tally();
            if tally.distinct >= distinct {
                return tally;
            }
            if tally.distinct > progress.0 {
                progress = (tally.distinct, Instant::now());
            } else if progress.1.elapsed() > patience {
                return tally;
            }
            drop(tally);
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.tally()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, shared.clone()))),
            // Out of descriptors: some come back when connections close.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; 4096];
    let mut filled = 0;
    loop {
        let frame = Frame::of(&buffer[..filled]).filter(|frame| frame.len() <= filled);
        let Some(frame) = frame else {
            if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
            match stream.read(&mut buffer[filled..]).await {
                Ok(read) if read > 0 => filled += read,
                _ => return,
            }
            continue;
        };
        if !answer(&mut stream, &shared, &buffer[..frame.len()]).await {
            return;
        }
        buffer.copy_within(frame.len()..filled, 0);
        filled -= frame.len();
    }
}

/// The reaction to a request.
enum Reaction {
    Answer(&'static [u8]),
    Delay(Duration),
    Hang,
    Drip,
    /// Waits for the gate; then this event counts as delivered.
    Gate {
        seq: u64,
        slot: u64,
        due_us: u64,
        counted: bool,
    },
}

/// Reads what the path asks for, and counts the delivery if it is of the present phase.
fn react(shared: &Shared, request: &[u8]) -> Reaction {
    let (behaviour, slot) = path(request);
    let [phase, seq, due_us] = mark(request);
    let mut tally = shared.tally();
    let counted = phase != 0 && phase == u64::from(tally.phase);
    match behaviour {
        b"flaky" if counted && tally.refuses(seq, slot) => Reaction::Answer(ERROR),
        b"ok" | b"flaky" => {
            if counted {
                tally.deliver(seq, slot, due_us, now_us());
            }
            Reaction::Answer(OK)
        }
        b"fail" => Reaction::Answer(ERROR),
        b"hang" => Reaction::Hang,
        b"drip" => Reaction::Drip,
        b"gate" => Reaction::Gate {
            seq,
            slot,
            due_us,
            counted,
        },
        delay => Reaction::Delay(Duration::from_millis(number(delay).0)),
    }
}

/// Behaves as the path says; false if the connection is to be closed.
async fn answer(stream: &mut TcpStream, shared: &Shared, request: &[u8]) -> bool {
    match react(shared, request) {
        Reaction::Answer(answer) => stream.write_all(answer).await.is_ok(),
        Reaction::Delay(time) => {
            sleep(time).await;
            stream.write_all(OK).await.is_ok()
        }
        Reaction::Hang => {
            sleep(LONGEST_HOLD).await;
            false
        }
        Reaction::Drip => {
            for byte in OK {
                if stream.write_all(&[*byte]).await.is_err() {
                    return false;
                }
                sleep(Duration::from_secs(1)).await;
            }
            true
        }
        Reaction::Gate {
            seq,
            slot,
            due_us,
            counted,
        } => {
            let mut gate = shared.gate.subscribe();
            let opening = async { gate.wait_for(|open| *open).await.is_ok() };
            let opened = timeout(LONGEST_HOLD, opening).await.unwrap_or(false);
            if opened && counted {
                shared.tally().deliver(seq, slot, due_us, now_us());
            }
            opened && stream.write_all(OK).await.is_ok()
        }
    }
}

/// Behaviour and slot, from `POST /BEHAVIOUR/SLOT HTTP/1.1`.
fn path(request: &[u8]) -> (&[u8], u64) {
    let mut parts = request.splitn(4, |byte| *byte == b'/').skip(1);
    let behaviour = parts.next().unwrap_or_default();
    (behaviour, number(parts.next().unwrap_or_default()).0)
}

/// The numbers that the generator put into the event: phase, event, due time.
fn mark(request: &[u8]) -> [u64; 3] {
    const MARK: &[u8] = b"\"mark\":[";
    let found = request.windows(MARK.len()).rposition(|part| part == MARK);
    let mut numbers = [0; 3];
    let mut rest = found.map_or(&[][..], |at| &request[at + MARK.len()..]);
    for value in &mut numbers {
        let (found, length) = number(rest);
        *value = found;
        rest = rest.get(length + 1..).unwrap_or_default();
    }
    numbers
}

/// The first number in a text, and where it ends.
fn number(text: &[u8]) -> (u64, usize) {
    let start = text.iter().take_while(|b| !b.is_ascii_digit()).count();
    let digits = text[start..].iter().take_while(|b| b.is_ascii_digit());
    let (value, length) = digits.fold((0_u64, 0), |(value, length), digit| {
        let value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        (value, length + 1)
    });
    (value, start + length)
}
