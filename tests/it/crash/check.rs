//! The tests of `hookpost check`: every kind of damage has its line, a repair corrects it, and a crash in the middle
//! of a repair costs nothing.

mod damage;
mod pages;

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use rusqlite::Connection;
use serde_json::{Value, json};

use self::damage::DAMAGE;
use super::server::{Start, TestDir, text};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

/// The exit code of a check that found something.
const UNSOUND: i32 = 3;

/// The signal with which `abort` ends a process.
const SIGABRT: i32 = 6;

const PAGE: usize = 4096;

const ONE_RETRY: Start<'static> = Start {
    flags: &["--retry-schedule", "1h"],
    shell: None,
    reader: super::log::Reader::Reads,
    port: 0,
};

/// A folder with what a server left: six messages for two endpoints, of which one fails, and complete list indexes.
fn history(receiver: &Receiver) -> TestDir {
    let dir = TestDir::new();
    receiver.reply("/bad", 503, "");
    let server = dir.start_with(&ONE_RETRY);
    server.endpoint(&receiver.url("/good"), "raw");
    server.endpoint(&receiver.url("/bad"), "slack");
    for n in 0..6 {
        server.published(&json!({ "n": n }));
    }
    server.wait_for_events("succeeded", 6);
    receiver.wait("/bad", 1);
    wait_until("an attempt that failed", || {
        dir.number("SELECT count(*) FROM event WHERE state = 1") > 0
    });
    server.stop();
    let mut fill = String::new();
    for table in ["event", "delivery"] {
        for (list, columns) in [
            ("of_workspace", "workspace, seq"),
            ("of_endpoint", "endpoint, seq, type"),
            ("of_type", "workspace, type, seq"),
        ] {
            let _ = write!(
                fill,
                "INSERT INTO {table}_{list} SELECT {columns} FROM {table};"
            );
        }
        let _ = write!(
            fill,
            "UPDATE meta SET value = (SELECT max(seq) FROM {table}) WHERE key = '{table}_indexed';"
        );
    }
    alter(&dir, &fill);
    assert_sound(&dir);
    dir
}

/// Changes the file behind the program's back, and leaves no write-ahead log.
fn alter(dir: &TestDir, sql: &str) {
    let connection = dir.open();
    connection
        .execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}"))
        .unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
}

fn check(dir: &TestDir) -> Output {
    dir.run(&["check"])
}

fn repair(dir: &TestDir) -> Output {
    dir.run(&["check", "--repair"])
}

#[track_caller]
fn assert_sound(dir: &TestDir) {
    let output = check(dir);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let lines = text(&output.stdout).lines();
    assert!(lines.clone().count() > 8 && lines.clone().all(|line| line.ends_with(" ok")));
}

#[track_caller]
fn assert_finds(dir: &TestDir, line: &str) {
    let output = check(dir);
    assert_eq!(
        output.status.code(),
        Some(UNSOUND),
        "{line}: {}",
        said(&output)
    );
    assert!(
        text(&output.stdout).contains(line),
        "{line}: {}",
        said(&output)
    );
    assert_eq!(text(&output.stderr).lines().count(), 1);
}

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// A copy of the folder's database, in a folder of its own.
fn copy(dir: &TestDir) -> TestDir {
    let copy = TestDir::empty();
    std::fs::copy(&dir.database, &copy.database).unwrap();
    copy
}

/// The rows of the tables that only producers and receivers know.
fn rows(dir: &TestDir) -> Vec<i64> {
    [
        "message",
        "event",
        "delivery",
        "endpoint",
        "token",
        "workspace",
    ]
    .map(|table| dir.number(&format!("SELECT count(*) FROM {table}")))
    .into()
}

#[test]
fn each_damage_is_found_by_its_line_and_repaired() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    for (sql, line) in DAMAGE {
        let damaged = copy(&dir);
        alter(&damaged, sql);
        assert_finds(&damaged, line);
        let repaired = repair(&damaged);
        let said = said(&repaired);
        assert_eq!(repaired.status.code(), Some(0), "{sql}: {said}");
        assert!(said.contains("corrected "), "{sql}: {said}");
        assert_sound(&damaged);
    }
}

#[test]
fn what_is_sound_stays_and_pending_events_are_sent_after_a_repair() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    // Without any attempt: these were never tried.
    alter(
        &dir,
        "UPDATE event SET state = 0, due = NULL, run_attempt = 0, attempts = 0, code = NULL
           WHERE state = 1;
         DELETE FROM delivery WHERE succeeded = 0;
         UPDATE endpoint SET rests = 0, resting_until = NULL;
         UPDATE message SET created_at = created_at - 60000000 WHERE seq = 3;
         UPDATE event SET type = 9 WHERE state = 2;
         DELETE FROM event_type;",
    );
    let pending = "SELECT count(*) FROM event WHERE state IN (0, 1)";
    let before = (rows(&dir), dir.number(pending));
    let repaired = repair(&dir);
    assert_eq!(repaired.status.code(), Some(0), "{}", said(&repaired));
    assert_eq!((rows(&dir), dir.number(pending)), before);
    // The type's name is in the bodies.
    assert_eq!(dir.number("SELECT name = 'a' FROM event_type"), 1);
    receiver.reply("/bad", 204, "");
    let server = dir.start_with(&ONE_RETRY);
    server.wait_for_events("succeeded", 12);
    server.stop();
    assert_sound(&dir);
}

#[test]
fn a_server_under_load_is_checked_beside_it_and_not_repaired() {
    let receiver = Receiver::start();
    let dir = TestDir::new();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    std::thread::scope(|threads| {
        let publisher = threads.spawn(|| {
            for n in 0..300 {
                server.published(&json!({ "n": n }));
            }
        });
        while !publisher.is_finished() {
            assert_sound(&dir);
        }
    });
    let refused = repair(&dir);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("is in use by another Hookpost server"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
    drop(server);
    assert_sound(&dir);
    assert_eq!(repair(&dir).status.code(), Some(0));
}

#[test]
fn a_backup_is_checked_without_a_trace_in_a_folder_that_cannot_be_written() {
    let receiver = Receiver::start();
    let backup = copy(&history(&receiver));
    let permit = |mode| {
        std::fs::set_permissions(backup.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    permit(0o555);
    assert_sound(&backup);
    permit(0o755);
    let files = std::fs::read_dir(backup.path()).unwrap().count();
    assert_eq!(files, 1, "nothing was made beside it");
    let none = TestDir::empty();
    let output = check(&none);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no database at"));
    std::fs::write(
        &none.database,
        "no database, and longer than a header of one".repeat(9),
    )
    .unwrap();
    let output = check(&none);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is not a Hookpost database"));
}

#[test]
fn json_has_every_part_and_what_was_found() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    alter(&dir, "UPDATE event SET workspace = 7 WHERE seq = 1");
    let output = dir.run(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(UNSOUND));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["sound"], false);
    let checks = report["checks"].as_array().unwrap();
    let events = checks.iter().find(|part| part["name"] == "events").unwrap();
    assert_eq!(events["ok"], false);
    let problem = &events["problems"][0];
    assert_eq!(
        (&problem["count"], &problem["remedy"]),
        (&json!(1), &json!("repair"))
    );
    let pages = checks.iter().find(|part| part["name"] == "pages").unwrap();
    assert_eq!(pages["ok"], true);
    let repaired = dir.run(&["check", "--repair", "--json"]);
    let report: Value = serde_json::from_slice(&repaired.stdout).unwrap();
    assert_eq!(
        (&report["sound"], &report["old_file"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(report["corrected"][0]["count"], 1);
}
