//! The receiver's request for a client certificate, which Hookpost never has.
//!
//! A receiver that asks for one and gets none may refuse with an alert that names another reason, or none. So
//! the client remembers that it was asked.

use std::cell::Cell;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

thread_local! {
    /// The receiver has asked, in the handshake that this thread makes. rustls has one resolver for all
    /// connections and does not tell it which one asks.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// A resolver without certificates.
#[derive(Debug)]
pub(super) struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        ASKED.set(true);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Makes a handshake on this thread. Also returns whether the receiver asked for a client certificate.
pub(super) fn watch<T>(handshake: impl FnOnce() -> T) -> (T, bool) {
    ASKED.set(false);
    let made = handshake();
    (made, ASKED.get())
}
