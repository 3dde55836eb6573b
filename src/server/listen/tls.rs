//! The certificate of the API, which can be read again while the server runs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use crate::config::{CertificateError, CertificateFlags, CertificatePair};

/// The settings of the certificate.
const FLAGS: CertificateFlags = CertificateFlags {
    cert: "--tls-cert",
    key: "--tls-key",
};

/// The reason why a certificate or its key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The server listens on a Unix socket, which does not use TLS.
    #[error(
        "--tls-cert and --tls-key need an address with a port: a Unix socket (--listen) does not use TLS"
    )]
    Unix,
    /// The files cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// The certificate of the API with its key.
#[derive(Debug)]
pub struct ServerCertificate(CertificatePair);

impl ServerCertificate {
    /// Reads the files of the settings; `None` if neither is set.
    ///
    /// # Errors
    /// [`TlsError`]; nothing else is wrong then.
    pub fn of_settings(
        cert: Option<&Path>,
        key: Option<&Path>,
    ) -> Result<Option<Arc<Self>>, TlsError> {
        let pair = CertificatePair::of_settings(cert, key, FLAGS)?;
        Ok(pair.map(|pair| Arc::new(Self(pair))))
    }

    /// Reads the files again. Connections that are open keep the certificate that they have.
    ///
    /// # Errors
    /// [`TlsError`]; the server then goes on with the certificate that it has.
    pub fn reload(&self) -> Result<(), TlsError> {
        Ok(self.0.reload()?)
    }

    /// Returns what makes a TLS stream of an accepted connection: TLS 1.2 and 1.3, HTTP/1.1.
    ///
    /// # Errors
    /// The TLS library lacks a version: never with the provider that is compiled in.
    pub(super) fn acceptor(self: Arc<Self>) -> io::Result<TlsAcceptor> {
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let mut config = config.with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }
}
