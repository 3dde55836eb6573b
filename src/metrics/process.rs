//! The metrics of the process. Their names and meanings are those that Prometheus gives to every program.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::log_queue;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// The metrics of the process, of the log and of the export of traces.
#[derive(Clone, Debug)]
pub struct ProcessMetrics {
    start_time: Gauge<f64, AtomicU64>,
    resident_bytes: Gauge,
    open_files: Gauge,
    max_files: Gauge,
    dropped_log_lines: Counter,
    exported_spans: Counter,
    dropped_spans: Counter,
}

impl Default for ProcessMetrics {
    fn default() -> Self {
        let start_time = Gauge::<f64, AtomicU64>::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        start_time.set(now.unwrap_or_default().as_secs_f64());
        Self {
            start_time,
            resident_bytes: Gauge::default(),
            open_files: Gauge::default(),
            max_files: Gauge::default(),
            dropped_log_lines: Counter::default(),
            exported_spans: Counter::default(),
            dropped_spans: Counter::default(),
        }
    }
}

impl ProcessMetrics {
    /// Registers the families that have the prefix of this program.
    pub(super) fn register_own(&self, registry: &mut Registry, version: &'static str) {
        // A gauge, although OpenMetrics has a type for it: tools for the older format do not know that.
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create_owned(&BuildLabels { version }).set(1);
        registry.register("build_info", "The version of the server; always 1", build);
        registry.register(
            "log_lines_dropped",
            "Lines that are missing in the log, because they could not be written in time",
            self.dropped_log_lines.clone(),
        );
        registry.register(
            "spans_exported",
            "Spans that the collector of traces took",
            self.exported_spans.clone(),
        );
        registry.register(
            "spans_dropped",
            "Spans that the collector of traces did not take, or not in time",
            self.dropped_spans.clone(),
        );
    }

    /// Registers the families that every program has, under their usual names.
    pub(super) fn register_usual(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "start_time",
            "Start of the server since the Unix epoch",
            Unit::Seconds,
            self.start_time.clone(),
        );
        if cfg!(target_os = "linux") {
            registry.register_with_unit(
                "resident_memory",
                "Resident memory of the process",
                Unit::Bytes,
                self.resident_bytes.clone(),
            );
            registry.register(
                "open_fds",
                "Open files and sockets",
                self.open_files.clone(),
            );
            registry.register(
                "max_fds",
                "The most files and sockets that may be open",
                self.max_files.clone(),
            );
        }
    }

    /// Sets the numbers of spans since the start.
    pub fn count_spans(&self, exported: u64, dropped: u64) {
        let set = |counter: &Counter, to| counter.inner().store(to, Ordering::Relaxed);
        set(&self.exported_spans, exported);
        set(&self.dropped_spans, dropped);
    }

    /// Reads the values anew. `max_files` is the limit of open files, if there is one.
    pub fn refresh(&self, max_files: Option<usize>) {
        let lost = log_queue::lost();
        self.dropped_log_lines
            .inner()
            .store(lost, Ordering::Relaxed);
        if let Some(bytes) = resident_bytes() {
            self.resident_bytes.set(bytes);
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            self.open_files.set(as_gauge(open.count()));
        }
        if let Some(max) = max_files {
            self.max_files.set(as_gauge(max));
        }
    }
}

/// Returns the resident memory, on Linux.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn as_gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
