//! The certificate of the API, which can be read again while the server runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use crate::config::read_small_file;

/// The reason why a certificate or its key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Only one of the two files is set.
    #[error("{set} needs {missing}")]
    Half {
        /// The setting that is there.
        set: &'static str,
        /// The setting that is not.
        missing: &'static str,
    },
    /// The server listens on a Unix socket, which does not use TLS.
    #[error(
        "--tls-cert and --tls-key need an address with a port: a Unix socket (--listen) does not use TLS"
    )]
    Unix,
    /// A file cannot be read, or has nothing that is needed.
    #[error("cannot read {path} ({flag}): {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// The setting that names it.
        flag: &'static str,
        /// The system's error, or what is missing.
        reason: String,
    },
    /// Certificate and key cannot be used, or do not belong together.
    #[error("cannot use the certificate {cert} (--tls-cert) with its key (--tls-key): {reason}")]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The reason of the TLS library.
        reason: String,
    },
}

/// A certificate with its key, from two files.
#[derive(Debug)]
pub struct ServerCertificate {
    cert: PathBuf,
    key: PathBuf,
    /// The pair that the next handshake uses.
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerCertificate {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]; nothing else is wrong then.
    pub fn read(cert: PathBuf, key: PathBuf) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(Arc::new(read(&cert, &key)?));
        Ok(Arc::new(Self { cert, key, current }))
    }

    /// Reads the files again. Connections that are open keep the certificate that they have.
    ///
    /// # Errors
    /// [`TlsError`]; the server then goes on with the certificate that it has.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = Arc::new(read(&self.cert, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
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
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let refused = |path: &Path, flag, reason: String| TlsError::File {
        path: path.to_owned(),
        flag,
        reason,
    };
    let bad_cert = |error: pem::Error| refused(cert, "--tls-cert", reason(&error));
    let pem = read_small_file(cert).map_err(|error| refused(cert, "--tls-cert", error))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(bad_cert)?;
    if chain.is_empty() {
        let none = "it has no certificate in PEM".to_owned();
        return Err(refused(cert, "--tls-cert", none));
    }
    let pem = read_small_file(key).map_err(|error| refused(key, "--tls-key", error))?;
    let private = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| refused(key, "--tls-key", reason(&error)))?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| TlsError::Pair {
        cert: cert.to_owned(),
        reason: error.to_string(),
    })
}

fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it has no private key in PEM".to_owned(),
        other => other.to_string(),
    }
}
