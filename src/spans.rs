//! Spans: the steps of messages' traces, and their export to an OpenTelemetry collector.
//!
//! A step is a publish, its commit, or an attempt. The thread that made the step queues a [`Span`], without
//! text. One thread of its own makes requests of the queued spans (OTLP over HTTP, as JSON) and sends them. The
//! crates of OpenTelemetry would do the same, with fifty more crates in each build.
//!
//! # Bounds
//! A collector may be slow, gone, or wrong. Nothing of the server waits for it: the queue has a limit, a
//! request has a timeout and a number of tries, and spans that find no room or no collector are dropped and
//! counted. The log says so once a minute.
//!
//! # The end
//! A stopping server gives the thread [`STOP_TIMEOUT`] to send what is queued.
//!
//! # Off
//! Without a collector, [`Spans`] is empty, and each step costs one comparison.

mod collector;
mod exporter;
mod otlp_json;
mod queue;
mod span;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use self::collector::Collector;
pub use self::collector::{CollectorError, CollectorSettings, parse_headers};
use self::queue::SpanQueue;
pub use self::span::{AttemptStep, PublishStep, Span, Step};

/// The longest time that a stopping server waits for spans to be sent. A collector that works takes them in
/// milliseconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// The way to the collector for every part of a server. Empty unless a collector is set.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    queue: Option<Arc<SpanQueue>>,
}

impl Spans {
    /// Starts the thread that sends spans to a collector.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn start(settings: &CollectorSettings) -> io::Result<Self> {
        let collector = Collector::new(settings);
        let queue = Arc::new(SpanQueue::default());
        let source = queue.clone();
        std::thread::Builder::new()
            .name("spans".to_owned())
            .spawn(move || exporter::run(&source, &collector))?;
        Ok(Self { queue: Some(queue) })
    }

    /// Reports whether spans are exported. Make none otherwise.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Queues a span; never waits.
    pub fn push(&self, span: Span) {
        if let Some(queue) = &self.queue {
            queue.push(span);
        }
    }

    /// Returns the number of spans that a collector took.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.exported())
    }

    /// Returns the number of spans that no collector took.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.dropped())
    }

    /// Ends the thread. Waits at most [`STOP_TIMEOUT`] for the queued spans to be sent. Further spans are
    /// dropped.
    pub fn stop(&self) {
        let left = self
            .queue
            .as_ref()
            .map_or(0, |queue| queue.stop(STOP_TIMEOUT));
        if left > 0 {
            tracing::warn!(
                spans = left,
                "spans were not sent to the collector before the end"
            );
        }
    }
}

#[cfg(test)]
mod tests;
