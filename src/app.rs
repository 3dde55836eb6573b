//! The composition root: builds the parts, runs them, and stops them in order.
//!
//! Nothing else knows all of the parts, and no part starts another. The clocks and the way names are
//! looked up can be replaced, so that tests run the whole application on a clock moved by hand.

mod open_files;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use actix_web::dev::Server;
use actix_web::rt::task::{JoinError, JoinHandle, spawn_blocking};
use clap::Args;
use thiserror::Error;

pub use self::open_files::raise_open_files;
use crate::api::{self, ApiState};
use crate::config::{
    ApiSettings, DeliverySettings, NetworkSettings, RetentionSettings, StorageSettings,
};
use crate::delivery::http_client::{HttpClient, HttpClientError, HttpClientSettings};
use crate::delivery::resolver::{Lookup, MonotonicClock, SystemLookup};
use crate::delivery::{Engine, EngineError, EngineSettings};
use crate::domain::clock::Clock;
use crate::domain::retry::RetryPolicy;
use crate::storage::Store;
use crate::storage::sqlite::{CloseError, OpenError, SqliteSettings, SqliteStore};

/// Everything that can be set of a server.
#[derive(Args, Clone, Debug)]
pub struct AppSettings {
    /// Where the data lives.
    #[command(flatten)]
    pub storage: StorageSettings,
    /// How the API listens and what it takes.
    #[command(flatten)]
    pub api: ApiSettings,
    /// Which addresses deliveries may go to.
    #[command(flatten)]
    pub network: NetworkSettings,
    /// How deliveries are made.
    #[command(flatten)]
    pub delivery: DeliverySettings,
    /// How long things are kept.
    #[command(flatten)]
    pub retention: RetentionSettings,
}

