//! The tests of the certificate that Hookpost presents to receivers which ask for one.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Writes a certificate for clients and its key into a folder, signed by `authority`. Returns their paths.
fn write(
    folder: &Path,
    name: &str,
    authority: &Authority,
    made: &CertificateParams,
) -> [PathBuf; 2] {
    let key = KeyPair::generate().unwrap();
    let certificate = made.signed_by(&key, authority.issuer()).unwrap();
    let paths = ["crt", "key"].map(|kind| folder.join(format!("{name}.{kind}")));
    fs::write(&paths[0], certificate.pem()).unwrap();
    fs::write(&paths[1], key.serialize_pem()).unwrap();
    paths
}

fn client() -> CertificateParams {
    CertificateParams::new(["hookpost.test".to_owned()]).unwrap()
}

/// An application that presents this certificate.
fn presenting(authority: &Authority, [cert, key]: &[PathBuf; 2]) -> TestApp {
    let trusted = authority.file();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (ca, cert, key) = (path(trusted.path()), path(cert), path(key));
    let own = [
        "--ca-file",
        &ca,
        "--client-cert",
        &cert,
        "--client-key",
        &key,
    ];
    TestApp::with_flags(&[&ONE_ATTEMPT[..], &own].concat())
}

#[test]
fn a_receiver_that_asks_gets_the_certificate() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), "client", &authority, &client());
    let asking = [
        ("asks-in-tls-1.3", authority.config_that_asks_back()),
        (
            "asks-in-tls-1.2",
            authority.config_that_asks_back_in_tls_12(),
        ),
    ];
    let mut cases: Vec<Case> = asking
        .into_iter()
        .map(|(name, config)| case(name, config, answered(200, exactly("ok"))))
        .collect();
    let open = authority.config(&Authority::leaf());
    cases.push(case("does-not-ask", open, answered(200, exactly("ok"))));
    run(&presenting(&authority, &files), &cases, DEADLINE);
}

/// A receiver that refuses, and then reads to the end: closing before would destroy its alert on the way.
fn refusing(name: &'static str, config: Arc<ServerConfig>, expected: Expected) -> Case {
    let case = speaking(name, config, expected, |talk| {
        assert!(talk.request().is_none());
        let _ = std::io::copy(&mut talk.socket, &mut std::io::sink());
    });
    case.unasked()
}

#[test]
fn a_receiver_that_refuses_the_certificate_is_told_apart_from_one_that_got_none() {
    let (authority, other) = (Authority::new(), Authority::named("Another Authority"));
    let folder = tempfile::tempdir().unwrap();
    let unknown = write(folder.path(), "unknown", &other, &client());
    let mut made = client();
    (made.not_before, made.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let expired = write(folder.path(), "expired", &authority, &made);
    for (files, why) in [
        (
            unknown,
            "the receiver does not trust its authority, or --client-cert leaves out an",
        ),
        (expired, "it has expired (alert CertificateExpired)"),
    ] {
        let refused = || {
            let expected =
                format!("the receiver refused the client certificate (--client-cert): {why}");
            failed("tls", Says::With(expected.leak()))
        };
        let cases = [
            refusing("tls-1.3", authority.config_that_asks_back(), refused()),
            refusing(
                "tls-1.2",
                authority.config_that_asks_back_in_tls_12(),
                refused(),
            ),
        ];
        run(&presenting(&authority, &files), &cases, DEADLINE);
    }
}
