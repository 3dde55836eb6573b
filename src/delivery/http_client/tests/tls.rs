//! Tests of receivers with TLS.

use std::net::TcpStream;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::delivery::http_client::tls::{self, Presented, roots};

/// Returns a receiver with a self-signed certificate for "receiver.test", and the certificate (PEM).
pub(super) fn tls_receiver() -> (Receiver, Vec<u8>) {
    tls_receiver_answering(OK.to_owned())
}

fn tls_receiver_answering(answer: String) -> (Receiver, Vec<u8>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["receiver.test".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a key that fits");
    let config = Arc::new(config);
    let accept = move |stream: TcpStream| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
        StreamOwned::new(connection, stream)
    };
    let receiver = Receiver::start_over(accept, move |conversation| {
        while conversation.request().is_some() {
            conversation.send(&answer);
        }
    });
    (receiver, cert.pem().into_bytes())
}

fn url(receiver: &Receiver, host: &str) -> String {
    format!("https://{host}:{}/hook", receiver.address.port())
}

fn trusting(ca_file: Vec<u8>) -> HttpClient {
    client(HttpClientSettings {
        ca_file: Some(ca_file),
        ..open_settings()
    })
}

#[test]
fn an_unknown_certificate_is_refused() {
    let (receiver, _) = tls_receiver();
    let failure = failure(&open_client(), &url(&receiver, "receiver.test"));
    assert_eq!(failure.kind, AttemptFailure::Tls);
    assert_eq!(
        failure.message,
        "TLS handshake failed: the receiver's certificate is not from a trusted authority: it is \
         self-signed, its authority is not in --ca-file, or the receiver leaves out an intermediate \
         certificate"
    );
    assert!(!failure.is_final);
    assert_eq!(receiver.waiting_requests(), 0);
}

#[test]
fn a_certificate_from_the_ca_file_is_accepted_and_its_connection_reused() {
    let (receiver, certificate) = tls_receiver();
    let client = trusting(certificate);
    for _ in 0..3 {
        let response = post(&client, &url(&receiver, "receiver.test")).expect("an answer");
        assert_eq!((response.code, response.body.as_str()), (200, "ok"));
        assert_eq!(receiver.request().connection, 0);
    }
}

/// Each request begins with small buffers, on a connection that had larger ones before.
#[test]
fn a_long_answer_leaves_the_connection_as_it_was() {
    let (head, body) = ("x".repeat(15_000), "y".repeat(60_000));
    let answer = format!("HTTP/1.1 200 OK\r\nx: {head}\r\ncontent-length: 60000\r\n\r\n{body}");
    let (receiver, certificate) = tls_receiver_answering(answer);
    let client = trusting(certificate);
    for _ in 0..3 {
        let response = post(&client, &url(&receiver, "receiver.test")).expect("an answer");
        assert_eq!(response.body, body[..2048]);
        assert_eq!(receiver.request().connection, 0);
    }
}

#[test]
fn a_body_of_many_records_arrives_whole() {
    let (receiver, certificate) = tls_receiver();
    let body = "x".repeat(256 * 1024);
    let attempt = trusting(certificate).post(&request(
        &url(&receiver, "receiver.test"),
        &[],
        body.as_bytes(),
    ));
    assert!(attempt.result.is_ok());
    assert_eq!(receiver.request().body, body);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let (receiver, certificate) = tls_receiver();
    let client = trusting(certificate);
    for host in ["other.test", "127.0.0.1"] {
        let failure = failure(&client, &url(&receiver, host));
        assert_eq!(failure.kind, AttemptFailure::Tls, "{failure:?}");
    }
    assert_eq!(receiver.waiting_requests(), 0);
}

#[test]
fn a_receiver_that_does_not_speak_tls() {
    let receiver = Receiver::start(|conversation| {
        conversation.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        conversation.hang();
    });
    let failure = failure(&open_client(), &url(&receiver, "receiver.test"));
    assert_eq!(failure.kind, AttemptFailure::Tls, "{failure:?}");
}

#[test]
fn a_handshake_that_breaks_off() {
    let receiver = Receiver::start(|_| {});
    let failure = failure(&open_client(), &url(&receiver, "receiver.test"));
    assert_eq!(failure.kind, AttemptFailure::Tls, "{failure:?}");
}

#[test]
fn a_handshake_that_hangs_runs_into_the_deadline() {
    let receiver = Receiver::start(|conversation| {
        let _ = std::io::copy(&mut conversation.stream, &mut std::io::sink());
    });
    let attempt = hasty_client().post(&request(&url(&receiver, "receiver.test"), &[], b"{}"));
    let failure = attempt.result.expect_err("a failure");
    assert_eq!(failure.kind, AttemptFailure::Timeout, "{failure:?}");
    assert!(attempt.duration < PLENTY / 4);
}

