//! A TCP connection without buffers, and the trait of all connections.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ureq::unversioned::transport::{NextTimeout, time};

use super::happy_eyeballs;

/// A connection, with or without TLS.
pub(super) trait Link: fmt::Debug + Send + Sync {
    /// Sends all of `bytes`.
    fn send(&mut self, bytes: &[u8], timeout: NextTimeout) -> Result<(), ureq::Error>;

    /// Waits for bytes and puts them at the start of `into`; returns how many came. 0 means the end.
    fn receive(&mut self, into: &mut [u8], timeout: NextTimeout) -> Result<usize, ureq::Error>;

    /// Reports whether another request may use the connection: the receiver has sent nothing since the last
    /// answer and has not closed it.
    fn is_open(&mut self) -> bool;
}

/// A TCP connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    /// The socket's current time-outs. Setting one is a system call.
    read_time: Option<Duration>,
    write_time: Option<Duration>,
}

impl Socket {
    /// Connects to the first of `addresses` that accepts, within `time` in all.
    pub(super) fn connect(addresses: &[SocketAddr], time: Duration) -> io::Result<Self> {
        let stream = happy_eyeballs::connect(addresses, time)?;
        stream.set_nodelay(true)?;
        Ok(Self::of(stream))
    }

    /// Takes a connection that has no time-outs.
    pub(super) const fn of(stream: TcpStream) -> Self {
        Self {
            stream,
            read_time: None,
            write_time: None,
        }
    }
}

impl Link for Socket {
    fn send(&mut self, bytes: &[u8], timeout: NextTimeout) -> Result<(), ureq::Error> {
        let time = left(timeout, Duration::ZERO)?;
        if self.write_time != time {
            self.stream.set_write_timeout(time)?;
            self.write_time = time;
        }
        let sent = self.stream.write_all(bytes);
        sent.map_err(|error| in_time(error, timeout))
    }

    fn receive(&mut self, into: &mut [u8], timeout: NextTimeout) -> Result<usize, ureq::Error> {
        let started = Instant::now();
        let mut waited = Duration::ZERO;
        loop {
            let time = left(timeout, waited)?;
            if self.read_time != time {
                self.stream.set_read_timeout(time)?;
                self.read_time = time;
            }
            match self.stream.read(into) {
                // A signal ends the call, because the system does not resume a call with a time-out.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    waited = started.elapsed();
                }
                received => return received.map_err(|error| in_time(error, timeout)),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // One system call, which does not wait: an open connection on which nothing came has nothing to read yet.
        let looks = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(recv(&self.stream, &mut [0], looks), Err(Errno::AGAIN))
    }
}

/// Returns the time that is left after `waited`; `None` if there is no limit.
fn left(timeout: NextTimeout, waited: Duration) -> Result<Option<Duration>, ureq::Error> {
    let time::Duration::Exact(time) = timeout.after else {
        return Ok(None);
    };
    match time.saturating_sub(waited) {
        Duration::ZERO => Err(ureq::Error::Timeout(timeout.reason)),
        left => Ok(Some(left)),
    }
}

/// Recognises a time-out. On some systems a socket reports it as "would block".
fn in_time(error: io::Error, timeout: NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn open_until_anything_comes_that_was_not_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        for sends in [b"x".as_slice(), b""] {
            let mut socket = Socket::connect(&[address], Duration::from_secs(5)).expect("connects");
            let (mut peer, _) = listener.accept().expect("a connection");
            assert!(socket.is_open() && socket.is_open());
            // The check has left the socket in blocking mode: this read waits.
            let echo = thread::spawn(move || {
                peer.read_exact(&mut [0]).expect("a request");
                peer.write_all(b"a").expect("an answer");
                peer
            });
            let timeout = NextTimeout::default();
            socket.send(b"r", timeout).expect("it is open");
            let mut into = [0; 9];
            assert_eq!(socket.receive(&mut into, timeout).expect("an answer"), 1);
            let mut peer = echo.join().expect("no panic");
            peer.write_all(sends).expect("it is open");
            if sends.is_empty() {
                drop(peer);
                assert_eq!(socket.receive(&mut into, timeout).expect("the end"), 0);
            } else {
                socket.stream.peek(&mut into).expect("a byte");
            }
            assert!(!socket.is_open());
        }
    }
}
