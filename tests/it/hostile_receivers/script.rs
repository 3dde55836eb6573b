//! A receiver that follows a script, down to the socket, and counts the requests that it gets.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

use crate::fixture::PATIENCE;
use crate::receiver::{Received, read_request};

/// Small, so that what a receiver got rid of is close to what the sender took.
const BUFFER_BYTES: usize = 16 * 1024;
/// The time between two bytes of a receiver that sends slowly.
const DRIP_PACE: Duration = Duration::from_millis(20);

/// All that a receiver saw, over all its connections.
#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    /// The number of connections that are over, or have reached the point for which the test waits.
    told: AtomicU64,
    requests: Mutex<Vec<Received>>,
    /// Bytes that the script got rid of.
    sent: AtomicU64,
}

/// A listening receiver.
#[derive(Clone)]
pub(super) struct Scripted {
    pub(super) addr: SocketAddr,
    seen: Arc<Seen>,
}

/// One connection, in the hands of the script.
pub(super) struct Talk<S: Read + Write = TcpStream> {
    /// 0 for the receiver's first connection.
    pub(super) connection: u64,
    /// The socket below, whatever is spoken over it.
    pub(super) socket: TcpStream,
    stream: BufReader<S>,
    seen: Arc<Seen>,
}

/// A connection over TLS.
pub(super) type TlsTalk = Talk<StreamOwned<ServerConnection, TcpStream>>;

impl Scripted {
    /// Speaks plainly, or what the script makes of TLS by hand.
    pub(super) fn start(script: impl Fn(&mut Talk) + Send + Sync + 'static) -> Self {
        Self::over(|stream| stream, script)
    }

