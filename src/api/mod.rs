//! The HTTP API.
//!
//! Promises: a request is refused in the order of the contract, with every problem of its input at
//! once; an answer is sent only after what it tells of is on disk; no input gives a 5xx; no token or
//! secret is logged. What a request says is turned into types of the domain here, once, and is not
//! checked again further in.
//!
//! The way of a request: [`request_log`] names it, CORS answers a preflight, [`routes`] finds the
//! route, [`auth`] the caller, [`limits`] counts the request; a handler reads the input through [`validate`], calls the store and
//! renders with [`objects`], what may be long in [`slices`] ([`streamed`]); [`error`] says no.
//!
//! This layer must not know SQL, how a store is made, or how deliveries are sent. Reads of the store
//! run on blocking threads; writes are awaited and hold no thread.

mod auth;
mod call;
mod client_address;
mod connection;
mod deliveries;
mod endpoints;
mod error;
mod events;
mod health;
mod large_bodies;
mod limits;
mod objects;
mod pagination;
mod readers;
mod request_log;
mod routes;
pub mod same_machine;
mod server;
mod slices;
mod streamed;
mod tokens;
mod validate;
mod workspaces;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::{self, ServiceConfig};

pub use self::routes::{Access, BASES, RouteInfo, table};
pub use self::server::serve;
use crate::config::ApiSettings;
use crate::domain::clock::Clock;
use crate::domain::network_policy::NetworkPolicy;
use crate::storage::{Pending, Store};

/// About how often `last_used_at` of tokens is written.
const FLUSH_EVERY: Duration = Duration::from_mins(1);

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE_S: usize = 3600;

/// Tells why the application is not ready for work, if it is not; the text is shown to anybody.
pub type Readiness = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What all requests share.
pub struct ApiState {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: ApiSettings,
    policy: NetworkPolicy,
    readiness: Readiness,
    auth: auth::Auth,
    limits: limits::Limits,
    readers: readers::Readers,
    large_bodies: large_bodies::LargeBodies,
    stopping: AtomicBool,
}

impl ApiState {
    /// The state of a server. `readiness` is asked at each `/readyz`, besides the store; it must not
    /// block.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: ApiSettings,
        policy: NetworkPolicy,
        readiness: Readiness,
    ) -> Self {
        Self {
            store,
            clock,
            limits: limits::Limits::new(&settings),
            settings,
            policy,
            readiness,
            auth: auth::Auth::default(),
            readers: readers::Readers::new(),
            large_bodies: large_bodies::LargeBodies::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// From now on publishes are refused with 503, and `/readyz` says so; all else is still served.
    pub fn stop_publishing(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Writes down when tokens were used last; `None` if none was since the last time. A running
    /// server does so by itself about once a minute; who stops it calls this once more.
    pub fn flush_last_used(&self) -> Option<Pending<()>> {
        self.auth.flush(&*self.store)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Puts the API into an application. Requests to other paths are answered as well (401, 404), so
/// whatever else the application serves has to be put in before.
pub fn configure(config: &mut ServiceConfig, state: &Arc<ApiState>) {
    config.app_data(web::Data::from(Arc::clone(state)));
    for base in BASES {
        config.service(
            web::scope(base)
                .wrap(cors(&state.settings.cors_origin))
                .default_service(web::to(routes::dispatch)),
        );
    }
    config.default_service(web::to(routes::dispatch));
}

/// Who may call from a browser. Never with credentials: a token is sent by whoever has it, never by
/// the browser on its own.
fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PATCH,
            Method::DELETE,
        ])
        .allowed_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            request_log::X_REQUEST_ID,
            events::IDEMPOTENT_REPLAYED,
            RETRY_AFTER,
            WWW_AUTHENTICATE,
            ALLOW,
            limits::X_RATELIMIT_LIMIT,
            limits::X_RATELIMIT_REMAINING,
            limits::X_RATELIMIT_RESET,
        ])
        .max_age(PREFLIGHT_AGE_S);
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin().send_wildcard();
    }
    let origins = origins.to_vec();
    cors.allowed_origin_fn(move |origin, _| {
        let allowed = |own: &String| own.trim_end_matches('/').as_bytes() == origin.as_bytes();
        origins.iter().any(allowed)
    })
}

/// Writes `last_used_at` while the server runs.
fn flush_now_and_then(state: &Arc<ApiState>) {
    let state = Arc::downgrade(state);
    actix_web::rt::spawn(async move {
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            let Some(pending) = state.upgrade().map(|state| state.flush_last_used()) else {
                return;
            };
            if let Some(Err(error)) = async { Some(pending?.await) }.await {
                tracing::warn!(%error, "when tokens were used last could not be written");
            }
        }
    });
}

#[cfg(test)]
mod tests;
