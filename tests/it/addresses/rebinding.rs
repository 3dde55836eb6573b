//! The tests of a name that resolves to one address for the check and to another for the connection (DNS
//! rebinding). The sender looks it up once and connects to the checked address, while the certificate, SNI
//! and the header `host` still go by the name.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::{Scripted, Untouched, create, deliveries, ip};
use crate::fixture::{PATIENCE, TestApp};

const ALLOWED: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NAME: &str = "rebind.test";

/// The names to which a connection was addressed.
#[derive(Debug, PartialEq, Eq)]
struct Addressed {
    sni: Option<String>,
    host: String,
}

/// A receiver with a certificate for [`NAME`], at the allowed address; one request per connection.
struct TlsReceiver {
    port: u16,
    came: Receiver<Addressed>,
    certificate: String,
}

impl TlsReceiver {
    fn start() -> (Self, Untouched) {
        // The forbidden address has the same port, so that only the address is at stake.
        let (listener, forbidden) = loop {
            let forbidden = Untouched::on(&[ip("127.0.0.2")]);
            if let Ok(listener) = TcpListener::bind((ALLOWED, forbidden.port())) {
                break (listener, forbidden);
            }
        };
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let port = listener.local_addr().unwrap().port();
        let (tell, came) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(&config, stream, &tell);
            }
        });
        let receiver = Self {
            port,
            came,
            certificate: cert.pem(),
        };
        (receiver, forbidden)
    }

    #[track_caller]
    fn next(&self) -> Addressed {
        self.came.recv_timeout(PATIENCE).unwrap()
    }
}

fn answer(
    config: &Arc<ServerConfig>,
    stream: TcpStream,
    tell: &Sender<Addressed>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(config.clone()).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let mut host = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.strip_prefix("host: ") {
            value.trim().clone_into(&mut host);
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    std::io::copy(
        &mut std::io::Read::take(&mut reader, length),
        &mut std::io::sink(),
    )?;
    let sni = reader.get_ref().conn.server_name().map(str::to_owned);
    let _ = tell.send(Addressed { sni, host });
    let stream = reader.get_mut();
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[test]
fn the_address_that_was_checked_is_dialled_and_the_name_stays_the_name() {
    let (receiver, forbidden) = TlsReceiver::start();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &receiver.certificate).unwrap();
    let lookup = Arc::new(Scripted::default());
    // Good, then bad, then good again.
    lookup.set(NAME, |turn| match turn {
        1 => Ok(vec![ip("127.0.0.2")]),
        _ => Ok(vec![ALLOWED]),
    });
    let flags = ["--allow-network", "127.0.0.1/32", "--ca-file"];
    let flags = [&flags[..], &[ca_file.to_str().unwrap()]].concat();
    let app = TestApp::with_lookup(&flags, lookup.clone());
    let endpoint = create(&app, &format!("https://{NAME}:{}/hook", receiver.port)).expect(201);
    let addressed = || Addressed {
        sni: Some(NAME.to_owned()),
        host: format!("{NAME}:{}", receiver.port),
    };

    // A second look-up for the same attempt would have got the forbidden address.
    app.publish("order.created", &json!({"id": 1}));
    assert_eq!(receiver.next(), addressed());
    assert_eq!(deliveries(&app, &endpoint, 1)[0]["succeeded"], true);
    assert_eq!(lookup.asked(NAME), 1);

    // While the answer is fresh, it is used without asking: what was checked, not what would be.
    app.publish("order.created", &json!({"id": 2}));
    assert_eq!(receiver.next(), addressed());
    deliveries(&app, &endpoint, 2);
    assert_eq!(lookup.asked(NAME), 1);

    app.advance(Duration::from_secs(6));
    app.publish("order.created", &json!({"id": 3}));
    let delivery = &deliveries(&app, &endpoint, 3)[0];
    assert_eq!(delivery["error"], "dns", "{delivery}");
    let said = delivery["response"].as_str().unwrap();
    let told = format!("{NAME} leads to no address that may be used: ");
    assert!(
        said.starts_with(&told) && !said.contains("127.0.0.2"),
        "{said}"
    );
    assert_eq!(lookup.asked(NAME), 2);

    // And once the name leads back, the same event gets through.
    app.advance(Duration::from_secs(7));
    assert_eq!(receiver.next(), addressed());
    let delivery = &deliveries(&app, &endpoint, 4)[0];
    assert_eq!(delivery["succeeded"], true);
    assert_eq!(delivery["attempt"], 2);
    forbidden.assert_untouched();
}

/// The certificate must be the name's, whatever address the name has.
#[test]
fn a_name_that_leads_to_somebody_elses_server_fails_at_its_certificate() {
    let (receiver, _forbidden) = TlsReceiver::start();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &receiver.certificate).unwrap();
    let lookup = Arc::new(Scripted::default());
    lookup.answer("other.test", &[ALLOWED]);
    let flags = ["--allow-network", "127.0.0.1/32", "--ca-file"];
    let app = TestApp::with_lookup(&[&flags[..], &[ca_file.to_str().unwrap()]].concat(), lookup);
    let endpoint = create(&app, &format!("https://other.test:{}/", receiver.port)).expect(201);
    app.publish("order.created", &json!({"id": 1}));
    let delivery = &deliveries(&app, &endpoint, 1)[0];
    assert_eq!(delivery["error"], "tls", "{delivery}");
    assert_eq!(delivery["http_code"], Value::Null);
    assert!(receiver.came.try_recv().is_err(), "no request was made");
}
