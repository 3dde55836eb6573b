//! A TCP connection that remembers whether any part of the current request was written to it.

use std::io;
use std::time::Duration;

use ureq::unversioned::transport::{NextTimeout, time};

use super::errors::Stale;
use super::socket::{Link, Socket};

/// The unit to which a socket's time-out is rounded up, while more than [`COARSE_ABOVE`] is left.
const COARSE: Duration = Duration::from_millis(100);
/// The time up to which time-outs are exact.
const COARSE_ABOVE: Duration = Duration::from_secs(1);

/// A TCP connection that remembers whether any part of the current request was written to it.
#[derive(Debug)]
pub(super) struct Tcp<S = Socket> {
    socket: S,
    /// This is not the connection's first request.
    reused: bool,
    /// The first write of this request has succeeded.
    written: bool,
}

impl<S> Tcp<S> {
    pub(super) fn new(socket: S) -> Self {
        Self {
            socket,
            reused: false,
            written: false,
        }
    }
}

impl<S: Link> Link for Tcp<S> {
    fn send(&mut self, bytes: &[u8], timeout: NextTimeout) -> Result<(), ureq::Error> {
        match self.socket.send(bytes, coarse(timeout)) {
            Ok(()) => {
                self.written = true;
                Ok(())
            }
            Err(ureq::Error::Io(error))
                if self.reused && !self.written && means_closed(error.kind()) =>
            {
                Err(ureq::Error::Other(Box::new(Stale)))
            }
            Err(error) => Err(error),
        }
    }

    fn receive(&mut self, into: &mut [u8], timeout: NextTimeout) -> Result<usize, ureq::Error> {
        self.socket.receive(into, coarse(timeout))
    }

    /// Also marks the start of a new request: the pool calls this between two requests and at no other time.
    fn is_open(&mut self) -> bool {
        self.reused = true;
        self.written = false;
        self.socket.is_open()
    }
}

/// Rounds up the time that is left. It differs by microseconds from call to call, and setting a new time-out
/// is a system call. ureq keeps the exact deadline.
fn coarse(mut timeout: NextTimeout) -> NextTimeout {
    if let time::Duration::Exact(left) = timeout.after
        && left > COARSE_ABOVE
        && let Ok(units) = u32::try_from(left.as_nanos().div_ceil(COARSE.as_nanos()))
    {
        timeout.after = time::Duration::Exact(COARSE * units);
    }
    timeout
}

/// Reports whether an error of this kind means that the receiver closed the connection.
pub(super) fn means_closed(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    )
}

#[cfg(test)]
mod tests;
