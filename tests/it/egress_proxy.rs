//! The tests of deliveries through an HTTP proxy.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::fixture::{TestApp, endpoint_path, wait_until};
use super::receiver::Receiver;

/// A proxy that knows CONNECT alone, and notes the heads of its requests.
struct ConnectProxy {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    /// The status that it refuses with, if it does.
    refuses: Arc<Mutex<Option<u16>>>,
}

impl ConnectProxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            addr: listener.local_addr().unwrap(),
            heads: Arc::default(),
            refuses: Arc::default(),
        };
        let (heads, refuses) = (proxy.heads.clone(), proxy.refuses.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let head = head(&client);
                let to = head.split(' ').nth(1).map(str::to_owned);
                heads.lock().unwrap().push(head);
                let refuses = *refuses.lock().unwrap();
                std::thread::spawn(move || match refuses {
                    Some(status) => drop(write!({ client }, "HTTP/1.1 {status} no\r\n\r\n")),
                    None => tunnel(client, &to.unwrap()),
                });
            }
        });
        proxy
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Reads up to the empty line; the client sends nothing more until it has an answer.
fn head(client: &TcpStream) -> String {
    let lines = BufReader::new(client).lines().map_while(Result::ok);
    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn tunnel(mut client: TcpStream, to: &str) {
    let receiver = TcpStream::connect(to).unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (from, into) = (client.try_clone().unwrap(), receiver.try_clone().unwrap());
    let copy = |mut from: TcpStream, mut into: TcpStream| {
        let _ = std::io::copy(&mut from, &mut into);
        let _ = into.shutdown(Shutdown::Both);
    };
    std::thread::spawn(move || copy(from, into));
    copy(receiver, client);
}

/// Each event fails after two attempts, and one that fails disables its endpoint.
const HASTY: [&str; 4] = ["--retry-schedule", "0s", "--disable-after", "1"];

fn through(proxy: &str) -> TestApp {
    TestApp::with_flags(&[&HASTY[..], &["--egress-proxy", proxy]].concat())
}

fn deliveries(app: &TestApp, endpoint: &Value) -> Vec<Value> {
    let id = endpoint["id"].as_str().unwrap();
    let list = app.get(&format!("/api/webhooks/deliveries?endpoint_id={id}"));
    list.expect(200)["data"].as_array().unwrap().clone()
}

#[test]
fn deliveries_go_through_the_proxy_with_its_credentials() {
    let (proxy, receiver) = (ConnectProxy::start(), Receiver::start());
    let app = through(&format!("http://user:secret@{}", proxy.addr));
    app.endpoint(&receiver.url("/hook"));
    app.publish("a.b", &json!(1));
    app.wait_for_events("succeeded", 1);
    let to = receiver.addr;
    assert_eq!(
        proxy.heads(),
        [format!(
            "CONNECT {to} HTTP/1.1\nHost: {to}\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ="
        )]
    );
    let request = receiver.wait("/hook", 1).remove(0);
    assert_eq!(request.header("host"), to.to_string());
    assert!(
        request
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("proxy-"))
    );
}

#[test]
fn a_proxy_that_fails_disables_no_endpoint() {
    let (proxy, receiver) = (ConnectProxy::start(), Receiver::start());
    *proxy.refuses.lock().unwrap() = Some(502);
    let app = through(&format!("http://{}", proxy.addr));
    let endpoint = app.endpoint(&receiver.url("/hook"));
    app.publish("a.b", &json!(1));
    app.wait_for_events("failed", 1);
    let made = deliveries(&app, &endpoint);
    assert_eq!(made.len(), 2);
    for delivery in &made {
        assert_eq!(delivery["error"], "proxy");
        assert_eq!(
            delivery["response"],
            "the egress proxy has no connection to the receiver (502)"
        );
    }
    let shown = app.get(&endpoint_path(&endpoint)).expect(200);
    assert_eq!(
        (&shown["enabled"], &shown["failures_in_a_row"]),
        (&json!(true), &json!(0))
    );
    let failed = app
        .get("/api/webhooks/deliveries?succeeded=false")
        .expect(200);
    assert_eq!(failed["meta"]["total"], 2);

    // When it is back, deliveries get through.
    *proxy.refuses.lock().unwrap() = None;
    app.publish("a.b", &json!(2));
    app.wait_for_events("succeeded", 1);
    // A failure of the receiver itself counts as ever.
    receiver.reply("/hook", 500, "");
    app.publish("a.b", &json!(3));
    let path = endpoint_path(&endpoint);
    app.wait_for(&path, |endpoint| endpoint["disabled_reason"] == "failing");
}

/// The output of the real binary for these arguments, of both kinds.
fn said(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hookpost"));
    command.env_clear().current_dir(folder.path()).args(args);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_password_of_the_proxy_is_shown_nowhere() {
    let good = "http://user:Hq7-pass@proxy.test:3128";
    let shown = said(&["config", "--egress-proxy", good]);
    assert!(shown.contains("http://…@proxy.test:3128"), "{shown}");
    for args in [
        &["config", "--json", "--egress-proxy", good][..],
        &["serve", "--help", "--egress-proxy", good],
        // Settings that cannot be used.
        &["serve", "--egress-proxy", "http://user:Hq7-pass@proxy.test"],
        &["serve", "--egress-proxy", "user:Hq7-pass@proxy.test:3128"],
        &[
            "serve",
            "--egress-proxy",
            "https://user:Hq7-pass@proxy.test:1",
        ],
        &["serve", "--egress-proxy", good, "--client-cert", "none"],
    ] {
        let said = said(args);
        assert!(!said.is_empty() && !said.contains("Hq7-pass"), "{said}");
    }
}

#[test]
fn a_proxy_that_is_down_is_told_from_a_receiver_that_is() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://user:secret@{}", unused.local_addr().unwrap());
    drop(unused);
    let receiver = Receiver::start();
    let app = through(&proxy);
    let endpoint = app.endpoint(&receiver.url("/hook"));
    app.publish("a.b", &json!(1));
    wait_until("an attempt", || !deliveries(&app, &endpoint).is_empty());
    let delivery = deliveries(&app, &endpoint).remove(0);
    assert_eq!(delivery["error"], "proxy");
    assert_eq!(
        delivery["response"],
        "the egress proxy can't be reached: Connection refused"
    );
}
