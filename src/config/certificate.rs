//! A certificate with its private key, from two files that settings name. A running server can read them again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use thiserror::Error;

use super::small_file::read_small_file;

/// The two settings that name a certificate and its key.
#[derive(Clone, Copy, Debug)]
pub struct CertificateFlags {
    /// The flag of the certificate.
    pub cert: &'static str,
    /// The flag of its key.
    pub key: &'static str,
}

/// The reason why a certificate or its key cannot be used. Each is one line for the operator.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// Only one of the two files is set.
    #[error("{set} needs {missing}")]
    Half {
        /// The setting that is there.
        set: &'static str,
        /// The setting that is not.
        missing: &'static str,
    },
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
    #[error("cannot use the certificate {cert} ({}) with its key ({}): {reason}", .flags.cert, .flags.key)]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The settings.
        flags: CertificateFlags,
        /// The reason of the TLS library, or that they do not belong together.
        reason: String,
    },
}

/// A certificate with its key, from two files.
pub struct CertificatePair {
    cert: PathBuf,
    key: PathBuf,
    flags: CertificateFlags,
    /// The pair that the next handshake uses.
    current: RwLock<Arc<CertifiedKey>>,
}

impl CertificatePair {
    /// Reads the files of two settings; `None` if neither is set.
    ///
    /// # Errors
    /// [`CertificateError`]; also if one is set without the other.
    pub fn of_settings(
        cert: Option<&Path>,
        key: Option<&Path>,
        flags: CertificateFlags,
    ) -> Result<Option<Self>, CertificateError> {
        let half = |set, missing| Err(CertificateError::Half { set, missing });
        match (cert, key) {
            (None, None) => Ok(None),
            (Some(_), None) => half(flags.cert, flags.key),
            (None, Some(_)) => half(flags.key, flags.cert),
            (Some(cert), Some(key)) => Ok(Some(Self {
                cert: cert.to_owned(),
                key: key.to_owned(),
                flags,
                current: RwLock::new(Arc::new(read(cert, key, flags)?)),
            })),
        }
    }

    /// Returns the certificate with its key.
    #[must_use]
    pub fn current(&self) -> Arc<CertifiedKey> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Reads the files again. Connections that are open keep the certificate that they have.
    ///
    /// # Errors
    /// [`CertificateError`]; the certificate then stays what it is.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let read = Arc::new(read(&self.cert, &self.key, self.flags)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

impl fmt::Debug for CertificatePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificatePair")
            .field("cert", &self.cert)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

fn read(
    cert: &Path,
    key: &Path,
    flags: CertificateFlags,
) -> Result<CertifiedKey, CertificateError> {
    let refused = |path: &Path, flag, reason: String| CertificateError::File {
        path: path.to_owned(),
        flag,
        reason,
    };
    let bad_cert = |error: pem::Error| refused(cert, flags.cert, reason(&error));
    let pem = read_small_file(cert).map_err(|error| refused(cert, flags.cert, error))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(bad_cert)?;
    if chain.is_empty() {
        let none = "it has no certificate in PEM".to_owned();
        return Err(refused(cert, flags.cert, none));
    }
    let bad_key = |reason| refused(key, flags.key, reason);
    let pem = read_small_file(key).map_err(bad_key)?;
    if is_encrypted(&pem) {
        let how = "its private key is encrypted; `openssl pkey -in KEY -out NEW` decrypts it";
        return Err(bad_key(how.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| bad_key(reason(&error)))?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| {
        CertificateError::Pair {
            cert: cert.to_owned(),
            flags,
            reason: match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    "it is the key of another certificate".to_owned()
                }
                other => other.to_string(),
            },
        }
    })
}

/// Reports whether a private key needs a password: in PKCS #8 its label says so (RFC 7468, section 11), and in
/// older forms a header (RFC 1421, section 4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    let has = |mark: &[u8]| pem.windows(mark.len()).any(|part| part == mark);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it has no private key in PEM".to_owned(),
        other => other.to_string(),
    }
}
