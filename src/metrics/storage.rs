//! The metrics of the store: the writer, the pending events, and the sizes of files.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::job::JobAction;

/// The upper bounds of the buckets of a commit's duration, in seconds: from a fast disk to the five seconds of a
/// disk that hangs.
const COMMIT_SECONDS: [f64; 13] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];

/// The upper bounds of the buckets of a group's size. A group has at most a thousand operations.
const GROUP_OPERATIONS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// The metrics of the store.
#[derive(Clone, Debug)]
pub struct StorageMetrics {
    group_operations: Histogram,
    commit_duration: Histogram,
    /// Events that wait for an attempt, or for another one.
    pub pending_events: Gauge,
    /// The size of the database file.
    pub database_bytes: Gauge,
    /// The part of the database file that is free for new rows.
    pub database_free_bytes: Gauge,
    /// The size of the write-ahead log.
    pub log_bytes: Gauge,
    /// The free space on the disk of the database.
    pub disk_free_bytes: Gauge,
    /// The largest size that the settings allow; 0: none.
    pub database_limit_bytes: Gauge,
    /// 1 if the database has reached it.
    pub database_limit_reached: Gauge,
    /// Messages, events and deliveries that were deleted because of their age, or to make room.
    pub deleted_rows: Counter,
    /// Messages whose payloads were dropped for the same reasons.
    pub archived_messages: Counter,
    /// Jobs that run.
    pub jobs_running: Gauge,
    job_events: Family<JobEventLabels, Counter>,
    /// Reads for the metrics that failed; the values of before stay.
    pub failed_reads: Counter,
}

/// The labels of the events of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobEventLabels {
    action: &'static str,
    result: &'static str,
}

impl Default for StorageMetrics {
    fn default() -> Self {
        Self {
            group_operations: Histogram::new(GROUP_OPERATIONS),
            commit_duration: Histogram::new(COMMIT_SECONDS),
            pending_events: Gauge::default(),
            database_bytes: Gauge::default(),
            database_free_bytes: Gauge::default(),
            log_bytes: Gauge::default(),
            disk_free_bytes: Gauge::default(),
            database_limit_bytes: Gauge::default(),
            database_limit_reached: Gauge::default(),
            deleted_rows: Counter::default(),
            archived_messages: Counter::default(),
            jobs_running: Gauge::default(),
            job_events: job_events(),
            failed_reads: Counter::default(),
        }
    }
}

/// The words for the results of a job's events.
const DONE: &str = "done";
const LEFT_OUT: &str = "left_out";

/// Returns the counters of the events of jobs, all of them at 0: one that appears with its first event has no rate then.
fn job_events() -> Family<JobEventLabels, Counter> {
    let family = Family::default();
    for action in JobAction::ALL.map(JobAction::as_str) {
        for result in [DONE, LEFT_OUT] {
            let labels = JobEventLabels { action, result };
            let _: &Counter = &family.get_or_create(&labels);
        }
    }
    family
}

impl StorageMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "pending_events",
            "Events that wait for an attempt or for another one, those of resting endpoints included",
            self.pending_events.clone(),
        );
        registry.register(
            "writer_group_operations",
            "Writes that the writer committed together, for each transaction",
            self.group_operations.clone(),
        );
        registry.register_with_unit(
            "writer_commit_duration",
            "Time of a commit, which waits for the disk",
            Unit::Seconds,
            self.commit_duration.clone(),
        );
        registry.register_with_unit(
            "database",
            "Size of the database file",
            Unit::Bytes,
            self.database_bytes.clone(),
        );
        registry.register_with_unit(
            "database_free",
            "Part of the database file that is free for new rows",
            Unit::Bytes,
            self.database_free_bytes.clone(),
        );
        registry.register_with_unit(
            "database_limit",
            "Largest size of the database, without its free part, that the settings allow; 0: no limit",
            Unit::Bytes,
            self.database_limit_bytes.clone(),
        );
        registry.register(
            "database_limit_reached",
            "1 if the database has reached its largest size, and publishes are refused; else 0",
            self.database_limit_reached.clone(),
        );
        registry.register(
            "retention_deleted_rows",
            "Messages, events and deliveries deleted because of their age, or to keep within the largest size",
            self.deleted_rows.clone(),
        );
        registry.register(
            "retention_archived_messages",
            "Messages whose payloads were dropped because of their age, or to keep within the largest size",
            self.archived_messages.clone(),
        );
        registry.register_with_unit(
            "write_ahead_log",
            "Size of the write-ahead log, the -wal file",
            Unit::Bytes,
            self.log_bytes.clone(),
        );
        if cfg!(target_os = "linux") {
            registry.register_with_unit(
                "disk_free",
                "Free space on the disk of the database",
                Unit::Bytes,
                self.disk_free_bytes.clone(),
            );
        }
        registry.register(
            "jobs_running",
            "Jobs that redeliver or skip events now",
            self.jobs_running.clone(),
        );
        registry.register(
            "job_events",
            "Events that jobs have looked at, by action and by whether they did it or left the event out",
            self.job_events.clone(),
        );
        registry.register(
            "metrics_failed_reads",
            "Reads of the database for these metrics that failed or found no free connection",
            self.failed_reads.clone(),
        );
    }

    /// Notes the events of a step of a job: those on which it did its action, and those that it left out.
    pub fn count_job_events(&self, action: JobAction, done: u64, left_out: u64) {
        for (result, count) in [(DONE, done), (LEFT_OUT, left_out)] {
            let action = action.as_str();
            let labels = JobEventLabels { action, result };
            self.job_events.get_or_create(&labels).inc_by(count);
        }
    }

    /// Notes a commit of so many operations. A group of none is the writer's own work.
    pub fn observe_commit(&self, operations: usize, took: Duration) {
        if let Ok(operations @ 1..) = u32::try_from(operations) {
            self.group_operations.observe(f64::from(operations));
        }
        self.commit_duration.observe(took.as_secs_f64());
    }
}
