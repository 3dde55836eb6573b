//! The check of a receiver's certificate: that of rustls, with an exact reason for each failure.
//!
//! rustls reports the step that failed. The cause may be the type of a key or the version of a certificate,
//! which it leaves to the reader: a signature by an RSA key of 1024 bits is a bad one to it, as is a forged
//! one. So this verifier looks at the certificates again. It accepts nothing that rustls refuses.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::certificate::{Certificate, unusable_key};
use super::reasons::{CertificateProblem, KEYS, written};

/// The verifier. All connections share one.
#[derive(Debug)]
pub(super) struct Verifier {
    rustls: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
}

impl Verifier {
    /// Returns a verifier that trusts `roots`.
    pub(super) fn new(
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::new(roots);
        let (its_roots, provider) = (Arc::clone(&roots), Arc::clone(provider));
        let rustls = WebPkiServerVerifier::builder_with_provider(its_roots, provider).build()?;
        Ok(Self { rustls, roots })
    }

    /// Returns the reason in words for an error of rustls, if the certificates show it. The first is the
    /// receiver's own.
    fn reason(&self, error: &CertificateError, chain: &[Certificate<'_>]) -> Option<String> {
        let own = chain.first()?;
        match error {
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                let key = self.unusable_issuer_key(chain)?;
                Some(format!(
                    "the receiver's certificate depends on an authority with {key}; {KEYS}"
                ))
            }
            CertificateError::Other(error) if error.to_string() == "UnsupportedCertVersion" => {
                let whose = if own.version == 3 {
                    "an authority's certificate that the receiver sends"
                } else {
                    "the receiver's certificate"
                };
                let version = chain.iter().map(|one| one.version).find(|v| *v != 3)?;
                Some(format!(
                    "{whose} is of X.509 version {version}; it needs version 3, which has the names \
                     of the host (subjectAltName) and tells authorities (CA:TRUE) from others"
                ))
            }
            // Only certificates that the receiver sends can expire, not those that are trusted.
            CertificateError::ExpiredContext { not_after, .. }
                if !is_spelling_of(own.validity[1], *not_after) =>
            {
                Some(format!(
                    "an authority's certificate that the receiver sends expired at {}; the receiver \
                     needs to send its successor",
                    written(*not_after)
                ))
            }
            CertificateError::NotValidYetContext { not_before, .. }
                if !is_spelling_of(own.validity[0], *not_before) =>
            {
                Some(format!(
                    "an authority's certificate that the receiver sends is not valid before {}",
                    written(*not_before)
                ))
            }
            _ => None,
        }
    }

    /// Returns the type of the first key that rustls cannot use, of an authority that a certificate names.
    fn unusable_issuer_key(&self, chain: &[Certificate<'_>]) -> Option<String> {
        chain.iter().find_map(|certificate| {
            let sent = chain
                .iter()
                .filter(|other| other.subject == certificate.issuer)
                .map(|other| other.key);
            let trusted = self.roots.roots.iter();
            let trusted = trusted
                .filter(|root| *root.subject == *certificate.issuer)
                .map(|root| &*root.subject_public_key_info);
            sent.chain(trusted).find_map(unusable_key)
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.rustls.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match checked {
            Ok(verified) => match own_key(end_entity) {
                // The handshake's signature would be refused, without a reason.
                Some(key) => Err(problem(format!(
                    "the receiver's certificate has {key}; {KEYS}"
                ))),
                None => Ok(verified),
            },
            Err(Error::InvalidCertificate(error)) => {
                let chain: Option<Vec<_>> = std::iter::once(end_entity)
                    .chain(intermediates)
                    .map(|der| Certificate::read(der))
                    .collect();
                let reason = chain.and_then(|chain| self.reason(&error, &chain));
                Err(reason.map_or(Error::InvalidCertificate(error), problem))
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let checked = self.rustls.verify_tls12_signature(message, cert, dss);
        checked.map_err(of_the_handshake)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let checked = self.rustls.verify_tls13_signature(message, cert, dss);
        checked.map_err(of_the_handshake)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rustls.supported_verify_schemes()
    }
}

/// Returns the type of a certificate's key, if rustls cannot use it.
fn own_key(certificate: &[u8]) -> Option<String> {
    unusable_key(Certificate::read(certificate)?.key)
}

fn problem(words: String) -> Error {
    CertificateError::Other(OtherError(Arc::new(CertificateProblem(words)))).into()
}

/// Returns the error of a signature that was made during the handshake, not of one in a certificate.
fn of_the_handshake(error: Error) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => problem(
            "the receiver does not prove that it has the key of its certificate: its signature of \
             the handshake is wrong"
                .to_owned(),
        ),
        other => other,
    }
}

/// Reports whether a certificate's text of a time, such as `210101000000Z` or `20210101000000Z`, means `time`.
fn is_spelling_of(text: &[u8], time: UnixTime) -> bool {
    let digits = written(time).replace(['-', ':', 'T'], "");
    let digits = digits.as_bytes();
    text == digits || digits.get(2..) == Some(text)
}