#[test]
fn a_bad_ca_file_is_noticed_at_the_start() {
    for (file, why) in [
        (&b"no certificate"[..], "it has no certificate"),
        (b"", "it has no certificate"),
        (
            b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            "",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1 in it is not valid X.509",
        ),
    ] {
        let settings = HttpClientSettings {
            ca_file: Some(file.to_vec()),
            ..open_settings()
        };
        let error = HttpClient::new(settings, script(&[])).expect_err("unusable");
        let text = error.to_string();
        assert!(text.starts_with("the CA file can't be used: "), "{text}");
        assert!(text.ends_with(why), "{text}");
    }
}

/// In TLS 1.3 a receiver refuses an empty client certificate after the handshake. Some do so with an alert that
/// has many meanings.
#[test]
fn an_alert_after_a_wanted_client_certificate_is_about_that() {
    let told = |alert, presented| {
        let error = std::io::Error::other(rustls::Error::AlertReceived(alert));
        let failure = Failure::from_ureq(&tls::failure(error, presented), PLENTY);
        assert_eq!(failure.kind, AttemptFailure::Tls);
        failure.message
    };
    let bad = rustls::AlertDescription::BadCertificate;
    assert_eq!(
        told(bad, Presented::Nothing),
        "TLS failed: the receiver refused: it wants a client certificate, which Hookpost does not \
         have; the operator can set one (--client-cert), or the receiver can take requests without one \
         and check their signature (alert BadCertificate)"
    );
    assert_eq!(
        told(bad, Presented::Certificate),
        "TLS failed: the receiver refused the client certificate (--client-cert): the receiver does not \
         say why (alert BadCertificate)"
    );
    assert!(told(bad, Presented::Unfit).contains("no signature by the key of --client-key"));
    let any = "TLS failed: the receiver refused (alert BadCertificate)";
    assert_eq!(told(bad, Presented::NotAsked), any);
    let expired = rustls::AlertDescription::CertificateExpired;
    assert!(told(expired, Presented::Certificate).contains("it has expired"));
    assert!(told(expired, Presented::Nothing).ends_with("refused (alert CertificateExpired)"));
    let other = rustls::AlertDescription::InternalError;
    for presented in [Presented::Nothing, Presented::Unfit, Presented::Certificate] {
        assert!(told(other, presented).ends_with("refused (alert InternalError)"));
    }
}

/// The table in API.md has every version, cipher suite, group and type of signature that a hello offers.
#[test]
fn the_documentation_lists_what_is_spoken() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md");
    let text = std::fs::read_to_string(path).expect("the documentation");
    let section = text.split("### TLS").nth(1).expect("a section on TLS");
    let table = section.trim_start().split("\n\n").next().expect("a table");
    let provider = rustls::crypto::ring::default_provider();
    let suites = provider.cipher_suites.iter().map(|suite| {
        // The names of the registry have no version.
        format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
    });
    let groups = provider
        .kx_groups
        .iter()
        .map(|group| format!("{:?}", group.name()));
    let signatures = provider.signature_verification_algorithms.mapping.iter();
    let signatures = signatures.map(|(scheme, _)| {
        // `ECDSA_NISTP256_SHA256` is ecdsa_secp256r1_sha256 in the registry.
        let name = format!("{scheme:?}").to_lowercase();
        let name = name.replace("ecdsa_nistp256", "ecdsa_secp256r1");
        let name = name.replace("ecdsa_nistp384", "ecdsa_secp384r1");
        name.replace("rsa_pss_", "rsa_pss_rsae_")
    });
    let mut spoken: Vec<String> = suites.chain(groups).chain(signatures).collect();
    for version in rustls::DEFAULT_VERSIONS {
        let number = match version.version {
            rustls::ProtocolVersion::TLSv1_2 => "1.2",
            rustls::ProtocolVersion::TLSv1_3 => "1.3",
            other => panic!("{other:?}"),
        };
        assert!(table.contains(number), "{number}");
    }
    let listed = table.split('`').skip(1).step_by(2);
    let mut listed: Vec<String> = listed.map(str::to_owned).collect();
    spoken.sort();
    listed.sort();
    assert_eq!(listed, spoken);
}

#[test]
fn the_public_roots_stay_trusted_beside_the_ca_file() {
    let (_, certificate) = tls_receiver();
    let public = roots(None).expect("roots").len();
    assert!(public > 100);
    assert_eq!(roots(Some(&certificate)).expect("roots").len(), public + 1);
}

/// Sender threads have small stacks, as there may be hundreds of them.
#[test]
fn a_small_stack_is_enough() {
    let (receiver, certificate) = tls_receiver();
    let client = trusting(certificate);
    let url = url(&receiver, "receiver.test");
    let sender = thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(move || post(&client, &url))
        .expect("a thread");
    assert!(sender.join().expect("no panic").is_ok());
}
