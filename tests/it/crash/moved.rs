//! The tests of files that are moved, removed, replaced or cut under a running server: it accepts nothing
//! more, and keeps what it had accepted if that is possible.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::server::{Answer, Server, TestDir, assert_database_not_ready};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

const SAYS: &str = "the database file, its -wal or its -shm was moved, removed, replaced or cut";

#[track_caller]
fn assert_moved(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    let expected = json!({"error": "Unavailable", "detail": format!("{SAYS}; nothing was stored")});
    assert_eq!(answer.body, expected);
}

#[track_caller]
fn assert_refuses(server: &Server) {
    assert_database_not_ready(&server.get("/readyz"), SAYS);
    assert_moved(&server.publish(&json!("lost")).unwrap());
    assert_database_not_ready(&server.get("/readyz"), SAYS);
    assert_eq!(server.get("/healthz").status, 200);
}

/// A server that has accepted ten messages, which are in its log.
fn busy(dir: &TestDir) -> Server {
    let server = dir.start();
    for n in 0..10 {
        server.published(&json!(n));
    }
    assert!(dir.log_bytes() > 10_000);
    server
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

fn replace(path: &Path) {
    let aside = path.with_extension("aside");
    std::fs::copy(path, &aside).unwrap();
    std::fs::rename(aside, path).unwrap();
}

#[test]
fn a_file_that_is_moved_away_and_back_is_written_to_again() {
    for ending in ["", "-wal", "-shm"] {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        let server = busy(&dir);
        server.endpoint(&receiver.url("/a"), "raw");
        let (file, aside) = (dir.beside(ending), dir.path().join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        assert_refuses(&server);
        if ending.is_empty() {
            std::fs::copy(&aside, &file).unwrap();
            assert_refuses(&server);
        }
        std::fs::rename(&aside, &file).unwrap();
        wait_until("recovery", || server.get("/readyz").status == 200);
        server.published(&json!("kept"));
        server.wait_for_events("succeeded", 1);
        server.stop();
        dir.check();
        assert_eq!(dir.number("SELECT count(*) FROM message"), 11);
    }
}

#[test]
fn what_was_in_a_log_that_is_removed_is_kept() {
    for files in [&["-wal"][..], &["-wal", "-shm"]] {
        let dir = TestDir::new();
        let server = busy(&dir);
        for ending in files {
            remove(&dir.beside(ending));
        }
        // Nobody publishes: it finds out by itself.
        let saved = "what was in it is in the database now";
        assert!(server.spawned.log.wait(saved, 1).is_some());
        assert_refuses(&server);
        server.spawned.kill();
        server.spawned.ended();
        let server = dir.start();
        server.published(&json!("after it"));
        server.stop();
        dir.check();
        assert_eq!(dir.number("SELECT count(*) FROM message"), 11);
    }
}

#[test]
fn a_stop_right_after_the_log_was_removed_keeps_what_was_in_it_and_is_a_failure() {
    let dir = TestDir::new();
    let server = busy(&dir);
    remove(&dir.beside("-wal"));
    remove(&dir.beside("-shm"));
    let (code, log) = server.terminated();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("was moved, removed, replaced or cut"), "{log}");
    dir.start().stop();
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM message"), 10);
}

#[test]
fn a_failed_sync_of_what_was_in_a_removed_log_ends_the_server() {
    let dir = TestDir::new();
    let server = busy(&dir);
    dir.arm("sync-database fail");
    remove(&dir.beside("-wal"));
    let log = server.ended_itself();
    assert!(log.contains("a sync of"), "{log}");
    dir.disarm();
    dir.start().stop();
    dir.check();
}

#[test]
fn a_file_in_the_place_of_another_is_left_alone() {
    for ending in ["-wal", "-shm"] {
        let dir = TestDir::new();
        let server = busy(&dir);
        let before = std::fs::read(&dir.database).unwrap();
        replace(&dir.beside(ending));
        assert_refuses(&server);
        let log = std::fs::read(dir.beside("-wal")).unwrap();
        let (code, says) = server.terminated();
        assert_eq!(code, Some(1), "{says}");
        assert!(std::fs::read(&dir.database).unwrap() == before);
        assert!(std::fs::read(dir.beside("-wal")).unwrap() == log);
        dir.start().stop();
        dir.check();
        assert_eq!(dir.number("SELECT count(*) FROM message"), 10);
    }
}

#[test]
fn a_log_that_is_cut_is_not_added_to() {
    let dir = TestDir::new();
    let server = busy(&dir);
    let log = File::options()
        .write(true)
        .open(dir.beside("-wal"))
        .unwrap();
    log.set_len(dir.log_bytes() - 1).unwrap();
    assert_moved(&server.publish(&json!("lost")).unwrap());
    assert_refuses(&server);
    let before = std::fs::read(&dir.database).unwrap();
    log.set_len(0).unwrap();
    assert_refuses(&server);
    // Nobody publishes: it is found out all the same, and reading is no proof of damage.
    let _ = server.call("GET", "/api/webhooks/events", None);
    assert_refuses(&server);
    let (code, says) = server.terminated();
    assert_eq!(code, Some(1), "{says}");
    assert!(std::fs::read(&dir.database).unwrap() == before);
}

#[test]
fn a_database_that_is_cut_is_noticed_before_anything_is_accepted() {
    for (is_moved, cut_to) in [(true, 4096), (true, 0), (false, 0)] {
        let dir = TestDir::new();
        let server = if is_moved {
            let server = busy(&dir);
            let moved = "PRAGMA wal_checkpoint(TRUNCATE)";
            assert_eq!(dir.number(moved), 0);
            server.published(&json!("in the log"));
            server
        } else {
            dir.start()
        };
        assert_eq!(server.get("/readyz").status, 200);
        let file = File::options().write(true).open(&dir.database).unwrap();
        file.set_len(cut_to).unwrap();
        assert_moved(&server.publish(&json!("lost")).unwrap());
        assert_refuses(&server);
        let (code, says) = server.terminated();
        assert_eq!(code, Some(1), "{says}");
        let reason = "was moved, removed, replaced or cut while it was in use";
        assert!(says.contains(reason), "{says}");
        assert_eq!(dir.database.metadata().unwrap().len(), cut_to, "filled up");
    }
}

#[test]
fn a_log_that_others_empty_is_not_taken_for_cut() {
    let dir = TestDir::new();
    let server = busy(&dir);
    let other = dir.open();
    for n in 0..20 {
        let emptied = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        assert_eq!(emptied, Ok(0), "nobody reads");
        server.published(&json!(n));
        assert_eq!(server.get("/readyz").status, 200);
    }
    drop(other);
    server.stop();
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM message"), 30);
}

#[test]
fn a_restore_can_tell_that_a_server_runs() {
    let dir = TestDir::new();
    let server = busy(&dir);
    let lock = dir.beside(".lock");
    let restore = || {
        let mut flock = Command::new("flock");
        flock.arg("-n").arg(&lock).args(["-c", "exit 0"]).status()
    };
    let held = File::open(&lock).unwrap();
    assert!(held.try_lock().is_err());
    assert!(restore().is_err() || restore().is_ok_and(|status| status.code() == Some(1)));
    server.stop();
    assert!(restore().is_err() || restore().is_ok_and(|status| status.success()));
    held.try_lock().unwrap();
}
