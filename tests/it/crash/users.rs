//! Those who use one database at the same time: two servers never do, by whatever names they reach it; a
//! server and tools wait for each other and then all get through.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command};

use serde_json::json;

use super::server::{Place, Spawned, Start, text, wait_until};

const CREATE: [&str; 4] = ["token", "create", "--workspace", "w"];

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn permit(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What the lock file says.
fn holder(place: &Place) -> String {
    std::fs::read_to_string(place.beside(".lock")).unwrap_or_default()
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
fn refusal(place: &Place) -> String {
    let second = place.spawn(&Start::default());
    assert_eq!(second.ended().code(), Some(1));
    let line = second.log.whole();
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

#[test]
fn first_starts_of_a_server_and_tools_at_once() {
    for _ in 0..3 {
        let mut place = Place::empty();
        let tools: Vec<Child> = (0..3).map(|_| place.spawn_tool(&CREATE)).collect();
        let server = place.spawn(&Start::default());
        let more: Vec<Child> = (0..3).map(|_| place.spawn_tool(&CREATE)).collect();
        tools.into_iter().chain(more).for_each(assert_made);
        assert_started(&server);
        place.make_token();
        drop(server);
        assert_eq!(place.number("SELECT count(*) FROM token"), 7);
        place.check();
    }
}

#[test]
fn a_tool_waits_for_a_server_that_makes_the_file() {
    let place = Place::empty();
    place.arm("migrating hold");
    let server = place.spawn(&Start::default());
    wait_until("the server's lock", || {
        holder(&place).starts_with("server ")
    });
    let mut tool = place.spawn_tool(&CREATE);
    assert!(tool.try_wait().unwrap().is_none());
    place.disarm();
    assert_made(tool);
    assert_started(&server);
}

#[test]
fn a_server_waits_for_a_tool_that_makes_the_file_and_in_the_end_says_which() {
    let place = Place::empty();
    place.arm("migrating hold");
    let mut tool = place.spawn_tool(&CREATE);
    wait_until("the tool's lock", || {
        holder(&place).starts_with("token create ")
    });
    // It waits some seconds.
    let says = refusal(&place);
    let who = format!("in use by `hookpost token create` (process {})", tool.id());
    assert!(says.contains(&who), "{says}");
    assert!(tool.try_wait().unwrap().is_none(), "it was to be held");
    let server = place.spawn(&Start::default());
    place.disarm();
    assert_made(tool);
    assert_started(&server);
}

#[test]
fn a_lock_file_that_was_removed_lets_no_second_server_in() {
    let place = Place::new();
    let server = place.start();
    let says = refusal(&place);
    let who = format!("another Hookpost server (process {})", server.spawned.id());
    assert!(says.contains(&who), "{says}");
    std::fs::remove_file(place.beside(".lock")).unwrap();
    #[cfg(target_os = "linux")]
    {
        let says = refusal(&place);
        assert!(says.contains("its lock file was removed"), "{says}");
    }
    assert_made(place.spawn_tool(&CREATE));
    server.published(&json!(1));
    server.stop();
    place.check();
}

#[test]
fn a_link_that_leads_nowhere_yet_gives_its_name_to_nothing() {
    let mut place = Place::empty();
    let folder = place.path().join("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let (first, link) = (place.path().join("first.db"), place.database.clone());
    symlink("elsewhere/h.db", &first).unwrap();
    symlink("first.db", &link).unwrap();
    let server = place.spawn(&Start::default());
    assert_started(&server);
    place.make_token();
    place.database = folder.join("h.db");
    for end in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&place.beside(end)), 0o600, "{end}");
    }
    assert!(refusal(&place).contains("in use by another Hookpost server"));
    let mut names: Vec<_> = place.path().read_dir().unwrap().collect();
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
    assert!(refusal(&place).contains("there is no folder"));
    place.database = link;
    assert!(refusal(&place).contains("there is no folder"));
}

#[test]
fn what_is_no_file_beside_the_database_is_refused_and_not_waited_at() {
    let place = Place::new();
    for end in [".lock", "-wal", "-shm"] {
        let path = place.beside(end);
        let _ = std::fs::remove_file(&path);
        let elsewhere = place.path().join("elsewhere");
        symlink(&elsewhere, &path).unwrap();
        assert!(refusal(&place).contains("is not a file"));
        assert!(!elsewhere.exists());
        std::fs::remove_file(&path).unwrap();
        let made = Command::new("mkfifo").arg(&path).status();
        if made.is_ok_and(|status| status.success()) {
            assert!(refusal(&place).contains("is not a file"));
            std::fs::remove_file(&path).unwrap();
        }
    }
    place.start().stop();
}

/// Where the test may mount anything, which takes privileges.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_mounted_by_itself_is_refused_and_its_folder_is_not() {
    let place = Place::new();
    let script = "mkdir folder && touch folder/file.db \
        && mount --bind h.db folder/file.db && exec \"$0\" token list --database folder/file.db";
    let mut command = Command::new("unshare");
    command.args([
        "-m",
        "sh",
        "-c",
        "mount --version >&2 && mount --bind . . && echo can",
    ]);
    let can = command.current_dir(place.path()).output();
    let may_mount = can.is_ok_and(|output| text(&output.stdout).contains("can"));
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_hookpost")]);
        command.current_dir(place.path()).output().unwrap()
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
    place.start().stop();
}

#[test]
fn files_that_others_may_read_are_narrowed_with_one_line() {
    let place = Place::new();
    let server = place.start();
    server.published(&json!(1));
    // Killed, it leaves a log.
    drop(server);
    for (end, wide) in [
        ("", 0o644),
        ("-wal", 0o664),
        ("-shm", 0o640),
        (".lock", 0o644),
    ] {
        permit(&place.beside(end), wide);
    }
    let server = place.start();
    for end in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&place.beside(end)), 0o600, "{end}");
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
    let server = place.start();
    assert_eq!(server.spawned.log.count(said), 0);
    server.stop();
}
