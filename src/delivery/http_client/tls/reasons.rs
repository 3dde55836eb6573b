//! Messages for failures of TLS, in words that tell an operator which side has to do what.
//!
//! The text of a rustls error is the name of a variant: precise, but most people do not understand it. Common
//! errors have texts of their own here. The others show the name of the variant as words.

use std::fmt::{self, Debug};

use rustls::pki_types::UnixTime;
use rustls::{
    AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved,
};

use super::client_certificate::Presented;
use crate::domain::clock::Timestamp;

/// The most names of a certificate in a message. A certificate may have hundreds; the first few identify it.
const MAX_NAMES: usize = 3;
/// The longest a DNS name can be (RFC 1035, section 2.3.4).
const MAX_NAME_CHARS: usize = 253;
/// The keys that are accepted.
pub(super) const KEYS: &str =
    "accepted are RSA keys of 2048 to 8192 bits, and P-256, P-384 and Ed25519";

/// The reason in words why a certificate is not accepted, inside an error of rustls.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CertificateProblem(pub(super) String);

/// Returns the message for an error. It contains nothing from the receiver except names in its certificate.
pub(in crate::delivery::http_client) fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => received(*alert),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the receiver speaks only versions of TLS older than 1.2".to_owned(),
        Error::PeerIncompatible(why) => {
            format!("the receiver's TLS does not fit: {}", in_words(why))
        }
        Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme) => format!(
            "the receiver signs with a type of key or hash that is not accepted; for its \
             certificate, {KEYS}"
        ),
        Error::PeerMisbehaved(why) => {
            format!("the receiver does not follow TLS: {}", in_words(why))
        }
        // The first byte of a record is its type. In an answer of plain HTTP it is an "H".
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "what the receiver sent is not TLS; its port may be one for plain http:".to_owned(),
        Error::InvalidMessage(why) => {
            format!("what the receiver sent is not valid TLS: {}", in_words(why))
        }
        other => other.to_string(),
    }
}

/// Returns the message if the receiver refuses with an alert that can be about the client certificate that it asked
/// for. It got `presented`.
pub(super) fn about_certificate(error: &Error, presented: Presented) -> Option<String> {
    let Error::AlertReceived(alert) = error else {
        return None;
    };
    let can_be_missing = matches!(
        alert,
        AlertDescription::HandshakeFailure
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    );
    let can_be_refused = matches!(
        alert,
        AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::DecryptError
    );
    match presented {
        Presented::Nothing if can_be_missing => Some(wants_certificate(*alert)),
        Presented::Unfit if can_be_missing => Some(format!(
            "the receiver refused: it wants a client certificate, but accepts no signature by the key of \
             --client-key (alert {alert:?})"
        )),
        Presented::Certificate if can_be_missing || can_be_refused => Some(not_content(*alert)),
        _ => None,
    }
}

/// Returns the message for an alert about the client certificate that the receiver got.
fn not_content(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::UnknownCA => {
            "the receiver does not trust its authority, or --client-cert leaves out an intermediate \
             certificate"
        }
        AlertDescription::UnsupportedCertificate => {
            "it may not be for clients: its extended key usage then lacks clientAuth"
        }
        _ => "the receiver does not say why",
    };
    format!("the receiver refused the client certificate (--client-cert): {why} (alert {alert:?})")
}

/// Returns the addition to the message of a handshake that the receiver breaks off.
pub(super) const fn after(presented: Presented) -> &'static str {
    match presented {
        Presented::NotAsked => "",
        Presented::Nothing => {
            " after it had asked for a client certificate, which Hookpost does not have"
        }
        Presented::Unfit => {
            " after it had asked for a client certificate with a signature that the key of --client-key \
             cannot make"
        }
        Presented::Certificate => " after it had got the client certificate (--client-cert)",
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the receiver's certificate expired at {} (it is {} here)",
            written(*not_after),
            written(*time)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the receiver's certificate is not valid before {} (it is {} here)",
            written(*not_before),
            written(*time)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            match names(presented) {
                Some(names) => {
                    format!("the receiver's certificate is for {names}, not for {expected}")
                }
                None if presented.is_empty() => format!(
                    "the receiver's certificate is not for {expected}: it has no alternative name \
                     (subjectAltName), and its common name does not count"
                ),
                None => format!("the receiver's certificate is not for {expected}"),
            }
        }
        CertificateError::UnknownIssuer => {
            "the receiver's certificate is not from a trusted authority: it is self-signed, its \
             authority is not in --ca-file, or the receiver leaves out an intermediate certificate"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "the receiver's certificate is not signed by the authority that it names; --ca-file may \
             hold another certificate of that name, such as an older one"
                .to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the receiver's certificate, or one of its authorities, has a signature of a type that \
             is not accepted, such as one with SHA-1; accepted are RSA with SHA-256, SHA-384 or \
             SHA-512, ECDSA with SHA-256 or SHA-384, and Ed25519"
                .to_owned()
        }
        CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose => {
            "the receiver's certificate is not for servers: its extended key usage lacks serverAuth"
                .to_owned()
        }
        CertificateError::BadEncoding => {
            "the receiver's certificate is not well-formed X.509".to_owned()
        }
        CertificateError::Other(error) => {
            if let Some(CertificateProblem(words)) = error.0.downcast_ref() {
                return words.clone();
            }
            of_webpki(&in_words(&error.0))
        }
        other => not_accepted(&in_words(other)),
    }
}

