//! The endpoints that get a message.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::domain::endpoint::Format;
use crate::domain::event_state::EventState;
use crate::storage::sqlite::rows;
use crate::storage::sqlite::writer::workspace_cache::{Subscriber, rendered_first};
use crate::storage::{EndpointNumber, MessageFault};

/// An endpoint that gets a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipient {
    pub(super) number: EndpointNumber,
    pub(super) id: Uuid,
    pub(super) format: Format,
    is_enabled: bool,
}

impl Recipient {
    /// Returns the state of its event. A producer that names a disabled endpoint is not to fail because of that, so the
    /// event is skipped, and can be redelivered later.
    pub(super) const fn first_state(self) -> EventState {
        if self.is_enabled {
            EventState::Fresh
        } else {
            EventState::Skipped
        }
    }
}

impl From<&Subscriber> for Recipient {
    fn from(subscriber: &Subscriber) -> Self {
        Self {
            number: subscriber.number,
            id: subscriber.id,
            format: subscriber.format,
            is_enabled: true,
        }
    }
}

/// Returns the endpoints of a workspace with these ids, in the order in which their events are numbered; the fault if
/// some are not there. An endpoint of another workspace is like one that is not there.
pub(super) fn named(
    connection: &Connection,
    workspace: i64,
    ids: &[Uuid],
) -> rusqlite::Result<Result<Vec<Recipient>, MessageFault>> {
    let mut find = connection.prepare_cached(
        "SELECT n, format, disabled IS NULL FROM endpoint
         WHERE id = ?1 AND workspace = ?2 AND deleted_at IS NULL",
    )?;
    let mut found = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for (place, &id) in ids.iter().enumerate() {
        let recipient = find.query_row(params![id, workspace], |row| {
            Ok(Recipient {
                number: EndpointNumber(row.get(0)?),
                id,
                format: rows::format(row.get(1)?),
                is_enabled: row.get(2)?,
            })
        });
        match recipient.optional()? {
            Some(recipient) => found.push(recipient),
            None => unknown.push((place, id)),
        }
    }
    if unknown.is_empty() {
        Ok(Ok(rendered_first(found, |it| it.format)))
    } else {
        Ok(Err(MessageFault::UnknownEndpoints(unknown)))
    }
}
