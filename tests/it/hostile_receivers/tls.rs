//! The tests of failures of TLS: each names its reason, and what to do about it.

mod client_certificates;
mod endings;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::NamedTempFile;

use super::script::{Scripted, Talk, TlsTalk};
use super::{Case, Expected, OK, ONE_ATTEMPT, Says, answered, exactly, failed, run};
use crate::fixture::TestApp;

pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// The authority that signs the receivers' certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("An Authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate for the address that all receivers have.
    pub(super) fn leaf() -> CertificateParams {
        CertificateParams::new(["127.0.0.1".to_owned()]).unwrap()
    }

    /// Returns the configuration of a receiver with such a certificate, signed by this authority.
    pub(super) fn config(&self, leaf: &CertificateParams) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &self.0).unwrap();
        server(&certificate, &key, None)
    }

    /// The same, but the receiver also wants a certificate of the sender.
    fn config_that_asks_back(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = Self::leaf().signed_by(&key, &self.0).unwrap();
        server(&certificate, &key, Some(self.0.as_ref()))
    }

    /// The same, in TLS 1.2.
    pub(super) fn config_that_asks_back_in_tls_12(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = Self::leaf().signed_by(&key, &self.0).unwrap();
        let clients = Some(self.0.as_ref());
        server_of(&[&rustls::version::TLS12], &certificate, &key, clients)
    }

    pub(super) fn certificate(&self) -> &rcgen::Certificate {
        self.0.as_ref()
    }

    pub(super) fn issuer(&self) -> &rcgen::Issuer<'static, KeyPair> {
        &self.0
    }

    /// For `--ca-file`.
    pub(super) fn file(&self) -> NamedTempFile {
        file(&[self.0.as_ref()])
    }
}

pub(super) fn file(certificates: &[&rcgen::Certificate]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    for certificate in certificates {
        file.write_all(certificate.pem().as_bytes()).unwrap();
    }
    file
}

fn server(
    certificate: &rcgen::Certificate,
    key: &KeyPair,
    clients: Option<&rcgen::Certificate>,
) -> Arc<ServerConfig> {
    server_of(rustls::ALL_VERSIONS, certificate, key, clients)
}

fn server_of(
    versions: &[&'static rustls::SupportedProtocolVersion],
    certificate: &rcgen::Certificate,
    key: &KeyPair,
    clients: Option<&rcgen::Certificate>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = builder
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

/// A case whose receiver speaks TLS, and answers properly if it is asked.
pub(super) fn case(name: &'static str, config: Arc<ServerConfig>, expected: Expected) -> Case {
    speaking(name, config, expected, |talk| {
        while talk.request().is_some() {
            talk.send(OK);
        }
    })
}

fn speaking(
    name: &'static str,
    config: Arc<ServerConfig>,
    expected: Expected,
    script: impl Fn(&mut TlsTalk) + Send + Sync + 'static,
) -> Case {
    Case::new(name, Scripted::tls(config, script), expected).over_tls()
}

/// A case whose receiver answers a hello with these bytes.
fn by_hand(name: &'static str, bytes: impl Into<Vec<u8>>, expected: Expected) -> Case {
    let bytes = bytes.into();
    let receiver = Scripted::start(move |talk| {
        talk.read_some(16 * 1024);
        talk.send(&bytes);
        talk.hang();
    });
    Case::new(name, receiver, expected).over_tls().unasked()
}

pub(super) fn refused(text: &str) -> Expected {
    failed("tls", exactly(&format!("TLS handshake failed: {text}")))
}

#[test]
fn certificates_without_a_trusted_issuer_fail_with_the_reason() {
    let authority = Authority::new();
    let other = Authority::named("Another Authority");
    let renewed = Authority::new();
    let self_signed = |is_ca: IsCa| {
        let key = KeyPair::generate().unwrap();
        let mut params = Authority::leaf();
        params.is_ca = is_ca;
        let name = key.serialize_pem();
        params
            .distinguished_name
            .push(DnType::CommonName, &name[40..80]);
        let certificate = params.self_signed(&key).unwrap();
        (server(&certificate, &key, None), certificate)
    };
    let (unknown, _) = self_signed(IsCa::NoCa);
    let (trusted, trusted_certificate) = self_signed(IsCa::NoCa);
    let (own_ca, own_ca_certificate) = self_signed(IsCa::Ca(BasicConstraints::Unconstrained));
    let untrusted = "the receiver's certificate is not from a trusted authority: it is self-signed, \
                     its authority is not in --ca-file, or the receiver leaves out an intermediate \
                     certificate";
    let cases = [
        case("good", authority.config(&Authority::leaf()), answered(200, exactly("ok"))),
        case("self-signed-and-trusted", trusted, answered(200, exactly("ok"))),
        case("self-signed", unknown, refused(untrusted)).unasked(),
        case("unknown-authority", other.config(&Authority::leaf()), refused(untrusted)).unasked(),
        case(
            "renewed-authority",
            renewed.config(&Authority::leaf()),
            refused(
                "the receiver's certificate is not signed by the authority that it names; --ca-file may \
                 hold another certificate of that name, such as an older one",
            ),
        )
        .unasked(),
        case(
            "its-own-authority",
            own_ca,
            refused(
                "the receiver presents the certificate of an authority (CA:TRUE) as its own, which \
                 is not accepted even if trusted; it needs one made with CA:FALSE, or issued by that \
                 authority",
            ),
        )
        .unasked(),
        case(
            "wants-a-client-certificate",
            authority.config_that_asks_back(),
            failed(
                "tls",
                exactly(
                    "TLS failed: the receiver refused: it wants a client certificate, which Hookpost \
                     does not have; the operator can set one (--client-cert), or the receiver can take \
                     requests without one and check their signature (alert CertificateRequired)",
                ),
            ),
        )
        .unasked(),
    ];
    let trusted = file(&[
        authority.0.as_ref(),
        &trusted_certificate,
        &own_ca_certificate,
    ]);
    let trusted = trusted.path().to_str().unwrap();
    let app = TestApp::with_flags(&[&ONE_ATTEMPT[..], &["--ca-file", trusted]].concat());
    run(&app, &cases, DEADLINE);
}

#[test]
fn certificates_for_another_time_or_host_fail_with_the_reason() {
    let authority = Authority::new();
    let dated = |from: i32, to: i32| {
        let mut leaf = Authority::leaf();
        leaf.not_before = date_time_ymd(from, 1, 1);
        leaf.not_after = date_time_ymd(to, 1, 1);
        authority.config(&leaf)
    };
    let named = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned());
        authority.config(&CertificateParams::new(names.collect::<Vec<_>>()).unwrap())
    };
    let cases = [
        case(
            "expired",
            dated(2020, 2021),
            failed(
                "tls",
                Says::With("the receiver's certificate expired at 2021-01-01T00:00:00Z (it is 2"),
            ),
        )
        .unasked(),
        case(
            "not-yet-valid",
            dated(3000, 3001),
            failed(
                "tls",
                Says::With(
                    "the receiver's certificate is not valid before 3000-01-01T00:00:00Z (it is 2",
                ),
            ),
        )
        .unasked(),
        case(
            "wrong-host",
            named(&["other.test"]),
            refused("the receiver's certificate is for other.test, not for 127.0.0.1"),
        )
        .unasked(),
        case(
            "many-wrong-hosts",
            named(&["a.test", "b.test", "*.c.test", "d.test"]),
            refused(
                "the receiver's certificate is for a.test, b.test, *.c.test and others, not for \
                 127.0.0.1",
            ),
        )
        .unasked(),
        case(
            "no-name",
            named(&[]),
            refused(
                "the receiver's certificate is not for 127.0.0.1: it has no alternative name \
                 (subjectAltName), and its common name does not count",
            ),
        )
        .unasked(),
    ];
    let trusted = authority.file();
    let trusted = trusted.path().to_str().unwrap();
    let app = TestApp::with_flags(&[&ONE_ATTEMPT[..], &["--ca-file", trusted]].concat());
    run(&app, &cases, DEADLINE);
}

