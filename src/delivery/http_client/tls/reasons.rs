//! Messages for failures of TLS, in words that tell an operator which side has to do what.
//!
//! The text of a rustls error is the name of a variant: precise, but most people do not understand it. Common
//! errors have texts of their own here; all others keep those of rustls.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use crate::domain::clock::Timestamp;

/// The most names of a certificate in a message. A certificate may have hundreds; the first few identify it.
const MAX_NAMES: usize = 3;
/// The longest a DNS name can be (RFC 1035, section 2.3.4).
const MAX_NAME_CHARS: usize = 253;

/// Returns the message for an error. It contains nothing from the receiver except names in its certificate.
pub(in crate::delivery::http_client) fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => received(*alert),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the receiver speaks only versions of TLS older than 1.2".to_owned(),
        // The first byte of a record is its type. In an answer of plain HTTP it is an "H".
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "what the receiver sent is not TLS; its port may be one for plain http:".to_owned(),
        other => other.to_string(),
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
        CertificateError::Other(error) if error.to_string() == "CaUsedAsEndEntity" => {
            "the receiver presents the certificate of an authority (CA:TRUE) as its own, which is \
             not accepted even if trusted; it needs one made with CA:FALSE, or issued by that \
             authority"
                .to_owned()
        }
        other => format!("the receiver's certificate is not accepted: {other}"),
    }
}

/// Returns the message for an alert from the receiver.
fn received(alert: AlertDescription) -> String {
    let what = match alert {
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3",
        AlertDescription::HandshakeFailure => "it has no cipher in common with us",
        AlertDescription::CertificateRequired => "it wants a client certificate",
        AlertDescription::UnrecognisedName => "it does not know this host name",
        other => return format!("the receiver refused (alert {other:?})"),
    };
    format!("the receiver refused: {what} (alert {alert:?})")
}

fn written(time: UnixTime) -> String {
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
