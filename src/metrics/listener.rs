//! The listener for programs that read the metrics: a small HTTP server with one path, `/metrics`.
//!
//! It only informs. It has threads of its own, so that it works while the API is busy, and nothing waits for
//! it. If one of its threads ends, the server goes on without it. It has few connections, each for one
//! request and for a short time: whoever can reach it cannot use up memory, threads or files.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// The limits on connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListenerLimits {
    /// The most connections at a time. One beyond that is closed.
    pub(super) connections: usize,
    /// The time of a connection, from its start to the end of the answer.
    pub(super) time: Duration,
}

/// The limits of a server: a few programs ask, every some seconds, and Prometheus waits for ten seconds.
const LIMITS: ListenerLimits = ListenerLimits {
    connections: 8,
    time: Duration::from_secs(5),
};

/// The most bytes of a request's head. That of Prometheus has some three hundred.
const HEAD_BYTES: usize = 8 << 10;

/// The stack of a thread: rendering the text needs little.
const STACK_BYTES: usize = 256 << 10;

/// The pause after the system gave no connection, most likely because too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// The content type of `OpenMetrics` text.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of the metrics, made for each request that asks for it.
type Text = dyn Fn() -> String + Send + Sync;

struct Shared {
    text: Box<Text>,
    limits: ListenerLimits,
    connections: AtomicUsize,
    stopping: AtomicBool,
}

/// The running listener. Dropping it does not stop it; [`MetricsListener::stop`] does.
pub struct MetricsListener {
    addr: SocketAddr,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl MetricsListener {
    /// Starts to answer on `listener`. `text` makes the text of the metrics; several threads may call it.
    ///
    /// # Errors
    /// The system cannot start a thread, or does not tell the address.
    pub fn start(
        listener: TcpListener,
        text: impl Fn() -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_within(listener, LIMITS, text)
    }

    /// Does the same as [`MetricsListener::start`], within these limits.
    pub(super) fn start_within(
        listener: TcpListener,
        limits: ListenerLimits,
        text: impl Fn() -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            text: Box::new(text),
            limits,
            connections: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let for_thread = shared.clone();
        let builder = Builder::new().name("metrics".to_owned());
        let thread = builder.stack_size(STACK_BYTES).spawn(move || {
            accept(&listener, &for_thread);
        })?;
        Ok(Self {
            addr,
            shared,
            thread,
        })
    }

    /// Returns the address, with its real port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts no further connection. Those under way end by themselves.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The thread waits for a connection; this is one.
        let woken = TcpStream::connect_timeout(&reachable(self.addr), self.shared.limits.time);
        if woken.is_ok() {
            let _ = self.thread.join();
        }
    }
}

/// Returns an address under which this machine reaches a listener on `addr`.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        match accepted {
            Ok((stream, _)) => begin(stream, shared),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Answers a connection on a thread of its own. Closes it if there are too many, or if there is no thread.
fn begin(stream: TcpStream, shared: &Arc<Shared>) {
    if shared.connections.fetch_add(1, Ordering::SeqCst) >= shared.limits.connections {
        shared.connections.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    let for_thread = shared.clone();
    let builder = Builder::new().name("metrics".to_owned());
    let spawned = builder.stack_size(STACK_BYTES).spawn(move || {
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&stream, &for_thread)));
        // Before the client sees the end: it may ask again at once.
        for_thread.connections.fetch_sub(1, Ordering::SeqCst);
        drop(stream);
        if answered.is_err() {
            tracing::error!("a request for the metrics panicked");
        }
    });
    if let Err(error) = spawned {
        shared.connections.fetch_sub(1, Ordering::SeqCst);
        tracing::debug!(%error, "no thread for a request for the metrics");
    }
}

/// Reads one request and answers it. What goes wrong concerns only the client.
fn answer(stream: &TcpStream, shared: &Shared) {
    let mut connection = TimedStream {
        stream,
        ends: Instant::now() + shared.limits.time,
    };
    if let Ok(head) = connection.head() {
        let is_loopback = stream
            .local_addr()
            .is_ok_and(|addr| addr.ip().is_loopback());
        let is_page = is_from_page(&head) || (is_loopback && is_for_another_name(&head));
        let _ = connection.send(&response(&head, is_page, &shared.text));
    }
}

/// Returns the whole response to a request with this head.
fn response(head: &[u8], is_page: bool, text: &Text) -> Vec<u8> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next(), words.next());
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let path = target.and_then(|target| target.split('?').next());
    let (status, content_type, body) = match (method, path) {
        (Some("GET" | "HEAD"), Some("/metrics")) if is_http && is_page => {
            let body = "Web pages cannot read the metrics.\n".to_owned();
            ("403 Forbidden", "text/plain; charset=utf-8", body)
        }
        (Some("GET" | "HEAD"), Some("/metrics")) if is_http => ("200 OK", CONTENT_TYPE, text()),
        (Some("GET" | "HEAD"), Some(_)) if is_http => {
            let body = "The metrics are at /metrics.\n".to_owned();
            ("404 Not Found", "text/plain; charset=utf-8", body)
        }
        (Some(_), Some(_)) if is_http => (
            "405 Method Not Allowed\r\nAllow: GET, HEAD",
            "text/plain; charset=utf-8",
            String::new(),
        ),
        _ => (
            "400 Bad Request",
            "text/plain; charset=utf-8",
            String::new(),
        ),
    };
    let length = body.len();
    let mut response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    .into_bytes();
    if method != Some("HEAD") {
        response.extend_from_slice(body.as_bytes());
    }
    response
}

/// Reports whether a web page in a browser makes the request. On the server's machine a browser reaches a
/// loopback address, and a page may have a name that resolves to it. A person who types the address may read.
fn is_from_page(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    head.lines().skip(1).any(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        name.eq_ignore_ascii_case("origin")
            || name.eq_ignore_ascii_case("sec-fetch-site") && value.trim() != "none"
    })
}

/// Reports whether the request is for a name that is not this machine's own: a page whose name was made to lead to a
/// loopback address. A browser sends no `Origin` with it.
fn is_for_another_name(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let hosts = head.lines().skip(1).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim())
    });
    hosts.into_iter().any(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_address = host.parse::<SocketAddr>().is_ok()
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        !is_address && !name.eq_ignore_ascii_case("localhost") && !host.is_empty()
    })
}

/// A stream whose reads and writes together take a limited time.
struct TimedStream<'s> {
    stream: &'s TcpStream,
    ends: Instant,
}

impl TimedStream<'_> {
    /// Returns the time that is left; never zero, which would mean no limit.
    fn left(&self) -> io::Result<Duration> {
        let left = self.ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }

    /// Reads up to the empty line that ends the head.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        let mut part = [0; 1024];
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if head.len() > HEAD_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(&mut part) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => head.extend_from_slice(&part[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(head)
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
