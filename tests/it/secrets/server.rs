//! The real binary with all its output kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use serde_json::Value;

use super::super::fixture::PATIENCE;

/// The output of a process so far.
#[derive(Clone, Default)]
struct Said(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Said {
    fn listen(&self, source: impl Read + Send + 'static) -> std::thread::JoinHandle<()> {
        let said = self.clone();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(source);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                said.0.0.lock().unwrap().append(&mut line);
                said.0.1.notify_all();
            }
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap()).into_owned()
    }

    /// Waits for what `find` finds in it.
    #[track_caller]
    fn wait<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut bytes = self.0.0.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if let Some(found) = find(&text) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not said: {text}");
            bytes = self.0.1.wait_timeout(bytes, left).unwrap().0;
        }
    }
}

/// A running `hookpost serve` that says all it can.
pub(super) struct Server {
    child: Child,
    addr: SocketAddr,
    said: Said,
    listening: Vec<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(folder: &Path, format: &str, admin: &str) -> Self {
        let mut child = hookpost(folder, format)
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-http"])
            .args([
                "--allow-network",
                "127.0.0.0/8",
                "--request-timeout",
                "300ms",
                "--rate-limit",
                "0",
            ])
            .env("HOOKPOST_ADMIN_TOKEN", admin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Said::default();
        let listening = vec![
            said.listen(child.stderr.take().unwrap()),
            said.listen(child.stdout.take().unwrap()),
        ];
        // `addr=127.0.0.1:1234` or `"addr":"127.0.0.1:1234"`.
        let addr = said.wait(|text| {
            let after = &text[text.find("addr")?..];
            let after = &after[after.find("127.0.0.1:")?..];
            let end = after.find(['"', ' ', '\n'])?;
            after[..end].parse().ok()
        });
        Self {
            child,
            addr,
            said,
            listening,
        }
    }

    /// Sends bytes as they are; the answer, up to where the server closes.
    pub(super) fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may hang up in the middle, and still have answered.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Makes a request; the status and the answer's body.
    pub(super) fn call(
        &self,
        method: &str,
        target: &str,
        token: &str,
        body: &str,
    ) -> (u16, String) {
        let answer = self.raw(
            format!(
                "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                 authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        (
            status.unwrap_or_else(|| panic!("{answer:?}")),
            body.to_owned(),
        )
    }

    #[track_caller]
    pub(super) fn expect(
        &self,
        method: &str,
        target: &str,
        token: &str,
        body: &Value,
        status: u16,
    ) -> Value {
        let (got, text) = self.call(method, target, token, &body.to_string());
        assert_eq!(got, status, "{method} {target}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Stops it gracefully; all that it said.
    pub(super) fn stop(mut self) -> String {
        let kill = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(kill.unwrap().success());
        assert!(self.child.wait().unwrap().success());
        for listening in self.listening.drain(..) {
            listening.join().unwrap();
        }
        self.said.text()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn hookpost(folder: &Path, format: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpost"));
    command
        .env_clear()
        .env("HOOKPOST_DATABASE", folder.join("h.db"))
        .env("HOOKPOST_LOG", "trace")
        .env("HOOKPOST_LOG_FORMAT", format)
        .env("RUST_BACKTRACE", "full");
    command
}

/// All that a command said, and its standard output.
pub(super) fn output(command: &mut Command) -> (String, String) {
    let Output { stdout, stderr, .. } = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&stderr), text(&stdout))
}
