//! The HTTP agent of the client, and the certificates that it trusts.

use std::sync::Arc;

use anyhow::bail;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// The `User-Agent` that the server sees.
const USER_AGENT: &str = concat!("hookpost-cli/", env!("CARGO_PKG_VERSION"));

/// The authorities whose certificates are trusted.
pub(super) enum Roots {
    /// Those of the Mozilla program, as for receivers.
    Public,
    /// Those of a file, and no others.
    File(Vec<Certificate<'static>>),
}

impl Roots {
    /// Returns the certificates in a file (PEM).
    ///
    /// # Errors
    /// The file is malformed, or has no certificate.
    pub(super) fn file(pem: &[u8]) -> anyhow::Result<Self> {
        let mut found = Vec::new();
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => found.push(certificate),
                Ok(_) => {}
                Err(_) => bail!("it is not PEM"),
            }
        }
        if found.is_empty() {
            bail!("it has no certificate");
        }
        Ok(Self::File(found))
    }
}

/// Returns an agent that follows no redirects, uses no proxy of the environment, and takes every status.
pub(super) fn agent(roots: &Roots) -> Agent {
    let roots = match roots {
        Roots::Public => RootCerts::WebPki,
        Roots::File(certificates) => RootCerts::new_with_certs(certificates),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(USER_AGENT)
        .tls_config(tls)
        .build()
        .new_agent()
}
