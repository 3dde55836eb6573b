//! Tests that need a socket: when bytes are sent, and how connections end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::{TestApi, run};
use crate::server::connection::ConnectionLimits;
use actix_web::web::ServiceConfig;

use crate::api::configure;
use crate::server::listen::{LIMITS, Listener, Services, serve_within};
use crate::server::state::ServerState;

/// A server on a socket, in a thread of its own.
pub(super) struct Served {
    pub(super) address: std::net::SocketAddr,
    handle: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    pub(super) fn start(api: &TestApi) -> Self {
        Self::within(api, LIMITS)
    }

    pub(super) fn within(api: &TestApi, limits: ConnectionLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::clone(&api.state);
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            run(async move {
                let server = serve_within(
                    Listener::Tcp(listener),
                    None,
                    state.clone(),
                    services(&state),
                    limits,
                )
                .unwrap();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self {
            address,
            handle: receiver.recv().unwrap(),
            thread: Some(thread),
        }
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    /// Sends bytes, and reads until the server closes the connection.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        run(self.handle.stop(true));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_head_has_the_headers_of_its_get_and_no_body() {
    let api = TestApi::new();
    let served = Served::start(&api);
    let answer = |method: &str| {
        served.raw(
            format!("{method} /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
    };
    let (get, head) = (answer("GET"), answer("HEAD"));
    assert!(get.ends_with("\r\n\r\n{\"status\":\"ok\"}"), "{get}");
    assert!(
        head.ends_with("\r\n\r\n") && head.contains("content-length: 15"),
        "{head}"
    );
}

#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let api = TestApi::new();
    let served = Served::start(&api);
    let head = |token: &str, length: u32| {
        format!(
            "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-length: {length}\r\n\r\n{{"
        )
    };
    for (token, length, status) in [
        ("garbage", 1000, "401"),
        (api.reader.as_str(), 1000, "403"),
        (api.own.as_str(), 300_000, "413"),
    ] {
        let mut stream = served.connect();
        stream.write_all(head(token, length).as_bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start[9..], status.as_bytes());
    }
}

#[test]
fn an_idle_connection_does_not_delay_the_stop() {
    let api = TestApi::new();
    let served = Served::start(&api);
    let mut idle = served.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    assert!(idle.read(&mut [0; 1000]).unwrap() > 0);
    let started = std::time::Instant::now();
    drop(served);
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn requests_that_are_not_http_get_a_response() {
    let api = TestApi::new();
    let served = Served::start(&api);
    for (request, status) in [
        (
            b"GET /\xff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
            "4",
        ),
        (
            b"GET /api/%ff%zz?page=%ff&limit=%00 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
                .to_vec(),
            "404",
        ),
        (b"nonsense\r\n\r\n".to_vec(), "400"),
    ] {
        let answer = served.raw(&request);
        assert!(answer[9..].starts_with(status), "{answer}");
    }
}

/// Returns the API alone.
fn services(state: &Arc<ServerState>) -> Services {
    let state = state.clone();
    Arc::new(move |config: &mut ServiceConfig| configure(config, &state))
}
