//! The way through an HTTP proxy, which the operator's network may demand, or which has a fixed address.
//!
//! The proxy is asked for a tunnel to an address (CONNECT: RFC 9110, section 9.3.6), for `http:` URLs as well. It
//! never gets a name to look up: the resolver has looked the name up and checked all its addresses, and the
//! tunnel leads to one of them. In the tunnel, the name is in the TLS handshake and in `Host` as without a proxy.
//! The proxy itself belongs to the operator, so the network policy does not judge its address.
//!
//! # Failure behaviour
//!
//! The messages for deliveries name neither the proxy's host nor its credentials, because the owners of endpoints
//! read them. The log names the host.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::errors::{ProxyRefused, ProxyUnreachable, TunnelTimedOut};
use super::happy_eyeballs;
use super::socket::Socket;
use crate::config::EgressProxy;
use crate::delivery::log_limit::LogLimit;
use crate::delivery::resolver::{Lookup, MonotonicClock, Resolver};
use crate::domain::network_policy::NetworkPolicy;
use crate::vital;

/// The most addresses of a receiver to which a tunnel is asked for, one after the other. The resolver has put both
/// families in turns, so the second is of the other family than the first.
const MAX_TRIES: u32 = 3;
/// The largest head of an answer to CONNECT, in bytes: as many as of a receiver's answer, for proxies that send
/// headers with it.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The operator's proxy.
pub(super) struct Proxy {
    settings: EgressProxy,
    /// Has a policy that allows every address.
    resolver: Resolver,
    clock: MonotonicClock,
    log_limit: Mutex<LogLimit>,
}

/// The reason why there is no tunnel to an address.
enum Failure {
    /// No other address would do better.
    OfProxy(ureq::Error),
    /// Another address of the receiver may be reached.
    OfAddress(ureq::Error),
}

impl Proxy {
    pub(super) fn new(
        settings: EgressProxy,
        lookup: Arc<dyn Lookup>,
        clock: MonotonicClock,
    ) -> Self {
        Self {
            settings,
            resolver: Resolver::with_clock(lookup, every_address(), clock.clone()),
            clock,
            log_limit: Mutex::default(),
        }
    }

    /// Returns a tunnel to one of the receiver's addresses, which were checked, within `time` in all.
    pub(super) fn connect(
        &self,
        addresses: &[SocketAddr],
        time: Duration,
    ) -> Result<Socket, ureq::Error> {
        let end = Instant::now() + time;
        let mut failure = ureq::Error::Other(Box::new(TunnelTimedOut));
        // The last tries have the time that the others left.
        let tries = MAX_TRIES.min(u32::try_from(addresses.len()).unwrap_or(MAX_TRIES));
        for (address, tries_left) in addresses.iter().zip((1..=tries).rev()) {
            let left = end.saturating_duration_since(Instant::now());
            match self.tunnel(*address, left / tries_left) {
                Ok(socket) => return Ok(socket),
                Err(Failure::OfProxy(error)) => return Err(self.logged(error)),
                Err(Failure::OfAddress(error)) => failure = error,
            }
        }
        Err(self.logged(failure))
    }

    /// Asks for a tunnel to one address.
    fn tunnel(&self, address: SocketAddr, time: Duration) -> Result<Socket, Failure> {
        let end = Instant::now() + time;
        let unreachable = |error| Failure::OfProxy(other(ProxyUnreachable(error)));
        let port = self.settings.port;
        let proxies: Vec<SocketAddr> = self
            .resolver
            .resolve(&self.settings.host, time)
            .map_err(|_| Failure::OfProxy(refused("the egress proxy's name doesn't resolve")))?
            .iter()
            .map(|ip| SocketAddr::new(*ip, port))
            .collect();
        let left = end.saturating_duration_since(Instant::now());
        let stream = happy_eyeballs::connect(&proxies, left).map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let head = self.ask(&stream, address, end).map_err(unanswered)?;
        judge(status(&head))?;
        // The socket of a request sets its own time-outs.
        let unlimited = stream.set_read_timeout(None);
        let unlimited = unlimited.and_then(|()| stream.set_write_timeout(None));
        unlimited.map_err(unreachable)?;
        Ok(Socket::of(stream))
    }

    /// Sends CONNECT, and returns the head of the answer.
    fn ask(
        &self,
        mut stream: &TcpStream,
        address: SocketAddr,
        end: Instant,
    ) -> io::Result<Vec<u8>> {
        let mut request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n");
        if let Some(authorization) = &self.settings.authorization {
            let _ = write!(request, "Proxy-Authorization: {authorization}\r\n");
        }
        request.push_str("\r\n");
        stream.set_write_timeout(Some(left(end)?))?;
        stream.write_all(request.as_bytes())?;
        read_head(stream, end)
    }

