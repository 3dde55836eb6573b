//! The errors of the client, each a type of its own where ureq passes it through.

use std::io;

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The certificates to trust besides the public ones can't be read.
    #[error("the CA file can't be used: {0}")]
    CaFile(String),
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(rustls::Error),
}

/// No TCP connection came about.
#[derive(Debug, thiserror::Error)]
#[error("no connection: {0}")]
pub(super) struct ConnectFailed(pub(super) io::Error);

/// No TCP connection came about in time. Whose time it was, that for connecting or for all of the
/// attempt, says less than what there was no time for.
#[derive(Debug, thiserror::Error)]
#[error("the receiver didn't accept a connection in time")]
pub(super) struct ConnectTimedOut;

/// An idle connection turned out to be closed before any of the request was written to it, so that
/// the request can be repeated.
#[derive(Debug, thiserror::Error)]
#[error("the receiver had closed the idle connection")]
pub(super) struct Stale;

/// A head, or a line within chunks, does not fit into the buffer.
#[derive(Debug, thiserror::Error)]
#[error("the headers of the answer are too large")]
pub(super) struct TooLarge;

/// The receiver has sent more than is received of an answer.
///
/// Before a final answer began it can only have been interim ones, as a head has a limit of its own.
#[derive(Debug, thiserror::Error)]
#[error("the receiver sent interim answers (1xx) without end, and no final one")]
pub(super) struct Endless;

/// The handshake failed; the field says why.
#[derive(Debug, thiserror::Error)]
#[error("TLS handshake failed: {0}")]
pub(super) struct HandshakeFailed(pub(super) String);

/// The handshake took longer than there is time for.
#[derive(Debug, thiserror::Error)]
#[error("the receiver accepted the connection, but did not finish the TLS handshake in time")]
pub(super) struct HandshakeTimedOut;

/// The text of an error without the " (os error 111)" that the standard library appends.
pub(super) fn without_number(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.find(" (os error ") {
        text.truncate(end);
    }
    text
}
