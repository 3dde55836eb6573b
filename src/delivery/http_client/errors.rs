//! The errors of the client. Each has a type of its own, so that it can pass through ureq and be recognised.

use std::io;

/// The reason why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The certificates to trust besides the public ones can't be read.
    #[error("the CA file can't be used: {0}")]
    CaFile(String),
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(rustls::Error),
}

/// There was no TCP connection.
#[derive(Debug, thiserror::Error)]
#[error("no connection: {0}")]
pub(super) struct ConnectFailed(pub(super) io::Error);

/// There was no TCP connection in time. The message does not say which limit was exceeded, the one for
/// connecting or the one for the whole attempt. It says which step did not end, which helps more.
#[derive(Debug, thiserror::Error)]
#[error("the receiver didn't accept a connection in time")]
pub(super) struct ConnectTimedOut;

/// There was no connection to the egress proxy.
#[derive(Debug, thiserror::Error)]
#[error("the egress proxy can't be reached: {}", without_number(.0))]
pub(super) struct ProxyUnreachable(pub(super) io::Error);

/// The egress proxy made no tunnel; the field says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ProxyRefused(pub(super) String);

/// The egress proxy did not make a tunnel in time.
#[derive(Debug, thiserror::Error)]
#[error("the egress proxy had no connection to the receiver in time")]
pub(super) struct TunnelTimedOut;

/// An idle connection was closed before any part of the request was written to it, so the client can repeat
/// the request.
#[derive(Debug, thiserror::Error)]
#[error("the receiver had closed the idle connection")]
pub(super) struct Stale;

/// A head, or a line within chunks, does not fit into the buffer.
#[derive(Debug, thiserror::Error)]
#[error("the headers of the answer are too large")]
pub(super) struct HeadTooLarge;

/// The receiver has sent more than the client receives of one answer.
///
/// Before the final answer begins, these can only be interim answers, because a head has a smaller limit. So
/// the message speaks of them.
#[derive(Debug, thiserror::Error)]
#[error("the receiver sent interim answers (1xx) without end, and no final one")]
pub(super) struct ResponseTooLong;

/// The handshake failed; the field says why.
#[derive(Debug, thiserror::Error)]
#[error("TLS handshake failed: {0}")]
pub(super) struct HandshakeFailed(pub(super) String);

/// The receiver refused after the handshake; the field says why.
#[derive(Debug, thiserror::Error)]
#[error("TLS failed: {0}")]
pub(super) struct Refused(pub(super) String);

/// The handshake did not end in time.
#[derive(Debug, thiserror::Error)]
#[error("the receiver accepted the connection, but did not finish the TLS handshake in time")]
pub(super) struct HandshakeTimedOut;

/// Returns the text of an error without the " (os error 111)" that the standard library appends.
pub(super) fn without_number(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.find(" (os error ") {
        text.truncate(end);
    }
    text
}
