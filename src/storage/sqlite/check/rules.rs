//! The rules for single rows: what must hold for each row of a table, and the statement that corrects a row
//! that breaks the rule.
//!
//! All rules of a table are tested in one scan, with a join to the rows that a row refers to. A condition is
//! never NULL. The statements of a table are carried out in the order of its rules.

use super::problem::Kind;
use crate::domain::event_state::EventState;
use crate::storage::sqlite::event_state::{number, state_is};

/// A rule for the rows of a table.
pub(super) struct Rule {
    pub(super) kind: Kind,
    /// The condition of a row that breaks it.
    pub(super) broken: String,
    /// The statement that corrects row `?1`; `None` if one statement cannot.
    pub(super) correct: Option<String>,
}

/// A table and its rules.
pub(super) struct RuledTable {
    /// The column with the row's number.
    pub(super) number: &'static str,
    /// The table, joined to what its rows refer to.
    pub(super) from: &'static str,
    pub(super) rules: Vec<Rule>,
}

/// The number of the last run that was begun; the parameter of the rules for events and messages.
pub(super) const LAST_RUN: &str = "SELECT max(
    coalesce((SELECT value FROM meta WHERE key = 'last_run'), 0),
    coalesce((SELECT value FROM meta WHERE key = 'last_event'), 0),
    coalesce((SELECT max(seq) FROM event), 0),
    coalesce((SELECT max(skip_through) FROM endpoint), 0))";

fn rule(kind: Kind, broken: impl Into<String>, correct: impl Into<String>) -> Rule {
    Rule {
        kind,
        broken: broken.into(),
        correct: Some(correct.into()),
    }
}

/// A rule whose breaches take more than a statement for each row.
fn hard_rule(kind: Kind, broken: impl Into<String>) -> Rule {
    Rule {
        kind,
        broken: broken.into(),
        correct: None,
    }
}

impl RuledTable {
    /// Returns the sum of a power of two for each rule that a row breaks.
    pub(super) fn breaches(&self) -> String {
        let terms = self.rules.iter().enumerate().map(bit);
        let terms: Vec<String> = std::iter::once("0".to_owned()).chain(terms).collect();
        terms.join(" + ")
    }

    /// Returns the kinds in such a sum.
    pub(super) fn kinds(&self, breaches: i64) -> impl Iterator<Item = Kind> {
        let broken = move |at: usize| breaches >> at & 1 == 1;
        let rules = self.rules.iter().enumerate();
        rules.filter_map(move |(at, rule)| broken(at).then_some(rule.kind))
    }
}

fn bit((at, rule): (usize, &Rule)) -> String {
    format!("({}) * {}", rule.broken, 1_i64 << at)
}

/// Returns the rules for endpoints.
pub(super) fn endpoints() -> RuledTable {
    RuledTable {
        number: "p.n",
        from: "endpoint p NOT INDEXED LEFT JOIN workspace w ON w.n = p.workspace",
        rules: vec![rule(
            Kind::EndpointWithoutWorkspace,
            "w.n IS NULL",
            "DELETE FROM endpoint WHERE n = ?1",
        )],
    }
}

/// Returns the rules for old secrets. The number is that of the endpoint: all of its old secrets go together.
pub(super) fn old_secrets() -> RuledTable {
    RuledTable {
        number: "o.endpoint",
        from: "old_secret o NOT INDEXED LEFT JOIN endpoint p ON p.n = o.endpoint",
        rules: vec![rule(
            Kind::OldSecretWithoutEndpoint,
            "p.n IS NULL OR p.deleted_at IS NOT NULL",
            "DELETE FROM old_secret WHERE endpoint = ?1",
        )],
    }
}

/// Returns the rules for tokens. A token without its parent ends, as it would have when its parent ended.
pub(super) fn tokens() -> RuledTable {
    let delete = "DELETE FROM token WHERE n = ?1";
    RuledTable {
        number: "t.n",
        from: "token t NOT INDEXED LEFT JOIN workspace w ON w.n = t.workspace
               LEFT JOIN token p ON p.n = t.parent",
        rules: vec![
            rule(
                Kind::TokenWithoutWorkspace,
                "t.workspace IS NOT NULL AND w.n IS NULL",
                delete,
            ),
            rule(
                Kind::TokenWithoutParent,
                "t.parent IS NOT NULL AND p.n IS NULL",
                delete,
            ),
        ],
    }
}

/// Returns the rules for jobs. One that runs ends with a step, which deletes its last place.
pub(super) fn jobs() -> RuledTable {
    RuledTable {
        number: "j.n",
        from: "job j NOT INDEXED LEFT JOIN workspace w ON w.n = j.workspace",
        rules: vec![
            rule(
                Kind::JobWithoutWorkspace,
                "j.workspace IS NOT NULL AND w.n IS NULL",
                "DELETE FROM job WHERE n = ?1",
            ),
            rule(
                Kind::JobWithoutPlace,
                "j.state = 0 AND NOT EXISTS (SELECT 1 FROM job_endpoint e WHERE e.job = j.n)",
                "UPDATE job SET state = 1, finished_at = coalesce(modified_at, created_at) WHERE n = ?1",
            ),
        ],
    }
}

