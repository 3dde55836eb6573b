//! The tests of `hookpost backup` and `hookpost restore`: what a backup has, and what a restore leaves.

mod crashes;
mod errors;
mod folder;
mod replacing;
mod under_load;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::server::{Server, TestDir, text};
use super::whole;
use crate::fixture::wait_until;

/// Bytes of a payload that fills some pages.
const LARGE: usize = 10_000;

/// The number of large payloads after which a backup takes several writes.
const MANY: i64 = 100;

impl TestDir {
    /// The path of a file in the folder.
    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Makes a backup that must succeed.
    #[track_caller]
    fn backed_up(&self, name: &str, flags: &[&str]) {
        let output = self.run(&[&["backup", name], flags].concat());
        assert_succeeded(&output);
        let said = text(&output.stdout);
        assert!(said.ends_with(&format!("/{name}\n")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    /// Restores into the database, which must succeed.
    #[track_caller]
    fn restored(&self, name: &str, flags: &[&str]) -> Output {
        let output = self.run(&[&["restore", name], flags].concat());
        assert_succeeded(&output);
        output
    }

    /// Returns the names of the files, without those of locks and fail points.
    fn names(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| !name.ends_with("lock") && !name.starts_with("fail-point"))
            .collect()
    }

    /// Returns the files that belong to the database.
    fn names_of_database(&self) -> BTreeSet<String> {
        let names = self.names().into_iter();
        names.filter(|name| name.starts_with("h.db")).collect()
    }

    /// Runs a server that accepts `count` large messages, and stops it.
    fn fill(&self, count: i64) {
        let server = self.start();
        publish(&server, count);
        server.stop();
    }

    /// Removes the database and the files beside it.
    fn remove_database(&self) {
        for name in self.names_of_database() {
            std::fs::remove_file(self.file(&name)).unwrap();
        }
    }
}

fn publish(server: &Server, count: i64) {
    for _ in 0..count {
        server.published(&json!("x".repeat(LARGE)));
    }
}

#[track_caller]
fn assert_succeeded(output: &Output) {
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Checks that a command failed with one line that says so.
#[track_caller]
fn assert_failed(output: &Output, says: &str) {
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains(says), "{says}: {line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert_eq!(text(&output.stdout), "");
}

/// Checks that a database which no process uses is whole; returns the number of its messages.
#[track_caller]
fn messages(database: &Path) -> i64 {
    let connection =
        Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    whole::check(&connection);
    connection
        .query_row("SELECT count(*) FROM message", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_backup_is_private_has_all_and_is_restored_plain_or_compressed_whatever_its_name() {
    let dir = TestDir::new();
    dir.fill(MANY);
    for (flags, is_gzip) in [
        (&[][..], false),
        (&["--compress"], true),
        (&["--verify"], false),
        (&["--compress", "--verify", "--rate", "0"], true),
    ] {
        dir.backed_up("copy", flags);
        let copy = dir.file("copy");
        let bytes = std::fs::read(&copy).unwrap();
        assert_eq!(bytes.starts_with(&[0x1f, 0x8b]), is_gzip);
        let database_bytes = std::fs::metadata(&dir.database).unwrap().len();
        assert!(is_gzip || bytes.len() as u64 == database_bytes);
        assert!(!is_gzip || (bytes.len() as u64) < database_bytes / 5);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        dir.remove_database();
        dir.restored("copy", &[]);
        assert_eq!(dir.names(), ["copy", "h.db"].map(str::to_owned).into());
        std::fs::remove_file(&copy).unwrap();
        assert_eq!(messages(&dir.database), MANY);
    }
    dir.start().stop();
}

#[test]
fn a_backup_without_a_server_has_what_a_killed_one_left_in_its_log() {
    let dir = TestDir::new();
    let server = dir.start();
    publish(&server, 3);
    server.spawned.kill();
    server.spawned.ended();
    assert!(dir.log_bytes() > 0);
    dir.backed_up("copy", &[]);
    dir.remove_database();
    dir.restored("copy", &[]);
    assert_eq!(messages(&dir.database), 3);
}

#[test]
fn a_server_starts_beside_a_backup_and_a_restore_does_not() {
    let dir = TestDir::new();
    dir.fill(MANY);
    dir.backed_up("other", &[]);
    // The restore below has three writes, and is not held: it would be if it were not refused.
    dir.arm("copy-write hold 4");
    let mut backup = dir.spawn_tool(&["backup", "copy"]);
    let partial = dir.file("copy.partial");
    wait_until("the backup", || {
        partial.metadata().is_ok_and(|found| found.len() > 0)
    });
    assert_failed(
        &dir.run(&["restore", "other", "--replace"]),
        "is in use by `hookpost backup`",
    );
    let server = dir.start();
    publish(&server, 1);
    dir.disarm();
    assert!(backup.wait().unwrap().success());
    server.stop();
    dir.check();
    dir.restored("copy", &["--replace"]);
    // A backup is the state at its end.
    assert_eq!(messages(&dir.database), MANY + 1);
}
