//! The state that all pages share.

use std::sync::Arc;

use super::codes::Codes;
use super::sessions::Sessions;

use crate::server::ServerState;

/// A setting in force, as the page about the system shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name on the command line, without dashes.
    pub name: String,
    /// Its value; that of a secret is not shown.
    pub value: String,
    /// The place it came from: a flag, a variable, the configuration file or the default.
    pub origin: String,
}

/// Facts about the server that no store knows.
#[derive(Clone, Debug, Default)]
pub struct SystemFacts {
    /// The settings in force.
    pub settings: Vec<Setting>,
    /// The path of the database.
    pub database: String,
    /// The most attempts at a time.
    pub senders: u32,
}

/// The state that all pages share.
pub struct Dashboard {
    pub(super) server: Arc<ServerState>,
    pub(super) facts: SystemFacts,
    pub(super) sessions: Sessions,
    pub(super) codes: Codes,
    /// Set if the server itself speaks HTTPS.
    pub(super) has_tls: bool,
    /// The port, if the server listens on a loopback address: then requests must name this machine as their host.
    pub(super) loopback_port: Option<u16>,
    /// The port, which is a part of the cookie's name: the servers of one machine share a browser's cookies.
    pub(super) port: u16,
}

impl Dashboard {
    /// Makes the dashboard of a server that listens at `address`; `None` on a Unix socket.
    #[must_use]
    pub fn new(
        server: Arc<ServerState>,
        facts: SystemFacts,
        address: Option<std::net::SocketAddr>,
        has_tls: bool,
    ) -> Self {
        Self {
            server,
            facts,
            sessions: Sessions::default(),
            codes: Codes::default(),
            has_tls,
            loopback_port: address
                .filter(|address| address.ip().is_loopback())
                .map(|address| address.port()),
            port: address.map_or(0, |address| address.port()),
        }
    }

    /// Makes a code that signs the operator in once, within [`Codes::LIFE`]: the query of the page to sign in.
    #[must_use]
    pub fn one_time_path(&self) -> String {
        let code = self.codes.make(self.server.clock.monotonic());
        format!("/login?code={code}")
    }
}
