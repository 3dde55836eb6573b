//! The tests of retention: the server is killed between its steps, has no disk for them, or comes near the largest
//! size of its database.

use std::os::unix::process::ExitStatusExt;

use serde_json::json;

use super::server::{Server, Start, TestDir, assert_database_not_ready};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

/// The signal with which `abort` ends a process.
const SIGABRT: i32 = 6;

/// Deletes what is a day old. No retry is due while a test runs.
const DELETE: [&str; 4] = ["--delete-after", "1d", "--retry-schedule", "1h,1h,1h"];

/// Old messages, of which every tenth still waits for one of its two endpoints; and young ones.
const OLD: i64 = 80;
const YOUNG: i64 = 10;

/// The bytes of a payload. Together they are more than the free pages that a file keeps.
const PAYLOAD: usize = 150_000;

fn start(dir: &TestDir) -> Server {
    dir.start_with(&Start {
        flags: &DELETE,
        ..Start::default()
    })
}

/// Makes a database of old and young messages.
fn old_database(receiver: &Receiver) -> TestDir {
    let dir = TestDir::new();
    let server = start(&dir);
    server.endpoint(&receiver.url("/a"), "raw");
    server.endpoint(&receiver.url("/b"), "discord");
    let data = json!({"x": "x".repeat(PAYLOAD)});
    for number in 0..OLD + YOUNG {
        receiver.reply("/b", if number % 10 == 0 { 500 } else { 204 }, "");
        server.published(&data);
        let pending = number / 10 + 1;
        let done = 2 * (number + 1) - pending;
        server.wait_for_events("succeeded", u64::try_from(done).unwrap());
        wait_until("the attempts", || {
            dir.number("SELECT count(*) FROM delivery") == 2 * (number + 1)
        });
    }
    server.stop();
    let age = "UPDATE message SET created_at = created_at - 172800000000 WHERE seq <= ?1;";
    let aged = dir.open().execute(age, [OLD]).unwrap();
    assert_eq!(i64::try_from(aged), Ok(OLD));
    dir.check();
    dir
}

/// The messages that must stay: the young ones, and those with a pending event.
const KEPT: i64 = OLD / 10 + YOUNG;

/// Their events: both of a young one, the pending one of an old one.
const KEPT_EVENTS: i64 = OLD / 10 + 2 * YOUNG;

/// Waits until only what must stay is there, and `more` messages that came since.
fn wait_until_deleted(dir: &TestDir, more: i64) {
    wait_until("the deletion", || {
        dir.number("SELECT count(*) FROM message") == KEPT + more
            && dir.number("SELECT count(*) FROM event_tombstone") == 0
            && dir.number("SELECT count(*) FROM delivery_tombstone") == 0
    });
}

/// Checks what is left, in the file and in lists.
#[track_caller]
fn assert_deleted(dir: &TestDir, server: &Server, more: i64) {
    let kept = KEPT_EVENTS + 2 * more;
    assert_eq!(dir.number("SELECT count(*) FROM event"), kept);
    assert_eq!(dir.number("SELECT count(*) FROM delivery"), kept);
    let total = |path: &str| server.get(path).body["meta"]["total"].as_i64();
    assert_eq!(total("/api/webhooks/events?limit=1"), Some(kept));
    assert_eq!(total("/api/webhooks/deliveries?limit=1"), Some(kept));
    let pending = u64::try_from(OLD / 10 + YOUNG / 10).unwrap();
    assert_eq!(server.events("pending"), pending);
    let listed = server.get("/api/webhooks/events?limit=100&status=pending");
    for event in listed.body["data"].as_array().unwrap() {
        assert!(event["payload"].is_string(), "{event}");
    }
}

#[test]
fn a_kill_between_any_two_steps_costs_nothing_that_is_kept() {
    let receiver = Receiver::start();
    for point in [
        "deleting abort",
        "deleting abort 40",
        "commit abort 2",
        "commit abort 7",
        "tombstones abort",
        "tombstones abort 5",
        "vacuuming abort",
        "vacuuming abort 4",
    ] {
        let dir = old_database(&receiver);
        let pending = dir.number("SELECT count(*) FROM event WHERE state IN (0, 1)");
        dir.arm(point);
        let spawned = dir.spawn(&Start {
            flags: &DELETE,
            ..Start::default()
        });
        assert_eq!(spawned.ended().signal(), Some(SIGABRT), "{point}");
        dir.disarm();
        dir.check_after_deletions();
        let still = dir.number("SELECT count(*) FROM event WHERE state IN (0, 1)");
        assert_eq!(still, pending, "{point}");
        let server = start(&dir);
        wait_until_deleted(&dir, 0);
        assert_deleted(&dir, &server, 0);
        server.published(&json!("after it"));
        server.stop();
        dir.check_after_deletions();
    }
}

#[test]
fn a_full_disk_only_delays_it_and_the_space_goes_back_to_the_file_system() {
    let receiver = Receiver::start();
    let dir = old_database(&receiver);
    let before = std::fs::metadata(&dir.database).unwrap().len();
    dir.arm("janitor-turn hold");
    let server = start(&dir);
    // What a start writes is written before this.
    server.published(&json!("young"));
    let events = 2 * (OLD + YOUNG + 1) - (OLD + YOUNG) / 10;
    server.wait_for_events("succeeded", u64::try_from(events).unwrap());
    // From the second commit on: the first step is done.
    dir.arm("commit full 2");
    wait_until("a full disk", || server.get("/readyz").status == 503);
    assert_database_not_ready(&server.get("/readyz"), "the disk is full");
    dir.check_after_deletions();
    dir.disarm();
    wait_until_deleted(&dir, 1);
    assert_deleted(&dir, &server, 1);
    let pages =
        "SELECT page_count - 2 * freelist_count FROM pragma_page_count, pragma_freelist_count";
    wait_until("a small file", || dir.number(pages) > 0);
    server.stop();
    dir.check_after_deletions();
    let after = std::fs::metadata(&dir.database).unwrap().len();
    let kept = u64::try_from(KEPT + YOUNG).unwrap() * PAYLOAD as u64;
    assert!(after < before / 2 && after > kept / 2, "{before} {after}");
}

