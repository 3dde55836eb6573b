//! The composition root: builds the parts of a server, runs them, and stops them in order.
//!
//! No other module knows all parts, and no part starts another. Tests can replace the clocks and the look-up
//! of names, so that they run the whole application on a clock that they move.

mod backlog;
mod certificates;
mod error;
mod growth;
mod listen;
mod open_files;
mod scrape;
mod settings;
mod traces;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Server;
use actix_web::rt::task::{JoinHandle, spawn_blocking};
use actix_web::web::ServiceConfig;

use self::backlog::Backlog;
pub use self::certificates::Certificates;
pub use self::error::AppError;
use self::listen::{Bound, SocketFile};
pub use self::open_files::raise_open_files;
pub use self::settings::AppSettings;
pub use self::traces::TraceError;
use crate::api;
use crate::config::{CertificatePair, DeliverySettings, KeyFileError, ListenAddress};
use crate::dashboard::{self, Dashboard, SystemFacts};
use crate::delivery::http_client::{HttpClient, HttpClientSettings};
use crate::delivery::resolver::{CountedLookup, Lookup, MonotonicClock, SystemLookup};
use crate::delivery::{Engine, EngineSettings, TestAttempts};
use crate::domain::clock::Clock;
use crate::domain::retry::RetryPolicy;
use crate::metrics::{Metrics, MetricsListener};
use crate::server::{self, Delivering, ServerState, Services};
use crate::spans::Spans;
use crate::storage::Store;
use crate::storage::sqlite::{SqliteSettings, SqliteStore};

/// A server whose port is bound, whose database is open and whose engine makes deliveries. It answers
/// requests once [`Application::run_until`] runs; until then, the system keeps clients' connections waiting.
pub struct Application {
    addr: ListenAddress,
    /// Removes a Unix socket at the end.
    socket: Option<SocketFile>,
    certificates: Certificates,
    store: Arc<SqliteStore>,
    engine: Arc<Engine>,
    server: Server,
    api: Arc<ServerState>,
    dashboard: Option<Arc<Dashboard>>,
    metrics: Option<MetricsListener>,
    spans: Spans,
}

impl Application {
    /// Starts a server that looks names up as the system does.
    pub fn start(settings: AppSettings, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        Self::start_with(settings, clock, Arc::new(SystemLookup))
    }

