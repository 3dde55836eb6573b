//! The test of a backup that is made while a server publishes and delivers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{LARGE, MANY, messages, publish};
use crate::crash::server::{Server, TestDir};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

/// Threads that publish.
const PRODUCERS: usize = 3;

/// Messages that are accepted while the backup is under way, and again after it.
const MORE: usize = 50;

/// Publishes until told to end, and notes the ids of accepted messages.
fn produce(server: &Server, accepted: &Mutex<Vec<String>>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let answer = server.publish(&json!("y".repeat(LARGE / 10))).unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
        let id = answer.body["id"].as_str().unwrap().to_owned();
        accepted.lock().unwrap().push(id);
    }
}

/// Returns the ids of all messages in the order of their numbers, as the API writes them.
fn ids(dir: &TestDir) -> Vec<String> {
    let connection = dir.open();
    let mut statement = connection
        .prepare("SELECT lower(hex(id)) FROM message ORDER BY seq")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn hex(id: &str) -> String {
    id.replace('-', "")
}

#[test]
fn a_backup_under_load_has_one_moment_between_its_begin_and_its_end() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    publish(&server, MANY);
    let accepted = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    let count = || accepted.lock().unwrap().len();
    let (before, after) = std::thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            scope.spawn(|| produce(&server, &accepted, &is_over));
        }
        wait_until("load", || count() >= MORE);
        dir.arm("copy-write hold 3");
        let mut backup = dir.spawn_tool(&["backup", "copy"]);
        let partial = dir.file("copy.partial");
        wait_until("the backup", || {
            partial.metadata().is_ok_and(|found| found.len() > 0)
        });
        let meanwhile = count();
        wait_until("load during it", || count() >= meanwhile + MORE);
        let before = accepted.lock().unwrap().clone();
        dir.disarm();
        assert!(backup.wait().unwrap().success());
        // Each producer may have a request under way that was made before.
        let end = count() + PRODUCERS;
        wait_until("load after it", || count() >= end + MORE);
        is_over.store(true, Ordering::Relaxed);
        (before, accepted.lock().unwrap().split_off(end))
    });
    server.stop();
    let all = ids(&dir);
    dir.restored("copy", &["--replace"]);
    messages(&dir.database);
    let copied = ids(&dir);
    assert_eq!(copied, all[..copied.len()], "they are the first ones");
    // The moment is that of its last round, so it has what came while its first round was under way.
    assert!(before.iter().all(|id| copied.contains(&hex(id))));
    assert!(after.len() >= MORE);
    assert!(!after.iter().any(|id| copied.contains(&hex(id))));
}
