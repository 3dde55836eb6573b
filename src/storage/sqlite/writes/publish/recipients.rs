//! The endpoints that get a message.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::domain::endpoint::Format;
use crate::domain::event_pattern::{MatchBudget, Subject};
use crate::domain::event_state::EventState;
use crate::domain::json::Tree;
use crate::domain::message::{NewMessage, server_timestamp};
use crate::storage::sqlite::rows;
use crate::storage::sqlite::writer::operation::WriteContext;
use crate::storage::sqlite::writer::workspace_cache::{Subscriber, WorkspaceCache, rendered_first};
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

/// Returns the endpoints of a workspace that are subscribed to the type of a message, and whose filter matches it. The time
/// that the filters take counts as writing.
///
/// The data is read once, and only if there is a filter; mostly the caller has read it.
pub(super) fn subscribed(
    context: &mut WriteContext<'_>,
    workspace: &WorkspaceCache,
    new: &NewMessage,
) -> Vec<Recipient> {
    let (mut made, mut given) = (None, None);
    let budget = MatchBudget::default();
    let subscribers = workspace.subscribers_of(&new.event_type, |subscriber| {
        if subscriber.filter.matches_everything() {
            return true;
        }
        let tree = match &new.tree {
            Some(tree) => tree,
            None => &*made.get_or_insert_with(|| Tree::of(new.data.get())),
        };
        // The stored time of a message without its own is later by microseconds at most.
        let timestamp = match &new.timestamp {
            Some(sent) => sent,
            None => &*given.get_or_insert_with(|| server_timestamp(context.now)),
        };
        let subject = Subject {
            event_type: &new.event_type,
            timestamp,
            data: &new.data,
            tree,
            tags: &new.tags,
        };
        subscriber.filter.matches(&subject, &budget)
    });
    // A step takes about as long as writing a byte.
    context.weight += budget.steps();
    if budget.is_spent() {
        tracing::warn!(
            workspace = %new.workspace_id,
            "the filters of the endpoints take too long for a message; those that were not matched count as matching"
        );
    }
    subscribers.into_iter().map(Recipient::from).collect()
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
