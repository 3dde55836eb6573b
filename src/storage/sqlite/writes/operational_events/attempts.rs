//! The operational events that follow from an attempt.

use rusqlite::OptionalExtension;

use super::Subject;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::endpoint::DisabledReason;
use crate::domain::event_state::{EventState, Verdict};
use crate::domain::event_type::EventType;
use crate::domain::operational_event::{
    EVENT_FAILED_PERIOD, EndpointNews, FailedEvent, FailingReason, LastAttempt, is_due_again,
};
use crate::storage::sqlite::writer::cache::EndpointStatus;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{AttemptRecord, EndpointNumber};

/// The effect that an attempt had on its event and its endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptEffect {
    /// The endpoint before the attempt.
    pub(crate) before: EndpointStatus,
    /// The event's new state; `None` if it has left the attempt's run.
    pub(crate) state: Option<EventState>,
    /// The reason for which the attempt disabled the endpoint, and the number of events that were skipped.
    pub(crate) disabled: Option<(DisabledReason, Option<u64>)>,
}

/// Tells of what an attempt changed. `disable_after` failed events in a row disable an endpoint.
pub(crate) fn tell_of_attempt(
    context: &mut WriteContext<'_>,
    disable_after: u32,
    record: &AttemptRecord,
    effect: AttemptEffect,
) -> Result<(), OperationError> {
    let endpoint = record.event.endpoint;
    let last = LastAttempt {
        at: context.now,
        http_code: record.code,
        error: record.error.map(AttemptFailure::as_str),
    };
    if record.verdict == Verdict::Succeeded {
        return match effect.before.warned_at {
            None => Ok(()),
            Some(failing_since) => {
                context
                    .cache
                    .set_warned(context.connection, endpoint, None)?;
                let news = EndpointNews::Recovered {
                    failing_since,
                    last,
                };
                tell(context, endpoint, &news)
            }
        };
    }
    let status = context
        .cache
        .endpoint_status(context.connection, endpoint)?;
    let failures = status.failures;
    if let Some((reason, skipped)) = effect.disabled {
        let news = EndpointNews::Disabled {
            reason,
            failures,
            skipped,
            last,
        };
        tell(context, endpoint, &news)?;
    } else if let Some(reason) = begins_to_fail(&effect.before, &status, disable_after)
        && let Some(subject) = Subject::find(context, endpoint)?
    {
        context
            .cache
            .set_warned(context.connection, endpoint, Some(context.now))?;
        let news = EndpointNews::Failing {
            reason,
            failures,
            rests: status.rest.rests,
            disable_after,
            last,
        };
        subject.tell(context, &news)?;
    }
    if effect.state == Some(EventState::Failed) {
        tell_of_failed_event(context, record, last)?;
    }
    Ok(())
}

fn tell(
    context: &mut WriteContext<'_>,
    endpoint: EndpointNumber,
    news: &EndpointNews,
) -> Result<(), OperationError> {
    match Subject::find(context, endpoint)? {
        None => Ok(()),
        Some(subject) => subject.tell(context, news),
    }
}

/// Returns the reason for a warning; `None` if it was given already, or if this attempt changed nothing.
fn begins_to_fail(
    before: &EndpointStatus,
    status: &EndpointStatus,
    disable_after: u32,
) -> Option<FailingReason> {
    let has_changed = (before.failures, before.rest.rests) != (status.failures, status.rest.rests);
    if !has_changed || status.warned_at.is_some() || !status.active {
        return None;
    }
    FailingReason::of(status.failures, status.rest.rests, disable_after)
}

/// Tells of an event that failed for good, or counts it if people were told of another one a short while ago.
fn tell_of_failed_event(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    last: LastAttempt,
) -> Result<(), OperationError> {
    let endpoint = record.event.endpoint;
    let Some(event_type) = type_to_tell(context, record)? else {
        return Ok(());
    };
    let Some(subject) = Subject::find(context, endpoint)? else {
        return Ok(());
    };
    let status = context
        .cache
        .endpoint_status(context.connection, endpoint)?;
    let count = status.failed_untold.saturating_add(1);
    if !is_due_again(status.failed_told_at, EVENT_FAILED_PERIOD, context.now) {
        let told_at = status.failed_told_at;
        context
            .cache
            .set_failed_told(context.connection, endpoint, told_at, count)?;
        return Ok(());
    }
    context
        .cache
        .set_failed_told(context.connection, endpoint, Some(context.now), 0)?;
    let was_made = record.error != Some(AttemptFailure::Expired);
    let news = EndpointNews::EventFailed {
        count,
        failures: status.failures,
        event: Some(FailedEvent {
            id: record.event.id,
            r#type: event_type,
        }),
        last: was_made.then_some(last),
    };
    subject.tell(context, &news)
}

/// Returns the type of an attempt's event; `None` if its failure is not told, because it is itself an operational event.
fn type_to_tell(
    context: &WriteContext<'_>,
    record: &AttemptRecord,
) -> rusqlite::Result<Option<EventType>> {
    let name: Option<String> = context
        .connection
        .prepare_cached("SELECT name FROM event_type WHERE n = ?1")?
        .query_row([record.event.event_type], |row| row.get(0))
        .optional()?;
    let event_type = name.map(EventType::from_stored);
    Ok(event_type.filter(|it| !it.is_reserved()))
}
