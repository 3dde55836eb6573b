//! A receiver of webhooks that follows a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::thread;
use std::time::Duration;

/// A time-out that only a hang reaches.
pub(super) const PLENTY: Duration = Duration::from_secs(20);

/// A scripted receiver on a port of its own. It runs the script once per connection, each on a thread.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    requests: Channel<Request>,
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The number of its connection: 0, 1, …
    pub(super) connection: usize,
    /// Request line and headers, without the empty line.
    pub(super) head: String,
    pub(super) body: String,
}

/// A script's side of a connection.
pub(super) struct Conversation<S: Read + Write = TcpStream> {
    pub(super) connection: usize,
    pub(super) stream: BufReader<S>,
    requests: Sender<Request>,
}

impl Receiver {
    pub(super) fn start(script: impl Fn(&mut Conversation) + Send + Sync + 'static) -> Self {
        Self::start_over(|stream| stream, script)
    }

    /// Starts a receiver that talks over `wrap` of each connection, such as TLS.
    pub(super) fn start_over<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        script: impl Fn(&mut Conversation<S>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, requests) = channel();
        let parts = Arc::new((wrap, script));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let stream = stream.expect("a connection");
                stream.set_read_timeout(Some(PLENTY)).expect("a timeout");
                let parts = Arc::clone(&parts);
                let requests = sender.clone();
                thread::spawn(move || {
                    (parts.1)(&mut Conversation {
                        connection,
                        stream: BufReader::new((parts.0)(stream)),
                        requests,
                    });
                });
            }
        });
        Self { address, requests }
    }

    /// Starts a receiver that answers every request with `answer`.
    pub(super) fn answering(answer: &'static str) -> Self {
        Self::start(move |conversation| {
            while conversation.request().is_some() {
                conversation.send(answer);
            }
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Waits for the next request and returns it.
    pub(super) fn request(&self) -> Request {
        self.requests.recv_timeout(PLENTY).expect("a request")
    }

    /// Returns the requests that have arrived and were not taken yet.
    pub(super) fn waiting_requests(&self) -> usize {
        self.requests.try_iter().count()
    }
}

impl<S: Read + Write> Conversation<S> {
    /// Reads a request; `None` when the client has closed the connection.
    pub(super) fn request(&mut self) -> Option<Request> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        let request = Request {
            connection: self.connection,
            head,
            body: String::from_utf8(body).expect("UTF-8"),
        };
        let _ = self.requests.send(request.clone());
        Some(request)
    }

    /// Sends bytes; returns false when the client no longer takes them.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref()).is_ok() && stream.flush().is_ok()
    }

    /// Does nothing until the client closes the connection.
    pub(super) fn hang(&mut self) {
        let _ = self.stream.read(&mut [0]);
    }
}
