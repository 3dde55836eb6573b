//! The HTTP server around its services: its sockets, its threads, and its limits on connections.

mod handshake_turns;
mod listener;
mod tls;
mod tls_stream;

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
#[cfg(unix)]
use actix_web::rt::net::UnixStream;
use actix_web::web::ServiceConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use self::handshake_turns::HandshakeTurns;
pub use self::listener::Listener;
pub use self::tls::{ServerCertificate, TlsError};
use self::tls_stream::TlsStream;
use super::client_address::UnixPeer;
use super::connection::{Connection, ConnectionLimits, ConnectionTable};
use super::state::{ServerState, flush_periodically};
use super::{request_log, same_machine};

/// The time in which the head of a connection's first request must arrive. It stops clients that hold
/// connections by sending a byte now and then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for which an idle connection is kept. Most proxies and client pools close theirs after a minute.
/// This is longer, so that the server rarely closes a connection on which a client just sends a request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The time in which a client must close, or send the rest of a body that was refused.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The limits on connections, besides those of actix-web. A request has 10 s for its head, 30 s for its
/// body, and at worst waits some seconds for the store. A client must take at least 64 KiB of its response in
/// 30 s: two kilobytes a second, less than any network over which lists can be read. The limit can't be
/// lower, because a socket reports room only when a third of its buffer is free.
pub(crate) const LIMITS: ConnectionLimits = ConnectionLimits {
    idle: Duration::from_secs(80),
    request: Duration::from_mins(1),
    response: Duration::from_secs(30),
    taken: 64 << 10,
    connections: 4096,
    bytes: 32 << 20,
    period: Duration::from_secs(1),
};

/// The number of bodies of the greatest size that one worker can always receive at the same time.
const BODIES_MIN: usize = 16;

/// The fewest connections of one worker, however few files the process may open.
const CONNECTIONS_MIN: usize = 32;

/// The connections beyond the limit of a worker, while they are being closed. Beyond these, connections wait
/// in the system's queue.
const CONNECTIONS_CLOSING: usize = 64;

/// The blocking threads of one worker, for reads. More would only wait for the store's connections.
const READERS_PER_WORKER: usize = 8;

/// The time for which a stopping server waits for requests under way. At worst they wait for a commit.
const STOP_TIMEOUT_S: u64 = 5;

/// Adds the services of the layers above to the application of a worker. The last of them responds to all paths.
pub type Services = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// Returns a server of these services on `listener`. With `tls` it speaks HTTPS only; on a Unix socket it never does. It has at most about `connections` connections, and at most
/// 4096 for each worker: an idle one costs some ten kilobytes. Call this on an actix runtime and await the
/// server. The server handles no signals: stop it through [`Server::handle`].
///
/// # Errors
/// The system's, if the listener or the threads cannot be set up.
pub fn serve(
    listener: Listener,
    tls: Option<Arc<ServerCertificate>>,
    state: Arc<ServerState>,
    services: Services,
    connections: usize,
) -> io::Result<Server> {
    let per_worker = connections / workers();
    let largest = usize::try_from(state.settings.max_body_bytes).unwrap_or(usize::MAX);
    let limits = ConnectionLimits {
        connections: per_worker.clamp(CONNECTIONS_MIN, LIMITS.connections),
        bytes: LIMITS.bytes.max(BODIES_MIN.saturating_mul(largest)),
        ..LIMITS
    };
    serve_within(listener, tls, state, services, limits)
}

/// Returns the number of workers: one per core, since the work of a request is small and never blocks.
fn workers() -> usize {
    std::thread::available_parallelism()
        .map_or(2, NonZero::get)
        .min(512)
}

