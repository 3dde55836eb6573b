//! `hookpost serve`: runs the server.

use std::sync::Arc;

use clap::Args;
use thiserror::Error;

use super::{seed, signal, supervisor, welcome};
use crate::app::{AppSettings, Application, raise_open_files};
use crate::dashboard;
use crate::domain::clock::SystemClock;

/// Several settings that cannot be used. Each is a line.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub(super) struct UnusableSettings(pub(super) Vec<String>);

/// Run the server.
#[derive(Args, Debug)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: AppSettings,
    #[command(flatten)]
    seed: seed::SeedSettings,
}

impl Serve {
    /// Runs the server until a signal. `shown` are the settings in force, for the dashboard. At SIGHUP, calls `reload_log` and reads the certificates again.
    pub(super) fn run(
        mut self,
        shown: Vec<dashboard::Setting>,
        reload_log: impl Fn() + 'static,
    ) -> anyhow::Result<()> {
        raise_open_files();
        self.settings.shown = shown;
        // Settings that can be refused are checked before the database file is touched.
        let admin = self.seed.admin_token();
        let mut problems = self.settings.problems();
        problems.extend(admin.as_ref().err().map(|error| format!("{error:#}")));
        if problems.len() > 1 {
            return Err(UnusableSettings(problems).into());
        }
        let admin = admin?;
        let database = self.settings.storage.database.clone();
        actix_web::rt::System::new().block_on(async move {
            let stop = signal::stop(signal::Hangup::Reloads)?;
            let hangups = signal::Hangups::catch()?;
            let app = Application::start(self.settings, Arc::new(SystemClock::new()))?;
            let certificates = app.certificates();
            welcome::print(&app, certificates.has_tls(), &database);
            if let Err(error) = seed::seed(&*app.store(), admin, &database).await {
                app.stop().await;
                return Err(error);
            }
            hangups.call(move || {
                reload_log();
                certificates.reload();
            });
            supervisor::ready(app.addr(), app.heartbeat());
            let first = async {
                stop.first.await;
                supervisor::stopping();
            };
            Ok(app.run_until_signals(first, stop.second).await?)
        })
    }
}
