//! The real binary, with a workspace, a token, and the lines of its log.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::PATIENCE;

/// A server in a process of its own; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: String,
    pub(crate) token: String,
    lines: Receiver<String>,
    /// Told when the reader may read on, if it stalls.
    pub(crate) gate: Option<std::sync::mpsc::Sender<()>>,
    agent: ureq::Agent,
    _folder: TempDir,
}

impl Server {
    /// Starts one whose log is read, with these further flags.
    #[track_caller]
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_with(flags, false)
    }

    /// Starts one whose log is read on once the gate says so; until then only up to the start.
    #[track_caller]
    pub(crate) fn start_with(flags: &[&str], stalls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("h.db");
        let binary = env!("CARGO_BIN_EXE_hookpost");
        let made = Command::new(binary)
            .args(["token", "create", "--workspace", "w", "--database"])
            .arg(&database)
            .output()
            .unwrap();
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--rate-limit", "0"])
            .args(["--allow-http", "--allow-network", "127.0.0.0/8"])
            .arg("--database")
            .arg(&database)
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        let (gate, opened) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let is_start = line.contains("started");
                let _ = sender.send(line);
                if is_start && stalls {
                    let _ = opened.recv();
                }
            }
        });
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build()
            .new_agent();
        let mut server = Self {
            child,
            addr: String::new(),
            token: String::from_utf8(made.stdout).unwrap().trim().to_owned(),
            lines,
            gate: Some(gate),
            agent,
            _folder: folder,
        };
        let line = server.wait_for("started");
        let addr = line.split("127.0.0.1:").nth(1).unwrap();
        let port = addr.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        server.addr = format!("127.0.0.1:{port}");
        server
    }

    /// The next line.
    #[track_caller]
    pub(crate) fn next_line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .expect("a line in the log")
    }

    #[track_caller]
    pub(crate) fn next_json(&self) -> Value {
        let line = self.next_line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next line that has `what`.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str) -> String {
        loop {
            let line = self.next_line();
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Waits until each of `all` was in some line, in any order.
    #[track_caller]
    pub(crate) fn wait_for_all(&self, all: &[&str]) {
        let mut missing = all.to_vec();
        while !missing.is_empty() {
            let line = self.next_line();
            missing.retain(|what| !line.contains(what));
        }
    }

    fn call(
        &self,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> (u16, Value, Option<String>) {
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addr))
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut answer = self.agent.run(request.body(text).unwrap()).unwrap();
        let id = answer.headers().get("x-request-id");
        let id = id.map(|id| id.to_str().unwrap().to_owned());
        let text = answer.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (answer.status().as_u16(), body, id)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let (status, body, _) = self.call(path, None, &[]);
        (status, body)
    }

    #[track_caller]
    pub(crate) fn endpoint(&self, url: &str) -> Value {
        let new = json!({"url": url, "format": "raw", "events": ["*"]});
        let (status, made, _) = self.call("/api/webhooks/endpoints", Some(&new), &[]);
        assert_eq!(status, 201, "{made}");
        made
    }

    #[track_caller]
    pub(crate) fn publish(&self, data: &Value, headers: &[(&str, &str)]) -> Value {
        let new = json!({"type": "a.b", "data": data});
        let (status, made, _) = self.call("/api/webhooks/events", Some(&new), headers);
        assert_eq!(status, 202, "{made}");
        made
    }

    /// Stops it as a service manager would, and returns what is left of its log.
    #[track_caller]
    pub(crate) fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        drop(self.gate.take());
        let end = Instant::now() + PATIENCE;
        let mut log = String::new();
        // The channel ends with the log, and the log with the process.
        while let Ok(line) = self
            .lines
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            log = log + &line + "\n";
        }
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
