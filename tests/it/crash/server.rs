//! The real binary as a server: started, killed, stopped, and started again on the same file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::log::{Log, Reader};
use super::whole;
use crate::fixture::{PATIENCE, wait_until};

/// A folder with a database, and a token for a workspace in it.
pub(super) struct TestDir {
    folder: TempDir,
    pub(super) database: PathBuf,
    pub(super) token: String,
}

/// The way in which the binary is started.
#[derive(Default)]
pub(super) struct Start<'a> {
    pub(super) flags: &'a [&'a str],
    /// The commands of a shell before it becomes the server; `exec "$@"` is added.
    pub(super) shell: Option<&'a str>,
    /// The reader of its stderr.
    pub(super) reader: Reader,
    /// The port, where stderr does not tell it.
    pub(super) port: u16,
}

impl TestDir {
    /// With a database.
    pub(super) fn new() -> Self {
        let mut dir = Self::empty();
        dir.make_token();
        dir
    }

    /// Without a database.
    pub(super) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            database: folder.path().join("h.db"),
            folder,
            token: String::new(),
        }
    }

    /// Bytes in the write-ahead log.
    pub(super) fn log_bytes(&self) -> u64 {
        std::fs::metadata(self.beside("-wal")).map_or(0, |metadata| metadata.len())
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the token, and the database if there is none.
    pub(super) fn make_token(&mut self) {
        let made = self.run(&["token", "create", "--workspace", "w"]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        self.token = String::from(text(&made.stdout).trim());
    }

    /// Runs a subcommand on the database, to its end.
    pub(super) fn run(&self, args: &[&str]) -> Output {
        self.run_with(&Start::default(), args)
    }

    /// Runs a subcommand on the database in the shell of `start`, to its end.
    pub(super) fn run_with(&self, start: &Start<'_>, args: &[&str]) -> Output {
        let mut command = self.command(start);
        command.args(args).arg("--database").arg(&self.database);
        command.output().unwrap()
    }

    /// Starts a subcommand on the database.
    pub(super) fn spawn_tool(&self, args: &[&str]) -> Child {
        let mut command = self.command(&Start::default());
        command.args(args).arg("--database").arg(&self.database);
        command.spawn().unwrap()
    }

    /// The file that is named after the database, and ends so.
    pub(super) fn beside(&self, end: &str) -> PathBuf {
        PathBuf::from(format!("{}{end}", self.database.display()))
    }

    fn fail_point(&self) -> PathBuf {
        self.path().join("fail-point")
    }

    /// Has servers of this folder do as told whenever they come to a fail point.
    pub(super) fn arm(&self, what: &str) {
        // Renamed into dir: a server must not read half of it.
        let new = self.path().join("fail-point.new");
        std::fs::write(&new, what).unwrap();
        std::fs::rename(new, self.fail_point()).unwrap();
    }

    pub(super) fn disarm(&self) {
        std::fs::remove_file(self.fail_point()).unwrap();
    }

    fn command(&self, start: &Start<'_>) -> Command {
        let binary = env!("CARGO_BIN_EXE_hookpost");
        let mut command = match start.shell {
            None => Command::new(binary),
            Some(before) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{before}; exec \"$@\""), "sh", binary]);
                shell
            }
        };
        command
            .current_dir(self.path())
            .env("HOOKPOST_FAIL_POINT", self.fail_point())
            // Elsewhere than on a terminal it would be JSON.
            .env("HOOKPOST_LOG_FORMAT", "text")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts a server, which may be about to die.
    pub(super) fn spawn(&self, start: &Start<'_>) -> Spawned {
        let mut command = self.command(start);
        command.args(["serve", "--allow-http", "--allow-network", "127.0.0.0/8"]);
        // These tests ask again and again.
        command.args(["--rate-limit", "0"]);
        let listen = format!("127.0.0.1:{}", start.port);
        command.args(["--listen", &listen, "--database"]);
        command.arg(&self.database).args(start.flags);
        let mut child = command.spawn().unwrap();
        let log = Log::of(&mut child, start.reader);
        Spawned {
            child: Mutex::new(child),
            log,
        }
    }

    /// Starts a server that is to serve.
    #[track_caller]
    pub(super) fn start(&self) -> Server {
        self.start_with(&Start::default())
    }

    #[track_caller]
    pub(super) fn start_with(&self, start: &Start<'_>) -> Server {
        self.spawn(start).serving(&self.token)
    }

    /// The file as another program sees it.
    pub(super) fn open(&self) -> Connection {
        Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
    }

    /// The answer to a query with one number.
    #[track_caller]
    pub(super) fn number(&self, sql: &str) -> i64 {
        self.open().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Checks that the file is whole.
    #[track_caller]
    pub(super) fn check(&self) {
        whole::check(&self.open());
    }

    /// Checks that a file is whole from which retention has deleted rows.
    #[track_caller]
    pub(super) fn check_after_deletions(&self) {
        whole::check_after_deletions(&self.open());
    }
}

pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A server that has not said yet whether it serves. Dropping it kills it.
pub(super) struct Spawned {
    child: Mutex<Child>,
    pub(super) log: Log,
}

