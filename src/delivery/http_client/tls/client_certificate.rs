//! The receiver's request for a client certificate.
//!
//! A receiver that asks for one and is not content may refuse with an alert that names another reason, or none.
//! So the client remembers that it was asked, and what it gave.

use std::cell::Cell;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use crate::config::CertificatePair;

/// The answer to a receiver that may have asked for a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::delivery::http_client) enum Presented {
    /// It did not ask.
    NotAsked,
    /// It asked, and there is no certificate.
    Nothing,
    /// It asked, but not for a signature that the key of the certificate can make.
    Unfit,
    /// It asked, and got the certificate.
    Certificate,
}

thread_local! {
    /// The answer in the handshake that this thread makes. rustls has one resolver for all
    /// connections and does not tell it which one asks.
    static PRESENTED: Cell<Presented> = const { Cell::new(Presented::NotAsked) };
}

/// The resolver of rustls: presents the operator's certificate, if there is one, to every receiver that asks. The
/// names of authorities in the question are ignored, as by most clients: the receiver judges by itself.
#[derive(Debug)]
pub(super) struct ClientCertificate(pub(super) Option<Arc<CertificatePair>>);

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let current = self.0.as_ref().map(|pair| pair.current());
        let fits = |pair: &CertifiedKey| pair.key.choose_scheme(schemes).is_some();
        PRESENTED.set(match &current {
            None => Presented::Nothing,
            Some(pair) if fits(pair) => Presented::Certificate,
            Some(_) => Presented::Unfit,
        });
        current.filter(|pair| fits(pair))
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Makes a handshake on this thread. Also returns what the receiver got in it.
pub(super) fn watch<T>(handshake: impl FnOnce() -> T) -> (T, Presented) {
    PRESENTED.set(Presented::NotAsked);
    let made = handshake();
    (made, PRESENTED.get())
}
