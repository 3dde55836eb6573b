//! A write-ahead log that was cut or removed between two runs: the start says what is gone, and keeps the rest.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::config::DbConfig;
use serde_json::json;

use super::server::TestDir;

const SAYS: &str = "the write-ahead log of the last run was cut, damaged, removed or replaced";

/// A folder whose server was killed with ten messages in its log.
fn killed() -> TestDir {
    let dir = TestDir::new();
    let server = dir.start();
    for n in 0..10 {
        server.published(&json!(n));
    }
    server.spawned.kill();
    server.spawned.ended();
    dir
}

#[test]
fn a_log_that_was_cut_is_reported_and_kept() {
    let dir = killed();
    let log = dir.beside("-wal");
    let file = File::options().write(true).open(&log).unwrap();
    file.set_len(dir.log_bytes() * 2 / 3).unwrap();
    let left = std::fs::read(&log).unwrap();
    let server = dir.start();
    let says = server.spawned.log.wait(SAYS, 1).expect("a line");
    assert!(says.contains("ERROR"), "{says}");
    let kept = dir.beside("-wal.damaged");
    assert!(std::fs::read(&kept).unwrap() == left);
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    server.stop();
    dir.check();
    assert!(dir.number("SELECT count(*) FROM message") < 10);
    let server = dir.start();
    assert_eq!(server.spawned.log.count(SAYS), 0, "it was said before");
    server.stop();
}

#[test]
fn a_log_that_was_removed_is_reported() {
    let dir = killed();
    std::fs::remove_file(dir.beside("-wal")).unwrap();
    let server = dir.start();
    let says = server.spawned.log.wait(SAYS, 1).expect("a line");
    assert!(says.contains("ERROR"), "{says}");
    assert!(!dir.beside("-wal.damaged").exists());
    server.stop();
    dir.check();
}

/// Moves all frames of the log of a running server into the database file, as its own checkpoints do.
fn move_all(dir: &TestDir) {
    let connection = rusqlite::Connection::open(&dir.database).unwrap();
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .unwrap();
    let numbers = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    let (frames, moved) = numbers.unwrap();
    assert!(frames > 0 && frames == moved);
}

fn flip(log: &Path, at: u64) {
    let mut bytes = std::fs::read(log).unwrap();
    let at = usize::try_from(at).unwrap();
    bytes[at] ^= 1;
    std::fs::write(log, bytes).unwrap();
}

/// Starts the server and checks that so many messages are there, and that the log was set aside.
fn starts_with(dir: &TestDir, messages: i64, level: &str) {
    let left = std::fs::read(dir.beside("-wal")).unwrap();
    let server = dir.start();
    let says = server.spawned.log.wait(SAYS, 1).expect("a line");
    assert!(says.contains(level), "{says}");
    assert!(std::fs::read(dir.beside("-wal.damaged")).unwrap() == left);
    assert_eq!(dir.number("SELECT count(*) FROM message"), messages);
    server.published(&json!("goes on"));
    server.stop();
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM message"), messages + 1);
    let server = dir.start();
    assert_eq!(server.spawned.log.count(SAYS), 0, "it was said before");
    server.stop();
}

#[test]
fn a_log_that_is_damaged_after_all_of_it_was_moved_takes_nothing_back() {
    for damage in ["flipped", "cut", "emptied"] {
        let dir = TestDir::new();
        let server = dir.start();
        for n in 0..10 {
            server.published(&json!(n));
        }
        move_all(&dir);
        server.spawned.kill();
        server.spawned.ended();
        let (log, bytes) = (dir.beside("-wal"), dir.log_bytes());
        match damage {
            "flipped" => flip(&log, bytes / 3),
            "cut" => {
                let file = File::options().write(true).open(&log).unwrap();
                file.set_len(bytes / 2).unwrap();
            }
            _ => {
                File::create(&log).unwrap();
                let server = dir.start();
                assert_eq!(dir.number("SELECT count(*) FROM message"), 10);
                server.stop();
                continue;
            }
        }
        starts_with(&dir, 10, "WARN");
    }
}

#[test]
fn an_older_log_in_the_place_of_the_last_takes_nothing_back() {
    for is_moved in [false, true] {
        let dir = TestDir::new();
        let server = dir.start();
        for n in 0..5 {
            server.published(&json!(n));
        }
        let log = dir.beside("-wal");
        let older = std::fs::read(&log).unwrap();
        move_all(&dir);
        // The log starts over.
        for n in 0..5 {
            server.published(&json!(n));
        }
        if is_moved {
            move_all(&dir);
        }
        server.spawned.kill();
        server.spawned.ended();
        std::fs::write(&log, older).unwrap();
        let (messages, level) = if is_moved { (10, "WARN") } else { (5, "ERROR") };
        starts_with(&dir, messages, level);
    }
}

#[test]
fn a_log_that_is_whole_is_not_reported() {
    let dir = killed();
    let server = dir.start();
    assert_eq!(server.spawned.log.count(SAYS), 0);
    server.spawned.kill();
    server.spawned.ended();
    // The wal-index does not outlive a power cut, or is older than the log.
    std::fs::remove_file(dir.beside("-shm")).unwrap();
    let server = dir.start();
    assert_eq!(server.spawned.log.count(SAYS), 0);
    server.stop();
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM message"), 10);
}