    /// Sends the same bytes after each request, and then waits for the sender to close.
    pub(super) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |talk| {
            while talk.request().is_some() {
                talk.send(&answer);
            }
        })
    }

    /// Speaks TLS.
    pub(super) fn tls(
        config: Arc<ServerConfig>,
        script: impl Fn(&mut TlsTalk) + Send + Sync + 'static,
    ) -> Self {
        let wrap = move |stream| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            StreamOwned::new(connection, stream)
        };
        Self::over(wrap, script)
    }

    fn over<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        script: impl Fn(&mut Talk<S>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Connections inherit it; later it would be too late to matter for what is received.
        SockRef::from(&listener)
            .set_recv_buffer_size(BUFFER_BYTES)
            .unwrap();
        SockRef::from(&listener)
            .set_send_buffer_size(BUFFER_BYTES)
            .unwrap();
        let receiver = Self {
            addr: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let seen = receiver.seen.clone();
        let parts = Arc::new((wrap, script));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (seen, parts) = (seen.clone(), parts.clone());
                std::thread::spawn(move || {
                    socket.set_read_timeout(Some(PATIENCE)).unwrap();
                    socket.set_write_timeout(Some(PATIENCE)).unwrap();
                    socket.set_nodelay(true).unwrap();
                    let stream = (parts.0)(socket.try_clone().unwrap());
                    let mut talk = Talk {
                        connection: seen.connections.fetch_add(1, Ordering::SeqCst),
                        socket,
                        stream: BufReader::new(stream),
                        seen: seen.clone(),
                    };
                    (parts.1)(&mut talk);
                    drop(talk);
                    seen.told.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        receiver
    }

    pub(super) fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Requests that arrived whole.
    pub(super) fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Waits until so many connections are over, closed on this side, which the other side then knows;
    /// or [told](Talk::tell) so.
    #[track_caller]
    pub(super) fn wait_for_told(&self, count: u64) {
        let end = Instant::now() + PATIENCE;
        while self.seen.told.load(Ordering::SeqCst) < count {
            assert!(Instant::now() < end, "a connection goes on");
            std::thread::yield_now();
        }
    }

    pub(super) fn sent(&self) -> u64 {
        self.seen.sent.load(Ordering::SeqCst)
    }
}

impl<S: Read + Write> Talk<S> {
    /// Reads a request; `None` if the sender closes before it is whole.
    pub(super) fn request(&mut self) -> Option<Received> {
        let request = read_request(&mut self.stream)?;
        self.seen.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Reads some of a request, and no more than `bytes` of it.
    pub(super) fn read_some(&mut self, bytes: usize) {
        let _ = self.stream.get_mut().read(&mut vec![0; bytes]);
    }

    /// Sends bytes; false once the sender no longer takes them.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let stream = self.stream.get_mut();
        let mut left = bytes.as_ref();
        while !left.is_empty() {
            match stream.write(left) {
                Ok(taken) if taken > 0 => {
                    self.seen.sent.fetch_add(taken as u64, Ordering::SeqCst);
                    left = &left[taken..];
                }
                _ => return false,
            }
        }
        stream.flush().is_ok()
    }

    /// Lets the test go on that waits for this connection.
    pub(super) fn tell(&self) {
        self.seen.told.fetch_add(1, Ordering::SeqCst);
    }

    /// Sends the same bytes again and again until they add up to `total` or the sender has had enough.
    pub(super) fn pour(&mut self, bytes: &[u8], total: usize) {
        let mut sent = 0;
        while sent < total && self.send(bytes) {
            sent += bytes.len();
        }
    }

    /// Sends the same bytes again and again, slowly, until the sender has had enough.
    pub(super) fn drip(&mut self, bytes: &[u8]) {
        self.socket.set_read_timeout(Some(DRIP_PACE)).unwrap();
        // Whether the sender is still there is a reason to wait that ends when it leaves.
        while self.send(bytes) && self.is_awaited() {}
    }

    /// Sends these bytes one by one, slowly, until the sender has had enough; then waits.
    pub(super) fn trickle(&mut self, bytes: &[u8]) {
        self.socket.set_read_timeout(Some(DRIP_PACE)).unwrap();
        for byte in bytes {
            if self.socket.write(&[*byte]).is_err() || !self.is_awaited() {
                return;
            }
        }
        self.hang();
    }

    /// Reads the request as slowly as can be, until the sender has had enough.
    pub(super) fn sip(&mut self) {
        while self.socket.read(&mut [0; 64]).is_ok_and(|got| got > 0) {
            // Nothing can be waited for here: to be slow is what this receiver is for.
            std::thread::park_timeout(DRIP_PACE);
        }
    }

    /// Sees that there is something, and takes nothing of it for as long as any test would wait.
    pub(super) fn take_nothing(&mut self) {
        let _ = self.socket.peek(&mut [0]);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            std::thread::park_timeout(PATIENCE);
        }
    }

    fn is_awaited(&mut self) -> bool {
        match self.socket.read(&mut [0]) {
            Ok(read) => read > 0,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// Does nothing until the sender leaves.
    pub(super) fn hang(&mut self) {
        let _ = self.socket.set_read_timeout(Some(PATIENCE));
        while self.socket.read(&mut [0; 4096]).is_ok_and(|got| got > 0) {}
    }

    /// Has the connection end with a RST instead of a FIN once the script is over.
    pub(super) fn reset_at_the_end(&mut self) {
        SockRef::from(&self.socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
}

impl TlsTalk {
    /// Shakes hands, which otherwise happens with the first byte that is read or sent.
    pub(super) fn shake_hands(&mut self) {
        let StreamOwned { conn, sock } = self.stream.get_mut();
        while conn.is_handshaking() && conn.complete_io(sock).is_ok() {}
    }

    /// Answers the hello, waits for the sender's next words, and then leaves.
    pub(super) fn leave_after_hello(&mut self) {
        let StreamOwned { conn, sock } = self.stream.get_mut();
        while !conn.wants_write() && conn.read_tls(sock).is_ok_and(|read| read > 0) {
            conn.process_new_packets().unwrap();
        }
        while conn.wants_write() {
            conn.write_tls(sock).unwrap();
        }
        let _ = sock.read(&mut [0; 4096]);
    }

    /// The same, but it refuses before it leaves: with this alert, which is not encrypted yet in TLS 1.2.
    pub(super) fn refuse_after_hello(&mut self, alert: u8) {
        self.leave_after_hello();
        let _ = self.socket.write_all(&[0x15, 3, 3, 0, 2, 2, alert]);
        self.hang();
    }

    /// Says goodbye, as TLS wants it before a connection is closed.
    pub(super) fn say_goodbye(&mut self) {
        let StreamOwned { conn, sock } = self.stream.get_mut();
        conn.send_close_notify();
        let _ = conn.complete_io(sock);
    }

    /// Returns these bytes encrypted, as they are on the wire.
    pub(super) fn encrypted(&mut self, bytes: &[u8]) -> Vec<u8> {
        let connection = &mut self.stream.get_mut().conn;
        connection.writer().write_all(bytes).unwrap();
        let mut records = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut records).unwrap();
        }
        records
    }
}
