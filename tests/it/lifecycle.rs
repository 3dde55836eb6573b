//! The tests of starting, stopping and starting again.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

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
    assert!(matches!(open(&path), Err(OpenError::InUse { .. })));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    drop(SqliteStore::open_for_tool(&path, "test", clock).unwrap());
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
    assert!(matches!(open(&link), Err(OpenError::InUse { .. })));
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

#[test]
fn a_server_whose_events_wait_for_too_long_is_not_ready_if_that_is_asked_for() {
    let flags = ["--max-threads", "4", "--unready-after", "1s"];
    let app = TestApp::with_flags(&flags);
    let receiver = Receiver::start();
    for number in 0..8 {
        let path = format!("/{number}");
        receiver.hold(&path);
        app.endpoint(&receiver.url(&path));
    }
    app.get("/readyz").expect(200);
    app.publish("a", &json!(1));
    let end = Instant::now() + PATIENCE;
    let checks = loop {
        let answer = app.get("/readyz");
        if answer.status == 503 {
            break answer.json();
        }
        assert!(Instant::now() < end, "it stays ready");
        std::thread::yield_now();
    };
    let detail = checks["detail"].as_str().unwrap();
    let waits = "the oldest event that could be attempted has waited for ";
    assert!(detail.starts_with(waits), "{detail}");
    let failed = checks["checks"].as_array().unwrap().iter();
    let failed: Vec<_> = failed.filter(|check| check["ok"] == false).collect();
    assert_eq!(failed.len(), 1, "{checks}");
    assert_eq!(failed[0]["name"], "backlog");
    for number in 0..8 {
        receiver.let_go(&format!("/{number}"));
    }
    app.wait_for_events("succeeded", 8);
    while app.get("/readyz").status != 200 {
        assert!(Instant::now() < end + PATIENCE, "it does not become ready");
        std::thread::yield_now();
    }
}
