//! A client that sends HTTP as bytes, as no client library would, and reads the responses strictly.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use crate::fixture::PATIENCE;

/// The longest answer to input that will not do.
const ERROR_MAX_BYTES: usize = 64 * 1024;

/// One answer, as it came.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Connects; whoever waits for longer than [`PATIENCE`] on this connection has found a hang.
pub(super) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a request, and whatever is behind it, ends the sending, and reads until the server closes. An
/// error says what was wrong with what came.
pub(super) fn exchange(addr: SocketAddr, bytes: &[u8]) -> Result<Vec<Reply>, String> {
    exchange_ahead(addr, bytes, &[bytes.starts_with(b"HEAD ")])
}

/// The same with several requests; `heads` tells which of them, from the first on, are a HEAD.
pub(super) fn exchange_ahead(
    addr: SocketAddr,
    bytes: &[u8],
    heads: &[bool],
) -> Result<Vec<Reply>, String> {
    let mut stream = connect(addr);
    // A server that has read enough may close before the end of what is sent.
    let _ = stream.write_all(bytes);
    finish(stream, heads)
}

/// Ends the sending and reads what is left of the answers.
pub(super) fn finish(mut stream: TcpStream, heads: &[bool]) -> Result<Vec<Reply>, String> {
    let _ = stream.shutdown(Shutdown::Write);
    let mut received = Vec::new();
    if let Err(error) = stream.read_to_end(&mut received)
        && error.kind() != std::io::ErrorKind::ConnectionReset
    {
        return Err(format!("{error}, after {:?}", text(&received)));
    }
    replies(&received, heads)
}

/// Takes bytes apart into answers, without the interim ones. Each is checked for being well formed;
/// those to a HEAD have no body.
fn replies(mut bytes: &[u8], heads: &[bool]) -> Result<Vec<Reply>, String> {
    let mut found: Vec<Reply> = Vec::new();
    while !bytes.is_empty() {
        let about = text(bytes);
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or_else(|| format!("a head without an end: {about:?}"))?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|error| error.to_string())?;
        let mut reply = read_head(head).map_err(|why| format!("{why}: {about:?}"))?;
        bytes = &bytes[end + 4..];
        if reply.status == 100 {
            continue;
        }
        let length = match reply.header("content-length") {
            Some(length) => length
                .parse()
                .map_err(|_| format!("an odd length: {about:?}"))?,
            None if reply.status == 204 => 0,
            None => return Err(format!("no length: {about:?}")),
        };
        if heads.get(found.len()) != Some(&true) {
            if bytes.len() < length {
                return Err(format!("{} of {length} bytes: {about:?}", bytes.len()));
            }
            reply.body = bytes[..length].to_vec();
            bytes = &bytes[length..];
        }
        check(&reply)?;
        found.push(reply);
    }
    Ok(found)
}

/// Reads a status line and checks that fields are nothing but fields.
fn read_head(head: &str) -> Result<Reply, &'static str> {
    let mut lines = head.split("\r\n");
    let mut status = lines.next().unwrap_or_default().splitn(3, ' ');
    let version = status.next().unwrap_or_default();
    if version != "HTTP/1.1" && version != "HTTP/1.0" {
        return Err("an odd status line");
    }
    let code = status.next().and_then(|code| code.parse().ok());
    let code = code.ok_or("a status that is no number")?;
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or("a field without a colon")?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || !name.bytes().all(token) {
            return Err("an odd field name");
        }
        if value.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("a control character in a field");
        }
    }
    Ok(Reply {
        status: code,
        head: head.to_owned(),
        body: Vec::new(),
    })
}

/// Checks what holds for every response, whatever the request.
fn check(reply: &Reply) -> Result<(), String> {
    let about = || format!("{} {:?}", reply.head, text(&reply.body));
    let head = reply.head.to_ascii_lowercase();
    // A page of the dashboard, which nobody has signed in to.
    if head.contains("\r\nlocation: /login") {
        return Ok(());
    }
    if head.contains("\r\ncontent-type: text/html") {
        return if head.contains("\r\ncontent-security-policy: default-src 'none'") {
            Ok(())
        } else {
            Err(format!("a page without a policy: {}", about()))
        };
    }
    if !(200..500).contains(&reply.status) || (300..400).contains(&reply.status) {
        return Err(format!("an answer that no request should get: {}", about()));
    }
    if reply.body.is_empty() {
        return Ok(());
    }
    let json: Value = serde_json::from_slice(&reply.body)
        .map_err(|error| format!("{error} in what should be JSON: {}", about()))?;
    if reply.status >= 400 {
        if reply.body.len() > ERROR_MAX_BYTES {
            return Err(format!("an error of {} bytes", reply.body.len()));
        }
        if !json["error"].is_string() {
            return Err(format!("an error without a name: {}", about()));
        }
    }
    Ok(())
}

/// The beginning of bytes, to be shown.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned()
}
