//! The command `hookpost dev`: starts server and inbox, shows the demonstration, and runs until a signal.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use actix_web::rt;
use anyhow::Context;
use clap::Args;
use clap::builder::BoolishValueParser;

use super::attempts;
use super::demo_data;
use super::demonstration::Demonstration;
use super::inbox::{self, Inboxes};
use super::temp_dir::TempDir;
use crate::app::{AppError, AppSettings, Application, raise_open_files};
use crate::cli::{output, signal};
use crate::config::{
    AlertSettings, ApiSettings, DashboardSettings, DeliverySettings, EgressSettings,
    EncryptionSettings, HealthSettings, ListenAddress, MetricsSettings, RetentionSettings,
    StorageSettings, TlsSettings, TraceSettings, parse_socket_address,
};
use crate::domain::clock::SystemClock;

/// The first choice of a port for the inboxes; if it is taken, a free one is used.
const INBOX_PORT: u16 = 8081;

/// Try Hookpost on this machine: server, receiver and a first message, on loopback only.
#[derive(Args, Debug)]
pub(in crate::cli) struct Dev {
    /// Keep the data in this file; without it, a temporary folder keeps it until the end.
    #[arg(long, env = "HOOKPOST_DEV_DATABASE", value_name = "FILE")]
    database: Option<PathBuf>,

    /// The address and port of the API; without it 127.0.0.1:8080, or a free port if that is taken.
    #[arg(long, env = "HOOKPOST_DEV_LISTEN", value_name = "ADDR:PORT", value_parser = parse_loopback)]
    listen: Option<SocketAddr>,

    /// The address and port of the inboxes; without it 127.0.0.1:8081, or a free port if that is taken.
    #[arg(long, env = "HOOKPOST_DEV_INBOX_LISTEN", value_name = "ADDR:PORT", value_parser = parse_loopback)]
    inbox_listen: Option<SocketAddr>,

    /// End after the first message; exit code 0 if it arrived and its signature verified.
    #[arg(long, env = "HOOKPOST_DEV_ONCE", value_parser = BoolishValueParser::new())]
    once: bool,

    #[command(flatten)]
    delivery: DeliverySettings,
}

fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let addr = parse_socket_address(text)?;
    if addr.ip().is_loopback() {
        Ok(addr)
    } else {
        Err("not a loopback address; `hookpost serve` is for other machines".to_owned())
    }
}

impl Dev {
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        raise_open_files();
        rt::System::new().block_on(self.run_until_signal())
    }

    async fn run_until_signal(self) -> anyhow::Result<()> {
        let mut stop = pin!(signal::stop(signal::Hangup::Stops)?.first);
        // The folder is removed last, after the store has closed its file.
        let folder = match self.database {
            Some(_) => None,
            None => Some(TempDir::new().context("cannot make a temporary folder")?),
        };
        let in_folder = folder.as_ref().map(|f| f.path().join("hookpost.db"));
        let database = self.database.clone().or(in_folder).unwrap_or_default();
        let listener = inbox_listener(self.inbox_listen)?;
        let inbox_addr = listener.local_addr()?;
        let app = self.start(database)?;
        let inboxes = Inboxes::new(demo_data::secrets_in(app.store()));
        let inbox = inbox::serve(listener, inboxes.clone())?;
        let inbox_handle = inbox.handle();
        rt::spawn(inbox);

        let store = app.store();
        let seen = attempts::count(&*store)?;
        let demonstration = Demonstration {
            store: app.store(),
            api: app.addr().tcp().context("dev listens on an address")?,
            inbox: inbox_addr,
            inboxes,
            sign_in: app.one_time_path().unwrap_or_default(),
            next_steps: !self.once,
            is_temporary: folder.is_some(),
        };
        let mut result = Ok(());
        let session = async {
            result = match signal::unless(stop.as_mut(), demonstration.show()).await {
                Some(Ok(())) if !self.once => {
                    signal::unless(stop, attempts::print_new(store, seen)).await;
                    Ok(())
                }
                Some(result) => result,
                None if self.once => Err(anyhow::anyhow!("interrupted")),
                None => Ok(()),
            };
        };
        let ran = app.run_until(session).await;
        inbox_handle.stop(false).await;
        ran?;
        result
    }

    /// Starts the server. Without `--listen`, it takes a free port if the default one is in use.
    fn start(&self, database: PathBuf) -> anyhow::Result<Application> {
        let mut settings = self.settings(database);
        let clock = Arc::new(SystemClock::new());
        match Application::start(settings.clone(), clock.clone()) {
            Err(AppError::Listen { addr, .. }) if self.listen.is_none() => {
                output::remark(&format!(
                    "{addr} is in use, so the API takes another port.\n"
                ));
                settings.api.listen = ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 0).into());
                Ok(Application::start(settings, clock)?)
            }
            result => Ok(result?),
        }
    }

    fn settings(&self, database: PathBuf) -> AppSettings {
        let default = ApiSettings::default();
        AppSettings {
            storage: StorageSettings { database },
            api: ApiSettings {
                listen: self.listen.map_or(default.listen, ListenAddress::Tcp),
                // The only client is the developer, whose scripts may send many requests.
                rate_limit: 0,
                publish_rate_limit: 0,
                publish_byte_limit: 0,
                auth_failure_limit: 0,
                ..default
            },
            tls: TlsSettings::default(),
            network: demo_data::network(),
            egress: EgressSettings::default(),
            encryption: EncryptionSettings::default(),
            delivery: self.delivery.clone(),
            retention: RetentionSettings::default(),
            alerts: AlertSettings::default(),
            metrics: MetricsSettings::default(),
            health: HealthSettings::default(),
            dashboard: DashboardSettings::default(),
            shown: Vec::new(),
            traces: TraceSettings::default(),
        }
    }
}

/// Binds the address of the inboxes. Without one, it takes a free port if the default one is in use.
fn inbox_listener(addr: Option<SocketAddr>) -> anyhow::Result<TcpListener> {
    if let Some(addr) = addr {
        return TcpListener::bind(addr)
            .with_context(|| format!("cannot listen on {addr} (--inbox-listen)"));
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, INBOX_PORT))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("cannot listen on a loopback port for the inbox")
}
