//! Happy Eyeballs (RFC 8305, section 5): connects to the first of several addresses that accepts.
//!
//! Many names have addresses of both families, and one of the two may lead nowhere: a packet to it is lost,
//! and no error comes back. So the attempts overlap. The attempt at the next address starts 250 ms after the
//! one before, or at once if that one failed. The first connection wins, and the others are closed.
//!
//! All attempts of a call run on the caller's thread: the sockets do not block, and one `poll` waits for all
//! of them. The module dials exactly the addresses that it is given, in their order. The resolver has checked
//! and ordered them.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

/// The time from the start of one attempt to the start of the next: the "Connection Attempt Delay", as RFC
/// 8305 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The most attempts of a call at a time, because each takes an open file. Before another one starts,
/// the oldest is given up. So an attempt has at least 750 ms, and the last three have the rest of the time.
const MAX_ATTEMPTS: usize = 3;

/// Connects to the first of `addresses` that accepts, within `time` in all.
///
/// If all of them fail, the error is the last one, or rather the last that came from a receiver: an address
/// without a route says less than one that refuses.
pub(super) fn connect(addresses: &[SocketAddr], time: Duration) -> io::Result<TcpStream> {
    let started = Instant::now();
    let mut attempts = Attempts::default();
    let mut addresses = addresses.iter().peekable();
    let mut next_start = Duration::ZERO;
    loop {
        let now = started.elapsed();
        let left = time.saturating_sub(now);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if now >= next_start
            && let Some(address) = addresses.next()
        {
            next_start = match attempts.start(*address) {
                Ok(()) => now + ATTEMPT_DELAY,
                Err(error) => {
                    attempts.note(error);
                    now
                }
            };
            continue;
        }
        if attempts.pending.is_empty() && addresses.peek().is_none() {
            return Err(attempts.failure());
        }
        let wait = match addresses.peek() {
            Some(_) => left.min(next_start.saturating_sub(now)),
            None => left,
        };
        match attempts.wait(wait)? {
            Progress::Connected(stream) => return Ok(stream),
            Progress::Failed => next_start = Duration::ZERO,
            Progress::None => {}
        }
    }
}

/// The attempts of one call.
#[derive(Default)]
struct Attempts {
    /// Sockets that are connecting, the oldest first.
    pending: Vec<Socket>,
    failure: Option<io::Error>,
}

/// The result of a wait.
enum Progress {
    Connected(TcpStream),
    /// At least one attempt has failed.
    Failed,
    None,
}

impl Attempts {
    /// Starts an attempt.
    fn start(&mut self, address: SocketAddr) -> io::Result<()> {
        if self.pending.len() == MAX_ATTEMPTS {
            self.pending.remove(0);
        }
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if !is_in_progress(&error) => return Err(error),
            _ => {}
        }
        self.pending.push(socket);
        Ok(())
    }

    /// Waits for at most `time` until an attempt ends.
    fn wait(&mut self, time: Duration) -> io::Result<Progress> {
        // A time that is too long for the system is no limit. The caller's loop keeps the deadline.
        let timeout = Timespec::try_from(time).ok();
        let writable = |socket| PollFd::new(socket, PollFlags::OUT);
        let mut fds: Vec<_> = self.pending.iter().map(writable).collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => return Ok(Progress::None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let events: Vec<_> = fds.iter().map(PollFd::revents).collect();
        let mut progress = Progress::None;
        let mut pending = Vec::with_capacity(MAX_ATTEMPTS);
        for (socket, events) in std::mem::take(&mut self.pending).into_iter().zip(events) {
            if events.is_empty() {
                pending.push(socket);
                continue;
            }
            match connected(socket, events) {
                Ok(stream) => return Ok(Progress::Connected(stream)),
                Err(error) => {
                    self.note(error);
                    progress = Progress::Failed;
                }
            }
        }
        self.pending = pending;
        Ok(progress)
    }

    /// Notes the error of an attempt, if it says more than the one that is known.
    fn note(&mut self, error: io::Error) {
        let keeps = |known: &io::Error| !has_no_way(known) && has_no_way(&error);
        if !self.failure.as_ref().is_some_and(keeps) {
            self.failure = Some(error);
        }
    }

    fn failure(self) -> io::Error {
        self.failure
            .unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }
}

/// Returns the connection of a socket whose attempt has ended, in blocking mode.
fn connected(socket: Socket, events: PollFlags) -> io::Result<TcpStream> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    if events.intersects(PollFlags::ERR | PollFlags::HUP) {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

/// Reports whether the attempt goes on. Systems name this state differently.
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error())
}

/// Reports whether the error is that of an address to which this machine has no way.
fn has_no_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
    )
}

#[cfg(test)]
mod tests;
