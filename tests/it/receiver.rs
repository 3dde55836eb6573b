//! A real receiver on a port of its own, which keeps its requests and answers as the test says.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::fixture::PATIENCE;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map_or_else(
            || panic!("no {name}: {self:?}"),
            |(_, value)| value.as_str(),
        )
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    /// Status and extra header lines, by path; 200 unless told.
    replies: HashMap<String, (u16, String)>,
    /// Status and body of the answers to all other paths, if told.
    answer: Option<(u16, String)>,
    /// Requests to these paths wait until they are let go.
    held: Vec<String>,
}

/// A running receiver.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            addr: listener.local_addr().unwrap(),
            shared: Arc::default(),
        };
        let accepting = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let receiver = accepting.clone();
                std::thread::spawn(move || receiver.serve(&stream));
            }
        });
        receiver
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Has requests to `path` answered with `status`, and `headers` (whole lines).
    pub(crate) fn reply(&self, path: &str, status: u16, headers: &str) {
        let mut state = self.shared.0.lock().unwrap();
        state
            .replies
            .insert(path.to_owned(), (status, headers.to_owned()));
    }

    /// Has requests to paths without a [`reply`](Self::reply) answered with `status` and `body`.
    pub(crate) fn answer(&self, status: u16, body: &str) {
        self.shared.0.lock().unwrap().answer = Some((status, body.to_owned()));
    }

    /// Has requests to `path` wait for their answer.
    pub(crate) fn hold(&self, path: &str) {
        self.shared.0.lock().unwrap().held.push(path.to_owned());
    }

    pub(crate) fn let_go(&self, path: &str) {
        self.shared
            .0
            .lock()
            .unwrap()
            .held
            .retain(|held| held != path);
        self.shared.1.notify_all();
    }

    /// Returns the requests to `path` so far.
    pub(crate) fn at(&self, path: &str) -> Vec<Received> {
        let state = self.shared.0.lock().unwrap();
        state
            .received
            .iter()
            .filter(|one| one.path == path)
            .cloned()
            .collect()
    }

    /// Returns the number of requests to `path` so far.
    pub(crate) fn count(&self, path: &str) -> usize {
        let state = self.shared.0.lock().unwrap();
        state.received.iter().filter(|one| one.path == path).count()
    }

    /// Waits until `path` has got `count` requests.
    #[track_caller]
    pub(crate) fn wait(&self, path: &str, count: usize) -> Vec<Received> {
        let end = Instant::now() + PATIENCE;
        let mut state = self.shared.0.lock().unwrap();
        loop {
            let found: Vec<Received> = state
                .received
                .iter()
                .filter(|one| one.path == path)
                .cloned()
                .collect();
            if found.len() >= count {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{path} got {} of {count}", found.len());
            state = self.shared.1.wait_timeout(state, left).unwrap().0;
        }
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(received) = read_request(&mut reader) {
            let path = received.path.clone();
            let mut state = self.shared.0.lock().unwrap();
            state.received.push(received);
            self.shared.1.notify_all();
            while state.held.contains(&path) {
                state = self.shared.1.wait(state).unwrap();
            }
            let (status, headers, body) = match (state.replies.get(&path), &state.answer) {
                (Some((status, headers)), _) => (*status, headers.clone(), "ok".to_owned()),
                (None, Some((status, body))) => (*status, String::new(), body.clone()),
                (None, None) => (200, String::new(), "ok".to_owned()),
            };
            drop(state);
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
            if (&*stream).write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

pub(crate) fn read_request(reader: &mut impl BufRead) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")?
        .1
        .parse()
        .ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        path,
        headers,
        body,
    })
}