#[test]
fn receivers_without_tls_or_with_an_old_version_fail_with_the_reason() {
    // A hello of TLS 1.1: a record that holds version, random, no session, a cipher, no compression.
    let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let alert = |code: u8| vec![0x15, 3, 3, 0, 2, 2, code];
    let no_tls = "what the receiver sent is not TLS; its port may be one for plain http:";
    let cases = [
        by_hand(
            "old-by-hello",
            hello,
            refused("the receiver speaks only versions of TLS older than 1.2"),
        ),
        by_hand(
            "old-by-alert",
            alert(70),
            refused(
                "the receiver refused: it speaks neither TLS 1.2 nor 1.3 (alert ProtocolVersion)",
            ),
        ),
        by_hand(
            "no-cipher",
            alert(40),
            refused(
                "the receiver refused: it accepts none of the cipher suites, groups or signatures \
                 that are offered; often its certificate has a P-521 key or another one that is not \
                 RSA, P-256, P-384 or Ed25519, or it lacks ECDHE over X25519, P-256 or P-384 with \
                 AES-GCM or ChaCha20-Poly1305 (alert HandshakeFailure)",
            ),
        ),
        by_hand(
            "unknown-name",
            alert(112),
            refused(
                "the receiver refused: it does not know this host name (alert UnrecognisedName)",
            ),
        ),
        by_hand(
            "internal-error",
            alert(80),
            refused("the receiver refused (alert InternalError)"),
        ),
        by_hand(
            "plain-http",
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            refused(no_tls),
        ),
        by_hand("an-ssh-server", "SSH-2.0-OpenSSH_9.6\r\n", refused(no_tls)),
        by_hand("garbage", [0xff; 64], refused(no_tls)),
        Case::new(
            "closes-at-once",
            // Whether its kernel closes or resets depends on how far the hello has come.
            Scripted::start(|_| {}),
            failed("tls", Says::With("TLS handshake failed: the receiver ")),
        )
        .over_tls()
        .unasked(),
        Case::new(
            "closes-in-the-handshake",
            Scripted::start(|talk: &mut Talk| {
                talk.read_some(16 * 1024);
                talk.send([0x16, 3, 3, 0, 42, 2]);
            }),
            refused("the receiver closed the connection"),
        )
        .over_tls()
        .unasked(),
        Case::new(
            "resets-in-the-handshake",
            Scripted::start(|talk: &mut Talk| {
                talk.read_some(16 * 1024);
                talk.send([0x16, 3, 3, 0, 42, 2]);
                talk.reset_at_the_end();
            }),
            refused("the receiver reset the connection"),
        )
        .over_tls()
        .unasked(),
    ];
    let app = TestApp::with_flags(&ONE_ATTEMPT);
    run(&app, &cases, DEADLINE);
}
