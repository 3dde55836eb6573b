//! The HTTP server around the API: its threads, and what it lets a client do with a connection.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;

use super::application::configure;
use super::connection::{Connection, Connections, Limits};
use super::state::{ApiState, flush_now_and_then};
use super::{request_log, same_machine};

/// How long the head of the first request of a connection may take to arrive: against clients that hold
/// connections by sending a byte now and then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: longer than the minute after which most proxies and client
/// pools let go of theirs, so that it is rarely we who close under somebody's next request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take to close, or to send a body that was refused.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may stay as it is, whatever the framework thinks of it. A request has 10 s for
/// its head, 30 for its body, and waits some seconds for the store at worst. Of its answer a client takes
/// at least 64 KiB in 30 s: two kilobytes a second, less than any line on which somebody reads lists. It
/// is not less because a socket tells of room only when a third of its buffer is free.
pub(super) const LIMITS: Limits = Limits {
    idle: Duration::from_secs(80),
    request: Duration::from_mins(1),
    answer: Duration::from_secs(30),
    taken: 64 << 10,
    connections: 4096,
    bytes: 32 << 20,
    period: Duration::from_secs(1),
};

/// The fewest of the largest bodies that one worker takes in at the same time.
const BODIES_MIN: usize = 16;

/// The fewest connections of one worker, however few files it may open.
const CONNECTIONS_MIN: usize = 32;

/// Connections beyond the limit of a worker that are being closed. When these are used up too, the
/// others wait in the system's queue.
const CONNECTIONS_CLOSING: usize = 64;

/// Blocking threads of one worker, for reads: more would queue for the store's connections anyway.
const READERS_PER_WORKER: usize = 8;

/// How long a stopping server waits for requests under way: they wait for no more than a commit.
const STOP_TIMEOUT_S: u64 = 5;

/// Serves the API on `listener`, with at most about `connections` open at the same time, and 4096 of
/// each worker: an idle one costs some ten kilobytes. Call it on an actix runtime and await the server,
/// which handles no signals: stop it through [`Server::handle`].
///
/// # Errors
/// The system's, if the listener or the threads cannot be set up.
pub fn serve(
    listener: TcpListener,
    state: Arc<ApiState>,
    connections: usize,
) -> io::Result<Server> {
    let per_worker = connections / workers();
    let largest = usize::try_from(state.settings.max_body_bytes).unwrap_or(usize::MAX);
    let limits = Limits {
        connections: per_worker.clamp(CONNECTIONS_MIN, LIMITS.connections),
        bytes: LIMITS.bytes.max(BODIES_MIN.saturating_mul(largest)),
        ..LIMITS
    };
    serve_within(listener, state, limits)
}

/// The work of a request is small and never blocks, so one worker per core is all there is to gain.
fn workers() -> usize {
    std::thread::available_parallelism()
        .map_or(2, NonZero::get)
        .min(512)
}

/// [`serve`], with other limits.
pub(super) fn serve_within(
    listener: TcpListener,
    state: Arc<ApiState>,
    limits: Limits,
) -> io::Result<Server> {
    let addr = listener.local_addr()?;
    bound_send_buffers(&listener)?;
    flush_now_and_then(&state);
    let builder = Server::build();
    let stopping = builder.graceful_shutdown_signal();
    // What `HttpServer` does, with each connection watched.
    let worker = move || {
        let (state, stopping) = (Arc::clone(&state), stopping.clone());
        let app = App::new()
            .wrap(from_fn(move |request, next| {
                same_machine::keep_out(addr, request, next)
            }))
            .wrap(from_fn(request_log::each_request))
            .configure(move |config| configure(config, &state))
            .into_factory()
            .map_err(|error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .local_addr(addr)
            .on_connect_ext(|stream: &Connection<TcpStream>, data| {
                data.insert(stream.streaming());
                data.insert(stream.unanswered());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let connections = Connections::new(limits);
        fn_service(move |stream: TcpStream| {
            let peer = peer(&stream);
            ready(Ok::<_, DispatchError>((connections.admit(stream), peer)))
        })
        .and_then(http)
    };
    let server = builder
        .workers(workers())
        .worker_max_blocking_threads(READERS_PER_WORKER)
        .max_concurrent_connections(limits.connections + CONNECTIONS_CLOSING)
        .shutdown_timeout(STOP_TIMEOUT_S)
        .disable_signals()
        .listen("api", listener, worker)?;
    Ok(server.run())
}

/// What the system keeps of an answer that a client has not taken, of one connection: enough for 2.5 MB a
/// second to a client that is 100 ms away. Left alone it lets that grow to 4 MiB, beside all limits of ours.
#[cfg(target_os = "linux")]
const SEND_BUFFER_BYTES: usize = 256 << 10;

/// Bounds what the system keeps of answers, for all connections that `listener` accepts.
#[cfg(target_os = "linux")]
fn bound_send_buffers(listener: &TcpListener) -> io::Result<()> {
    let set = rustix::net::sockopt::set_socket_send_buffer_size;
    Ok(set(listener, SEND_BUFFER_BYTES)?)
}

/// Leaves it to the system, as nothing is known of what it would do.
#[cfg(not(target_os = "linux"))]
fn bound_send_buffers(_listener: &TcpListener) -> io::Result<()> {
    Ok(())
}

/// Who is at the other end, unless it is gone already.
fn peer(stream: &TcpStream) -> Option<SocketAddr> {
    // Answers are one small write each. A stream that refuses this is broken, as reading will show.
    let _ = stream.set_nodelay(true);
    stream.peer_addr().ok()
}
