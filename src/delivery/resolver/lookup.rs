//! Look-ups of names: by the operating system, or by another implementation in tests.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;

use crate::metrics::{DeliveryMetrics, LookUpOutcome};

/// The look-up of names. A call may block: the resolver makes it on its own threads.
pub trait Lookup: Send + Sync {
    /// Returns all addresses of `host`, the preferred ones first.
    fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, LookupError>;
}

/// The reason why a look-up gave no addresses, in words, such as "Name or service not known".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(pub String);

/// Look-ups by the operating system, with its hosts file, search domains and name servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        match (host, 0).to_socket_addrs() {
            Ok(found) => Ok(found.map(|address| address.ip()).collect()),
            Err(error) => {
                let text = error.to_string();
                let words = text.strip_prefix("failed to lookup address information: ");
                Err(LookupError(words.unwrap_or(&text).to_owned()))
            }
        }
    }
}

/// Look-ups by another implementation, counted by outcome.
pub struct CountedLookup {
    lookup: Arc<dyn Lookup>,
    found: Counter,
    failed: Counter,
}

impl CountedLookup {
    /// Returns look-ups that are counted in `metrics`.
    #[must_use]
    pub fn new(lookup: Arc<dyn Lookup>, metrics: &DeliveryMetrics) -> Self {
        Self {
            lookup,
            found: metrics.look_up_counter(LookUpOutcome::Found),
            failed: metrics.look_up_counter(LookUpOutcome::Failed),
        }
    }
}

impl Lookup for CountedLookup {
    fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let looked_up = self.lookup.lookup(host);
        let counter = match &looked_up {
            Ok(found) if !found.is_empty() => &self.found,
            _ => &self.failed,
        };
        counter.inc();
        looked_up
    }
}
