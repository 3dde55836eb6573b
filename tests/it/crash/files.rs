//! The tests of files on which a server must not start: it reports the reason in one line, fails, and
//! changes no byte.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use rusqlite::Connection;
use serde_json::json;

use super::server::{TestDir, text};
use crate::fixture::PATIENCE;
use crate::receiver::Receiver;

/// The page size of our files.
const PAGE: usize = 4096;

/// Starts a server on `database`, which must refuse; answers what it says.
#[track_caller]
fn refusal(database: &Path) -> String {
    said(&ended(serve(database)).unwrap())
}

/// Returns the output of a server that ends by itself; `Err` if it cannot be started.
#[track_caller]
fn ended(mut command: Command) -> std::io::Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let end = Instant::now() + PATIENCE;
    // What it says fits into the pipes.
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            child.kill()?;
            panic!("it serves: {:?}", child.wait_with_output());
        }
        std::thread::yield_now();
    }
    child.wait_with_output()
}

fn serve(database: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpost"));
    command
        .env_clear()
        .args(["serve", "--listen", "127.0.0.1:0", "--database"])
        .arg(database)
        .stdin(Stdio::null());
    command
}

#[track_caller]
fn said(output: &Output) -> String {
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(output.stdout.is_empty());
    let says = line.strip_prefix("hookpost: ");
    says.unwrap_or_else(|| panic!("{line}")).to_owned()
}

/// A server must refuse the file, say so in these words, and leave it as it is.
#[track_caller]
fn assert_refused(database: &Path, words: &[&str]) {
    let before = std::fs::read(database).unwrap();
    let says = refusal(database);
    for word in words {
        assert!(says.contains(word), "{says}");
    }
    assert!(std::fs::read(database).unwrap() == before, "{says}");
}

/// A database with some of everything in it, stopped.
fn used() -> TestDir {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    server.endpoint(&receiver.url("/b"), "slack");
    for n in 0..10 {
        server.published(&json!(n));
    }
    server.wait_for_events("succeeded", 20);
    server.stop();
    dir.check();
    dir
}

#[test]
fn a_file_of_another_program_is_refused_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let foreign = ["is not a Hookpost database"];
    std::fs::write(&path, "a letter to somebody\n".repeat(500)).unwrap();
    assert_refused(&path, &foreign);
    std::fs::write(&path, "short").unwrap();
    assert_refused(&path, &foreign);
    std::fs::remove_file(&path).unwrap();
    for theirs in [
        "CREATE TABLE theirs (a)",
        "PRAGMA application_id = 1196444487",
        "PRAGMA user_version = 1",
    ] {
        Connection::open(&path)
            .unwrap()
            .execute_batch(theirs)
            .unwrap();
        assert_refused(&path, &foreign);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_unchanged() {
    let dir = TestDir::new();
    let newer = "PRAGMA user_version = 999; PRAGMA journal_mode = DELETE";
    dir.open().execute_batch(newer).unwrap();
    assert_refused(&dir.database, &["newer Hookpost", "schema 999"]);
}

#[test]
fn a_file_with_an_overwritten_header_is_refused_and_unchanged() {
    let dir = used();
    let whole = std::fs::read(&dir.database).unwrap();
    for (from, to) in [(0, 16), (16, 100), (0, 100)] {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0xA5);
        std::fs::write(&dir.database, bytes).unwrap();
        assert_refused(&dir.database, &[]);
    }
}