/// Returns the message for an error that rustls passes on from webpki. It has only the name of a variant.
fn of_webpki(name: &str) -> String {
    match name {
        "ca used as end entity" => {
            "the receiver presents the certificate of an authority (CA:TRUE) as its own, which is \
             not accepted even if trusted; it needs one made with CA:FALSE, or issued by that \
             authority"
                .to_owned()
        }
        "end entity used as ca" => {
            "the receiver's certificate is signed with one that is not for an authority (CA:FALSE)"
                .to_owned()
        }
        "name constraint violation" => {
            "the receiver's certificate has a name for which its authority may not sign".to_owned()
        }
        "path len constraint violated" => {
            "the receiver's certificate is from an authority that another one may not appoint \
             (pathlen)"
                .to_owned()
        }
        other => not_accepted(other),
    }
}

fn not_accepted(why: &str) -> String {
    format!("the receiver's certificate is not accepted: {why}")
}

/// Returns the message for an alert from the receiver.
fn received(alert: AlertDescription) -> String {
    let what = match alert {
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3",
        AlertDescription::HandshakeFailure => {
            "it accepts none of the cipher suites, groups or signatures that are offered; often \
             its certificate has a P-521 key or another one that is not RSA, P-256, P-384 or \
             Ed25519, or it lacks ECDHE over X25519, P-256 or P-384 with AES-GCM or \
             ChaCha20-Poly1305"
        }
        AlertDescription::InsufficientSecurity => {
            "it wants stronger cipher suites or groups than are offered"
        }
        AlertDescription::CertificateRequired => return wants_certificate(alert),
        AlertDescription::UnrecognisedName => "it does not know this host name",
        other => return format!("the receiver refused (alert {other:?})"),
    };
    format!("the receiver refused: {what} (alert {alert:?})")
}

fn wants_certificate(alert: AlertDescription) -> String {
    format!(
        "the receiver refused: it wants a client certificate, which Hookpost does not have; the operator can \
         set one (--client-cert), or the receiver can take requests without one and check their signature \
         (alert {alert:?})"
    )
}

/// Returns the name of a variant as words: `PathLenConstraintViolated` becomes "path len constraint violated".
/// Its fields, which can be anything, are left out.
fn in_words(variant: &dyn Debug) -> String {
    struct Words(String);
    impl fmt::Write for Words {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for c in text.chars() {
                match c {
                    'A'..='Z' if self.0.is_empty() => self.0.push(c.to_ascii_lowercase()),
                    'A'..='Z' => self.0.extend([' ', c.to_ascii_lowercase()]),
                    'a'..='z' | '0'..='9' => self.0.push(c),
                    // The name has ended, and the rest need not be written.
                    _ => return Err(fmt::Error),
                }
            }
            Ok(())
        }
    }
    let mut words = Words(String::new());
    let _ended = fmt::write(&mut words, format_args!("{variant:?}"));
    words.0
}

/// Returns a time as certificates have it, to the second: `2021-01-01T00:00:00Z`.
pub(super) fn written(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let text = Timestamp::from_micros(seconds.saturating_mul(1_000_000)).to_string();
    text.replace(".000000", "")
}

/// Returns the names in a certificate. rustls has only their debug form: `DnsName("a.example")`.
fn names(presented: &[String]) -> Option<String> {
    let names: Vec<&str> = presented
        .iter()
        .filter_map(|name| name.strip_prefix("DnsName(\"")?.strip_suffix("\")"))
        .filter(|name| name.chars().count() <= MAX_NAME_CHARS)
        .collect();
    let (shown, rest) = names.split_at(names.len().min(MAX_NAMES));
    let more = if rest.is_empty() { "" } else { " and others" };
    (!shown.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
}
