//! The tests of `hookpost check`: every kind of damage has its line, a repair corrects it, and a crash in the middle
//! of a repair costs nothing.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::server::{Start, TestDir, text};
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
    super::server::wait_until("an attempt that failed", || {
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

/// Damage, and the line that says so.
const DAMAGE: [(&str, &str); 37] = [
    (
        "DELETE FROM message WHERE seq = 1",
        "events without their message: 2 (1 (",
    ),
    (
        "UPDATE event SET endpoint = 99 WHERE seq = 1",
        "events without their endpoint: 1 (1 (",
    ),
    ("DELETE FROM event_type", "messages without their type: 6"),
    (
        "UPDATE message SET first_event = first_event + 100 WHERE seq = 1",
        "messages with a wrong range of events: 1",
    ),
    (
        "UPDATE message SET first_event = first_event + 2 WHERE seq = 1",
        "events outside of the range of their message: 2",
    ),
    (
        "UPDATE event SET message = 2 WHERE seq = 1",
        "events outside of the range of their message: 1 (1 (",
    ),
    (
        "UPDATE event SET workspace = 7 WHERE seq = 1",
        "events with another workspace than their endpoint: 1",
    ),
    (
        "UPDATE event SET type = 9 WHERE seq = 1",
        "events with another type than their message: 1",
    ),
    (
        "UPDATE event SET type = 9 WHERE seq = 1",
        "events without their type: 1",
    ),
    (
        "UPDATE event SET state = 9 WHERE seq = 1",
        "events with an unknown state: 1",
    ),
    (
        "UPDATE event SET due = 5 WHERE state = 2",
        "events with a due time that wait for no retry: 6",
    ),
    (
        "UPDATE event SET due = NULL WHERE state = 1",
        "events that wait for a retry without a due time",
    ),
    (
        "UPDATE event SET state = 0, due = NULL WHERE state = 1",
        "events that are fresh after an attempt or a redelivery",
    ),
    (
        "UPDATE event SET body = NULL WHERE state = 1",
        "pending events whose payload is gone",
    ),
    (
        "UPDATE event SET run = 0 WHERE seq = 2",
        "events with a run before their first: 1",
    ),
    (
        "UPDATE event SET run = 1000 WHERE seq = 1",
        "events with a run that was never begun: 1",
    ),
    (
        "UPDATE event SET run_attempt = 9 WHERE seq = 1",
        "events with more attempts in a run than in all: 1",
    ),
    (
        "UPDATE event SET attempts = 0, run_attempt = 0 WHERE state = 2",
        "events with more deliveries than attempts: 6",
    ),
    (
        "UPDATE delivery SET attempt = 7 WHERE seq = 1",
        "deliveries with a higher number than their event has attempts: 1",
    ),
    (
        "DELETE FROM event WHERE state = 2",
        "deliveries without their event: 6",
    ),
    (
        "UPDATE delivery SET endpoint = 9 WHERE seq = 1",
        "deliveries with another endpoint, workspace or type than their event: 1",
    ),
    (
        "INSERT INTO event_count VALUES (0, 0, 1, 2, 5)",
        "blocks of events whose counters are wrong: 1 (0)",
    ),
    (
        "INSERT INTO delivery_count VALUES (0, 0, 1, 2, 5)",
        "blocks of deliveries whose counters are wrong: 1 (0)",
    ),
    (
        "DELETE FROM event_of_endpoint WHERE seq = 1",
        "entries that are missing: 1 (1 in event_of_endpoint)",
    ),
    (
        "UPDATE delivery_of_type SET workspace = 5 WHERE seq = 1",
        "entries that no row has: 1 (1 in delivery_of_type)",
    ),
    (
        "INSERT INTO event_tombstone SELECT seq, workspace, endpoint, type FROM event WHERE seq = 1",
        "tombstones of rows that are there: 1 (event 1)",
    ),
    (
        "UPDATE event SET created_at = created_at - 600000000 WHERE seq = 2",
        "times that fall without a step: 1 (event 2)",
    ),
    (
        "UPDATE message SET created_at = created_at - 600000000 WHERE seq = 2",
        "times that fall without a step: 1 (message 2)",
    ),
    (
        "DELETE FROM meta WHERE key = 'last_run'",
        "values that are missing: 1 (last_run)",
    ),
    (
        "INSERT OR REPLACE INTO meta VALUES ('archived', 1000)",
        "values beyond the last row: 1 (archived)",
    ),
    (
        "UPDATE token SET workspace = 9",
        "tokens without their workspace: 1",
    ),
    (
        "UPDATE token SET parent = 99",
        "tokens without the token that made them: 1",
    ),
    (
        "UPDATE message SET workspace = 9 WHERE seq = 1",
        "messages without their workspace: 1 (1 (",
    ),
    (
        "DELETE FROM workspace",
        "endpoints without their workspace: 2",
    ),
    (
        "INSERT INTO idempotency VALUES (99, 1, 'k', x'00')",
        "idempotency keys without their message: 1 (99)",
    ),
    (
        "INSERT INTO unwanted_message VALUES (1, 99)",
        "notes of unwanted messages without their message: 1 (99)",
    ),
    (
        "DROP INDEX event_retry",
        "indexes that are missing: 1 (event_retry)",
    ),
];

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

/// Writes garbage over a page of a table or an index.
fn overwrite(dir: &TestDir, tree: &str) {
    let root = dir.number(&format!(
        "SELECT rootpage FROM sqlite_schema WHERE name = '{tree}'"
    ));
    alter(dir, "");
    let mut bytes = std::fs::read(&dir.database).unwrap();
    let from = (usize::try_from(root).unwrap() - 1) * PAGE;
    bytes[from..from + PAGE].fill(0xA5);
    std::fs::write(&dir.database, bytes).unwrap();
}

fn old_file(database: &Path) -> PathBuf {
    PathBuf::from(format!("{}.damaged", database.display()))
}

#[test]
fn an_index_whose_page_is_garbage_is_made_anew_from_its_table() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    for tree in [
        "sqlite_autoindex_event_1",
        "event_retry",
        "event_of_endpoint",
        "delivery_count",
    ] {
        let damaged = copy(&dir);
        let before = rows(&damaged);
        overwrite(&damaged, tree);
        assert_finds(&damaged, &format!("({tree}: Tree "));
        let repaired = repair(&damaged);
        assert_eq!(repaired.status.code(), Some(0), "{}", said(&repaired));
        assert_eq!(rows(&damaged), before);
        assert_sound(&damaged);
        let old = old_file(&damaged.database);
        assert!(text(&repaired.stdout).contains(old.to_str().unwrap()));
        assert!(old.exists() && !damaged.beside("-rewritten").exists());
        let mode = std::fs::metadata(&damaged.database)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        damaged.start_with(&ONE_RETRY).stop();
    }
}

#[test]
fn an_index_that_disagrees_with_its_table_is_made_anew_in_place() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    alter(
        &dir,
        "CREATE TEMP TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'delivery_by_event';
         PRAGMA writable_schema = ON;
         DELETE FROM sqlite_schema WHERE name = 'delivery_by_event';
         PRAGMA writable_schema = RESET;
         UPDATE delivery SET event = event + 1 WHERE seq = 1;
         UPDATE delivery SET event = event - 1 WHERE seq = 1;
         INSERT INTO delivery (seq, id, event, endpoint, workspace, type, attempt, succeeded, duration_ms,
             created_at)
           SELECT seq + 1, x'00', event, endpoint, workspace, type, 1, 0, 0, created_at + 1
           FROM delivery ORDER BY seq DESC LIMIT 1;
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema SELECT * FROM kept;
         PRAGMA writable_schema = RESET;",
    );
    assert_finds(&dir, "indexes that disagree with their table");
    let repaired = repair(&dir);
    assert_eq!(repaired.status.code(), Some(0), "{}", said(&repaired));
    assert!(!old_file(&dir.database).exists(), "in place");
    assert_sound(&dir);
}