#[test]
fn a_database_stays_within_its_size_and_pending_events_stay() {
    let receiver = Receiver::start();
    let dir = TestDir::new();
    let server = dir.start_with(&Start {
        flags: &[
            "--max-database-size",
            "16MiB",
            "--retry-schedule",
            "1h,1h,1h",
        ],
        ..Start::default()
    });
    let dead = server.endpoint(&receiver.url("/dead"), "raw");
    receiver.reply("/dead", 500, "");
    let data = json!({"x": "x".repeat(PAYLOAD)});
    server.published(&data);
    wait_until("an attempt", || receiver.count("/dead") == 1);
    server.call("DELETE", &format!("/api/webhooks/endpoints/{dead}"), None);
    let waiting = server.endpoint(&receiver.url("/waiting"), "raw");
    receiver.reply("/waiting", 500, "");
    for _ in 0..20 {
        server.published(&data);
    }
    wait_until("the attempts", || receiver.count("/waiting") >= 3);
    let off = json!({"events": ["none"]});
    let path = format!("/api/webhooks/endpoints/{waiting}");
    server.call("PATCH", &path, Some(&off));
    server.endpoint(&receiver.url("/a"), "raw");
    let mut accepted = 0;
    // Four times as much as there is room for.
    while accepted < 400 {
        let answer = server.publish(&data).unwrap();
        match answer.status {
            202 => accepted += 1,
            // The janitor may be a second late.
            507 => assert_eq!(answer.body["error"], "InsufficientStorage"),
            status => panic!("{status} {}", answer.body),
        }
    }
    wait_until("the last delivery", || receiver.count("/a") == 400);
    // Its attempt may not be recorded yet.
    server.wait_for_events("pending", 20);
    let listed = server.get("/api/webhooks/events?limit=100&status=pending");
    for event in listed.body["data"].as_array().unwrap() {
        assert!(event["payload"].is_string(), "{event}");
    }
    let used =
        "SELECT (page_count - freelist_count) * 4096 FROM pragma_page_count, pragma_freelist_count";
    assert!(dir.number(used) < 17 << 20);

    // Nothing but pending events: nothing more may go.
    let on = json!({"events": ["*"]});
    server.call("PATCH", &path, Some(&on));
    let refused = loop {
        let answer = server.publish(&data).unwrap();
        let pending = server.events("pending");
        if answer.status == 507 && pending > 80 {
            break answer;
        }
        assert!(pending < 130, "the limit is not kept");
    };
    let says = "the database has reached its largest size";
    assert_eq!(
        refused.body["detail"],
        format!("{says}; nothing was stored")
    );
    assert_eq!(refused.retry_after.as_deref(), Some("30"));
    wait_until("a server that is not ready", || {
        server.get("/readyz").status == 503
    });
    assert_database_not_ready(&server.get("/readyz"), says);
    let kept = server.events("pending");
    // Its events are skipped, and may go.
    server.call("DELETE", &path, None);
    wait_until("room", || server.publish(&data).unwrap().status == 202);
    assert_eq!(server.events("pending") / 2, 0, "of {kept}");
    wait_until("a server that is ready", || {
        server.get("/readyz").status == 200
    });
    server.stop();
    dir.check_after_deletions();
}

#[test]
fn nothing_is_deleted_by_a_clock_that_leapt_ahead() {
    let receiver = Receiver::start();
    let dir = old_database(&receiver);
    let old_key = "INSERT INTO idempotency VALUES (1, 1, 'k', x'00')";
    dir.open().execute(old_key, []).unwrap();
    let two_days_ago = "(SELECT max(created_at) - 172800000000 FROM message)";
    let says = "nothing is archived or deleted for an hour";
    for leap in [
        // The clock was right when it was noted, and is two days ahead since.
        format!("INSERT OR REPLACE INTO meta SELECT 'retention_clock', {two_days_ago}"),
        // The same where an earlier version has noted nothing: the newest message tells.
        format!(
            "DELETE FROM meta WHERE key = 'retention_clock';
             UPDATE message SET created_at = {two_days_ago}
             WHERE created_at > {two_days_ago}"
        ),
    ] {
        dir.open().execute_batch(&leap).unwrap();
        let server = start(&dir);
        assert!(server.spawned.log.wait(says, 1).is_some());
        server.stop();
        assert_eq!(dir.number("SELECT count(*) FROM message"), OLD + YOUNG);
        assert_eq!(dir.number("SELECT count(*) FROM idempotency"), 1);
        dir.check();
    }
    let right =
        "INSERT OR REPLACE INTO meta VALUES ('retention_clock', unixepoch('now') * 1000000);
                 UPDATE message SET created_at = unixepoch('now') * 1000000 WHERE seq > ?1";
    let [note, young] = right.split(";\n").collect::<Vec<_>>()[..] else {
        unreachable!("two statements");
    };
    dir.open().execute(note, []).unwrap();
    dir.open().execute(young, [OLD]).unwrap();
    let server = start(&dir);
    wait_until_deleted(&dir, 0);
    assert_deleted(&dir, &server, 0);
    assert_eq!(dir.number("SELECT count(*) FROM idempotency"), 0);
    assert_eq!(server.spawned.log.count(says), 0);
    server.stop();
}