/// Returns the rules for the places of jobs.
pub(super) fn places() -> RuledTable {
    RuledTable {
        number: "e.job",
        from: "job_endpoint e LEFT JOIN job j ON j.n = e.job",
        rules: vec![rule(
            Kind::PlaceWithoutJob,
            "j.state IS NOT 0",
            "DELETE FROM job_endpoint WHERE job = ?1",
        )],
    }
}

/// Returns the rules for idempotency keys.
pub(super) fn keys() -> RuledTable {
    RuledTable {
        number: "i.message",
        from: "idempotency i NOT INDEXED LEFT JOIN message m ON m.seq = i.message",
        rules: vec![
            rule(
                Kind::KeyWithoutMessage,
                "m.seq IS NULL",
                "DELETE FROM idempotency WHERE message = ?1",
            ),
            // The key of the right workspace may be there as well, so it is dropped.
            rule(
                Kind::KeyWorkspace,
                "m.seq IS NOT NULL AND m.workspace IS NOT i.workspace",
                "DELETE FROM idempotency WHERE message = ?1",
            ),
        ],
    }
}

/// Returns the rules for the tags of messages.
pub(super) fn tags() -> RuledTable {
    RuledTable {
        number: "g.message",
        from: "message_tags g NOT INDEXED LEFT JOIN message m ON m.seq = g.message",
        rules: vec![rule(
            Kind::TagsWithoutMessage,
            "m.seq IS NULL OR m.workspace IS NOT g.workspace",
            "DELETE FROM message_tags WHERE message = ?1 AND workspace IS NOT (
               SELECT workspace FROM message WHERE seq = ?1)",
        )],
    }
}

/// Returns the rules for the notes of later events. The event of a note may be deleted. One that is in the range of its
/// message would be listed twice.
pub(super) fn later_events() -> RuledTable {
    RuledTable {
        number: "l.event",
        from: "later_event l LEFT JOIN event e ON e.seq = l.event
               LEFT JOIN message m ON m.seq = l.message",
        rules: vec![hard_rule(Kind::WrongLaterEvent, WRONG_LATER_EVENT)],
    }
}

/// The condition of a wrong note of a later event.
pub(super) const WRONG_LATER_EVENT: &str = "m.seq IS NULL OR (e.seq IS NOT NULL AND (
    e.message IS NOT m.seq OR e.seq BETWEEN m.first_event AND m.first_event + m.events - 1))";

/// Returns the rules for messages.
pub(super) fn messages() -> RuledTable {
    RuledTable {
        number: "m.seq",
        from: "message m NOT INDEXED LEFT JOIN workspace w ON w.n = m.workspace
               LEFT JOIN event_type t ON t.n = m.type",
        rules: vec![
            rule(
                Kind::MessageWithoutWorkspace,
                "w.n IS NULL",
                "DELETE FROM message WHERE seq = ?1",
            ),
            hard_rule(Kind::MessageWithoutType, "t.n IS NULL"),
            hard_rule(
                Kind::MessageRange,
                "CASE WHEN m.events < 0 OR m.first_event < 1 THEN 1
                      WHEN m.events > 0 AND m.first_event > ?1 - m.events + 1 THEN 1
                      ELSE EXISTS (
                        SELECT 1 FROM event x NOT INDEXED
                        WHERE x.seq BETWEEN m.first_event AND m.first_event + m.events - 1
                          AND x.message <> m.seq) END",
            ),
        ],
    }
}

