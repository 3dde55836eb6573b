use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use super::*;
use crate::delivery::resolver::LookupError;
use receiver::{PLENTY, Receiver};

mod addresses;
mod answers;
mod heads;
mod network;
mod proxy;
mod receiver;
mod tls;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A look-up that returns the next entry each time; the last one stays.
struct Script(Mutex<Vec<Vec<IpAddr>>>);

impl Lookup for Script {
    fn lookup(&self, _: &str) -> Result<Vec<IpAddr>, LookupError> {
        let mut script = self.0.lock().expect("the script");
        match script.len() {
            0 => Err(LookupError("no such name".to_owned())),
            1 => Ok(script[0].clone()),
            _ => Ok(script.remove(0)),
        }
    }
}

fn script(answers: &[&[IpAddr]]) -> Arc<Script> {
    let answers = answers.iter().map(|answer| answer.to_vec()).collect();
    Arc::new(Script(Mutex::new(answers)))
}

/// Settings with the network policy of a developer's machine.
fn open_settings() -> HttpClientSettings {
    HttpClientSettings {
        request_timeout: PLENTY,
        ca_file: None,
        certificate: None,
        proxy: None,
        max_threads: 16,
        policy: NetworkPolicy {
            allow_http: true,
            allow: vec!["127.0.0.0/8".parse().expect("a network")],
        },
    }
}

fn client(settings: HttpClientSettings) -> HttpClient {
    HttpClient::new(settings, script(&[&[LOOPBACK]])).expect("a client")
}

fn open_client() -> HttpClient {
    client(open_settings())
}

/// A client that gives up soon.
fn hasty_client() -> HttpClient {
    client(HttpClientSettings {
        request_timeout: Duration::from_millis(300),
        ..open_settings()
    })
}

fn request<'a>(url: &'a str, headers: &'a [(&'a str, &'a str)], body: &'a [u8]) -> Request<'a> {
    Request {
        url,
        headers,
        body,
        timeout: None,
    }
}

fn post(client: &HttpClient, url: &str) -> Result<Response, Failure> {
    client.post(&request(url, &[], b"{}")).result
}

fn failure(client: &HttpClient, url: &str) -> Failure {
    post(client, url).expect_err("a failure")
}

/// Returns a port that no program listens on.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// A listener that proves that no connection was made.
struct Untouched(TcpListener);

impl Untouched {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a mode");
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("bound").port()
    }

    fn assert_untouched(&self) {
        let accepted = self.0.accept().map(|_| ());
        let error = accepted.expect_err("no connection was made");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}
