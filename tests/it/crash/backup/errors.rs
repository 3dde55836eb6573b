//! The tests of backups and restores that are refused or fail: one line, and nothing changed.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use rusqlite::Connection;

use super::{MANY, assert_failed, messages};
use crate::crash::server::{Start, TestDir, text};
use crate::fixture::wait_until;

/// Makes a pipe.
fn pipe(path: &std::path::Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Makes a database of another program.
fn foreign(path: &std::path::Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("CREATE TABLE t (x)").unwrap();
}

#[test]
fn a_backup_that_cannot_be_made_leaves_nothing() {
    let dir = TestDir::new();
    dir.fill(MANY);
    std::fs::write(dir.file("there"), "precious").unwrap();
    std::fs::create_dir(dir.file("folder")).unwrap();
    pipe(&dir.file("pipe"));
    std::os::unix::fs::symlink("h.db", dir.file("link")).unwrap();
    std::os::unix::fs::symlink("/dev/stdout", dir.file("stdout")).unwrap();
    let before = dir.names();
    for (args, says) in [
        (&["there"][..], "there exists; choose another name"),
        (&["folder"], "is not a file"),
        (&["folder", "--force"], "is not a file"),
        (&["stdout", "--force"], "is not a file"),
        (&["pipe"], "is not a file"),
        (&["pipe", "--force"], "is not a file"),
        (&["nowhere/copy"], "cannot write nowhere/copy: No such file"),
        (&["there/copy"], "cannot write there/copy: Not a directory"),
        (&[".."], "is not a file"),
        (&["h.db", "--force"], "belongs to the database itself"),
        (&["link", "--force"], "belongs to the database itself"),
        (&["./h.db-wal"], "belongs to the database itself"),
        (&["h.db-journal"], "belongs to the database itself"),
        (&["h.db.lock", "--force"], "belongs to the database itself"),
        (&["h.db-rewritten"], "belongs to the database itself"),
        (&["h.db.restored"], "belongs to the database itself"),
    ] {
        assert_failed(&dir.run(&[&["backup"], args].concat()), says);
        assert_eq!(dir.names(), before, "{args:?}");
    }
    for (point, says) in [
        ("copy-write full", "no storage space"),
        ("copy-write full 3", "no storage space"),
        ("copy-write fail 2", "the disk fails"),
    ] {
        dir.arm(point);
        assert_failed(&dir.run(&["backup", "there", "--force"]), says);
        assert_eq!(dir.names(), before, "{point}");
    }
    dir.disarm();
    let there = std::fs::read_to_string(dir.file("there")).unwrap();
    assert_eq!(there, "precious");
    dir.backed_up("there", &["--force"]);
    assert_eq!(dir.names(), before);
    assert_eq!(messages(&dir.file("there")), MANY);
}

#[test]
fn a_limit_of_the_file_size_is_met_as_a_full_disk_is() {
    let dir = TestDir::new();
    dir.fill(MANY);
    dir.backed_up("copy", &[]);
    let before = dir.names();
    let start = Start {
        shell: Some("ulimit -S -f 600"),
        ..Start::default()
    };
    assert_failed(
        &dir.run_with(&start, &["backup", "other"]),
        "/other: File too large",
    );
    assert_failed(
        &dir.run_with(&start, &["restore", "copy", "--replace"]),
        "h.db.restoring: File too large",
    );
    assert_eq!(dir.names(), before);
    assert_eq!(messages(&dir.database), MANY);
}

#[test]
fn a_backup_needs_a_database_of_this_version_or_an_older_one() {
    let dir = TestDir::empty();
    assert_failed(&dir.run(&["backup", "copy"]), "there is no database at");
    assert!(dir.names().is_empty());
    std::fs::write(&dir.database, "").unwrap();
    assert_failed(&dir.run(&["backup", "copy"]), "there is no database at");
    std::fs::write(&dir.database, "no database, but some text").unwrap();
    assert_failed(&dir.run(&["backup", "copy"]), "is not a Hookpost database");
    std::fs::remove_file(&dir.database).unwrap();
    foreign(&dir.database);
    assert_failed(&dir.run(&["backup", "copy"]), "is not a Hookpost database");
    dir.remove_database();
    assert!(dir.run(&["token", "create", "--admin"]).status.success());
    let newer = dir.open();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(newer);
    assert_failed(
        &dir.run(&["backup", "copy"]),
        "was written by a newer Hookpost",
    );
    assert!(!dir.names().iter().any(|name| name.starts_with("copy")));
}

/// A folder with a filled database, a backup of it, and files that are none.
fn with_bad_backups() -> TestDir {
    let dir = TestDir::new();
    dir.fill(MANY);
    dir.backed_up("good", &[]);
    dir.backed_up("good.gz", &["--compress"]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.file(name), bytes).unwrap();
    let good = std::fs::read(dir.file("good")).unwrap();
    let packed = std::fs::read(dir.file("good.gz")).unwrap();
    let middle = packed.len() / 2;
    write("text", b"this is no database at all");
    write("empty", b"");
    write("cut", &good[..good.len() - 4096]);
    write("cut-short", &good[..50]);
    write("cut.gz", &packed[..middle]);
    write("cut-short.gz", &packed[..12]);
    let mut damaged = good.clone();
    for byte in &mut damaged[good.len() / 2..good.len() / 2 + 40_960] {
        *byte ^= 0x55;
    }
    write("damaged", &damaged);
    let mut damaged = packed.clone();
    damaged[middle] ^= 0x55;
    write("damaged.gz", &damaged);
    // Two members, the second of which unpacks to far more than the header of the first says.
    let mut bomb = packed.clone();
    let mut zeros = GzEncoder::new(Vec::new(), Compression::fast());
    zeros.write_all(&vec![0; 64 << 20]).unwrap();
    bomb.extend(zeros.finish().unwrap());
    write("bomb.gz", &bomb);
    let without_table = dir.file("no-table");
    std::fs::copy(dir.file("good"), &without_table).unwrap();
    let connection = Connection::open(&without_table).unwrap();
    let changes = "PRAGMA journal_mode = DELETE; DROP TABLE meta; PRAGMA journal_mode = WAL;";
    connection.execute_batch(changes).unwrap();
    drop(connection);
    let mut newer = good.clone();
    newer[63] = 99;
    write("newer", &newer);
    foreign(&dir.file("foreign"));
    write("used", &good);
    write("used-wal", b"a log");
    std::fs::create_dir(dir.file("folder")).unwrap();
    pipe(&dir.file("pipe"));
    dir
}

#[test]
fn a_file_that_is_no_backup_is_refused_and_nothing_changes() {
    let dir = with_bad_backups();
    let before = dir.names();
    let bytes = std::fs::read(&dir.database).unwrap();
    let refused = [
        ("nowhere", "there is no file nowhere"),
        ("folder", "folder is not a file"),
        ("pipe", "pipe is not a file"),
        ("h.db", "belongs to the database that is to be restored"),
        ("text", "text is not a Hookpost database"),
        ("empty", "empty is not a Hookpost database"),
        ("foreign", "foreign is not a Hookpost database"),
        ("newer", "newer was written by a newer Hookpost (schema 99"),
        ("cut", "cut is cut: bytes are missing at its end"),
        ("cut-short", "cut-short is cut"),
        ("cut.gz", "cut.gz is cut"),
        ("cut-short.gz", "cut-short.gz is cut"),
        ("damaged", "damaged is damaged"),
        ("damaged.gz", "damaged.gz is damaged"),
        ("bomb.gz", "is damaged: it is longer than its header says"),
        ("no-table", "is damaged: meta is missing"),
        ("used", "used is not a backup but a database in use"),
    ];
    for (name, says) in refused {
        assert_failed(&dir.run(&["restore", name, "--replace"]), says);
        assert_eq!(dir.names(), before, "{name}");
        assert_eq!(std::fs::read(&dir.database).unwrap(), bytes, "{name}");
    }
    for point in ["copy-write full", "copy-write full 2"] {
        dir.arm(point);
        let output = dir.run(&["restore", "good", "--replace"]);
        assert_failed(&output, "no storage space");
        assert_eq!(dir.names(), before, "{point}");
        assert_eq!(std::fs::read(&dir.database).unwrap(), bytes, "{point}");
    }
    dir.disarm();
    // Where there was no database, there is none afterwards.
    dir.remove_database();
    for (name, says) in refused.iter().filter(|(name, _)| *name != "h.db") {
        assert_failed(&dir.run(&["restore", name]), says);
        assert!(dir.names_of_database().is_empty(), "{name}");
    }
    dir.restored("good.gz", &[]);
    assert_eq!(messages(&dir.database), MANY);
}

#[test]
fn a_database_that_is_there_or_in_use_is_not_replaced() {
    let dir = TestDir::new();
    dir.backed_up("copy", &[]);
    dir.fill(1);
    let before = dir.names();
    assert_failed(&dir.run(&["restore", "copy"]), "with --replace");
    let server = dir.start();
    assert_failed(
        &dir.run(&["restore", "copy", "--replace"]),
        "is in use by another Hookpost server",
    );
    assert_eq!(server.get("/readyz").status, 200);
    server.stop();
    assert_eq!(dir.names(), before);
    // Another program that reads the log would be left with the old one.
    let server = dir.start();
    super::publish(&server, 1);
    let other = dir.open();
    other
        .execute_batch("BEGIN; SELECT count(*) FROM message")
        .unwrap();
    server.spawned.kill();
    server.spawned.ended();
    let refused = dir.run(&["restore", "copy", "--replace"]);
    assert_eq!(refused.status.code(), Some(1));
    let last = text(&refused.stderr).lines().last().unwrap();
    assert!(last.contains("is in use by another program"), "{last}");
    drop(other);
    assert_eq!(messages(&dir.database), 2);
}

#[test]
fn a_signal_ends_a_backup_and_leaves_nothing() {
    let dir = TestDir::new();
    dir.fill(MANY);
    let before = dir.names();
    let tool = dir.spawn_tool(&["backup", "copy", "--rate", "100KiB"]);
    let partial = dir.file("copy.partial");
    wait_until("the backup", || {
        partial.metadata().is_ok_and(|found| found.len() > 0)
    });
    let pid = tool.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.unwrap().success());
    let output = tool.wait_with_output().unwrap();
    assert_failed(&output, "stopped before the backup was complete");
    assert_eq!(dir.names(), before);
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_copy_takes_neither_the_database_nor_another_users_file_on_its_way() {
    let mut dir = TestDir::new();
    dir.fill(1);
    // Whoever made it may have it open.
    let planted = dir.file("copy.partial");
    std::fs::write(&planted, "planted").unwrap();
    std::fs::set_permissions(&planted, Permissions::from_mode(0o666)).unwrap();
    let reader = File::open(&planted).unwrap();
    dir.backed_up("copy", &[]);
    let mode = dir.file("copy").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::io::read_to_string(reader).unwrap(), "planted");
    for name in ["t.partial", "t.unpacked.partial"] {
        let renamed = dir.file(name);
        std::fs::copy(dir.file("copy"), &renamed).unwrap();
        dir.database = renamed;
        let output = dir.run(&["backup", "t", "--compress", "--verify"]);
        assert_failed(&output, "belongs to the database itself");
        assert_eq!(messages(&dir.database), 1, "{name}");
    }
}

#[test]
fn no_new_database_is_made_where_a_restore_was_interrupted() {
    let dir = TestDir::new();
    dir.backed_up("copy", &[]);
    dir.remove_database();
    for left in ["h.db.restoring", "h.db.restored"] {
        std::fs::write(dir.file(left), "a part").unwrap();
        let says = "a restore was interrupted before its end";
        assert_failed(&dir.run(&["token", "create", "--workspace", "w"]), says);
        assert_failed(&dir.run(&["serve", "--listen", "127.0.0.1:0"]), says);
        std::fs::remove_file(dir.file(left)).unwrap();
    }
    assert!(!dir.database.exists());
    dir.restored("copy", &[]);
    dir.start().stop();
}
