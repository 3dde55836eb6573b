//! The next attempt of an event, and the reason for its time in words.

use std::time::Duration;

use super::view::{Moment, period};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint_health::EndpointHealth;
use crate::domain::event::{Event, EventStatus};

/// The greatest share by which a wait differs from the schedule, and some time for recording the attempt.
const JITTER: f64 = 0.2;
const RECORDING: Duration = Duration::from_secs(1);

/// The time within which an attempt is due: the store reads the time of a due one a little later than the page.
const DUE_WITHIN: Duration = Duration::from_secs(1);

/// Reports whether the next attempt, at `at`, waits for nothing but its turn.
pub(super) fn is_due(at: Timestamp, now: Timestamp) -> bool {
    at <= now.after(DUE_WITHIN)
}

/// The next attempt of an event.
pub(super) struct NextAttempt {
    pub(super) at: Moment,
    /// Set if this time has come.
    pub(super) is_due: bool,
    /// The reason for this time.
    pub(super) why: String,
}

impl NextAttempt {
    /// Returns the next attempt; `None` if none will be made. `last` is the last attempt that was made, `health` that
    /// of the endpoint, and `schedule` the waits between attempts, empty if they are not known.
    pub(super) fn of(
        event: &Event,
        last: Option<&Delivery>,
        health: Option<&EndpointHealth>,
        schedule: &[Duration],
        now: Timestamp,
    ) -> Option<Self> {
        let due = event.next_attempt_at?;
        if event.status != EventStatus::Pending {
            return None;
        }
        let is_due = is_due(due, now);
        let why = if is_due {
            "An attempt is under way, or it waits its turn behind other events of this endpoint."
                .to_owned()
        } else if health.is_some_and(|health| health.resting_until == Some(due)) {
            "The endpoint rests after several failures in a row. When the rest ends, one of its events is tried."
                .to_owned()
        } else if health.is_some_and(|health| health.held_until == Some(due)) {
            "The receiver asked with Retry-After to get nothing before.".to_owned()
        } else {
            why_then(due, last, schedule)
        };
        Some(Self {
            at: Moment::new(due, now),
            is_due,
            why,
        })
    }
}

fn why_then(due: Timestamp, last: Option<&Delivery>, schedule: &[Duration]) -> String {
    let Some(last) = last else {
        return "It has not been attempted yet.".to_owned();
    };
    let wait = due.since(last.created_at);
    let planned = schedule.iter().find(|planned| is_near(wait, **planned));
    let asked = matches!(last.http_code, Some(429 | 503));
    match (planned, asked) {
        (Some(planned), _) => format!(
            "The retry schedule waits about {} after attempt {}.",
            period(*planned),
            last.attempt
        ),
        (None, true) => format!(
            "The receiver asked for a pause of {} with Retry-After, after attempt {}.",
            period(wait),
            last.attempt
        ),
        (None, false) => format!("The retry schedule waits after attempt {}.", last.attempt),
    }
}

/// Reports whether a wait is that of the schedule, with its random part.
fn is_near(wait: Duration, planned: Duration) -> bool {
    wait >= planned.mul_f64(1.0 - JITTER).saturating_sub(RECORDING)
        && wait <= planned.mul_f64(1.0 + JITTER) + RECORDING
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::event_type::EventType;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn event(due_in_s: u64) -> Event {
        Event {
            id: Uuid::nil(),
            message_id: Uuid::nil(),
            endpoint_id: Uuid::nil(),
            event_type: EventType::parse("a").unwrap(),
            status: EventStatus::Pending,
            attempts: 2,
            last_http_code: None,
            next_attempt_at: Some(NOW.after(Duration::from_secs(due_in_s))),
            payload: None,
            created_at: NOW,
            modified_at: None,
        }
    }

    fn why(due_in_s: u64, code: Option<u16>) -> String {
        why_with(due_in_s, code, None)
    }

    fn why_with(due_in_s: u64, code: Option<u16>, health: Option<&EndpointHealth>) -> String {
        let schedule = [Duration::from_secs(5), Duration::from_secs(30)];
        let last = Delivery {
            id: Uuid::nil(),
            endpoint_id: Uuid::nil(),
            event: event(0),
            attempt: 2,
            succeeded: false,
            http_code: code,
            error: None,
            response: None,
            duration_ms: 1,
            created_at: NOW,
        };
        let next = NextAttempt::of(&event(due_in_s), Some(&last), health, &schedule, NOW);
        next.unwrap().why
    }

    #[test]
    fn the_time_has_a_reason() {
        assert!(why(0, None).starts_with("An attempt is under way"));
        assert_eq!(
            why(33, Some(500)),
            "The retry schedule waits about 30 s after attempt 2."
        );
        assert_eq!(
            why(90, Some(429)),
            "The receiver asked for a pause of 90 s with Retry-After, after attempt 2."
        );
        assert_eq!(
            why(90, Some(500)),
            "The retry schedule waits after attempt 2."
        );
    }

    #[test]
    fn an_event_that_waits_for_its_endpoint_says_so() {
        let at = Some(NOW.after(Duration::from_secs(33)));
        let resting = EndpointHealth {
            resting_until: at,
            ..EndpointHealth::NEW
        };
        assert!(why_with(33, Some(500), Some(&resting)).starts_with("The endpoint rests"));
        let held = EndpointHealth {
            held_until: at,
            ..EndpointHealth::NEW
        };
        assert!(why_with(33, Some(429), Some(&held)).starts_with("The receiver asked"));
        // Its own time comes later than the end of the rest.
        assert!(why_with(34, Some(500), Some(&resting)).starts_with("The retry schedule"));
    }

    #[test]
    fn a_finished_event_has_no_next_attempt() {
        let mut finished = event(5);
        finished.status = EventStatus::Failed;
        assert!(NextAttempt::of(&finished, None, None, &[], NOW).is_none());
        finished.next_attempt_at = None;
        assert!(NextAttempt::of(&finished, None, None, &[], NOW).is_none());
    }
}