/// Returns the rules for events. The parameter `?1` of the conditions is [`LAST_RUN`].
pub(super) fn events() -> RuledTable {
    let retry = number(EventState::Retry);
    let wait = format!(
        "UPDATE event SET state = {retry}, due = coalesce(modified_at, created_at) WHERE seq = ?1"
    );
    RuledTable {
        number: "e.seq",
        from: "event e NOT INDEXED LEFT JOIN message m ON m.seq = e.message
               LEFT JOIN endpoint p ON p.n = e.endpoint LEFT JOIN event_type t ON t.n = e.type",
        rules: vec![
            hard_rule(Kind::EventWithoutType, "t.n IS NULL"),
            hard_rule(Kind::EventOutsideRange, OUTSIDE_RANGE),
            rule(Kind::EventWithoutMessage, "m.seq IS NULL", DELETE_EVENT),
            rule(Kind::EventWithoutEndpoint, "p.n IS NULL", DELETE_EVENT),
            hard_rule(
                Kind::EventOfOtherWorkspace,
                "m.seq IS NOT NULL AND p.n IS NOT NULL AND p.workspace IS NOT m.workspace",
            ),
            rule(
                Kind::EventWorkspace,
                "p.n IS NOT NULL AND e.workspace IS NOT p.workspace",
                "UPDATE event SET workspace =
                   (SELECT workspace FROM endpoint WHERE n = event.endpoint) WHERE seq = ?1",
            ),
            rule(
                Kind::EventType,
                "m.seq IS NOT NULL AND e.type IS NOT m.type",
                "UPDATE event SET type =
                   (SELECT type FROM message WHERE seq = event.message) WHERE seq = ?1",
            ),
            // Delivered once more rather than not at all.
            rule(
                Kind::EventState,
                state_is!(unknown),
                format!(
                    "UPDATE event SET due = coalesce(modified_at, created_at), state = CASE WHEN EXISTS (
                       SELECT 1 FROM delivery d WHERE d.event = event.seq AND d.succeeded = 1)
                       THEN {} ELSE {retry} END WHERE seq = ?1",
                    number(EventState::Succeeded)
                ),
            ),
            rule(
                Kind::RunTooLow,
                "e.run < e.seq",
                "UPDATE event SET run = seq WHERE seq = ?1",
            ),
            rule(
                Kind::RunTooHigh,
                "e.run > ?1",
                format!(
                    "UPDATE event SET run = CASE WHEN {} THEN seq ELSE (
                       SELECT max(value, (SELECT max(seq) FROM event)) FROM meta
                       WHERE key = 'last_run') END WHERE seq = ?1",
                    state_is!(fresh)
                ),
            ),
            rule(
                Kind::FreshInLaterRun,
                format!("{} AND (e.run <> e.seq OR e.run_attempt <> 0)", state_is!(fresh)),
                wait,
            ),
            rule(
                Kind::PendingWithoutPayload,
                format!(
                    "CASE WHEN {} AND e.body IS NULL AND m.seq IS NOT NULL THEN
                       CASE e.format WHEN 0 THEN m.body IS NULL ELSE NOT EXISTS (
                         SELECT 1 FROM event f
                         WHERE f.seq >= m.first_event AND f.seq < m.first_event + min(m.events, 2)
                           AND f.format = e.format AND f.body IS NOT NULL) END
                     ELSE 0 END",
                    state_is!(pending)
                ),
                format!(
                    "UPDATE event SET due = NULL, state = {} WHERE seq = ?1",
                    number(EventState::Failed)
                ),
            ),
            rule(
                Kind::RetryWithoutDue,
                format!("{} AND e.due IS NULL", state_is!(retry)),
                "UPDATE event SET due = coalesce(modified_at, created_at) WHERE seq = ?1",
            ),
            rule(
                Kind::DueWithoutRetry,
                format!("NOT ({}) AND e.due IS NOT NULL", state_is!(retry)),
                "UPDATE event SET due = NULL WHERE seq = ?1",
            ),
            rule(
                Kind::RunAttempts,
                "e.run_attempt < 0 OR e.run_attempt > e.attempts",
                "UPDATE event SET attempts = max(attempts, 0),
                   run_attempt = max(0, min(run_attempt, attempts)) WHERE seq = ?1",
            ),
            rule(
                Kind::JobWithoutWait,
                format!("NOT ({}) AND e.job IS NOT NULL", state_is!(retry)),
                "UPDATE event SET job = NULL WHERE seq = ?1",
            ),
        ],
    }
}

/// The condition of an event that its message does not name. A message with later events has others, too.
const OUTSIDE_RANGE: &str = "m.seq IS NOT NULL
                 AND e.seq NOT BETWEEN m.first_event AND m.first_event + m.events - 1
                 AND (m.events = 0 OR NOT EXISTS (
                   SELECT 1 FROM later_event l WHERE l.message = m.seq AND l.event = e.seq))";

const DELETE_EVENT: &str = "DELETE FROM event WHERE seq = ?1";

/// Returns the rules for deliveries.
pub(super) fn deliveries() -> RuledTable {
    RuledTable {
        number: "d.seq",
        from: "delivery d NOT INDEXED LEFT JOIN event e ON e.seq = d.event",
        rules: vec![
            rule(
                Kind::DeliveryWithoutEvent,
                "e.seq IS NULL",
                "DELETE FROM delivery WHERE seq = ?1",
            ),
            rule(
                Kind::DeliveryCopies,
                "e.seq IS NOT NULL AND (d.endpoint IS NOT e.endpoint
                   OR d.workspace IS NOT e.workspace OR d.type IS NOT e.type)",
                "UPDATE delivery SET (endpoint, workspace, type) =
                   (SELECT endpoint, workspace, type FROM event WHERE seq = delivery.event)
                 WHERE seq = ?1",
            ),
            rule(
                Kind::AttemptTooHigh,
                "e.seq IS NOT NULL AND d.attempt > e.attempts",
                "UPDATE event SET attempts = max(attempts, (SELECT attempt FROM delivery WHERE seq = ?1))
                 WHERE seq = (SELECT event FROM delivery WHERE seq = ?1)",
            ),
        ],
    }
}

/// The events that have more deliveries than attempts. The inner query steps through the index of deliveries by
/// event, in its order, and so needs no sorter.
pub(super) const TOO_MANY_DELIVERIES: &str = "SELECT e.seq, g.count FROM (
       SELECT event, count(*) AS count FROM delivery INDEXED BY delivery_by_event GROUP BY event) g
     CROSS JOIN event e ON e.seq = g.event WHERE g.count > e.attempts";
