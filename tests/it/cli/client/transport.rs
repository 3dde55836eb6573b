//! The tests of connections: no server, one that breaks off, one with TLS, and one that is none of ours.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::receiver::{Received, read_request};

/// A command for a server at `url`, with a token that has the right form.
pub(super) fn run(folder: &Path, url: &str, args: &[&str]) -> Output {
    let token = Token::generate(TokenKind::Workspace);
    let mut command = command(folder, args);
    command
        .env("HOOKPOST_SERVER", url)
        .env("HOOKPOST_TOKEN", token.reveal());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        !stderr(&output).contains(token.reveal()),
        "{}",
        stderr(&output)
    );
    output
}

pub(super) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A server that answers its connections in turn, one request each, and gives those with a body back.
pub(super) fn answering(answers: Vec<String>) -> (String, JoinHandle<Vec<Received>>) {
    let (listener, url) = listener();
    let requests = std::thread::spawn(move || {
        let serve = |answer: String| {
            let (stream, _) = listener.accept().unwrap();
            let request = read_request(&mut BufReader::new(&stream));
            (&stream).write_all(answer.as_bytes()).unwrap();
            request
        };
        answers.into_iter().filter_map(serve).collect()
    });
    (url, requests)
}

pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

pub(super) const PUBLISHED: &str =
    r#"{"id":"01a21f03-3413-4ee8-822d-e840082215db","type":"a","events":[],"workspace_id":"x"}"#;

#[test]
fn no_server_is_said_at_once() {
    let (listener, url) = listener();
    drop(listener);
    let folder = folder();
    for args in [
        &["publish", "a", "1"][..],
        &["events"],
        &["endpoint", "list"],
    ] {
        assert_eq!(
            one_line(&run(folder.path(), &url, args), 1),
            format!(
                "hookpost: no server answers at {url} (--server): start one with `hookpost serve`"
            )
        );
    }
}

#[test]
fn a_publish_without_an_answer_is_repeated_with_its_key() {
    let busy = answer(
        "503 X",
        "retry-after: 0\r\n",
        r#"{"error":"Unavailable","detail":"x"}"#,
    );
    let answers = vec![
        String::new(),
        "HTTP/1.1 202 X\r\n".to_owned(),
        busy,
        // Of the first try, not of an earlier publish.
        answer("202 X", "idempotent-replayed: true\r\n", PUBLISHED),
    ];
    let (url, requests) = answering(answers);
    let output = run(folder().path(), &url, &["publish", "a", "[1]"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stderr(&output).contains("before"), "{}", stderr(&output));
    let requests = requests.join().unwrap();
    assert_eq!(requests.len(), 4);
    for request in &requests {
        assert_eq!(
            request.header("idempotency-key"),
            value(stdout(&output), "key")
        );
        assert_eq!(request.text(), r#"{"type":"a","data":[1]}"#);
    }
}

#[test]
fn a_publish_that_is_never_answered_names_the_key_that_makes_it_safe() {
    let (listener, url) = listener();
    let args = ["publish", "a", "1", "--key", "k-1", "--timeout", "300ms"];
    let line = one_line(&run(folder().path(), &url, &args), 1);
    assert!(line.contains("--key k-1 repeats it safely"), "{line}");
    assert!(
        line.contains(&format!("no answer from {url} (--server): ")),
        "{line}"
    );
    drop(listener);
    // A server that ends between two tries may have stored the first.
    let (url, requests) = answering(vec![String::new()]);
    let line = one_line(&run(folder().path(), &url, &args), 1);
    assert!(line.contains("--key k-1 repeats it safely"), "{line}");
    requests.join().unwrap();
}

#[test]
fn other_requests_are_not_repeated() {
    let (url, requests) = answering(vec![String::new()]);
    let id = "01a21f03-3343-4c6f-bbb0-afcc931f11f4";
    let line = one_line(&run(folder().path(), &url, &["redeliver", id]), 1);
    assert!(line.contains("no answer from"), "{line}");
    assert_eq!(requests.join().unwrap().len(), 1);
}

#[test]
fn other_servers_are_told_from_ours() {
    for (answer, says) in [
        (
            answer("308 X", "location: https://hooks.example\r\n", ""),
            "answers 308 and points to https://hooks.example",
        ),
        (
            answer("502 X", "", "<html>"),
            "gives no answer of the API, but 502; is it a Hookpost server?",
        ),
        (
            answer("200 X", "", "<html>"),
            "gives no answer of the API; is it a Hookpost server?",
        ),
    ] {
        let (url, requests) = answering(vec![answer]);
        let args = ["publish", "a", "1", "--timeout", "5s"];
        let line = one_line(&run(folder().path(), &url, &args), 1);
        assert!(line.contains(says), "{line}");
        requests.join().unwrap();
    }
}

/// Answers one request over TLS, as a proxy before a server would.
fn answer_over_tls(config: Arc<ServerConfig>, stream: TcpStream) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    assert!(head.starts_with(b"GET /hooks/api/webhooks/endpoints?"));
    let body = r#"{"data":[],"meta":{"total":0,"page":1,"per_page":100,"pages":0}}"#;
    stream.write_all(answer("200 X", "", body).as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[test]
fn https_needs_a_certificate_that_is_trusted() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        );
    let config = Arc::new(config.unwrap());
    let (listener, url) = listener();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The client breaks a handshake off, or the test sees that it has no answer.
            let _ = answer_over_tls(config.clone(), stream);
        }
    });
    let url = format!("{}/hooks", url.replace("http:", "https:"));
    let folder = folder();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();

    let trusted = run(
        folder.path(),
        &url,
        &["endpoint", "list", "--ca-file", "ca.pem", "--json"],
    );
    assert_eq!((stderr(&trusted), stdout(&trusted)), ("", "[]\n"));
    let unknown = one_line(&run(folder.path(), &url, &["endpoint", "list"]), 1);
    assert!(
        unknown.contains("from no authority that is trusted; --ca-file"),
        "{unknown}"
    );
    let args = ["endpoint", "list", "--ca-file", "empty.pem"];
    let empty = one_line(&run(folder.path(), &url, &args), 1);
    assert!(
        empty.contains("empty.pem (--ca-file): it has no certificate"),
        "{empty}"
    );
}