#[test]
fn a_file_with_any_page_overwritten_or_cut_off_is_refused_and_unchanged() {
    let dir = used();
    let whole = std::fs::read(&dir.database).unwrap();
    let pages = whole.len() / PAGE;
    assert!(pages > 20);
    // The first is the header's, above.
    for page in 1..pages {
        let mut bytes = whole.clone();
        bytes[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        std::fs::write(&dir.database, bytes).unwrap();
        assert_refused(&dir.database, &["is damaged", "restore it from a backup"]);
    }
    std::fs::write(&dir.database, &whole[..pages / 2 * PAGE]).unwrap();
    assert_refused(&dir.database, &["is damaged"]);
    std::fs::write(&dir.database, &whole).unwrap();
    dir.start().stop();
    dir.check();
}

#[test]
fn a_file_that_another_server_uses_is_refused_and_unchanged() {
    let dir = TestDir::new();
    let server = dir.start();
    assert_refused(&dir.database, &["is in use by another Hookpost server"]);
    server.stop();
    dir.start().stop();
}

#[test]
fn a_folder_or_a_pipe_as_the_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("folder");
    std::fs::create_dir(&inside).unwrap();
    assert!(refusal(&inside).contains("it is not a file"));
    assert_eq!(inside.read_dir().unwrap().count(), 0);
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(refusal(&pipe).contains("it is not a file"));
    }
}

#[test]
fn a_database_in_a_missing_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(refusal(&missing.join("h.db")).contains("there is no folder"));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    // Not even root makes a file below a file.
    assert!(refusal(&file.join("h.db")).contains("Not a directory"));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_missing_or_empty_file_beside_a_full_log_is_refused() {
    let dir = TestDir::new();
    let server = dir.start();
    server.published(&json!("kept"));
    server.spawned.kill();
    let log = std::fs::read(dir.beside("-wal")).unwrap();
    assert!(!log.is_empty());
    let away = dir.path().join("away.db");
    std::fs::rename(&dir.database, &away).unwrap();
    for make in [
        |_: &Path| {},
        |path: &Path| std::fs::write(path, "").unwrap(),
    ] {
        make(&dir.database);
        let says = refusal(&dir.database);
        assert!(
            says.contains("is missing or empty, but its write-ahead log"),
            "{says}"
        );
        let tool = dir.run(&["token", "create", "--workspace", "other"]);
        assert_eq!(said(&tool), says);
        assert!(std::fs::read(dir.beside("-wal")).unwrap() == log);
    }
    std::fs::rename(&away, &dir.database).unwrap();
    let server = dir.start();
    server.stop();
    assert_eq!(dir.number("SELECT count(*) FROM message"), 1);
}

#[test]
fn an_empty_file_is_a_new_database() {
    let mut dir = TestDir::empty();
    std::fs::write(&dir.database, "").unwrap();
    dir.start().stop();
    dir.make_token();
    dir.check();
}

/// The id of an unprivileged user: tests may run as root, for whom permissions do not count.
const NOBODY: u32 = 65_534;

/// Returns the output of a server that runs as an unprivileged user; `None` if the test cannot start one.
fn refusal_to_a_user(database: &Path) -> Option<String> {
    let folder = database.parent().unwrap();
    let mut command = serve(database);
    if std::fs::metadata(folder).unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    // The binary may lie where only root gets to.
    ended(command).ok().map(|output| said(&output))
}

fn permit(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_or_folder_without_write_permission_is_refused() {
    let dir = used();
    permit(dir.path(), 0o777);
    permit(&dir.database, 0o444);
    let beside = |end| PathBuf::from(format!("{}{end}", dir.database.display()));
    permit(&beside(".lock"), 0o666);
    let before = std::fs::read(&dir.database).unwrap();
    if let Some(says) = refusal_to_a_user(&dir.database) {
        assert!(says.contains("it may not be written"), "{says}");
    }
    // What the first try made there would be enough for the second.
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(end));
    }
    permit(dir.path(), 0o555);
    if let Some(says) = refusal_to_a_user(&dir.database) {
        let is_of_the_file = says.contains("it may not be written");
        assert!(says.starts_with("cannot open") && !is_of_the_file, "{says}");
    }
    if let Some(says) = refusal_to_a_user(&dir.path().join("new.db")) {
        assert!(says.contains("ermission denied"), "{says}");
    }
    assert!(std::fs::read(&dir.database).unwrap() == before);
    permit(dir.path(), 0o777);
}
