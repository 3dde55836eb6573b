//! The tests of processes that use one database at the same time. Two servers never do, by whatever names
//! they open it; a server and tools wait for each other, and then all succeed.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command};

use serde_json::json;

use super::server::{Spawned, Start, TestDir, text};
use crate::fixture::wait_until;

const CREATE: [&str; 4] = ["token", "create", "--workspace", "w"];

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn permit(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Returns the content of the lock file.
fn holder(dir: &TestDir) -> String {
    std::fs::read_to_string(dir.beside(".lock")).unwrap_or_default()
}

#[track_caller]
fn assert_made(tool: Child) {
    let output = tool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("hookpost_wat_"));
}

#[track_caller]
fn assert_started(server: &Spawned) {
    let started = server.log.wait("started addr=", 1);
    assert!(started.is_some(), "{}", server.log.whole());
}

/// The one line of a server that must not start.
#[track_caller]
fn refusal(dir: &TestDir) -> String {
    let second = dir.spawn(&Start::default());
    assert_eq!(second.ended().code(), Some(1));
    let line = second.log.whole();
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

#[test]
fn a_server_and_tools_that_start_at_once_make_one_database() {
    for _ in 0..3 {
        let mut dir = TestDir::empty();
        let tools: Vec<Child> = (0..3).map(|_| dir.spawn_tool(&CREATE)).collect();
        let server = dir.spawn(&Start::default());
        let more: Vec<Child> = (0..3).map(|_| dir.spawn_tool(&CREATE)).collect();
        tools.into_iter().chain(more).for_each(assert_made);
        assert_started(&server);
        dir.make_token();
        drop(server);
        assert_eq!(dir.number("SELECT count(*) FROM token"), 7);
        dir.check();
    }
}

#[test]
fn a_tool_waits_for_a_server_that_makes_the_file() {
    let dir = TestDir::empty();
    dir.arm("migrating hold");
    let server = dir.spawn(&Start::default());
    wait_until("the server's lock", || holder(&dir).starts_with("server "));
    let mut tool = dir.spawn_tool(&CREATE);
    assert!(tool.try_wait().unwrap().is_none());
    dir.disarm();
    assert_made(tool);
    assert_started(&server);
}

#[test]
fn a_server_waits_for_a_tool_that_makes_the_file_and_in_the_end_says_which() {
    let dir = TestDir::empty();
    dir.arm("migrating hold");
    let mut tool = dir.spawn_tool(&CREATE);
    wait_until("the tool's lock", || {
        holder(&dir).starts_with("token create ")
    });
    // It waits some seconds.
    let says = refusal(&dir);
    let who = format!("in use by `hookpost token create` (process {})", tool.id());
    assert!(says.contains(&who), "{says}");
    assert!(tool.try_wait().unwrap().is_none(), "it was to be held");
    let server = dir.spawn(&Start::default());
    dir.disarm();
    assert_made(tool);
    assert_started(&server);
}

#[test]
fn a_lock_file_that_was_removed_lets_no_second_server_in() {
    let dir = TestDir::new();
    let server = dir.start();
    let says = refusal(&dir);
    let who = format!("another Hookpost server (process {})", server.spawned.id());
    assert!(says.contains(&who), "{says}");
    std::fs::remove_file(dir.beside(".lock")).unwrap();
    #[cfg(target_os = "linux")]
    {
        let says = refusal(&dir);
        assert!(says.contains("its lock file was removed"), "{says}");
    }
    assert_made(dir.spawn_tool(&CREATE));
    server.published(&json!(1));
    server.stop();
    dir.check();
}

#[test]
fn a_link_that_leads_nowhere_yet_gives_its_name_to_nothing() {
    let mut dir = TestDir::empty();
    let folder = dir.path().join("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let (first, link) = (dir.path().join("first.db"), dir.database.clone());
    symlink("elsewhere/h.db", &first).unwrap();
    symlink("first.db", &link).unwrap();
    let server = dir.spawn(&Start::default());
    assert_started(&server);
    dir.make_token();
    dir.database = folder.join("h.db");
    for end in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&dir.beside(end)), 0o600, "{end}");
    }
    assert!(refusal(&dir).contains("in use by another Hookpost server"));
    let mut names: Vec<_> = dir.path().read_dir().unwrap().collect();
    names.retain(|name| {
        name.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".db")
    });
    assert_eq!(names.len(), 2, "{names:?}");
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
    assert!(refusal(&dir).contains("there is no folder"));
    dir.database = link;
    assert!(refusal(&dir).contains("there is no folder"));
}

#[test]
fn what_is_no_file_beside_the_database_is_refused_and_not_waited_at() {
    let dir = TestDir::new();
    for end in [".lock", "-wal", "-shm"] {
        let path = dir.beside(end);
        let _ = std::fs::remove_file(&path);
        let elsewhere = dir.path().join("elsewhere");
        symlink(&elsewhere, &path).unwrap();
        assert!(refusal(&dir).contains("is not a file"));
        assert!(!elsewhere.exists());
        std::fs::remove_file(&path).unwrap();
        let made = Command::new("mkfifo").arg(&path).status();
        if made.is_ok_and(|status| status.success()) {
            assert!(refusal(&dir).contains("is not a file"));
            std::fs::remove_file(&path).unwrap();
        }
    }
    dir.start().stop();
}

/// Runs only where the test has the privilege to mount a file.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_mounted_by_itself_is_refused_and_its_folder_is_not() {
    let dir = TestDir::new();
    let script = "mkdir folder && touch folder/file.db \
        && mount --bind h.db folder/file.db && exec \"$0\" token list --database folder/file.db";
    let mut command = Command::new("unshare");
    command.args([
        "-m",
        "sh",
        "-c",
        "mount --version >&2 && mount --bind . . && echo can",
    ]);
    let can = command.current_dir(dir.path()).output();
    let may_mount = can.is_ok_and(|output| text(&output.stdout).contains("can"));
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_hookpost")]);
        command.current_dir(dir.path()).output().unwrap()
    };
    if may_mount {
        let refused = in_namespace(script);
        assert_eq!(refused.status.code(), Some(1));
        let says = text(&refused.stderr);
        assert!(
            says.contains("is a mount point; mount the folder"),
            "{says}"
        );
        let script = "mkdir other && mount --bind . other \
            && exec \"$0\" token list --database other/h.db";
        let taken = in_namespace(script);
        assert!(taken.status.success(), "{}", text(&taken.stderr));
    }
    dir.start().stop();
}

#[test]
fn files_that_others_may_read_are_narrowed_with_one_line() {
    let dir = TestDir::new();
    let server = dir.start();
    server.published(&json!(1));
    // Killed, it leaves a log.
    drop(server);
    for (end, wide) in [
        ("", 0o644),
        ("-wal", 0o664),
        ("-shm", 0o640),
        (".lock", 0o644),
    ] {
        permit(&dir.beside(end), wide);
    }
    let server = dir.start();
    for end in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&dir.beside(end)), 0o600, "{end}");
    }
    let said = "others than their owner had permissions for files that hold secrets";
    let log = server.spawned.log.wait(said, 1).expect("it says so");
    let line = log.lines().find(|line| line.contains(said)).unwrap();
    for of in [
        "h.db (644)",
        "h.db-wal (664)",
        "h.db-shm (640)",
        "h.db.lock (644)",
    ] {
        assert!(line.contains(of), "{line}");
    }
    server.stop();
    let server = dir.start();
    assert_eq!(server.spawned.log.count(said), 0);
    server.stop();
}
