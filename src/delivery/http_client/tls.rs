//! TLS on top of a TCP connection.
//!
//! All requests share one rustls configuration: one root store, and one cache of sessions, which rustls
//! limits to 256 servers. The roots are those of the Mozilla program, as shipped by `webpki-roots`, and the
//! operator's own. The system's roots are not used, so that a container without certificates works like any
//! other.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{ConnectionDetails, NextTimeout};

use super::errors::{HandshakeFailed, HandshakeTimedOut, HttpClientError, without_number};
use super::socket::Link;
use super::tcp::{Tcp, means_closed};

mod reasons;

pub(super) use reasons::reason;

/// The maker of TLS connections.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Returns a maker that trusts the public roots, and those in `extra_roots` (PEM) if given.
    pub(super) fn new(extra_roots: Option<&[u8]>) -> Result<Self, HttpClientError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(HttpClientError::Tls)?
            .with_root_certificates(roots(extra_roots)?)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Makes the TLS handshake over `tcp`, within the rest of the time for connecting.
    ///
    /// Not inlined, so that connections without TLS need less stack.
    #[inline(never)]
    pub(super) fn connect(
        &self,
        tcp: Tcp,
        details: &ConnectionDetails,
    ) -> Result<TlsLink, ureq::Error> {
        let name = server_name(details)?;
        let connection = ClientConnection::new(Arc::clone(&self.0), name)
            .map_err(|error| handshake_failed(reason(&error)))?;
        let mut stream = StreamOwned::new(connection, Timed::new(tcp, time_left(details)));
        if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
            return Err(match ureq::Error::from(error) {
                ureq::Error::Io(error) => handshake_failed(words(&error)),
                ureq::Error::Timeout(_) => ureq::Error::Other(Box::new(HandshakeTimedOut)),
                other => other,
            });
        }
        Ok(TlsLink(stream))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Returns the public roots, and those in `extra` (PEM) if given.
pub(super) fn roots(extra: Option<&[u8]>) -> Result<RootCertStore, HttpClientError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let Some(pem) = extra else {
        return Ok(roots);
    };
    let public = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| HttpClientError::CaFile(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| HttpClientError::CaFile(error.to_string()))?;
    }
    if roots.len() == public {
        return Err(HttpClientError::CaFile("it has no certificate".to_owned()));
    }
    Ok(roots)
}

/// Returns the name that the certificate must have.
fn server_name(details: &ConnectionDetails) -> Result<ServerName<'static>, ureq::Error> {
    let host = details.uri.host().unwrap_or_default();
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(bare.to_owned())
        .map_err(|_| handshake_failed("no certificate can carry this host name".to_owned()))
}

/// Returns the time for the handshake: the time for connecting, less what TCP has used of it.
fn time_left(details: &ConnectionDetails) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (Duration::Exact(left), Instant::Exact(started), Instant::Exact(now)) =
        (timeout.after, details.now, (details.current_time)())
    {
        timeout.after = Duration::Exact(left.saturating_sub(now.duration_since(started)));
    }
    timeout
}

fn handshake_failed(why: String) -> ureq::Error {
    ureq::Error::Other(Box::new(HandshakeFailed(why)))
}

fn words(error: &io::Error) -> String {
    if let Some(error) = of_rustls(error) {
        return reason(error);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            "the receiver closed the connection".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "the receiver reset the connection".to_owned()
        }
        _ => without_number(error),
    }
}

/// Returns the error of rustls inside an error of a socket, if there is one.
pub(super) fn of_rustls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// An established TLS connection.
pub(super) struct TlsLink(StreamOwned<ClientConnection, Timed>);

impl TlsLink {
    /// Reads without writing anything.
    fn read_alone(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let StreamOwned { conn, sock } = &mut self.0;
        while conn.wants_read() && conn.read_tls(sock)? > 0 {
            conn.process_new_packets().map_err(io::Error::other)?;
        }
        conn.reader().read(into)
    }
}

impl Link for TlsLink {
    fn send(&mut self, bytes: &[u8], timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.sock.set_timeout(timeout);
        self.0.write_all(bytes)?;
        // `write_all` reports an error of the socket only at the next call. That would be too late to know
        // which part of the request was cut off.
        self.0.flush()?;
        Ok(())
    }

    fn receive(&mut self, into: &mut [u8], timeout: NextTimeout) -> Result<usize, ureq::Error> {
        self.0.sock.set_timeout(timeout);
        match self.0.read(into) {
            // rustls first tries to write pending data. A receiver that has closed the connection does not
            // take it, but may have answered before.
            Err(error) if means_closed(error.kind()) => {
                Ok(self.read_alone(into).map_err(|_| error)?)
            }
            read => Ok(read?),
        }
    }

    /// Reports the same as for every connection, and also that this layer has nothing unread and nothing
    /// unsent, and that neither side has closed it.
    fn is_open(&mut self) -> bool {
        let StreamOwned { conn, sock } = &mut self.0;
        conn.wants_read() && !conn.wants_write() && sock.tcp.is_open()
    }
}

impl fmt::Debug for TlsLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsLink").field(&self.0.sock.tcp).finish()
    }
}

/// A TCP connection for rustls. One call of rustls may make several calls here; together they have the time
/// that was set.
struct Timed {
    tcp: Tcp,
    timeout: NextTimeout,
    since: std::time::Instant,
}

impl Timed {
    fn new(tcp: Tcp, timeout: NextTimeout) -> Self {
        let since = std::time::Instant::now();
        Self {
            tcp,
            timeout,
            since,
        }
    }

    fn set_timeout(&mut self, timeout: NextTimeout) {
        self.timeout = timeout;
        self.since = std::time::Instant::now();
    }

    fn left(&self) -> NextTimeout {
        let mut timeout = self.timeout;
        if let Duration::Exact(time) = timeout.after {
            timeout.after = Duration::Exact(time.saturating_sub(self.since.elapsed()));
        }
        timeout
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.left();
        let received = self.tcp.receive(into, left);
        received.map_err(ureq::Error::into_io)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left();
        let sent = self.tcp.send(bytes, left);
        sent.map_err(ureq::Error::into_io)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
