//! The threads of a server's store beside the writer and the checkpoints.

use std::sync::Arc;

use uuid::Uuid;

use super::settings::SqliteSettings;
use crate::domain::clock::Clock;
use crate::storage::StoreError;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::storage::sqlite::maintenance::alerts::{AlertRules, Alerts};
use crate::storage::sqlite::maintenance::clock_watch::ClockWatch;
use crate::storage::sqlite::maintenance::janitor::Janitor;
use crate::storage::sqlite::maintenance::jobs::JobThread;
use crate::storage::sqlite::writer::Writer;

/// The handles of the threads.
pub(super) struct BackgroundThreads {
    pub(super) jobs: JobThread,
    clock_watch: ClockWatch,
    alerts: Alerts,
    janitor: Janitor,
}

impl BackgroundThreads {
    /// Starts the threads. `operator` is the workspace that gets operational events.
    pub(super) fn start(
        writer: &Arc<Writer>,
        files: &Arc<DatabaseFiles>,
        clock: &Arc<dyn Clock>,
        settings: &SqliteSettings,
        operator: Option<Uuid>,
    ) -> Result<Self, StoreError> {
        let rules = AlertRules {
            operator,
            backlog: settings.alert_backlog,
            disk: settings.alert_disk,
        };
        Ok(Self {
            jobs: JobThread::start(writer.clone(), &**clock, files.clone())?,
            clock_watch: ClockWatch::start(writer.clone(), clock.clone())?,
            alerts: Alerts::start(writer.clone(), files.clone(), clock.clone(), rules)?,
            janitor: Janitor::start(
                writer.clone(),
                clock.clone(),
                settings.keep_for(),
                files.clone(),
            )?,
        })
    }

    /// Ends the threads.
    pub(super) fn stop(&self) {
        self.jobs.stop();
        self.janitor.stop();
        self.clock_watch.stop();
        self.alerts.stop();
    }
}
