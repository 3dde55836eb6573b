//! The tests of certificates and handshakes that are refused for a reason that is not in rustls' error. Each
//! delivery names the reason, and what would do.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::script::{Scripted, TlsTalk};
use super::tls::{Authority, DEADLINE, case, file, refused};
use super::{Case, ONE_ATTEMPT, Says, failed, run};
use crate::fixture::TestApp;

/// The authorities of the certificates that the script `certificates/make` made.
const AUTHORITIES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/hostile_receivers/certificates/authorities.pem"
);

const ACCEPTED: &str = "accepted are RSA keys of 2048 to 8192 bits, and P-256, P-384 and Ed25519";

/// A server's certificates, with a key that need not fit.
#[derive(Debug)]
struct Presented(Arc<CertifiedKey>);

impl ResolvesServerCert for Presented {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Returns the configuration of a receiver that presents these certificates, its own first.
fn presenting(certificates: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = any_supported_type(&key).unwrap();
    let presented = Presented(Arc::new(CertifiedKey::new(certificates, key)));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(presented));
    Arc::new(config)
}

macro_rules! made {
    ($name:literal, $words:expr) => {{
        let pem = include_bytes!(concat!("certificates/", $name, ".pem"));
        let certificate = CertificateDer::from_pem_slice(pem).unwrap();
        let key = KeyPair::generate().unwrap();
        case($name, presenting(vec![certificate], &key), refused($words)).unasked()
    }};
}

#[test]
fn keys_signatures_and_versions_that_are_not_accepted_are_named() {
    let own = |key: &str| format!("the receiver's certificate has {key}; {ACCEPTED}");
    let by = |key: &str| {
        format!("the receiver's certificate depends on an authority with {key}; {ACCEPTED}")
    };
    let cases = [
        made!("p521", &own("a P-521 key")),
        made!("rsa1024", &own("an RSA key of 1024 bits")),
        made!("rsa-pss", &own("a key for RSASSA-PSS alone")),
        made!("ed448", &own("an Ed448 key")),
        made!("by-p521", &by("a P-521 key")),
        made!("by-rsa1024", &by("an RSA key of 1024 bits")),
        made!(
            "sha1",
            "the receiver's certificate, or one of its authorities, has a signature of a type that \
             is not accepted, such as one with SHA-1; accepted are RSA with SHA-256, SHA-384 or \
             SHA-512, ECDSA with SHA-256 or SHA-384, and Ed25519"
        ),
        made!(
            "version-1",
            "the receiver's certificate is of X.509 version 1; it needs version 3, which has the \
             names of the host (subjectAltName) and tells authorities (CA:TRUE) from others"
        ),
    ];
    let app = TestApp::with_flags(&[&ONE_ATTEMPT[..], &["--ca-file", AUTHORITIES]].concat());
    run(&app, &cases, DEADLINE);
}

/// Certificates that the receiver sends with its own, and a key that is not that of its own.
#[test]
fn the_certificate_that_fails_is_named() {
    let root = Authority::new();
    let between = |from: i32, to: i32| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = format!("From {from} to {to}");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let (key, own_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let authority = params.signed_by(&key, root.issuer()).unwrap();
        let issuer = Issuer::from_params(&params, &key);
        let own = Authority::leaf().signed_by(&own_key, &issuer).unwrap();
        presenting(vec![own.der().clone(), authority.der().clone()], &own_key)
    };
    let key = KeyPair::generate().unwrap();
    let own = Authority::leaf().signed_by(&key, root.issuer()).unwrap();
    let others_key = presenting(vec![own.der().clone()], &KeyPair::generate().unwrap());
    let mut for_clients = Authority::leaf();
    for_clients.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let cases = [
        case(
            "expired-authority",
            between(2020, 2021),
            refused(
                "an authority's certificate that the receiver sends expired at \
                 2021-01-01T00:00:00Z; the receiver needs to send its successor",
            ),
        )
        .unasked(),
        case(
            "future-authority",
            between(3000, 3001),
            refused(
                "an authority's certificate that the receiver sends is not valid before \
                 3000-01-01T00:00:00Z",
            ),
        )
        .unasked(),
        case(
            "not-its-key",
            others_key,
            refused(
                "the receiver does not prove that it has the key of its certificate: its signature \
                 of the handshake is wrong",
            ),
        )
        .unasked(),
        case(
            "for-clients",
            root.config(&for_clients),
            refused(
                "the receiver's certificate is not for servers: its extended key usage lacks \
                 serverAuth",
            ),
        )
        .unasked(),
    ];
    let trusted = file(&[root.certificate()]);
    let trusted = trusted.path().to_str().unwrap();
    let app = TestApp::with_flags(&[&ONE_ATTEMPT[..], &["--ca-file", trusted]].concat());
    run(&app, &cases, DEADLINE);
}

/// Many servers refuse in TLS 1.2 with an alert that is not about certificates, or just close.
#[test]
fn a_wanted_client_certificate_is_named_whatever_the_alert() {
    let authority = Authority::new();
    let asking = |name: &'static str, expected, end: fn(&mut TlsTalk)| {
        let receiver = Scripted::tls(authority.config_that_asks_back_in_tls_12(), end);
        Case::new(name, receiver, expected).over_tls().unasked()
    };
    let wants = |alert: &str| {
        refused(&format!(
            "the receiver refused: it wants a client certificate, which Hookpost does not have; the \
             operator can set one (--client-cert), or the receiver can take requests without one and \
             check their signature (alert {alert})"
        ))
    };
    let cases = [
        asking("handshake-failure", wants("HandshakeFailure"), |talk| {
            talk.refuse_after_hello(40);
        }),
        asking("bad-certificate", wants("BadCertificate"), |talk| {
            talk.refuse_after_hello(42);
        }),
        asking(
            "another-reason",
            refused("the receiver refused (alert InternalError)"),
            |talk| talk.refuse_after_hello(80),
        ),
        asking(
            "closes",
            failed(
                "tls",
                Says::With(
                    "the connection after it had asked for a client certificate, which Hookpost \
                     does not have",
                ),
            ),
            TlsTalk::leave_after_hello,
        ),
    ];
    let trusted = file(&[authority.certificate()]);
    let trusted = trusted.path().to_str().unwrap();
    let app = TestApp::with_flags(&[&ONE_ATTEMPT[..], &["--ca-file", trusted]].concat());
    run(&app, &cases, DEADLINE);
}
