//! `hookpost serve`: runs the server.

use std::sync::Arc;

use clap::Args;

use super::{seed, signal, welcome};
use crate::app::{AppSettings, Application, raise_open_files};
use crate::domain::clock::SystemClock;

/// Run the server.
#[derive(Args, Debug)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: AppSettings,
    #[command(flatten)]
    seed: seed::SeedSettings,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        raise_open_files();
        // Settings that can be refused are checked before the database file is touched.
        let admin = self.seed.admin_token()?;
        let database = self.settings.storage.database.clone();
        actix_web::rt::System::new().block_on(async move {
            let stop = signal::stop(signal::Hangup::Ignored)?;
            let app = Application::start(self.settings, Arc::new(SystemClock::new()))?;
            welcome::print(app.addr(), app.certificate().is_some(), &database);
            if let Err(error) = seed::seed(&*app.store(), admin, &database).await {
                app.stop().await;
                return Err(error);
            }
            Ok(app.run_until(stop).await?)
        })
    }
}
