//! The tests of many TLS handshakes at a time.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;

type Client = StreamOwned<ClientConnection, TcpStream>;

/// The handshakes that begin together.
const FLOOD: usize = 200;

/// The type of the TLS record that an answer to a `ClientHello` begins with.
const HANDSHAKE_RECORD: u8 = 22;

/// A session that trusts the certificate in the folder.
fn session(folder: &Path) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    let cert = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    roots.add(cert).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "hooks.example.com".try_into().unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

fn connect(server: &Serving) -> TcpStream {
    let stream = TcpStream::connect(&server.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks whether the server is alive, and keeps the connection.
#[track_caller]
fn ask(client: &mut Client) {
    write!(client, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    client.read_exact(&mut vec![0; length]).unwrap();
}

#[test]
fn clients_are_answered_while_two_hundred_handshakes_wait() {
    let folder = folder();
    let path = folder.path();
    write_certificate(path);
    let server = serve_tls(path);
    let client = || StreamOwned::new(session(path), connect(&server));
    let mut kept = client();
    ask(&mut kept);

    let mut hello = Vec::new();
    session(path).write_tls(&mut hello).unwrap();
    let begin = || {
        let mut stream = connect(&server);
        stream.write_all(&hello).unwrap();
        stream
    };
    let mut flood: Vec<_> = (0..FLOOD).map(|_| begin()).collect();
    for _ in 0..20 {
        ask(&mut kept);
    }
    ask(&mut client());
    // Each has its turn in the end, beside as many whose clients close at once.
    (0..FLOOD).for_each(|_| drop(begin()));
    for stream in &mut flood {
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(first, [HANDSHAKE_RECORD]);
    }
    ask(&mut client());
    drop(flood);
    server.stop();
}
