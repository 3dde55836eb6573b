//! How ureq gets its connections: an idle one if there is one, else a new one.
//!
//! # Repeating a request
//!
//! A receiver may close an idle connection at the moment it is used. A request that went out then
//! is lost, or was seen and the answer lost: that can't be known, so such an attempt has failed, and
//! the next one is for the engine to schedule. There is one case in which it *is* known: when
//! already the first bytes can't be handed to the kernel, the receiver has none. Only then is the
//! request repeated at once, over a new connection: see [`Stale`](super::errors::Stale).
//!
//! To keep the other case rare, an idle connection is probed before its use (a read that must find
//! neither data nor the end), and is not kept for long.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::buffers::RequestBuffers;
use super::errors::{ConnectFailed, ConnectTimedOut, Endless, TooLarge};
use super::idle::{Entry, Idle, Peer};
use super::limits::MAX_ANSWER_BYTES;
use super::socket::{Link, Socket};
use super::tcp::{Tcp, means_closed};
use super::tls::Tls;

/// The most that is written at first. The send buffer of an idle connection takes at least this
/// much at once, on any system; so if that write fails, nothing was sent.
const FIRST_WRITE_BYTES: usize = 4096;
/// Dials, shakes hands, and keeps connections for later. Shared by all agents.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: Tls,
    idle: Arc<Idle<Box<dyn Link>>>,
}

impl Dialer {
    /// Keeps at most `idle_limit` connections for later.
    pub(super) fn new(tls: Tls, idle_limit: usize) -> Self {
        Self {
            tls,
            idle: Arc::new(Idle::new(idle_limit)),
        }
    }

    /// A connection left over from an earlier request that still is open.
    fn idle_connection(&self, peer: &Peer, details: &ConnectionDetails) -> Option<Connection> {
        let now = Instant::now();
        // Each turn takes one out, so this ends.
        while let Some(mut entry) = self.idle.take(peer, &details.addrs, now) {
            if entry.connection.is_open() {
                return Some(Connection::new(entry, &self.idle));
            }
        }
        None
    }

    /// A new connection, to one of the addresses that were checked for this request.
    fn dial(&self, details: &ConnectionDetails) -> Result<Box<dyn Link>, ureq::Error> {
        let socket = Socket::connect(&details.addrs, *details.timeout.after);
        let tcp = Tcp::new(socket.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ureq::Error::Other(Box::new(ConnectTimedOut)),
            _ => ureq::Error::Other(Box::new(ConnectFailed(error))),
        })?);
        if details.needs_tls() {
            Ok(Box::new(self.tls.connect(tcp, details)?))
        } else {
            Ok(Box::new(tcp))
        }
    }
}

impl Connector for Dialer {
    type Out = Connection;

    /// An idle age of zero in the request's settings asks for a new connection.
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

/// A connection in the hands of ureq, for one request.
pub(super) struct Connection {
    /// Gone once put back.
    entry: Option<Entry<Box<dyn Link>>>,
    idle: Arc<Idle<Box<dyn Link>>>,
    buffers: RequestBuffers,
    output: Output,
    /// How much of the answer has arrived, in bytes.
    received: usize,
}

/// Where the bytes go. Of the entry alone, as the buffers are used at the same time.
fn link(entry: &mut Option<Entry<Box<dyn Link>>>) -> &mut dyn Link {
    let entry = entry
        .as_mut()
        .expect("ureq drops a connection that it was told is not open");
    &mut *entry.connection
}

/// What was sent of the request.
enum Output {
    Nothing,
    /// Nothing either, but this is to go out with what follows.
    ///
    /// ureq writes the head of a request by itself and then the body. As nothing is delayed in the
    /// kernel (`TCP_NODELAY`), each webhook would be two packets and wake the receiver twice.
    Held,
    Some,
    /// Part of it, and the receiver takes no more.
    CutOff,
}

impl Connection {
    fn new(entry: Entry<Box<dyn Link>>, idle: &Arc<Idle<Box<dyn Link>>>) -> Self {
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
            self.buffers.hold(amount);
            self.output = Output::Held;
            return Ok(());
        }
        let (output, held) = self.buffers.take_output(amount);
        let link = link(&mut self.entry);
        if held > 0 && output.len() > FIRST_WRITE_BYTES {
            link.send(&output[..held], timeout)?;
            link.send(&output[held..], timeout)
        } else {
            link.send(output, timeout)
        }
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// A receiver that refuses a request by its head need not read the rest, and closes the connection
    /// with its answer on the way. That answer is worth having: so failing to send is not the end of an
    /// attempt, but failing to receive is, and it comes next.
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
        if let Output::Held = self.output {
            self.transmit_output(0, timeout)?;
        }
        if self.received >= MAX_ANSWER_BYTES {
            return Err(ureq::Error::Other(Box::new(Endless)));
        }
        // The request is out, and the answer may take its time.
        self.buffers.release_output();
        let room = self.buffers.input_append_buf();
        if room.is_empty() {
            return Err(ureq::Error::Other(Box::new(TooLarge)));
        }
        let link = link(&mut self.entry);
        let amount = link.receive(room, timeout)?;
        self.buffers.input_appended(amount);
        self.received += amount;
        Ok(amount > 0)
    }

    /// ureq asks this once an answer has been read to its end and the connection may be kept, just
    /// before it would put it into its own pool. That is where ours comes in: it takes the
    /// connection, and ureq is told that it is gone. It is probed when it is taken out again.
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
