//! The connections that ureq uses: an idle one if there is one, else a new one.
//!
//! # Repeating a request
//!
//! A receiver may close an idle connection at the moment the client uses it. Then either the request is lost,
//! or the receiver has seen it and the answer is lost. The client can't tell which, so such an attempt has
//! failed, and the engine schedules the next one. There is one case in which the client can tell: if the
//! kernel refuses even the first bytes, the receiver has none. Only then does the client repeat the request
//! at once, over a new connection: see [`Stale`](super::errors::Stale).
//!
//! To keep the other case rare, the client checks an idle connection before its use (with a read that must
//! find neither data nor the end), and does not keep it for long.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::buffers::RequestBuffers;
use super::errors::{ConnectFailed, ConnectTimedOut, HeadTooLarge, ResponseTooLong};
use super::idle::{Entry, IdlePool, Peer};
use super::limits::MAX_ANSWER_BYTES;
use super::proxy::Proxy;
use super::socket::{Link, Socket};
use super::tcp::{Tcp, means_closed};
use super::tls::Tls;

/// The most bytes in the first write of a request. The send buffer of an idle connection takes at least this
/// many at once, on any system. So if the first write fails, nothing was sent.
const FIRST_WRITE_BYTES: usize = 4096;

/// The maker of connections: connects, makes the TLS handshake, and keeps idle connections.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: Tls,
    proxy: Option<Arc<Proxy>>,
    idle: Arc<IdlePool<Box<dyn Link>>>,
}

impl Dialer {
    /// Returns a dialer that connects through `proxy`, if there is one, and keeps at most `idle_limit` idle
    /// connections.
    pub(super) fn new(tls: Tls, proxy: Option<Proxy>, idle_limit: usize) -> Self {
        Self {
            tls,
            proxy: proxy.map(Arc::new),
            idle: Arc::new(IdlePool::new(idle_limit)),
        }
    }

    /// Returns an idle connection that still is open.
    fn idle_connection(&self, peer: &Peer, details: &ConnectionDetails) -> Option<Connection> {
        let now = Instant::now();
        // Each pass removes a connection from the pool, so the loop ends.
        while let Some(mut entry) = self.idle.take(peer, &details.addrs, now) {
            if entry.connection.is_open() {
                return Some(Connection::new(entry, &self.idle));
            }
        }
        None
    }

    /// Makes a new connection, to one of the addresses that were checked for this request.
    fn dial(&self, details: &ConnectionDetails) -> Result<Box<dyn Link>, ureq::Error> {
        let tcp = Tcp::new(self.socket(&details.addrs, *details.timeout.after)?);
        if details.needs_tls() {
            Ok(Box::new(self.tls.connect(tcp, details)?))
        } else {
            Ok(Box::new(tcp))
        }
    }

    /// Connects to the receiver within `time`, on the way that the settings say.
    fn socket(&self, addresses: &[SocketAddr], time: Duration) -> Result<Socket, ureq::Error> {
        if let Some(proxy) = &self.proxy {
            return proxy.connect(addresses, time);
        }
        Socket::connect(addresses, time).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ureq::Error::Other(Box::new(ConnectTimedOut)),
            _ => ureq::Error::Other(Box::new(ConnectFailed(error))),
        })
    }
}

impl Connector for Dialer {
    type Out = Connection;

    /// Returns a connection. An idle age of zero in the request's settings asks for a new one.
    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        let peer = Peer {
            tls: details.needs_tls(),
            authority: details.uri.authority().map_or("", |a| a.as_str()).into(),
        };
        if !details.config.max_idle_age().is_zero()
            && let Some(connection) = self.idle_connection(&peer, details)
        {
            return Ok(Some(connection));
        }
        let link = self.dial(details)?;
        let entry = Entry {
            connection: link,
            peer,
            addresses: details.addrs.iter().copied().collect(),
            since: Instant::now(),
        };
        Ok(Some(Connection::new(entry, &self.idle)))
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}

/// A connection that ureq uses for one request.
pub(super) struct Connection {
    /// `None` after the connection was put back.
    entry: Option<Entry<Box<dyn Link>>>,
    idle: Arc<IdlePool<Box<dyn Link>>>,
    buffers: RequestBuffers,
    output: Output,
    /// The bytes of the answer that have arrived.
    received: usize,
}

/// Returns the connection itself. The function takes only the entry, because the caller borrows the buffers
/// at the same time.
fn link(entry: &mut Option<Entry<Box<dyn Link>>>) -> &mut dyn Link {
    let entry = entry
        .as_mut()
        .expect("ureq drops a connection that it was told is not open");
    &mut *entry.connection
}

/// The part of the request that was sent.
enum Output {
    Nothing,
    /// Nothing was sent; the first part waits for the second.
    ///
    /// ureq writes the head of a request and then the body. The kernel sends each write at once
    /// (`TCP_NODELAY`), so each webhook would be two packets and wake the receiver twice.
    HeldBack,
    Some,
    /// A part was sent, and the receiver takes no more.
    CutOff,
}

impl Connection {
    fn new(entry: Entry<Box<dyn Link>>, idle: &Arc<IdlePool<Box<dyn Link>>>) -> Self {
        Self {
            entry: Some(entry),
            idle: Arc::clone(idle),
            buffers: RequestBuffers::default(),
            output: Output::Nothing,
            received: 0,
        }
    }

    fn transmit(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let before = mem::replace(&mut self.output, Output::Some);
        if matches!(before, Output::Nothing) && amount < FIRST_WRITE_BYTES {
            self.buffers.hold_back(amount);
            self.output = Output::HeldBack;
            return Ok(());
        }
        let (output, held_back) = self.buffers.take_output(amount);
        let link = link(&mut self.entry);
        if held_back > 0 && output.len() > FIRST_WRITE_BYTES {
            link.send(&output[..held_back], timeout)?;
            link.send(&output[held_back..], timeout)
        } else {
            link.send(output, timeout)
        }
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// Sends output. A write that fails because the receiver closed the connection is no error: a receiver
    /// may refuse a request by its head, answer, and close without reading the rest. The attempt then fails
    /// only if there is no answer to read, which comes next.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if matches!(self.output, Output::CutOff) {
            return Ok(());
        }
        match self.transmit(amount, timeout) {
            Err(ureq::Error::Io(error)) if means_closed(error.kind()) => {
                self.output = Output::CutOff;
                Ok(())
            }
            sent => sent,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if let Output::HeldBack = self.output {
            self.transmit_output(0, timeout)?;
        }
        if self.received >= MAX_ANSWER_BYTES {
            return Err(ureq::Error::Other(Box::new(ResponseTooLong)));
        }
        // The request is sent, and the answer may take long.
        self.buffers.release_output();
        let room = self.buffers.input_append_buf();
        if room.is_empty() {
            return Err(ureq::Error::Other(Box::new(HeadTooLarge)));
        }
        let link = link(&mut self.entry);
        let amount = link.receive(room, timeout)?;
        self.buffers.input_appended(amount);
        self.received += amount;
        Ok(amount > 0)
    }

    /// Puts the connection into our own pool, and returns false so that ureq drops its side. ureq calls this
    /// when it has read an answer to its end and the connection may be kept, just before it would put the
    /// connection into its own pool. The dialer checks the connection before its next use.
    fn is_open(&mut self) -> bool {
        if let Some(mut entry) = self.entry.take()
            && !matches!(self.output, Output::CutOff)
        {
            entry.since = Instant::now();
            self.idle.put(entry);
        }
        false
    }

    fn is_tls(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.peer.tls)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.entry.as_ref().map(|entry| &entry.peer))
            .finish_non_exhaustive()
    }
}
