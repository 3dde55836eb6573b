//! A minimal HTTP/1.1 client: one connection kept alive, one request at a time.
//!
//! A load generator shares the machine with what it measures, so it must cost little: requests are
//! written as bytes, answers are framed and not otherwise looked at.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

/// Longer than any answer takes, so that a lost one ends the run instead of hanging it.
const PATIENCE: Duration = Duration::from_mins(1);

/// The layout of a message: the length of its head and of the body after it.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) head: usize,
    pub(crate) body: usize,
}

impl Frame {
    /// Reads the head; `None` while its end has not come yet.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        const LENGTH: &[u8] = b"content-length:";
        let (mut at, mut body) = (0, 0);
        loop {
            let end = at + bytes[at..].iter().position(|byte| *byte == b'\n')?;
            let line = &bytes[at..end];
            if line == b"\r" {
                return Some(Self {
                    head: end + 1,
                    body,
                });
            }
            if line.len() > LENGTH.len() && line[..LENGTH.len()].eq_ignore_ascii_case(LENGTH) {
                let digits = line[LENGTH.len()..].iter().filter(|b| b.is_ascii_digit());
                body = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
            }
            at = end + 1;
        }
    }

    pub(crate) fn len(self) -> usize {
        self.head + self.body
    }
}

/// One connection to the API.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).context("cannot send")
    }

    /// Reads the answer: its status. [`Connection::body`] has the rest until the next one.
    pub(crate) fn receive(&mut self) -> anyhow::Result<u16> {
        let mut chunk = [0; 16 * 1024];
        self.buffer.clear();
        loop {
            let read = self.stream.read(&mut chunk).context("no answer")?;
            ensure!(read > 0, "the connection was closed instead of an answer");
            self.buffer.extend_from_slice(&chunk[..read]);
            if Frame::of(&self.buffer).is_some_and(|frame| self.buffer.len() >= frame.len()) {
                let status = self.buffer.get(9..12).context("no status")?;
                return Ok(std::str::from_utf8(status)?.parse()?);
            }
        }
    }

    pub(crate) fn head(&self) -> &[u8] {
        let head = Frame::of(&self.buffer).map_or(0, |frame| frame.head);
        &self.buffer[..head]
    }

    pub(crate) fn body(&self) -> &[u8] {
        let head = Frame::of(&self.buffer).map_or(0, |frame| frame.head);
        &self.buffer[head..]
    }
}

/// The API as one token sees it, for setting the scene. Not for load.
pub(crate) struct Api {
    pub(crate) addr: SocketAddr,
    pub(crate) token: String,
    connection: Connection,
}

impl Api {
    pub(crate) fn new(addr: SocketAddr, token: String) -> anyhow::Result<Self> {
        Ok(Self {
            addr,
            token,
            connection: Connection::open(addr)?,
        })
    }

    /// Makes a request: the status and, if there is one, the body.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<(u16, Value)> {
        let request = format!(
            "{method} /api{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.addr,
            self.token,
            body.len()
        );
        // A server closes connections that were idle for long.
        let first = self.exchange(&request);
        let status = first.or_else(|_| {
            self.connection = Connection::open(self.addr)?;
            self.exchange(&request)
        })?;
        let body = serde_json::from_slice(self.connection.body()).unwrap_or(Value::Null);
        Ok((status, body))
    }

    fn exchange(&mut self, request: &str) -> anyhow::Result<u16> {
        self.connection.send(request.as_bytes())?;
        self.connection.receive()
    }

    /// Returns the answer to a GET.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.call("GET", path, "")?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(body)
    }

    fn create(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.call("POST", path, &body.to_string())?;
        ensure!(status == 201, "{path}: {status} {answer}");
        Ok(answer)
    }

    /// The API for the workspace of this name, which is made if there is none. Needs an admin token.
    pub(crate) fn workspace(&mut self, name: &str) -> anyhow::Result<Self> {
        let new = json!({"name": name}).to_string();
        let id = match self.call("POST", "/workspaces", &new)? {
            (201, made) => made["id"].clone(),
            (409, _) => self.find_workspace(name)?,
            (status, answer) => bail!("cannot make a workspace: {status} {answer}"),
        };
        let scopes = ["webhooks:read", "webhooks:write", "webhooks:publish"];
        let made = self.create(
            "/workspace-access-tokens",
            &json!({"workspace_id": id, "comment": "benchmark", "scopes": scopes}),
        )?;
        let token = made["token"].as_str().context("no token")?;
        Self::new(self.addr, token.to_owned())
    }

    fn find_workspace(&mut self, name: &str) -> anyhow::Result<Value> {
        for page in 1.. {
            let list = self.get(&format!("/workspaces?limit=100&page={page}"))?;
            let rows = list["data"].as_array().context("no list")?;
            if let Some(found) = rows.iter().find(|row| row["name"] == name) {
                return Ok(found["id"].clone());
            }
            if rows.is_empty() {
                break;
            }
        }
        bail!("workspace {name} is taken and not listed")
    }

    /// Returns the number of rows of a list.
    pub(crate) fn total(&mut self, list: &str) -> anyhow::Result<f64> {
        let found = self.get(list)?;
        found["meta"]["total"].as_f64().context("no total")
    }

    /// Creates an endpoint.
    pub(crate) fn endpoint(&mut self, url: &str, events: &[&str]) -> anyhow::Result<()> {
        let new = json!({"url": url, "format": "raw", "events": events});
        self.create("/webhooks/endpoints", &new)?;
        Ok(())
    }

    /// Makes an endpoint with a filter.
    pub(crate) fn filtered_endpoint(
        &mut self,
        url: &str,
        events: &[&str],
        filter: &Value,
    ) -> anyhow::Result<()> {
        let new = json!({"url": url, "format": "raw", "events": events, "filter": filter});
        self.create("/webhooks/endpoints", &new)?;
        Ok(())
    }
}