    /// Starts a server that looks names up with `lookup`. If a part does not start, the parts before it are
    /// stopped.
    pub fn start_with(
        settings: AppSettings,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, AppError> {
        let Bound {
            listener,
            addr,
            file: socket,
        } = listen::bind(&settings.api).map_err(|source| AppError::Listen {
            addr: settings.api.listen.clone(),
            source,
        })?;
        let certificates = Certificates::read(&settings)?;
        let metrics_addr = settings.metrics.metrics_listen;
        let metrics_listener = metrics_addr.map(listen_for_metrics).transpose()?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let lookup = Arc::new(CountedLookup::new(lookup, &metrics.delivery));
        // Settings that can be refused are checked before the database file is touched.
        let client = client_settings(&settings, certificates.client.clone())?;
        let client = HttpClient::with_clock(client, lookup, instants(&clock))?;
        let collector = traces::collector(&settings.traces)?;
        let store = SqliteStore::open(
            &settings.storage.database,
            store_settings(&settings, &metrics)?,
            clock.clone(),
        )?;
        let spans = traces::start(collector.as_ref());
        let client = Arc::new(client);
        let engine = Engine::start(
            store.clone(),
            client.clone(),
            engine_settings(&settings.delivery),
            clock.clone(),
            &metrics.delivery,
            spans.clone(),
        );
        let engine = Arc::new(engine.inspect_err(|_| spans.stop())?);
        let senders = settings.delivery.max_threads as usize;
        let delivering = Delivering {
            policy: settings.network.policy(),
            tests: TestAttempts::new(client, clock.clone()),
        };
        let watched = engine.clone();
        let backlog = Backlog::watch(settings.health.unready_after, &store, &engine, &clock);
        let ready =
            Box::new(move || vec![("engine", watched.check()), ("backlog", backlog.check())]);
        let api = Arc::new(ServerState::new(
            store.clone(),
            clock.clone(),
            settings.api,
            delivering,
            ready,
            metrics.api.clone(),
            spans.clone(),
        ));
        let connections = open_files::for_connections(senders);
        let dashboard = (!settings.dashboard.no_dashboard).then(|| {
            let facts = SystemFacts {
                settings: settings.shown,
                database: settings.storage.database.display().to_string(),
                senders: settings.delivery.max_threads,
            };
            let has_tls = certificates.has_tls();
            Arc::new(Dashboard::new(api.clone(), facts, addr.tcp(), has_tls))
        });
        let services = services(&api, dashboard.as_ref());
        let server = match server::serve(
            listener,
            certificates.api.clone(),
            api.clone(),
            services,
            connections,
        ) {
            Ok(server) => server,
            Err(error) => {
                engine.stop();
                spans.stop();
                return Err(AppError::Server(error));
            }
        };
        growth::log(&store, &clock);
        let metrics = metrics_listener
            .and_then(|listener| scrape::serve(listener, metrics, &store, &engine, clock, &spans));
        let version = env!("CARGO_PKG_VERSION");
        let database = settings.storage.database.display();
        tracing::info!(%addr, %database, version, "started");
        Ok(Self {
            addr,
            socket,
            certificates,
            store,
            engine,
            server,
            api,
            dashboard,
            metrics,
            spans,
        })
    }

    /// Returns the place where the server listens, with its real port if the setting was port 0.
    #[must_use]
    pub fn addr(&self) -> &ListenAddress {
        &self.addr
    }

    /// Returns the certificates, which can be read again while the server runs.
    #[must_use]
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// Makes a code with which the operator signs in to the dashboard once. Returns the path and query of the page
    /// to sign in; `None` without a dashboard.
    #[must_use]
    pub fn one_time_path(&self) -> Option<String> {
        Some(self.dashboard.as_ref()?.one_time_path())
    }

    /// Returns a check that the delivery engine is alive. It must be called from time to time: it reports what
    /// happened since the last call. It does not look at the disk, which a restart would not mend.
    pub fn heartbeat(&self) -> impl Fn() -> bool + use<> {
        let engine = Arc::downgrade(&self.engine);
        move || engine.upgrade().is_none_or(|engine| engine.heartbeat())
    }

    /// Returns the address of the metrics, with its real port, if they are served.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsListener::addr)
    }

    /// Returns the store, for commands that use it beside the API.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Serves until `signal` resolves, then stops all parts. Needs actix's runtime.
    ///
    /// # Errors
    /// [`AppError::Server`] if the HTTP server ended before the signal; the other parts are then stopped,
    /// too. [`AppError::Close`] if the last checkpoint failed.
    pub async fn run_until(self, signal: impl Future<Output = ()>) -> Result<(), AppError> {
        self.run_until_signals(signal, std::future::pending()).await
    }

    /// Does the same as [`Application::run_until`]. Once `second` resolves, the stop no longer waits for the
    /// attempts under way.
    pub async fn run_until_signals(
        self,
        signal: impl Future<Output = ()>,
        second: impl Future<Output = ()>,
    ) -> Result<(), AppError> {
        let handle = self.server.handle();
        let mut server = actix_web::rt::spawn(self.server);
        let ended = tokio::select! {
            biased;
            ended = &mut server => Some(ended),
            () = signal => None,
        };
        tracing::info!("stopping");

        // From here on the API refuses publishes with an error, and serves all other requests, while the
        // attempts under way get their grace period.
        self.api.stop_publishing();
        let engine = self.engine.clone();
        let mut stopped = stop_engine(self.engine);
        tokio::select! {
            _ = &mut stopped => {}
            () = second => {
                tracing::warn!("the grace period is cut short");
                engine.cut_short();
                drop(stopped.await);
            }
        }
        drop(engine);
        drop(self.socket);
        handle.stop(true).await;
        if let Some(flushed) = self.api.flush_last_used()
            && let Err(error) = flushed.await
        {
            tracing::warn!(%error, "when tokens were used last could not be written");
        }
        stop_metrics(self.metrics).await;
        stop_spans(self.spans).await;
        // The results of those attempts are queued now; the store writes its queue and closes.
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
        stop_metrics(self.metrics).await;
        drop(stop_engine(self.engine).await);
        stop_spans(self.spans).await;
        if let Err(error) = stop_store(self.store).await {
            tracing::warn!(%error, "stopping");
        }
    }
}

