//! The failure of an attempt: its cause for programs, and its message for people.
//!
//! No message contains the URL, because its path often is a secret (as with Slack and Discord). A message may
//! contain the host.

use std::io;
use std::time::Duration;

use ureq::Timeout;

use super::errors::{
    ConnectFailed, ConnectTimedOut, HandshakeFailed, HandshakeTimedOut, HeadTooLarge, ProxyRefused,
    ProxyUnreachable, Refused, ResponseTooLong, Stale, TunnelTimedOut, without_number,
};
use super::tls::{of_rustls, reason};
use crate::delivery::resolver::ResolveError;
use crate::domain::attempt_failure::AttemptFailure;

/// `errno` for "too many open files", of the process and of the system. They have no
/// [`io::ErrorKind`], and their numbers are the same on Linux, the BSDs and macOS.
const OUT_OF_FILES: [i32; 2] = [23, 24];

/// The reason why an attempt got no whole HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The cause, for programs.
    pub kind: AttemptFailure,
    /// The cause, for people. Contains no secrets.
    pub message: String,
    /// Every other attempt at the same URL would fail too.
    pub is_final: bool,
}

impl Failure {
    /// Returns a failure that another attempt may not have.
    pub(super) fn new(kind: AttemptFailure, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            is_final: false,
        }
    }

    /// Returns a failure that every attempt at this URL would have.
    pub(super) fn new_final(kind: AttemptFailure, message: impl Into<String>) -> Self {
        Self {
            is_final: true,
            ..Self::new(kind, message)
        }
    }

    /// Adds to the message that an answer with status `code` had begun. The delivery has no status, because
    /// the answer is not whole; but the status helps to find the cause.
    pub(super) fn after_status(self, code: u16) -> Self {
        let message = format!("{} (status {code} had arrived)", self.message);
        Self { message, ..self }
    }

    /// Returns the failure for an error of ureq. `time` is the time limit of a whole attempt.
    pub(super) fn from_ureq(error: &ureq::Error, time: Duration) -> Self {
        match error {
            ureq::Error::Other(ours) => Self::from_ours(ours.as_ref()),
            ureq::Error::Timeout(Timeout::Resolve) => {
                Self::new(AttemptFailure::Dns, "the name didn't resolve in time")
            }
            ureq::Error::Timeout(_) => Self::new(
                AttemptFailure::Timeout,
                format!("no complete answer within {time:?}"),
            ),
            ureq::Error::Io(error) => Self::from_io(error),
            ureq::Error::Protocol(error) => {
                Self::new(AttemptFailure::Protocol, invalid(&error.to_string()))
            }
            ureq::Error::BodyStalled => {
                Self::new(AttemptFailure::Protocol, "the answer ended too early")
            }
            ureq::Error::ConnectionFailed => Self::new(AttemptFailure::Connect, "no connection"),
            // All other errors concern the request, and their texts could contain the URL.
            _ => Self::new(AttemptFailure::Internal, "the request could not be made"),
        }
    }

    /// Returns the failure for an error of our own resolver or connector.
    fn from_ours(error: &(dyn std::error::Error + 'static)) -> Self {
        if let Some(error) = error.downcast_ref::<ResolveError>() {
            let message = error.to_string();
            return match error {
                ResolveError::LiteralRefused(_) => {
                    let message = format!(
                        "{message}; the operator can allow its network with --allow-network"
                    );
                    Self::new_final(AttemptFailure::AddressRefused, message)
                }
                // Both have the same words: a user who may create endpoints must not find out which names the
                // operator's network has, or where they lead.
                ResolveError::NameRefused { host, .. } | ResolveError::Failed { host, .. } => {
                    Self::new(AttemptFailure::Dns, leads_nowhere(host))
                }
                ResolveError::Slow { .. } | ResolveError::Busy { .. } => {
                    Self::new(AttemptFailure::Dns, message)
                }
            };
        }
        if let Some(ConnectFailed(error)) = error.downcast_ref() {
            if out_of_files(error) {
                return Self::new(AttemptFailure::Internal, "too many open files");
            }
            return Self::new(
                AttemptFailure::Connect,
                format!("no connection: {}", without_number(error)),
            );
        }
        if let Some(ProxyUnreachable(error)) = error.downcast_ref()
            && out_of_files(error)
        {
            return Self::new(AttemptFailure::Internal, "too many open files");
        }
        if error.is::<ProxyUnreachable>() || error.is::<ProxyRefused>() {
            return Self::new(AttemptFailure::Proxy, error.to_string());
        }
        if error.is::<HandshakeFailed>() || error.is::<Refused>() {
            return Self::new(AttemptFailure::Tls, error.to_string());
        }
        if error.is::<ConnectTimedOut>()
            || error.is::<TunnelTimedOut>()
            || error.is::<HandshakeTimedOut>()
        {
            return Self::new(AttemptFailure::Timeout, error.to_string());
        }
        if error.is::<HeadTooLarge>() || error.is::<ResponseTooLong>() {
            return Self::new(AttemptFailure::Protocol, error.to_string());
        }
        if error.is::<Stale>() {
            return Self::new(AttemptFailure::Connect, error.to_string());
        }
        Self::new(AttemptFailure::Internal, "the request could not be made")
    }

    /// Returns the failure for an error on an established connection.
    fn from_io(error: &io::Error) -> Self {
        if let Some(error) = of_rustls(error) {
            return Self::new(
                AttemptFailure::Tls,
                format!("TLS failed: {}", reason(error)),
            );
        }
        let message = match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                "the receiver closed the connection before its answer was complete".to_owned()
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                "the receiver reset the connection before its answer was complete".to_owned()
            }
            _ => format!("the connection broke: {}", without_number(error)),
        };
        Self::new(AttemptFailure::Protocol, message)
    }
}

fn leads_nowhere(host: &str) -> String {
    format!(
        "{host} leads to no address that may be used: it doesn't resolve, or not only to such addresses"
    )
}

/// Returns in words what is wrong with an answer. `error` is the text of ureq's parser, whose errors have no
/// public type.
fn invalid(error: &str) -> String {
    match error {
        "http parse resulted in too many headers" => {
            "the answer has too many headers (at most 128 are read)".to_owned()
        }
        "conflicting content-length headers" => {
            "the answer has several Content-Length headers that differ".to_owned()
        }
        "received headers with 100-continue response" => {
            "the receiver sent an interim answer (100 Continue) with headers, which is not supported"
                .to_owned()
        }
        other => {
            let why = other.trim_start_matches("http parse fail: ");
            format!("the answer is not valid HTTP: {why}")
        }
    }
}

fn out_of_files(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| OUT_OF_FILES.contains(&number))
}
