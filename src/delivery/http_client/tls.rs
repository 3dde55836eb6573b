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

pub(super) use self::client_certificate::Presented;
use self::client_certificate::{ClientCertificate, watch};
use self::reasons::{about_certificate, after};
use self::verifier::Verifier;
use super::errors::{HandshakeFailed, HandshakeTimedOut, HttpClientError, Refused, without_number};
use super::socket::Link;
use super::tcp::{Tcp, means_closed};
use crate::config::CertificatePair;

mod certificate;
mod client_certificate;
mod reasons;
mod verifier;

pub(super) use reasons::reason;

/// The maker of TLS connections.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Returns a maker that trusts the public roots, and those in `extra_roots` (PEM) if given. It presents
    /// `certificate` to receivers that ask for one.
    pub(super) fn new(
        extra_roots: Option<&[u8]>,
        certificate: Option<Arc<CertificatePair>>,
    ) -> Result<Self, HttpClientError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new(roots(extra_roots)?, &provider)
            .map_err(|error| HttpClientError::Tls(rustls::Error::General(error.to_string())))?;
        // Our verifier is that of rustls with other words; "dangerous" is any that is not built in.
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(HttpClientError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(ClientCertificate(certificate)));
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
        let (made, presented) = watch(|| stream.conn.complete_io(&mut stream.sock));
        if let Err(error) = made {
            return Err(match ureq::Error::from(error) {
                ureq::Error::Io(error) => handshake_failed(words(&error, presented)),
                ureq::Error::Timeout(_) => ureq::Error::Other(Box::new(HandshakeTimedOut)),
                other => other,
            });
        }
        Ok(TlsLink { stream, presented })
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
    for (n, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
        let certificate =
            certificate.map_err(|error| HttpClientError::CaFile(error.to_string()))?;
        // The text of the error calls it the certificate of a peer.
        roots.add(certificate).map_err(|_| {
            HttpClientError::CaFile(format!("certificate {n} in it is not valid X.509"))
        })?;
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

/// Returns the message for an error of the handshake in which the receiver got `presented`.
fn words(error: &io::Error, presented: Presented) -> String {
    if let Some(error) = of_rustls(error) {
        return about_certificate(error, presented).unwrap_or_else(|| reason(error));
    }
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            "the receiver closed the connection"
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "the receiver reset the connection"
        }
        _ => return without_number(error),
    };
    format!("{what}{}", after(presented))
}

/// Returns the error of rustls inside an error of a socket, if there is one.
pub(super) fn of_rustls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// An established TLS connection.
pub(super) struct TlsLink {
    stream: StreamOwned<ClientConnection, Timed>,
    /// The client certificate that the receiver got. In TLS 1.3 it refuses one, or an empty one, only after the
    /// handshake.
    presented: Presented,
}

impl TlsLink {
    /// Reads without writing anything.
    fn read_alone(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let StreamOwned { conn, sock } = &mut self.stream;
        while conn.wants_read() && conn.read_tls(sock)? > 0 {
            conn.process_new_packets().map_err(io::Error::other)?;
        }
        conn.reader().read(into)
    }
}

/// Returns the error of an established connection in the form in which it passes through ureq. The receiver got
/// `presented`.
pub(super) fn failure(error: io::Error, presented: Presented) -> ureq::Error {
    match of_rustls(&error).and_then(|error| about_certificate(error, presented)) {
        Some(words) => ureq::Error::Other(Box::new(Refused(words))),
        None => error.into(),
    }
}

impl Link for TlsLink {
    fn send(&mut self, bytes: &[u8], timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream
            .write_all(bytes)
            .map_err(|error| failure(error, self.presented))?;
        // `write_all` reports an error of the socket only at the next call. That would be too late to know
        // which part of the request was cut off.
        self.stream
            .flush()
            .map_err(|error| failure(error, self.presented))
    }

    fn receive(&mut self, into: &mut [u8], timeout: NextTimeout) -> Result<usize, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let read = match self.stream.read(into) {
            // rustls first tries to write pending data. A receiver that has closed the connection does not
            // take it, but may have answered before, or have sent an alert that says why.
            Err(error) if means_closed(error.kind()) => self.read_alone(into).map_err(|alone| {
                let says_more = of_rustls(&alone).is_some();
                if says_more { alone } else { error }
            }),
            read => read,
        };
        read.map_err(|error| failure(error, self.presented))
    }

    /// Reports the same as for every connection, and also that this layer has nothing unread and nothing
    /// unsent, and that neither side has closed it.
    fn is_open(&mut self) -> bool {
        let StreamOwned { conn, sock } = &mut self.stream;
        conn.wants_read() && !conn.wants_write() && sock.tcp.is_open()
    }
}

impl fmt::Debug for TlsLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsLink")
            .field(&self.stream.sock.tcp)
            .finish()
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