    /// Logs that the proxy failed, with its host: no client sees it.
    fn logged(&self, error: ureq::Error) -> ureq::Error {
        let now = (self.clock)();
        if let Some(left_out) = vital::lock(&self.log_limit).take(now) {
            let (host, port) = (&self.settings.host, self.settings.port);
            let error = match &error {
                ureq::Error::Other(ours) => ours.to_string(),
                other => other.to_string(),
            };
            tracing::warn!(
                host,
                port,
                error,
                left_out,
                "no connection through the egress proxy"
            );
        }
        error
    }
}

/// Reads the head of an answer and nothing after it: that belongs to the receiver.
fn read_head(mut stream: &TcpStream, end: Instant) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut chunk = [0; 512];
    loop {
        stream.set_read_timeout(Some(left(end)?))?;
        let seen = match stream.peek(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(seen) => seen,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let before = head.len();
        head.extend_from_slice(&chunk[..seen]);
        let found = end_of_head(&head, before);
        let taken = found.map_or(seen, |end| end - before);
        stream.read_exact(&mut chunk[..taken])?;
        head.truncate(before + taken);
        if found.is_some() {
            return Ok(head);
        }
        if head.len() >= MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Returns the length of a head, if the empty line after it is there. `searched` bytes were looked at before.
fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let found = bytes[from..]
        .windows(4)
        .position(|part| part == b"\r\n\r\n");
    found.map(|at| from + at + 4)
}

/// Returns the status of an answer; `None` if it is not HTTP.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut parts = line.strip_prefix("HTTP/1.")?.split(' ');
    let status = parts.nth(1)?;
    let is_status = status.len() == 3 && status.bytes().all(|digit| digit.is_ascii_digit());
    status.parse().ok().filter(|_| is_status)
}

/// Reports success or the reason why there is no tunnel.
fn judge(status: Option<u16>) -> Result<(), Failure> {
    let of_proxy = |why: &str| Err(Failure::OfProxy(refused(why)));
    match status {
        Some(200..=299) => Ok(()),
        None => of_proxy("the egress proxy's answer is not valid HTTP/1.1"),
        Some(407) => of_proxy("the egress proxy wants other credentials than it gets (407)"),
        Some(403) => {
            of_proxy("the egress proxy doesn't allow the receiver's address or port (403)")
        }
        Some(status @ 500..) => Err(Failure::OfAddress(refused(&format!(
            "the egress proxy has no connection to the receiver ({status})"
        )))),
        Some(status) => of_proxy(&format!("the egress proxy doesn't take CONNECT ({status})")),
    }
}

/// Returns the failure for an error of the connection to the proxy. A proxy that does not answer in time waits for
/// the receiver, most likely.
fn unanswered(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Failure::OfAddress(other(TunnelTimedOut))
        }
        io::ErrorKind::InvalidData => Failure::OfProxy(refused(
            "the headers of the egress proxy's answer are too large",
        )),
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => {
            Failure::OfProxy(refused("the egress proxy closed the connection"))
        }
        _ => Failure::OfProxy(other(ProxyUnreachable(error))),
    }
}

/// Returns the time until `end`.
fn left(end: Instant) -> io::Result<Duration> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

fn refused(why: &str) -> ureq::Error {
    other(ProxyRefused(why.to_owned()))
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}

/// Returns the policy for the proxy's own address.
fn every_address() -> NetworkPolicy {
    NetworkPolicy {
        allow_http: true,
        allow: vec![
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line_however_it_arrives() {
        let whole = b"HTTP/1.1 200 OK\r\na: b\r\n\r\nrest";
        let end = whole.len() - 4;
        for cut in 0..=whole.len() {
            let found = end_of_head(&whole[..cut], cut.saturating_sub(1));
            assert_eq!(found, (cut == end).then_some(end), "{cut}");
            let found = end_of_head(&whole[..cut], 0);
            assert_eq!(found, (cut >= end).then_some(end), "{cut}");
        }
    }

    #[test]
    fn a_status_is_that_of_http_1() {
        for (line, found) in [
            ("HTTP/1.1 200 Connection established", Some(200)),
            ("HTTP/1.0 407", Some(407)),
            ("HTTP/1.1 2000 OK", None),
            ("HTTP/1.1  200 OK", None),
            ("HTTP/1.1 +20 OK", None),
            ("HTTP/2 200", None),
            ("SSH-2.0-OpenSSH", None),
            ("", None),
        ] {
            assert_eq!(
                status(format!("{line}\r\n\r\n").as_bytes()),
                found,
                "{line}"
            );
        }
    }
}