/// Why a server did not start, or ended by itself. Each is one line for its operator.
#[derive(Debug, Error)]
pub enum AppError {
    /// Another program has the port, or the address is not this machine's.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Where it was to listen.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The file of certificates to trust cannot be read.
    #[error("cannot read --ca-file {path}: {source}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Deliveries cannot be made.
    #[error(transparent)]
    HttpClient(#[from] HttpClientError),
    /// The delivery engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The API did not start, or ended by itself.
    #[error("the HTTP server ended: {0}")]
    Server(io::Error),
    /// The server stopped, and the database is not as a clean stop leaves it.
    #[error(transparent)]
    Close(#[from] CloseError),
}

/// A server whose port is bound, database open and engine delivering. It answers requests from
/// [`Application::run_until`] on; those that come before wait in the port's backlog.
pub struct Application {
    addr: SocketAddr,
    store: Arc<SqliteStore>,
    engine: Arc<Engine>,
    server: Server,
    api: Arc<ApiState>,
}

impl Application {
    /// Starts a server which looks names up as the system does.
    pub fn start(settings: AppSettings, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        Self::start_with(settings, clock, Arc::new(SystemLookup))
    }

    /// Starts a server which looks names up with `lookup`. If a part does not start, those before it
    /// are stopped.
    pub fn start_with(
        settings: AppSettings,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, AppError> {
        let (listener, addr) = listen(settings.api.listen)?;
        // What can be refused without touching the file comes before it.
        let client = HttpClient::with_clock(client_settings(&settings)?, lookup, instants(&clock))?;
        let store = SqliteStore::open(
            &settings.storage.database,
            store_settings(&settings),
            clock.clone(),
        )?;
        let engine = Arc::new(Engine::start(
            store.clone(),
            Arc::new(client),
            engine_settings(&settings.delivery),
            clock.clone(),
        )?);
        let senders = settings.delivery.max_threads as usize;
        let policy = settings.network.policy();
        let watched = engine.clone();
        let ready = Box::new(move || watched.check());
        let api = Arc::new(ApiState::new(
            store.clone(),
            clock,
            settings.api,
            policy,
            ready,
        ));
        let connections = open_files::for_connections(senders);
        let server = match api::serve(listener, api.clone(), connections) {
            Ok(server) => server,
            Err(error) => {
                engine.stop();
                return Err(AppError::Server(error));
            }
        };
        tracing::info!(%addr, database = %settings.storage.database.display(), "started");
        Ok(Self {
            addr,
            store,
            engine,
            server,
            api,
        })
    }

    /// The address that is listened on; with its real port if port 0 was asked for.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The store, for what a command line does beside the API.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Serves until `signal` resolves, then stops. Runs in actix's runtime.
    ///
    /// # Errors
    /// [`AppError::Server`] if the server ended before the signal; all is stopped then as well.
    /// [`AppError::Close`] if the last checkpoint failed.
    pub async fn run_until(self, signal: impl Future<Output = ()>) -> Result<(), AppError> {
        let handle = self.server.handle();
        let mut server = actix_web::rt::spawn(self.server);
        let ended = first_of(&mut server, signal).await;
        tracing::info!("stopping");

        // From here on publishes are refused, and told so. All else is answered while the attempts under
        // way get their grace period.
        self.api.stop_publishing();
        drop(stop_engine(self.engine).await);
        handle.stop(true).await;
        if let Some(flushed) = self.api.flush_last_used()
            && let Err(error) = flushed.await
        {
            tracing::warn!(%error, "when tokens were used last could not be written");
        }
        // The outcomes of those attempts are queued now; the store writes what is queued and closes.
        let closed = stop_store(self.store).await;
        if closed.is_ok() {
            tracing::info!("stopped");
        }

        match ended {
            None => closed,
            Some(Ok(Ok(()))) => Err(AppError::Server(io::Error::other("it was stopped"))),
            Some(Ok(Err(error))) => Err(AppError::Server(error)),
            Some(Err(error)) => Err(AppError::Server(io::Error::other(error))),
        }
    }

    /// Stops a server that never served.
    pub async fn stop(self) {
        drop(self.server);
        drop(stop_engine(self.engine).await);
        if let Err(error) = stop_store(self.store).await {
            tracing::warn!(%error, "stopping");
        }
    }
}

fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |source| AppError::Listen { addr, source };
    let listener = TcpListener::bind(addr).map_err(failed)?;
    lengthen_queue(&listener).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

/// `clock`'s monotonic time in the form in which look-ups take it.
fn instants(clock: &Arc<dyn Clock>) -> MonotonicClock {
    let (clock, start) = (clock.clone(), Instant::now());
    Arc::new(move || start + clock.monotonic())
}

/// Has more connections wait for their turn than the standard library asks for (128): when the queue is
/// full a client hears nothing, and tries again only after a second.
#[cfg(target_os = "linux")]
fn lengthen_queue(listener: &TcpListener) -> io::Result<()> {
    const WAITING: i32 = 1024;
    Ok(rustix::net::listen(listener, WAITING)?)
}

#[cfg(not(target_os = "linux"))]
fn lengthen_queue(_: &TcpListener) -> io::Result<()> {
    Ok(())
}

fn store_settings(settings: &AppSettings) -> SqliteSettings {
    SqliteSettings {
        max_endpoints: settings.api.max_endpoints.into(),
        max_tokens: settings.api.max_tokens.into(),
        disable_after: settings.delivery.disable_after,
        archive_after: settings.retention.archive_after,
    }
}

fn client_settings(settings: &AppSettings) -> Result<HttpClientSettings, AppError> {
    let delivery = &settings.delivery;
    let ca_file = match &delivery.ca_file {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|source| AppError::CaFile {
            path: path.clone(),
            source,
        })?),
    };
    Ok(HttpClientSettings {
        request_timeout: delivery.request_timeout,
        ca_file,
        max_threads: delivery.max_threads as usize,
        policy: settings.network.policy(),
    })
}

fn engine_settings(delivery: &DeliverySettings) -> EngineSettings {
    EngineSettings {
        senders: delivery.max_threads,
        retry: RetryPolicy {
            waits: delivery.retry_schedule.clone(),
            expire_after: delivery.expire_after,
        },
        grace: delivery.grace_period,
    }
}

/// Begins at once, awaited or not. A panic in there was logged by its thread.
fn stop_engine(engine: Arc<Engine>) -> JoinHandle<()> {
    spawn_blocking(move || engine.stop())
}

async fn stop_store(store: Arc<SqliteStore>) -> Result<(), AppError> {
    match spawn_blocking(move || store.close()).await {
        Ok(closed) => Ok(closed?),
        Err(error) => Err(AppError::Server(io::Error::other(error))),
    }
}

/// Waits for `task` or `signal`, whichever is first: what the task came to, or `None`.
async fn first_of<T>(
    task: &mut JoinHandle<T>,
    signal: impl Future<Output = ()>,
) -> Option<Result<T, JoinError>> {
    let mut signal = pin!(signal);
    poll_fn(|context| {
        if let Poll::Ready(result) = Pin::new(&mut *task).poll(context) {
            return Poll::Ready(Some(result));
        }
        signal.as_mut().poll(context).map(|()| None)
    })
    .await
}