impl Spawned {
    #[track_caller]
    fn serving(self, token: &str) -> Server {
        let log = self.log.wait("started addr=", 1);
        let log = log.unwrap_or_else(|| panic!("it did not start: {}", self.log.whole()));
        let addr = log.split("started addr=").nth(1).unwrap();
        let addr = addr.split_whitespace().next().unwrap().to_owned();
        self.serving_at(addr, token)
    }

    /// A server that says nothing.
    pub(super) fn serving_at(self, addr: String, token: &str) -> Server {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build()
            .new_agent();
        Server {
            spawned: self,
            addr,
            token: token.to_owned(),
            agent,
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(super) fn ended(&self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::yield_now();
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// SIGKILL: no chance to do anything.
    pub(super) fn kill(&self) {
        let _ = self.child.lock().unwrap().kill();
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.lock().unwrap().wait();
    }
}

/// A server that serves. Dropping it kills it.
pub(super) struct Server {
    pub(super) spawned: Spawned,
    addr: String,
    token: String,
    agent: ureq::Agent,
}

/// An answer of it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) body: Value,
}

impl Server {
    /// The answer to a request; `None` if the server died over it.
    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addr))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        let answer = match body {
            Some(body) => self.agent.run(request.body(body.to_string()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer.ok()?;
        let retry_after = answer.headers().get("retry-after").cloned();
        let text = answer.body_mut().read_to_string().ok()?;
        // A 204 has no body.
        let text = if answer.status() == 204 {
            "null"
        } else {
            &text
        };
        Some(Answer {
            status: answer.status().as_u16(),
            retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
            body: serde_json::from_str(text).ok()?,
        })
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).expect("an answer")
    }

    /// Makes an endpoint for all events; answers its id.
    #[track_caller]
    pub(super) fn endpoint(&self, url: &str, format: &str) -> String {
        let body = json!({"url": url, "format": format, "events": ["*"]});
        let made = self.call("POST", "/api/webhooks/endpoints", Some(&body));
        let made = made.expect("an answer");
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["id"].as_str().unwrap().to_owned()
    }

    /// Publishes; `None` if the server died over it.
    pub(super) fn publish(&self, data: &Value) -> Option<Answer> {
        let body = json!({"type": "a", "data": data});
        self.call("POST", "/api/webhooks/events", Some(&body))
    }

    /// Publishes what must be taken; answers the ids of its events.
    #[track_caller]
    pub(super) fn published(&self, data: &Value) -> Vec<String> {
        let answer = self.publish(data).expect("an answer");
        assert_eq!(answer.status, 202, "{}", answer.body);
        event_ids(&answer.body)
    }

    /// Returns the number of events with a status.
    #[track_caller]
    pub(super) fn events(&self, status: &str) -> u64 {
        let list = self.get(&format!("/api/webhooks/events?limit=1&status={status}"));
        list.body["meta"]["total"].as_u64().unwrap()
    }

    /// Waits until so many events have a status.
    #[track_caller]
    pub(super) fn wait_for_events(&self, status: &str, count: u64) {
        wait_until(&format!("{count} {status} events"), || {
            self.events(status) == count
        });
    }

    /// Sends it a signal, such as `-TERM`.
    #[track_caller]
    pub(super) fn signal(&self, signal: &str) {
        let pid = self.spawned.id().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Ends it as an operator would.
    #[track_caller]
    pub(super) fn stop(self) {
        self.stop_by("-TERM");
    }

    /// Ends it with grace, by this signal.
    #[track_caller]
    pub(super) fn stop_by(self, signal: &str) {
        self.signal(signal);
        let status = self.spawned.ended();
        assert_eq!(status.code(), Some(0), "{}", self.spawned.log.whole());
    }

    /// Ends it as an operator would; answers its exit code and its log.
    #[track_caller]
    pub(super) fn terminated(self) -> (Option<i32>, String) {
        self.signal("-TERM");
        (self.spawned.ended().code(), self.spawned.log.whole())
    }

    /// Waits until it has ended itself over what it could not promise any more; answers its log.
    #[track_caller]
    pub(super) fn ended_itself(&self) -> String {
        let status = self.spawned.ended();
        let log = self.spawned.log.whole();
        assert_eq!(status.code(), Some(70), "{log}");
        assert!(log.contains("ERROR"), "{log}");
        log
    }
}

/// Checks that `/readyz` says that the database is what is wrong, and why.
#[track_caller]
pub(super) fn assert_database_not_ready(answer: &Answer, says: &str) {
    let expected = json!({
        "error": "Unavailable",
        "detail": says,
        "checks": [
            {"name": "server", "ok": true, "reason": null},
            {"name": "engine", "ok": true, "reason": null},
            {"name": "backlog", "ok": true, "reason": null},
            {"name": "database", "ok": false, "reason": says},
        ],
    });
    assert_eq!((answer.status, &answer.body), (503, &expected));
    assert_eq!(answer.retry_after.as_deref(), Some("30"));
}

/// The ids of a message's events, from the answer to its publish.
pub(super) fn event_ids(message: &Value) -> Vec<String> {
    let events = message["events"].as_array().unwrap();
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    events.iter().map(id).collect()
}
