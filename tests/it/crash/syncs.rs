//! The tests of syncs that fail: the server ends, its write-ahead log stays as it is, and the next start
//! writes all of it again.

use std::io::Write;
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::server::{Answer, Server, TestDir};
use crate::receiver::Receiver;

/// Messages of the largest size that begin a checkpoint, twice over.
const MANY: usize = 160;

/// Publishes large messages until the server is gone; answers how many it has taken.
#[track_caller]
fn publish_until_it_ends(server: &Server) -> i64 {
    let data = json!("x".repeat(250_000));
    let taken = (0..MANY).take_while(|_| match server.publish(&data) {
        Some(Answer { status, .. }) => {
            assert_eq!(status, 202);
            true
        }
        None => false,
    });
    i64::try_from(taken.count()).unwrap()
}

/// The number of messages in a database file alone, without its log.
#[track_caller]
fn messages_in_file(dir: &TestDir) -> i64 {
    let copy = dir.path().join("copy.db");
    std::fs::copy(&dir.database, &copy).unwrap();
    let copied = Connection::open(copy).unwrap();
    let count = "SELECT count(*) FROM message";
    copied.query_row(count, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_failed_sync_of_the_log_ends_the_server_and_nothing_is_answered() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    server.published(&json!("kept"));
    server.wait_for_events("succeeded", 1);
    let log_bytes = dir.log_bytes();
    dir.arm("sync-log fail");
    assert!(server.publish(&json!("not promised")).is_none());
    let log = server.ended_itself();
    assert!(log.contains("a sync of"), "{log}");
    assert!(dir.log_bytes() >= log_bytes && log_bytes > 0);
    dir.disarm();
    let server = dir.start();
    server.published(&json!("kept too"));
    server.wait_for_events("succeeded", 2);
    server.stop();
    dir.check();
}

#[test]
fn a_failed_sync_of_the_database_ends_the_server_and_its_log_is_moved_again() {
    // That of SQLite, and that of the thread.
    for when in ["1 1", "2 2"] {
        let dir = TestDir::new();
        let server = dir.start();
        dir.arm(&format!("sync-database fail {when}"));
        let taken = publish_until_it_ends(&server);
        let log = server.ended_itself();
        assert!(log.contains("a sync of"), "{log}");
        let log_bytes = dir.log_bytes();
        assert!(log_bytes > 16_000_000, "it was not emptied: {log_bytes}");
        // The disk still fails, and the log must stay until it does not.
        dir.arm("sync-database fail");
        let refused = dir.spawn(&super::server::Start::default());
        assert_eq!(refused.ended().code(), Some(1));
        let says = refused.log.whole();
        assert!(says.contains("cannot recover"), "{says}");
        assert_eq!(dir.log_bytes(), log_bytes);
        // Nor may a tool begin where it failed.
        assert!(!dir.run(&["token", "list"]).status.success());
        assert_eq!(dir.log_bytes(), log_bytes);
        dir.disarm();
        let server = dir.start();
        let found = messages_in_file(&dir);
        // The last one may have been on its way.
        assert!((taken..=taken + 1).contains(&found), "{found} of {taken}");
        server.stop();
        dir.check();
    }
}

#[test]
fn a_start_moves_the_log_of_the_last_run_before_it_serves() {
    let dir = TestDir::new();
    let server = dir.start();
    for n in 0..20 {
        server.published(&json!(n));
    }
    assert_eq!(messages_in_file(&dir), 0, "they are in the log");
    server.spawned.kill();
    server.spawned.ended();
    let server = dir.start();
    assert_eq!(messages_in_file(&dir), 20);
    server.stop();
    // The same for a tool.
    let server = dir.start();
    server.published(&json!("one more"));
    server.spawned.kill();
    server.spawned.ended();
    assert!(dir.run(&["token", "list"]).status.success());
    assert_eq!(messages_in_file(&dir), 21);
    dir.check();
}

#[test]
fn a_tool_beside_a_server_moves_nothing() {
    let dir = TestDir::new();
    let server = dir.start();
    let data = json!("x".repeat(250_000));
    // More than a checkpoint's worth, and less than the server's own would leave.
    dir.arm("checkpoint-pass hold");
    for _ in 0..MANY {
        server.published(&data);
    }
    server.spawned.kill();
    server.spawned.ended();
    dir.disarm();
    let log_bytes = dir.log_bytes();
    assert!(log_bytes > 16_000_000);
    // Whoever holds the lock is a server to the tool.
    let lock = std::fs::File::options()
        .write(true)
        .open(dir.beside(".lock"))
        .unwrap();
    lock.try_lock().unwrap();
    let before = std::fs::read(&dir.database).unwrap();
    for _ in 0..3 {
        assert!(dir.run(&["token", "create", "--admin"]).status.success());
    }
    assert!(std::fs::read(&dir.database).unwrap() == before);
    assert!(dir.log_bytes() >= log_bytes);
}

#[test]
fn a_log_that_somebody_reads_is_written_again_in_its_place() {
    let dir = TestDir::new();
    let server = dir.start();
    server.published(&json!("kept"));
    let reader = dir.open();
    let in_log = "BEGIN; SELECT count(*) FROM message";
    reader.execute_batch(in_log).unwrap();
    server.published(&json!("kept, and not seen by the reader"));
    server.spawned.kill();
    server.spawned.ended();
    let log = std::fs::read(dir.beside("-wal")).unwrap();
    let server = dir.start();
    let says = "it was written again in its place";
    assert!(server.spawned.log.wait(says, 1).is_some());
    let kept = std::fs::read(dir.beside("-wal")).unwrap();
    assert!(kept.starts_with(&log));
    reader.execute_batch("COMMIT").unwrap();
    server.published(&json!("more"));
    assert_eq!(dir.number("SELECT count(*) FROM message"), 3);
    server.stop();
    dir.check();
}

/// Writes over a file as it is, so that it stays the same file.
fn write_over(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

#[test]
fn pages_that_were_moved_before_are_moved_again_although_another_program_says_they_are_there() {
    let dir = TestDir::new();
    let server = dir.start();
    server.published(&json!("kept"));
    let before = std::fs::read(&dir.database).unwrap();
    // Keeps the wal-index, and the number in it, over the server's end.
    let other = dir.open();
    let moved = other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2));
    assert!(moved.is_ok_and(|frames: i64| frames > 0));
    server.spawned.kill();
    server.spawned.ended();
    // The disk never got what was moved.
    write_over(&dir.database, &before);
    let server = dir.start();
    assert_eq!(messages_in_file(&dir), 1);
    drop(other);
    server.stop();
    dir.check();
}

