//! HTTP requests of `healthcheck` and `dev` to a server of this program, and the address of such a server.
//!
//! The delivery engine has a client of its own, which is not used here: it refuses loopback addresses, and it
//! needs certificates and threads before its first request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use ureq::http::{Request, StatusCode};
use ureq::{Agent, AsSendBody};

/// The longest answer that is accepted, in bytes: far more than the server sends to either command.
const ANSWER_MAX_BYTES: u64 = 1 << 20;

/// Sends `request` and returns the answer's status, whatever it is, and its body. Redirects are not followed,
/// and proxies from the environment are not used. Blocks for at most `timeout`.
///
/// # Errors
/// There is no answer in HTTP within `timeout`, or its body is longer than [`ANSWER_MAX_BYTES`].
pub(super) fn send(
    request: Request<impl AsSendBody>,
    timeout: Duration,
) -> anyhow::Result<(StatusCode, String)> {
    let authority = request.uri().authority().map(ToString::to_string);
    let exchange = || {
        let mut answer = agent(timeout).run(request)?;
        let body = answer.body_mut().with_config();
        let body = body.limit(ANSWER_MAX_BYTES).lossy_utf8(true);
        let body = body.read_to_string()?;
        Ok::<_, ureq::Error>((answer.status(), body))
    };
    exchange().with_context(|| format!("no answer from {}", authority.unwrap_or_default()))
}

/// Returns the address at which this machine reaches a server that listens on `addr`. An unspecified address
/// (`0.0.0.0` or `::`, which means every address) becomes the loopback address.
pub(super) fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .build()
        .new_agent()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Sends a request to a server that answers with `answer` and closes the connection. Returns the result
    /// of `send`.
    fn answered(answer: &'static str) -> anyhow::Result<(StatusCode, String)> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let result = send(Request::get(url).body(()).unwrap(), Duration::from_mins(1));
        server.join().unwrap();
        result
    }

    #[test]
    fn answers_are_read_and_other_protocols_refused() {
        let unavailable = answered("HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\n{\"a\":1}");
        let expected = (StatusCode::SERVICE_UNAVAILABLE, "{\"a\":1}".to_owned());
        assert_eq!(unavailable.unwrap(), expected);
        let redirect = answered("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(redirect.unwrap().0, StatusCode::FOUND);
        for bad in [
            "SSH-2.0-x\r\n\r\n",
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 x\r\n\r\n",
        ] {
            assert!(answered(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let request = Request::get(url).body(()).unwrap();
        let error = send(request, Duration::from_millis(50)).unwrap_err();
        assert!(format!("{error:#}").contains("timeout"), "{error:#}");
    }

    #[test]
    fn the_address_to_ask_follows_from_the_address_listened_on() {
        for (listen, ask) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:2", "10.0.0.1:2"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), ask);
        }
    }
}
