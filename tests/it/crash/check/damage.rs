//! The kinds of damage that a check finds by their own lines.

/// Damage, and the line that says so.
pub(super) const DAMAGE: [(&str, &str); 50] = [
    (
        "INSERT INTO old_secret (endpoint, n, secret, ends_at) VALUES (99, 1, 's', 0), (99, 2, 's', 0)",
        "old secrets without their endpoint: 2",
    ),
    (
        "INSERT INTO old_secret (endpoint, n, secret, ends_at) VALUES (1, 1, 's', 0);
         UPDATE endpoint SET deleted_at = 1 WHERE n = 1",
        "old secrets without their endpoint: 1 (1 (",
    ),
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
        "UPDATE event SET job = 3 WHERE state = 2",
        "events of a job that wait for no attempt: 6",
    ),
    (
        "INSERT INTO job (id, workspace, action, filter, state, created_at, through_event, through_message)
         VALUES (x'07', 9, 0, '', 1, 0, 0, 0)",
        "jobs without their workspace: 1",
    ),
    (
        "INSERT INTO job (id, action, filter, state, created_at, through_event, through_message)
         VALUES (x'07', 0, '', 0, 0, 0, 0)",
        "running jobs that have nothing to look at: 1",
    ),
    (
        "INSERT INTO job_endpoint (job, endpoint) VALUES (7, 1)",
        "places of jobs that do not run: 1",
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
        "INSERT INTO later_event SELECT message, seq FROM event WHERE seq = 1",
        "notes of later events that are wrong: 1",
    ),
    (
        "INSERT INTO message_of_workspace VALUES (1, 1, 1);
         UPDATE meta SET value = 1 WHERE key = 'message_indexed'",
        "blocks of messages whose counters are wrong: 1 (0)",
    ),
    (
        "INSERT INTO message_count VALUES (0, 0, 1, 1, 1), (0, -1, 1, 1, 1);
         UPDATE meta SET value = 1 WHERE key = 'message_indexed'",
        "blocks of messages whose list index is wrong: 1 (0)",
    ),
    (
        "INSERT INTO message_tombstone VALUES (1, 1)",
        "tombstones of rows that are there: 1 (message 1)",
    ),
    (
        "UPDATE meta SET value = 1000 WHERE key = 'message_indexed'",
        "values beyond the last row: 1 (message_indexed)",
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
        "INSERT INTO message_tags VALUES (1, 99, '{}')",
        "tags without their message, or of another workspace: 1 (99)",
    ),
    (
        "INSERT INTO message_tags VALUES (9, 1, '{}')",
        "tags without their message, or of another workspace: 1 (1 (",
    ),
    (
        "INSERT INTO later_event VALUES (99, 99)",
        "notes of later events that are wrong: 1",
    ),
    (
        "DROP INDEX event_retry",
        "indexes that are missing: 1 (event_retry)",
    ),
];
