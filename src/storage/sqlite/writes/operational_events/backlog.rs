//! The operational events that follow from the passing of time: old backlogs, and failed events that nobody was told of
//! yet. A background thread finds the endpoints; the rows are looked at again here, in the transaction that tells.

use rusqlite::{OptionalExtension, params};

use super::Subject;
use crate::domain::clock::Timestamp;
use crate::domain::operational_event::{
    BACKLOG_PERIOD, EVENT_FAILED_PERIOD, EndpointNews, is_due_again,
};
use crate::storage::EndpointNumber;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};

/// An endpoint whose backlog was looked at, and the time since which the backlog is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OldBacklog {
    pub(crate) endpoint: EndpointNumber,
    /// The time at which its oldest due event became due; `None` if none has waited for too long.
    pub(crate) due_since: Option<Timestamp>,
}

/// Tells of an old backlog, or that it is cleared.
pub(crate) fn tell_of_backlog(
    context: &mut WriteContext<'_>,
    found: OldBacklog,
) -> Result<(), OperationError> {
    let OldBacklog {
        endpoint,
        due_since,
    } = found;
    let now = context.now;
    let told_at: Option<Option<i64>> = context
        .connection
        .prepare_cached("SELECT backlog_told_at FROM endpoint WHERE n = ?1 AND deleted_at IS NULL")?
        .query_row([endpoint.0], |row| row.get(0))
        .optional()?;
    let Some(told_at) = told_at else {
        return Ok(());
    };
    let told_at = told_at.map(Timestamp::from_micros);
    let (news, telling_at) = match due_since {
        Some(due_since) if is_due_again(told_at, BACKLOG_PERIOD, now) => {
            let waited = now.since(due_since);
            let news = EndpointNews::BacklogOld { due_since, waited };
            (news, Some(now.micros()))
        }
        None if told_at.is_some() => (EndpointNews::BacklogCleared, None),
        _ => return Ok(()),
    };
    let subject = Subject::find(context, endpoint)?;
    // What nobody was told of need not be cleared.
    let telling_at = telling_at.filter(|_| subject.is_some());
    context
        .connection
        .prepare_cached("UPDATE endpoint SET backlog_told_at = ?2 WHERE n = ?1")?
        .execute(params![endpoint.0, telling_at])?;
    match subject {
        None => Ok(()),
        Some(subject) => subject.tell(context, &news),
    }
}

/// Tells of failed events that came shortly after people were told of others, and after which none came.
pub(crate) fn tell_of_untold_failures(
    context: &mut WriteContext<'_>,
    endpoint: EndpointNumber,
) -> Result<(), OperationError> {
    let status = context
        .cache
        .endpoint_status(context.connection, endpoint)?;
    let count = status.failed_untold;
    if count == 0 || !is_due_again(status.failed_told_at, EVENT_FAILED_PERIOD, context.now) {
        return Ok(());
    }
    let Some(subject) = Subject::find(context, endpoint)? else {
        let told_at = status.failed_told_at;
        context
            .cache
            .set_failed_told(context.connection, endpoint, told_at, 0)?;
        return Ok(());
    };
    context
        .cache
        .set_failed_told(context.connection, endpoint, Some(context.now), 0)?;
    let news = EndpointNews::EventFailed {
        count,
        failures: status.failures,
        event: None,
        last: None,
    };
    subject.tell(context, &news)
}
