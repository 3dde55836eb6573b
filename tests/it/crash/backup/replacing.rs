//! The tests of what a restore does with the database before, and of what the server does then.

use rusqlite::Connection;
use serde_json::json;

use super::{messages, publish};
use crate::crash::server::{TestDir, text};
use crate::receiver::Receiver;

/// Returns the path in a line of the output that ends with it.
fn kept(output: &std::process::Output) -> std::path::PathBuf {
    let said = text(&output.stderr);
    let line = said.lines().find(|line| line.contains("is kept as"));
    let path = line.and_then(|line| line.split("is kept as ").nth(1));
    path.unwrap_or_else(|| panic!("{said}"))
        .trim_end_matches('.')
        .into()
}

#[test]
fn what_was_pending_is_delivered_after_a_restore_again_with_the_same_id() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    receiver.hold("/a");
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    server.published(&json!("pending"));
    dir.backed_up("copy", &["--compress"]);
    server.published(&json!("later"));
    receiver.let_go("/a");
    server.wait_for_events("succeeded", 2);
    server.stop();

    let old = kept(&dir.restored("copy", &["--replace"]));
    assert_eq!(messages(&old), 2, "the old one is whole");
    let server = dir.start();
    server.wait_for_events("succeeded", 1);
    server.stop();
    assert_eq!(messages(&dir.database), 1);
    let received = receiver.wait("/a", 3);
    let id = |at: usize| received[at].header("webhook-id").to_owned();
    assert!(id(2) == id(0) || id(2) == id(1));
    assert_eq!(received[2].text(), {
        let first = received
            .iter()
            .position(|r| r.header("webhook-id") == id(2));
        received[first.unwrap()].text()
    });
    assert!(received[2].text().contains("pending"));
}

#[test]
fn what_a_killed_server_left_in_its_log_is_kept_with_the_old_database() {
    let dir = TestDir::new();
    dir.backed_up("copy", &[]);
    let server = dir.start();
    publish(&server, 3);
    server.spawned.kill();
    server.spawned.ended();
    assert!(dir.log_bytes() > 0);
    let old = kept(&dir.restored("copy", &["--replace"]));
    assert!(!dir.beside("-wal").exists() && !dir.beside("-shm").exists());
    assert_eq!(messages(&dir.database), 0);
    assert_eq!(messages(&old), 3);
}

#[test]
fn a_database_that_cannot_be_read_is_replaced_and_kept_with_its_log() {
    for is_missing in [false, true] {
        let dir = TestDir::new();
        dir.backed_up("copy", &[]);
        let server = dir.start();
        publish(&server, 3);
        server.spawned.kill();
        server.spawned.ended();
        let log = std::fs::read(dir.beside("-wal")).unwrap();
        if is_missing {
            std::fs::remove_file(&dir.database).unwrap();
        } else {
            // No header, and the log does not have that page.
            std::fs::write(&dir.database, vec![7; 50_000]).unwrap();
            std::fs::remove_file(dir.beside("-wal")).unwrap();
            std::fs::write(dir.beside("-wal"), &log[..32]).unwrap();
        }
        let output = dir.run(&["restore", "copy"]);
        assert!(text(&output.stderr).contains("--replace"));
        let old = kept(&dir.restored("copy", &["--replace"]));
        assert_eq!(messages(&dir.database), 0);
        let mut log_of_old = old.clone().into_os_string();
        log_of_old.push("-wal");
        let kept_log = std::fs::read(log_of_old).unwrap();
        assert!(log.starts_with(&kept_log) && !kept_log.is_empty());
        let bytes = std::fs::read(&old).unwrap();
        assert_eq!(bytes, vec![7; if is_missing { 0 } else { 50_000 }]);
        dir.start().stop();
    }
}

#[test]
fn a_database_of_a_newer_version_is_replaced_by_the_backup_before_the_upgrade() {
    let dir = TestDir::new();
    dir.backed_up("copy", &[]);
    let newer = Connection::open(&dir.database).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(newer);
    let old = kept(&dir.restored("copy", &["--replace"]));
    dir.start().stop();
    assert!(old.exists());
}
