//! A write-ahead log that was cut or removed between two runs: the start says what is gone, and keeps the rest.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;

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
