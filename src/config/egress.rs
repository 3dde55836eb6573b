//! The settings of connections to receivers: what Hookpost presents itself with, and the way out.

use std::path::PathBuf;

use clap::Args;

use super::certificate::{CertificateError, CertificateFlags, CertificatePair};
use super::egress_proxy::EgressProxy;

/// The settings of the client certificate.
const CLIENT_CERTIFICATE: CertificateFlags = CertificateFlags {
    cert: "--client-cert",
    key: "--client-key",
};

/// The way to receivers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connections to receivers")]
pub struct EgressSettings {
    /// The certificate for receivers that ask for one (mutual TLS), and those of the authorities between it and
    /// the root.
    ///
    /// Every receiver that asks gets it. SIGHUP reads both files again.
    #[arg(long, env = "HOOKPOST_CLIENT_CERT", value_name = "PEM")]
    pub client_cert: Option<PathBuf>,

    /// The private key of the client certificate.
    #[arg(long, env = "HOOKPOST_CLIENT_KEY", value_name = "PEM")]
    pub client_key: Option<PathBuf>,

    /// The HTTP proxy through which attempts go, with CONNECT: `http://USER:PASS@HOST:PORT`.
    ///
    /// Names of receivers are looked up and checked by Hookpost; the proxy gets addresses alone. The usual
    /// variables for proxies, such as `HTTPS_PROXY`, have no effect. Other users of the machine can read command
    /// lines: put a password into the variable or the configuration file.
    #[arg(
        long,
        env = "HOOKPOST_EGRESS_PROXY",
        value_name = "URL",
        hide_env_values = true
    )]
    pub egress_proxy: Option<EgressProxy>,
}

impl EgressSettings {
    /// Reads the client certificate, if one is set.
    ///
    /// # Errors
    /// [`CertificateError`]
    pub fn client_certificate(&self) -> Result<Option<CertificatePair>, CertificateError> {
        let (cert, key) = (self.client_cert.as_deref(), self.client_key.as_deref());
        CertificatePair::of_settings(cert, key, CLIENT_CERTIFICATE)
    }
}
