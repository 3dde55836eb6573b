//! The tests of logs that cannot be written: lines are lost, and nothing else is.

use std::net::TcpListener;
use std::process::Command;

use hookpost::fatal;
use serde_json::json;

use super::log::Reader;
use super::server::{Server, Start, TestDir, text};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

/// Has every request and every statement logged, so that any thread may come to a line.
const TALKATIVE: &[&str] = &["--log-level", "info,hookpost=debug,hookpost::sql=trace"];

/// More than the pipe and the queue together hold.
const MANY: usize = 3000;

/// The line that the log has after lines are lost.
const MISSING: &str = "lines of the log are missing here";

/// Publishes and delivers through trouble with the disk, so that the writer has something to say, too.
#[track_caller]
fn assert_works(dir: &TestDir, server: &Server, receiver: &Receiver) {
    server.endpoint(&receiver.url("/a"), "raw");
    for n in 0..20 {
        server.published(&json!(n));
    }
    dir.arm("commit fail");
    assert_eq!(server.publish(&json!("refused")).unwrap().status, 503);
    dir.disarm();
    wait_until("recovery", || server.get("/readyz").status == 200);
    server.published(&json!("after it"));
    server.wait_for_events("succeeded", 21);
}

#[test]
fn a_reader_that_goes_away_ends_and_holds_up_nothing() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start_with(&Start {
        flags: TALKATIVE,
        reader: Reader::Leaves,
        ..Start::default()
    });
    assert_works(&dir, &server, &receiver);
    server.stop();
    dir.check();
}

#[test]
fn a_reader_that_stalls_ends_and_holds_up_nothing() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let start = Start {
        flags: TALKATIVE,
        reader: Reader::Stalls,
        ..Start::default()
    };
    let server = dir.start_with(&start);
    assert_works(&dir, &server, &receiver);
    for _ in 0..MANY {
        assert_eq!(server.get("/api/webhooks/events?limit=1").status, 200);
    }
    // When it reads again, it is told what it missed, and what comes then.
    server.spawned.log.read_on();
    let log = server.spawned.log.wait(MISSING, 1).expect("it runs");
    let told = log.lines().find(|line| line.contains(MISSING)).unwrap();
    assert!(
        told.contains("lines=") && !told.contains("lines=0"),
        "{told}"
    );
    let log = server.spawned.log.clone();
    server.stop();
    assert!(log.whole().lines().last().unwrap().ends_with("stopped"));
    dir.check();
}

#[test]
fn a_reader_that_stalls_keeps_no_server_from_ending() {
    let dir = TestDir::new();
    let start = Start {
        flags: TALKATIVE,
        reader: Reader::Stalls,
        ..Start::default()
    };
    let stalled = || {
        let server = dir.start_with(&start);
        for _ in 0..MANY {
            assert_eq!(server.get("/api/webhooks/events?limit=1").status, 200);
        }
        server
    };
    stalled().stop();
    let server = stalled();
    dir.arm("janitor-turn panic");
    assert_eq!(server.spawned.ended().code(), Some(fatal::EXIT_CODE));
    dir.disarm();
    dir.check();
}

/// A port that is free: bound and dropped.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a server whose stderr is what `shell` makes it.
#[track_caller]
fn start_unheard(dir: &TestDir, shell: &str) -> Server {
    let port = free_port();
    let server = dir.spawn(&Start {
        flags: TALKATIVE,
        shell: Some(shell),
        port,
        ..Start::default()
    });
    let server = server.serving_at(format!("127.0.0.1:{port}"), &dir.token);
    wait_until("the start", || {
        server.call("GET", "/readyz", None).is_some()
    });
    server
}

#[test]
#[cfg(target_os = "linux")]
fn a_log_on_a_full_disk_ends_and_holds_up_nothing() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = start_unheard(&dir, "exec 2>/dev/full");
    assert_works(&dir, &server, &receiver);
    server.stop();
    dir.check();
}

/// The most that a file may have here, in blocks of 512 bytes or of 1024, as the shell pleases.
const BLOCKS: u64 = 2048;

/// Starts a server whose log and database come to the same limit, and brings both there; with how many
/// publishes were accepted.
#[track_caller]
fn fill_the_disk(dir: &TestDir, receiver: &Receiver) -> (Server, u64) {
    let shell = format!("ulimit -S -f {BLOCKS}; exec 2>>log");
    let server = start_unheard(dir, &shell);
    server.endpoint(&receiver.url("/a"), "raw");
    let large = json!("x".repeat(50_000));
    let mut accepted = 0;
    while server.publish(&large).unwrap().status == 202 {
        accepted += 1;
        assert!(accepted < 1000, "the disk is never full");
    }
    let log = dir.path().join("log");
    wait_until("a log that is full as well", || {
        let _ = server.get("/api/webhooks/events?limit=1");
        std::fs::metadata(&log).unwrap().len() >= BLOCKS * 512
    });
    for _ in 0..50 {
        assert_eq!(server.publish(&large).unwrap().status, 503);
        let _ = server.get("/api/webhooks/events?limit=1");
    }
    (server, accepted)
}

#[test]
fn a_disk_that_both_the_log_and_the_database_fill_is_survived() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let (server, accepted) = fill_the_disk(&dir, &receiver);
    let pid = server.spawned.id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:"])
        .status();
    if !lifted.is_ok_and(|status| status.success()) {
        return; // Without the tool, only a new process has other limits.
    }
    wait_until("recovery", || server.get("/readyz").status == 200);
    server.published(&json!("after it"));
    server.wait_for_events("succeeded", accepted + 1);
    let log = dir.path().join("log");
    wait_until("the line about what is missing", || {
        std::fs::read_to_string(&log).unwrap().contains(MISSING)
    });
    server.stop();
    dir.check();
}

#[test]
fn a_disk_that_both_the_log_and_the_database_fill_keeps_no_server_from_ending() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let (server, accepted) = fill_the_disk(&dir, &receiver);
    server.signal("-TERM");
    let status = server.spawned.ended();
    assert!(status.code().is_some(), "it ends by itself: {status}");
    let server = dir.start();
    server.wait_for_events("succeeded", accepted);
    server.stop();
    dir.check();
}

#[test]
fn a_server_that_gets_no_thread_for_its_log_does_not_start() {
    let dir = TestDir::new();
    dir.arm("log-start fail");
    let server = dir.spawn(&Start::default());
    assert_eq!(server.ended().code(), Some(1));
    let log = server.log.whole();
    let expected = "hookpost: cannot start the thread that writes the log: ";
    assert!(log.starts_with(expected), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    // A tool has little to say, and says it at its end.
    assert!(dir.run(&["token", "list"]).status.success());
    let failed = dir.run(&["token", "revoke", "6f1b2f7e-8d1c-4c1e-9b6b-0c4f3a8f2d11"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).starts_with("hookpost: "), "{failed:?}");
    dir.disarm();
    dir.start().stop();
    dir.check();
}
