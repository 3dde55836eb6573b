//! The metrics of a server, for Prometheus and other programs that read `OpenMetrics` text.
//!
//! Each application makes one [`Metrics`] and hands each layer the struct of its own. So tests can run many
//! applications in one process. A `default()` of such a struct counts like any other, and nobody reads it.
//!
//! # Cost
//! Frequent things are counted where they happen. The counters of labelled families are looked up once, at
//! the start, so that a busy thread touches only an atomic number. A histogram has a lock, which is held for
//! some nanoseconds. Values that some part of the server knows anyway are read when a program asks for the
//! metrics.
//!
//! # Labels
//! The values of a label are words of this code, never ids, names, URLs or event types: each value is a time
//! series of its own, and whoever reads the metrics needs no token.

mod api;
mod delivery;
mod listener;
mod process;
mod storage;
#[cfg(test)]
mod tests;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

pub use self::api::{ApiMetrics, PublishOutcome};
pub use self::delivery::{DeliveryMetrics, DeliveryOutcome, LookUpOutcome};
pub use self::listener::MetricsListener;
pub use self::process::ProcessMetrics;
pub use self::storage::StorageMetrics;

/// The prefix of the names of all families, except for those of the process, whose names are usual ones.
const PREFIX: &str = "hookpost";

/// All metrics of an application.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests and publishes.
    pub api: ApiMetrics,
    /// Deliveries, senders and endpoints.
    pub delivery: DeliveryMetrics,
    /// The writer and the files of the database.
    pub storage: StorageMetrics,
    /// The process, and its log.
    pub process: ProcessMetrics,
}

impl Metrics {
    /// Returns the metrics of a server of this version that starts now.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let mut registry = Registry::default();
        let api = ApiMetrics::default();
        let delivery = DeliveryMetrics::default();
        let storage = StorageMetrics::default();
        let process = ProcessMetrics::default();
        let own = registry.sub_registry_with_prefix(PREFIX);
        api.register(own);
        delivery.register(own);
        storage.register(own);
        process.register_own(own, version);
        process.register_usual(registry.sub_registry_with_prefix("process"));
        Self {
            registry,
            api,
            delivery,
            storage,
            process,
        }
    }

    /// Returns all metrics as `OpenMetrics` text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes any text");
        text
    }
}
