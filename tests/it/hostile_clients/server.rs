//! The real binary as a server on a free port, with its log.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::fixture::PATIENCE;

/// A server in a process of its own; killed when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) addr: SocketAddr,
    log: Receiver<Value>,
}

impl Server {
    /// Starts `serve` on a database, with these further flags.
    pub(super) fn start(database: &Path, log_level: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookpost"));
        command.arg("serve");
        Self::spawn(command, database, log_level, flags)
    }

    /// Starts it where no more than so many files can be opened.
    #[cfg(target_os = "linux")]
    pub(super) fn with_few_files(files: usize, database: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {files}; exec \"$0\" serve \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_hookpost")]);
        Self::spawn(command, database, "info", flags)
    }

    fn spawn(mut command: Command, database: &Path, log_level: &str, flags: &[&str]) -> Self {
        command.arg("--database").arg(database);
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.args(["--log-level", log_level, "--allow-http"]);
        // Crowds come from one address, and what is left of a limit differs from answer to answer.
        command.args(["--rate-limit", "0", "--auth-failure-limit", "0"]);
        command.args(["--allow-network", "127.0.0.0/8"]).args(flags);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let addr = loop {
            let line = log.recv_timeout(PATIENCE).expect("the server starts");
            if line["message"] == "started" {
                break line["addr"].as_str().unwrap().parse().unwrap();
            }
        };
        Self { child, addr, log }
    }

    /// The next line of the log.
    pub(super) fn next_line(&self) -> Value {
        self.log.recv_timeout(PATIENCE).expect("a line in the log")
    }

    /// The memory that it has in use, in bytes.
    #[cfg(target_os = "linux")]
    pub(super) fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kibibytes.unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a token for a workspace, with all scopes, on the command line.
pub(super) fn token(database: &Path, workspace: &str) -> String {
    let scopes = hookpost::domain::access::Scope::ALL;
    let made = Command::new(env!("CARGO_BIN_EXE_hookpost"))
        .args(["token", "create", "--workspace", workspace, "--database"])
        .arg(database)
        .args(scopes.iter().flat_map(|scope| ["--scope", scope.as_str()]))
        .output()
        .unwrap();
    assert!(made.status.success());
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}