/// Does the same as [`serve`], with these limits for each worker.
pub(crate) fn serve_within(
    listener: Listener,
    tls: Option<Arc<ServerCertificate>>,
    state: Arc<ServerState>,
    services: Services,
    limits: ConnectionLimits,
) -> io::Result<Server> {
    let own = listener.tcp_addr()?;
    flush_periodically(&state);
    let builder = Server::build();
    let stopping = builder.graceful_shutdown_signal();
    let parts = Parts {
        state,
        services,
        limits,
        own,
        stopping: move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        },
    };
    let builder = builder
        .workers(workers())
        .worker_max_blocking_threads(READERS_PER_WORKER)
        .max_concurrent_connections(limits.connections + CONNECTIONS_CLOSING)
        .shutdown_timeout(STOP_TIMEOUT_S)
        .disable_signals();
    let acceptor = tls.map(ServerCertificate::acceptor).transpose()?;
    let builder = match (listener, acceptor) {
        (Listener::Tcp(listener), None) => {
            bound_send_buffers(&listener)?;
            let worker = move || parts.worker(|stream: TcpStream| (peer(&stream), stream));
            builder.listen("api", listener, worker)?
        }
        (Listener::Tcp(listener), Some(acceptor)) => {
            bound_send_buffers(&listener)?;
            let worker = move || {
                let acceptor = acceptor.clone();
                let turns = HandshakeTurns::new();
                parts.worker(move |stream: TcpStream| {
                    let peer = peer(&stream);
                    (peer, TlsStream::accept(&acceptor, &turns, stream))
                })
            };
            builder.listen("api", listener, worker)?
        }
        #[cfg(unix)]
        (Listener::Unix(listener), _) => {
            let worker = move || parts.worker(|stream: UnixStream| (None, stream));
            builder.listen_uds("api", listener, worker)?
        }
    };
    Ok(builder.run())
}

/// The parts of which each worker is made.
#[derive(Clone)]
struct Parts<F> {
    state: Arc<ServerState>,
    services: Services,
    limits: ConnectionLimits,
    /// The server's own address; `None` on a Unix socket.
    own: Option<SocketAddr>,
    /// Returns a future that resolves when the server begins to stop.
    stopping: F,
}

impl<F, S> Parts<F>
where
    F: Fn() -> S + Clone + 'static,
    S: Future<Output = ()> + 'static,
{
    /// Returns the service of a worker: the same as that of `HttpServer`, but with each stream wrapped in a
    /// `Connection`. `open` makes the stream of a client, with the client's address, from an accepted one.
    fn worker<A, T, O>(
        &self,
        open: O,
    ) -> impl ServiceFactory<A, Config = (), Response = (), Error = DispatchError, InitError = ()>
    + use<A, T, O, F, S>
    where
        A: 'static,
        T: AsyncRead + AsyncWrite + Unpin + 'static,
        O: Fn(A) -> (Option<SocketAddr>, T) + Clone + 'static,
    {
        let Self {
            state,
            services,
            limits,
            own,
            stopping,
        } = self.clone();
        let metrics = state.metrics.clone();
        let app = App::new()
            .wrap(from_fn(move |request, next| {
                same_machine::refuse_foreign_origins(own, request, next)
            }))
            .wrap(from_fn(request_log::each_request))
            .configure(move |config| services(config))
            .into_factory()
            .map_err(|error| error.error_response());
        let mut http = HttpService::build()
            .graceful_shutdown_signal(stopping)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT);
        if let Some(own) = own {
            http = http.local_addr(own);
        }
        let http = http
            .on_connect_ext(move |stream: &Connection<T>, data| {
                data.insert(stream.streaming());
                data.insert(stream.request_handle());
                if own.is_none() {
                    data.insert(UnixPeer);
                }
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let table = ConnectionTable::new(limits, &metrics);
        fn_service(move |stream: A| {
            let (peer, stream) = open(stream);
            ready(Ok::<_, DispatchError>((table.admit(stream), peer)))
        })
        .and_then(http)
    }
}

/// The bytes of a response that the system keeps for a connection until the client takes them: enough for
/// 2.5 MB a second to a client that is 100 ms away. By default Linux lets this grow to 4 MiB, which no limit
/// of the server would count.
#[cfg(target_os = "linux")]
const SEND_BUFFER_BYTES: usize = 256 << 10;

/// Bounds the send buffers of all connections that `listener` accepts.
#[cfg(target_os = "linux")]
fn bound_send_buffers(listener: &TcpListener) -> io::Result<()> {
    let set = rustix::net::sockopt::set_socket_send_buffer_size;
    Ok(set(listener, SEND_BUFFER_BYTES)?)
}

/// Does nothing: on other systems the effect is not known.
#[cfg(not(target_os = "linux"))]
fn bound_send_buffers(_listener: &TcpListener) -> io::Result<()> {
    Ok(())
}

/// Returns the address of the client, unless it is gone already, and sets the options of the socket.
fn peer(stream: &TcpStream) -> Option<SocketAddr> {
    // Most responses are one small write. A stream that refuses this is broken, and reading will report it.
    let _ = stream.set_nodelay(true);
    stream.peer_addr().ok()
}
