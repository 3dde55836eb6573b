//! Starting, stopping, crashing, starting again.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hookpost::domain::clock::{Clock, SystemClock};
use hookpost::storage::sqlite::{OpenError, SqliteSettings, SqliteStore};
use rusqlite::Connection;
use serde_json::json;

use super::fixture::{PATIENCE, TestApp};
use super::receiver::Receiver;

#[test]
fn a_graceful_stop_in_the_middle_loses_nothing() {
    let mut app = TestApp::start();
    let receiver = Receiver::start();
    receiver.hold("/slow");
    app.endpoint(&receiver.url("/slow"));
    let published: HashSet<String> = (0..40)
        .map(|n| {
            app.publish("a", &json!(n))["events"][0]["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    receiver.wait("/slow", 1);
    let letting_go = receiver.clone();
    let stopping = std::thread::spawn(move || letting_go.let_go("/slow"));
    app.restart();
    stopping.join().unwrap();
    app.wait_for_events("succeeded", 40);
    let delivered: HashSet<String> = receiver
        .at("/slow")
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert_eq!(delivered, published);
    assert_eq!(receiver.at("/slow").len(), 40, "nothing was sent twice");
}

fn open(path: &Path) -> Result<Arc<SqliteStore>, OpenError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    SqliteStore::open(path, SqliteSettings::default(), clock)
}

#[test]
fn a_database_is_opened_twice_in_turn_but_not_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = open(&path).unwrap();
    assert!(matches!(open(&path), Err(OpenError::InUse(_))));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    drop(SqliteStore::open_beside(&path, clock).unwrap());
    store.stop();
    open(&path).unwrap().stop();
}

#[cfg(unix)]
#[test]
fn other_names_of_a_file_do_not_get_round_its_lock() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = open(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    let link = folder.path().join("link.db");
    symlink("h.db", &link).unwrap();
    assert!(matches!(open(&link), Err(OpenError::InUse(_))));
    let hard = folder.path().join("hard.db");
    std::fs::hard_link(&path, &hard).unwrap();
    assert!(matches!(open(&hard), Err(OpenError::HardLinked(_))));
    store.stop();
}

#[test]
fn foreign_newer_and_broken_files_are_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let untouched = |path: &Path, check: &dyn Fn(&OpenError) -> bool| {
        let before = std::fs::read(path).unwrap();
        let error = open(path).err().expect("refused");
        assert!(check(&error), "{error}");
        assert!(!error.to_string().contains('\n'));
        assert_eq!(std::fs::read(path).unwrap(), before);
        std::fs::remove_file(path).unwrap();
    };
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a)")
        .unwrap();
    untouched(&path, &|error| matches!(error, OpenError::Foreign(_)));
    std::fs::write(
        &path,
        "no database, but longer than a header would be".repeat(50),
    )
    .unwrap();
    untouched(&path, &|error| matches!(error, OpenError::Foreign(_)));
    open(&path).unwrap().stop();
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA user_version = 999; PRAGMA journal_mode = DELETE")
        .unwrap();
    untouched(&path, &|error| {
        matches!(error, OpenError::Newer { found: 999, .. })
    });
    let nowhere = folder.path().join("missing").join("h.db");
    assert!(open(&nowhere).is_err());
}

/// The real binary, serving.
struct Server {
    child: Child,
    api: String,
}

impl Server {
    fn start(database: &Path) -> Self {
        // Free for the moment; the binary reports in its log what it listens on, but not to scripts.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut child = Command::new(env!("CARGO_BIN_EXE_hookpost"))
            .args([
                "serve",
                "--allow-http",
                "--allow-network",
                "127.0.0.0/8",
                "--database",
            ])
            .arg(database)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let mut line = String::new();
            while log.read_line(&mut line).is_ok_and(|read| read > 0) {
                line.clear();
            }
        });
        let api = format!("http://127.0.0.1:{port}/api");
        let end = Instant::now() + PATIENCE;
        while ureq::get(format!("http://127.0.0.1:{port}/readyz"))
            .call()
            .is_err()
        {
            assert!(Instant::now() < end, "the server is not ready");
            std::thread::yield_now();
        }
        Self { child, api }
    }

    fn post(&self, path: &str, token: &str, body: &serde_json::Value) -> Option<serde_json::Value> {
        let mut answer = ureq::post(format!("{}{path}", self.api))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .send(body.to_string())
            .ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_a_killed_server_had_accepted_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("h.db");
    let made = Command::new(env!("CARGO_BIN_EXE_hookpost"))
        .args(["token", "create", "--workspace", "w", "--database"])
        .arg(&database)
        .output()
        .unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let receiver = Receiver::start();
    let mut accepted = HashSet::new();
    for round in 0..4 {
        let server = Server::start(&database);
        if round == 0 {
            let endpoint = json!({"url": receiver.url("/a"), "format": "raw", "events": ["*"]});
            server
                .post("/webhooks/endpoints", &token, &endpoint)
                .unwrap();
        }
        let stop_at = Instant::now() + Duration::from_millis(150 + 70 * round);
        let ids: Vec<String> = std::thread::scope(|scope| {
            let publishing: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut ids = Vec::new();
                        // Until the kill cuts in, in the middle of whatever is going on.
                        while let Some(message) = server.post(
                            "/webhooks/events",
                            &token,
                            &json!({"type": "a", "data": 1}),
                        ) {
                            ids.push(message["events"][0]["id"].as_str().unwrap().to_owned());
                            if Instant::now() > stop_at {
                                break;
                            }
                        }
                        ids
                    })
                })
                .collect();
            publishing
                .into_iter()
                .flat_map(|one| one.join().unwrap())
                .collect()
        });
        assert!(!ids.is_empty());
        accepted.extend(ids);
        drop(server);
    }
    let _server = Server::start(&database);
    let end = Instant::now() + PATIENCE;
    loop {
        let delivered: HashSet<String> = receiver
            .at("/a")
            .iter()
            .map(|one| one.header("webhook-id").to_owned())
            .collect();
        let missing = accepted.difference(&delivered).count();
        if missing == 0 {
            break;
        }
        assert!(
            Instant::now() < end,
            "{missing} of {} are missing",
            accepted.len()
        );
        std::thread::yield_now();
    }
    let check: String = Connection::open(&database)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}
