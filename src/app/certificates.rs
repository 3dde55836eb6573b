//! The certificates of a server: that of the API, and the one that it shows to receivers.

use std::sync::Arc;

use super::AppSettings;
use super::error::AppError;
use crate::config::{CertificatePair, ListenAddress};
use crate::server::{ServerCertificate, TlsError};

/// The certificates of a server, which can be read again while it runs.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// That of the API, if it uses TLS.
    pub(super) api: Option<Arc<ServerCertificate>>,
    /// That for receivers which ask for one.
    pub(super) client: Option<Arc<CertificatePair>>,
}

impl Certificates {
    /// Reads the files of the settings.
    pub(super) fn read(settings: &AppSettings) -> Result<Self, AppError> {
        Ok(Self {
            api: api(settings)?,
            client: client(settings)?,
        })
    }

    /// Returns what is wrong with the files of the settings.
    pub(super) fn problems(settings: &AppSettings) -> impl Iterator<Item = AppError> {
        api(settings)
            .err()
            .into_iter()
            .chain(client(settings).err())
    }

    /// Reports whether the API uses TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.api.is_some()
    }

    /// Reads the files again. One that cannot be used is logged, and the server goes on with what it has.
    pub fn reload(&self) {
        let api = self.api.as_ref().map(|certificate| certificate.reload());
        log("the certificate of the API", api);
        let client = self.client.as_ref();
        log(
            "the client certificate",
            client.map(|certificate| certificate.reload()),
        );
    }
}

fn log<E: std::fmt::Display>(which: &str, reloaded: Option<Result<(), E>>) {
    match reloaded {
        None => {}
        Some(Ok(())) => tracing::info!("read {which} again"),
        Some(Err(error)) => tracing::error!(%error, "the server goes on with the old certificate"),
    }
}

fn api(settings: &AppSettings) -> Result<Option<Arc<ServerCertificate>>, AppError> {
    let is_unix = matches!(settings.api.listen, ListenAddress::Unix(_));
    let settings = &settings.tls;
    if is_unix && settings.tls_cert.is_some() {
        return Err(TlsError::Unix.into());
    }
    let (cert, key) = (settings.tls_cert.as_deref(), settings.tls_key.as_deref());
    Ok(ServerCertificate::of_settings(cert, key)?)
}

fn client(settings: &AppSettings) -> Result<Option<Arc<CertificatePair>>, AppError> {
    Ok(settings.egress.client_certificate()?.map(Arc::new))
}
