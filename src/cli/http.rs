//! One HTTP request over plain TCP to a server of ours: for `healthcheck` and `dev`.
//!
//! The delivery engine's client would do more than is wanted here: it refuses loopback addresses, and
//! needs roots and threads to make one request to the machine itself.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The most that is read of an answer.
const ANSWER_MAX_BYTES: u64 = 1 << 20;

/// What is asked.
pub(super) struct Request<'a> {
    /// Host and port, as in a URL.
    pub(super) authority: &'a str,
    /// `GET` or `POST`.
    pub(super) method: &'a str,
    /// Path and query.
    pub(super) path: &'a str,
    /// The bearer token.
    pub(super) token: Option<&'a str>,
    /// JSON to send.
    pub(super) body: &'a str,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status code.
    pub(super) code: u16,
    /// The body.
    pub(super) body: String,
}

/// Makes the request; gives up after `timeout`.
pub(super) fn send(request: &Request<'_>, timeout: Duration) -> anyhow::Result<Answer> {
    let deadline = Instant::now() + timeout;
    let authority = request.authority;
    let mut stream =
        connect(authority, deadline).with_context(|| format!("cannot connect to {authority}"))?;
    let text = exchange(&mut stream, request, deadline)
        .with_context(|| format!("no answer from {authority}"))?;
    parse(&text).with_context(|| format!("{authority} does not answer in HTTP"))
}

fn connect(authority: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for addr in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&addr, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn exchange(
    stream: &mut TcpStream,
    request: &Request<'_>,
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    let Request {
        authority,
        method,
        path,
        token,
        body,
    } = request;
    let authorization = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    // HTTP/1.0: the answer ends with the connection and is never chunked.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: {authority}\r\nconnection: close\r\n{authorization}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while (answer.len() as u64) < ANSWER_MAX_BYTES {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(late())
    } else {
        Ok(left)
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timed out")
}

fn parse(answer: &[u8]) -> anyhow::Result<Answer> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        bail!("the answer has no end of its head");
    };
    let code = head
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.get(..3))
        .and_then(|code| code.parse().ok())
        .context("the answer has no status")?;
    Ok(Answer {
        code,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_other_protocols_refused() {
        let answer = parse(b"HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!((answer.code, answer.body.as_str()), (503, "{\"a\":1}"));
        for bad in [
            &b"SSH-2.0-x\r\n\r\n"[..],
            b"",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 x\r\n\r\n",
        ] {
            assert!(parse(bad).is_err());
        }
    }
}