#[test]
fn a_damaged_table_and_what_another_program_made_are_left_as_they_are() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    let damaged = copy(&dir);
    overwrite(&damaged, "event");
    let bytes = std::fs::read(&damaged.database).unwrap();
    assert_finds(&damaged, "(event: Tree ");
    let refused = repair(&damaged);
    assert_eq!(refused.status.code(), Some(UNSOUND), "{}", said(&refused));
    assert!(text(&refused.stderr).contains("restore a backup"));
    assert!(std::fs::read(&damaged.database).unwrap() == bytes);
    assert!(!damaged.beside("-rewritten").exists());

    alter(
        &dir,
        "CREATE TRIGGER theirs AFTER INSERT ON event BEGIN SELECT 1; END",
    );
    assert_finds(
        &dir,
        "triggers or indexes on our tables that are not ours: 1 (theirs)",
    );
    assert_eq!(repair(&dir).status.code(), Some(UNSOUND));
    alter(&dir, "DROP TRIGGER theirs; CREATE TABLE other (a)");
    assert_sound(&dir);
}

#[test]
fn a_repair_that_is_killed_anywhere_loses_nothing_and_is_made_again() {
    let receiver = Receiver::start();
    let dir = history(&receiver);
    let kept = rows(&dir);
    let rows_damaged = "UPDATE event SET workspace = 7; UPDATE delivery SET endpoint = 9;
        DELETE FROM event_of_endpoint; DELETE FROM delivery_of_type;
        INSERT INTO event_count VALUES (0, 0, 1, 2, 5); UPDATE event SET run = 0 WHERE seq = 3;";
    let mut crashes = 0;
    for point in ["repairing", "rewritten", "exchanged"] {
        for time in 1..40 {
            let damaged = copy(&dir);
            alter(&damaged, rows_damaged);
            if point != "repairing" {
                overwrite(&damaged, "sqlite_autoindex_event_1");
            }
            damaged.arm(&format!("{point} abort {time}"));
            let output = repair(&damaged);
            damaged.disarm();
            if output.status.signal() != Some(SIGABRT) {
                assert_eq!(output.status.code(), Some(0), "{}", said(&output));
                break;
            }
            crashes += 1;
            if point == "repairing" {
                // The pages are sound, whatever was done of the rest.
                let connection: Connection = damaged.open();
                let whole: String = connection
                    .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                    .unwrap();
                assert_eq!(whole, "ok");
            }
            let again = repair(&damaged);
            assert_eq!(
                again.status.code(),
                Some(0),
                "{point} {time}: {}",
                said(&again)
            );
            assert_eq!(rows(&damaged), kept, "{point} {time}");
            assert_sound(&damaged);
            assert!(!damaged.beside("-rewritten").exists());
            if point == "exchanged" {
                assert!(old_file(&damaged.database).exists());
            }
        }
    }
    assert!(crashes > 6, "{crashes}");
}