#[test]
fn after_a_failed_sync_no_other_program_takes_pages_for_moved() {
    let dir = TestDir::new();
    let server = dir.start();
    server.published(&json!("kept"));
    let other = dir.open();
    let moved = |mode: &str| {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        other.query_row(&sql, [], |row| row.get::<_, i64>(2))
    };
    assert!(moved("PASSIVE").is_ok_and(|frames| frames > 0));
    dir.arm("sync-log fail");
    assert!(server.publish(&json!("not promised")).is_none());
    server.ended_itself();
    assert_eq!(moved("NOOP"), Ok(0));
    dir.disarm();
    drop(other);
    dir.start().stop();
    dir.check();
}

/// Of the log, which the start writes again in its place, or of what it moved into the database.
#[test]
fn after_a_sync_that_fails_at_a_start_no_other_program_takes_pages_for_moved() {
    for point in ["sync-log fail", "sync-database fail 2 2"] {
        let dir = TestDir::new();
        let server = dir.start();
        server.published(&json!("kept"));
        let reader = dir.open();
        let in_log = "BEGIN; SELECT count(*) FROM message";
        reader.execute_batch(in_log).unwrap();
        server.published(&json!("kept, and not seen by the reader"));
        server.spawned.kill();
        server.spawned.ended();
        dir.arm(point);
        let refused = dir.spawn(&super::server::Start::default());
        assert_eq!(refused.ended().code(), Some(1), "{point}");
        let says = refused.log.whole();
        assert!(says.contains("cannot recover"), "{point}: {says}");
        let moved = "PRAGMA wal_checkpoint(NOOP)";
        let moved = dir.open().query_row(moved, [], |row| row.get(2));
        assert_eq!(moved, Ok(0), "{point}");
        dir.disarm();
        drop(reader);
        dir.start().stop();
        assert_eq!(dir.number("SELECT count(*) FROM message"), 2, "{point}");
        dir.check();
    }
}

#[test]
fn a_failed_sync_as_a_long_log_is_to_start_over_ends_the_server() {
    let dir = TestDir::new();
    let server = dir.start();
    server.published(&json!("kept"));
    let log_bytes = dir.log_bytes();
    dir.arm("long-log fail");
    // The writer looks at its log now and then, so the end may come before this or its answer.
    let answer = server.publish(&json!("perhaps"));
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 202));
    let log = server.ended_itself();
    assert!(log.contains("a sync of"), "{log}");
    assert!(dir.log_bytes() >= log_bytes, "the log is as it was");
    dir.disarm();
    dir.start().stop();
    let accepted = 1 + i64::from(answer.is_some());
    assert!(dir.number("SELECT count(*) FROM message") >= accepted);
    dir.check();
}

#[test]
fn a_stop_whose_last_checkpoint_fails_is_a_failure() {
    for (point, code, says) in [
        ("read-log fail", 1, "the last checkpoint of"),
        ("sync-database fail", 70, "a sync of"),
    ] {
        let dir = TestDir::new();
        let server = dir.start();
        server.published(&Value::Null);
        let log_bytes = dir.log_bytes();
        dir.arm(point);
        let (ended, log) = server.terminated();
        assert_eq!(ended, Some(code), "{log}");
        assert!(log.contains(says) && !log.contains("stopped"), "{log}");
        assert!(dir.log_bytes() >= log_bytes, "the log is as it was");
        dir.disarm();
        dir.start().stop();
        assert_eq!(dir.number("SELECT count(*) FROM message"), 1);
        dir.check();
    }
}
