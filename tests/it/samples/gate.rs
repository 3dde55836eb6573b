//! A gate before an application: it lets requests through, loses answers, or answers itself, as scripted.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Instant;

use crate::fixture::TestApp;
use crate::receiver::{Received, read_request};

/// The fate of one request.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// The application gets the request, and the client gets its answer.
    Pass,
    /// The application gets the request, but the connection closes before the answer.
    Lose,
    /// The application does not get the request. The client gets this status, and this `Retry-After`.
    Refuse(u16, &'static str),
    /// Nobody answers, until the client closes the connection.
    Ignore,
}

/// A request and its time.
pub(crate) struct Seen {
    pub(crate) request: Received,
    pub(crate) at: Instant,
}

pub(crate) struct Gate<'app> {
    app: &'app TestApp,
    listener: TcpListener,
    seen: Mutex<Vec<Seen>>,
}

impl<'app> Gate<'app> {
    pub(crate) fn new(app: &'app TestApp) -> Self {
        Self {
            app,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn api(&self) -> String {
        format!("http://{}/api", self.addr())
    }

    /// Takes requests one after another while `client` runs. Those after the script get a 500.
    pub(crate) fn during<T>(&self, script: &[Step], client: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| self.serve(script));
            let result = client();
            // A connection without a request is the end.
            drop(TcpStream::connect(self.addr()));
            serving.join().unwrap();
            result
        })
    }

    /// Returns the requests so far.
    pub(crate) fn seen(self) -> Vec<Seen> {
        self.seen.into_inner().unwrap()
    }

    fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn serve(&self, script: &[Step]) {
        let mut steps = script.iter();
        loop {
            let (stream, _) = self.listener.accept().unwrap();
            let Some(request) = read_request(&mut BufReader::new(&stream)) else {
                return;
            };
            let seen = Seen {
                request: request.clone(),
                at: Instant::now(),
            };
            self.seen.lock().unwrap().push(seen);
            let step = steps.next().copied().unwrap_or(Step::Refuse(500, ""));
            self.take(step, &request, &stream);
        }
    }

    fn take(&self, step: Step, request: &Received, mut stream: &TcpStream) {
        let (status, headers, text) = match step {
            Step::Pass => self.pass(request),
            Step::Lose => {
                self.pass(request);
                return;
            }
            Step::Refuse(status, retry_after) => {
                let header = match retry_after {
                    "" => String::new(),
                    seconds => format!("Retry-After: {seconds}\r\n"),
                };
                (status, header, r#"{"error": "Scripted"}"#.to_owned())
            }
            Step::Ignore => {
                let _ = stream.read(&mut [0]);
                return;
            }
        };
        let length = text.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {length}\r\n{headers}\r\n"
        );
        // The client may have gone.
        let _ = stream.write_all((head + &text).as_bytes());
    }

    fn pass(&self, request: &Received) -> (u16, String, String) {
        let wanted = ["authorization", "content-type", "idempotency-key"];
        let headers = wanted.map(|name| (name, request.header(name)));
        let answer = self
            .app
            .request("POST", &request.path, &headers, Some(&request.body));
        (answer.status, String::new(), answer.text)
    }
}