/// Returns the services of the server: the dashboard, unless it is switched off, and the API.
fn services(api: &Arc<ServerState>, dashboard: Option<&Arc<Dashboard>>) -> Services {
    let (api, dashboard) = (Arc::clone(api), dashboard.cloned());
    Arc::new(move |config: &mut ServiceConfig| {
        if let Some(dashboard) = &dashboard {
            dashboard::configure(config, dashboard);
        }
        api::configure(config, &api);
    })
}

impl AppSettings {
    /// Returns what is wrong with the files that the settings name, each as a line for the operator. A start
    /// would end at the first of them.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let client = client_settings(self, None).err();
        let headers = traces::collector(&self.traces).err().map(AppError::from);
        let keys = self.encryption.keys().err().map(AppError::from);
        let files = [client, headers, keys].into_iter().flatten();
        let found = Certificates::problems(self).chain(files);
        found.map(|error| error.to_string()).collect()
    }
}

fn listen_for_metrics(addr: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(addr).map_err(|source| AppError::ListenForMetrics { addr, source })
}

/// Returns a function that gives `clock`'s monotonic time as an `Instant`, which look-ups need.
fn instants(clock: &Arc<dyn Clock>) -> MonotonicClock {
    let (clock, start) = (clock.clone(), Instant::now());
    Arc::new(move || start + clock.monotonic())
}

fn store_settings(
    settings: &AppSettings,
    metrics: &Metrics,
) -> Result<SqliteSettings, KeyFileError> {
    let of_settings = SqliteSettings::new(
        &settings.api,
        &settings.delivery,
        &settings.retention,
        &settings.alerts,
    );
    let keys = settings.encryption.keys()?;
    #[cfg(unix)]
    if let Some(path) = settings.encryption.exposed_file() {
        let path = path.display();
        tracing::warn!(%path, "other users of this machine can read the key of the secrets");
    }
    Ok(SqliteSettings {
        metrics: metrics.storage.clone(),
        keys,
        ..of_settings
    })
}

fn client_settings(
    settings: &AppSettings,
    certificate: Option<Arc<CertificatePair>>,
) -> Result<HttpClientSettings, AppError> {
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
        certificate,
        proxy: settings.egress.egress_proxy.clone(),
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

/// Stops the engine on another thread, which begins at once, even if the caller does not await it. That
/// thread logs a panic of its own.
fn stop_engine(engine: Arc<Engine>) -> JoinHandle<()> {
    spawn_blocking(move || engine.stop())
}

/// Stops the listener for metrics, if there is one. It reads from the other parts, so they stop after it.
async fn stop_metrics(metrics: Option<MetricsListener>) {
    if let Some(metrics) = metrics {
        drop(spawn_blocking(|| metrics.stop()).await);
    }
}

/// Sends the last spans, once the parts that make them have stopped.
async fn stop_spans(spans: Spans) {
    drop(spawn_blocking(move || spans.stop()).await);
}

async fn stop_store(store: Arc<SqliteStore>) -> Result<(), AppError> {
    match spawn_blocking(move || store.close()).await {
        Ok(closed) => Ok(closed?),
        Err(error) => Err(AppError::Server(io::Error::other(error))),
    }
}
