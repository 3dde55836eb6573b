//! Publishing: stores a message and its events in one transaction.

pub(crate) mod batch;
mod recipients;

use std::rc::Rc;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::value::RawValue;
use uuid::Uuid;

use self::recipients::{Recipient, subscribed};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Format;
use crate::domain::event_type::EventType;
use crate::domain::format;
use crate::domain::format::Summary;
use crate::domain::id::new_id;
use crate::domain::message::{
    IDEMPOTENCY_PERIOD, Idempotency, Message, NewMessage, raw_body, server_timestamp,
};
use crate::domain::tags::Tags;
use crate::storage::sqlite::message_tags;
use crate::storage::sqlite::message_tags::tags_column;
use crate::storage::sqlite::rows;
use crate::storage::sqlite::writer::operation::{OperationError, ROW_WEIGHT, WriteContext};
use crate::storage::sqlite::writer::workspace_cache::WorkspaceCache;
use crate::storage::{
    EndpointNumber, EventBody, MessageFault, Notice, Published, QueuedEvent, Run, Seq, StoreError,
    Unavailable, WorkspaceNumber,
};

const INSERT_MESSAGE: &str = "INSERT INTO message
    (seq, id, workspace, type, created_at, first_event, events, timestamp, body, trace, direct)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const INSERT_EVENT: &str = "INSERT INTO event
    (seq, id, message, endpoint, workspace, type, format, state, run, run_attempt, attempts,
     created_at, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?1, 0, 0, ?9, ?10)";

/// Stores `new` and an event for each endpoint that is subscribed to it, or that it names.
pub(crate) fn publish(
    context: &mut WriteContext<'_>,
    new: &NewMessage,
) -> Result<Published, OperationError> {
    let accepted = match examine(context, new)?.map_err(StoreError::from)? {
        Examined::Replayed(published) => return Ok(published),
        Examined::Accepted(accepted) => accepted,
    };
    if context.is_size_limit_reached {
        return Err(StoreError::Unavailable(Unavailable::SizeLimit).into());
    }
    let (message, replayed) = (store(context, &accepted, new)?, false);
    Ok(Published { message, replayed })
}

/// A message that is to be published, after the look for what only the store knows.
enum Examined {
    /// It was published before.
    Replayed(Published),
    /// It is to be stored.
    Accepted(Accepted),
}

/// A message that is to be stored: its workspace, and the endpoints that get it.
struct Accepted {
    workspace: Rc<WorkspaceCache>,
    recipients: Vec<Recipient>,
}

/// Looks for an earlier publish of a message, for its workspace and for the endpoints that get it. Writes nothing, but for
/// the deletion of an expired key.
fn examine(
    context: &mut WriteContext<'_>,
    new: &NewMessage,
) -> rusqlite::Result<Result<Examined, MessageFault>> {
    let workspace = context
        .cache
        .workspace_cache(context.connection, new.workspace_id)?;
    let Some(workspace) = workspace else {
        return Ok(Err(MessageFault::UnknownWorkspace(new.workspace_id)));
    };
    if let Some(idempotency) = &new.idempotency
        && let Some(earlier) = earlier_publish(context, &workspace, idempotency)?
    {
        return Ok(earlier.map(Examined::Replayed));
    }
    let recipients = if new.endpoint_ids.is_empty() {
        Ok(subscribed(context, &workspace, new))
    } else {
        recipients::named(context.connection, workspace.number, &new.endpoint_ids)?
    };
    Ok(recipients.map(|recipients| {
        Examined::Accepted(Accepted {
            workspace,
            recipients,
        })
    }))
}

/// Stores a message of the server itself, and an event for each endpoint that is subscribed to it, but for `except`. If
/// no workspace in use has this id, it stores nothing.
pub(crate) fn publish_own(
    context: &mut WriteContext<'_>,
    workspace_id: Uuid,
    event_type: EventType,
    data: Box<RawValue>,
    except: Option<EndpointNumber>,
) -> Result<(), OperationError> {
    let workspace = context
        .cache
        .workspace_cache(context.connection, workspace_id)?;
    let Some(workspace) = workspace else {
        return Ok(());
    };
    let new = NewMessage::new(workspace_id, event_type, data);
    let mut recipients = subscribed(context, &workspace, &new);
    recipients.retain(|recipient| Some(recipient.number) != except);
    let accepted = Accepted {
        workspace,
        recipients,
    };
    store(context, &accepted, &new).map(drop)
}

/// Stores a message, and an event for each of its recipients.
fn store(
    context: &mut WriteContext<'_>,
    accepted: &Accepted,
    new: &NewMessage,
) -> Result<Message, OperationError> {
    let Accepted {
        workspace,
        recipients,
    } = accepted;
    let (seq, created_at) = context
        .cache
        .next_message(context.connection, context.now)?;
    let id = new_id(context.now);
    let type_number = context
        .cache
        .type_number(context.connection, &new.event_type)?;
    let timestamp = match &new.timestamp {
        Some(sent) => sent.clone(),
        None => server_timestamp(created_at),
    };
    let body: Arc<[u8]> = raw_body(&new.event_type, &timestamp, &new.data).into();
    let is_direct = !new.endpoint_ids.is_empty();
    context
        .connection
        .prepare_cached(INSERT_MESSAGE)?
        .execute(params![
            seq,
            id,
            workspace.number,
            type_number,
            created_at.micros(),
            context.cache.last_run() + 1,
            recipients.len(),
            new.timestamp,
            &body[..],
            new.trace.as_ref().map(|trace| trace.to_stored()),
            is_direct,
        ])?;
    message_tags::insert(context.connection, workspace.number, seq, &new.tags)?;
    if let Some(idempotency) = &new.idempotency {
        insert_key(context.connection, seq, workspace.number, idempotency)?;
    }
    context.weight += (1 + recipients.len()) * ROW_WEIGHT + body.len();
    let mut message = MessageRow {
        seq,
        workspace: workspace.number,
        type_number,
        bodies: Bodies {
            new,
            workspace_name: &workspace.name,
            timestamp: &timestamp,
            raw: body,
            summary: None,
            rendered: Vec::new(),
        },
    };
    let mut events = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let event_id = insert_event(context, &mut message, *recipient)?;
        events.push((event_id, recipient.id));
    }
    Ok(Message {
        id,
        event_type: new.event_type.clone(),
        timestamp,
        workspace_id: new.workspace_id,
        tags: new.tags.clone(),
        events,
        is_direct,
    })
}

/// The data that the events of a message share.
struct MessageRow<'a> {
    seq: i64,
    workspace: i64,
    type_number: i64,
    bodies: Bodies<'a>,
}

/// The bodies of a message, in the formats that were needed so far.
struct Bodies<'a> {
    new: &'a NewMessage,
    workspace_name: &'a str,
    timestamp: &'a str,
    raw: Arc<[u8]>,
    summary: Option<Summary>,
    rendered: Vec<(Format, Arc<[u8]>)>,
}

impl Bodies<'_> {
    /// Returns the body in `format`, and true if it must be stored with the event, as for the first event of
    /// each rendered format. Bodies are rendered at publish: they must not change when a workspace is
    /// renamed.
    fn of(&mut self, format: Format) -> (Arc<[u8]>, bool) {
        if let Some((_, known)) = self.rendered.iter().find(|(known, _)| *known == format) {
            return (known.clone(), false);
        }
        match self.render(format) {
            None => (self.raw.clone(), false),
            Some(rendered) => {
                let rendered: Arc<[u8]> = rendered.into();
                self.rendered.push((format, rendered.clone()));
                (rendered, true)
            }
        }
    }

    fn render(&mut self, format: Format) -> Option<Vec<u8>> {
        if format == Format::Raw {
            return None;
        }
        let summary = match &self.new.summary {
            Some(summary) => summary,
            None => self
                .summary
                .get_or_insert_with(|| Summary::of(&self.new.data)),
        };
        let (event_type, workspace) = (&self.new.event_type, self.workspace_name);
        format::render(format, event_type, self.timestamp, workspace, summary)
    }
}

fn insert_event(
    context: &mut WriteContext<'_>,
    message: &mut MessageRow<'_>,
    recipient: Recipient,
) -> Result<Uuid, OperationError> {
    let (seq, created_at) = context.cache.next_event(context.connection, context.now)?;
    let id = new_id(created_at);
    let (body, is_stored_here) = message.bodies.of(recipient.format);
    let state = recipient.first_state();
    if is_stored_here {
        context.weight += body.len();
    }
    context
        .connection
        .prepare_cached(INSERT_EVENT)?
        .execute(params![
            seq,
            id,
            message.seq,
            recipient.number.0,
            message.workspace,
            message.type_number,
            rows::format_column(recipient.format),
            state,
            created_at.micros(),
            is_stored_here.then_some(&body[..]),
        ])?;
    context
        .counters
        .event(seq, recipient.number.0, message.type_number, state);
    if !state.is_pending() {
        return Ok(id);
    }
    context.notices.push(Notice::Published(QueuedEvent {
        seq: Seq(seq),
        id,
        endpoint: recipient.number,
        workspace: WorkspaceNumber(message.workspace),
        event_type: message.type_number,
        run: Run(seq),
        run_attempt: 0,
        run_started: created_at,
        attempts: 0,
        body: Some(EventBody::new(body, message.bodies.new.trace.clone())),
    }));
    Ok(id)
}

fn insert_key(
    connection: &Connection,
    message: i64,
    workspace: i64,
    idempotency: &Idempotency,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO idempotency (message, workspace, key, fingerprint) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            message,
            workspace,
            idempotency.key,
            &idempotency.fingerprint[..]
        ])?;
    Ok(())
}

/// Returns the result of the publish that used this key in the last 24 hours, if there is one, or the fault if it was
/// another message. Deletes an expired key.
fn earlier_publish(
    context: &mut WriteContext<'_>,
    workspace: &WorkspaceCache,
    idempotency: &Idempotency,
) -> rusqlite::Result<Option<Result<Published, MessageFault>>> {
    let claimed = context
        .connection
        .prepare_cached(
            "SELECT i.message, i.fingerprint, m.created_at
             FROM idempotency i JOIN message m ON m.seq = i.message
             WHERE i.workspace = ?1 AND i.key = ?2",
        )?
        .query_row(params![workspace.number, idempotency.key], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Vec<u8>>(1)?,
                row.get::<_, i64>(2)?,
            ))
        })
        .optional()?;
    let Some((message, fingerprint, created_at)) = claimed else {
        return Ok(None);
    };
    if created_at < context.now.before(IDEMPOTENCY_PERIOD).micros() {
        context
            .connection
            .prepare_cached("DELETE FROM idempotency WHERE message = ?1")?
            .execute([message])?;
        return Ok(None);
    }
    if fingerprint != idempotency.fingerprint {
        return Ok(Some(Err(MessageFault::KeyReused(idempotency.key.clone()))));
    }
    Ok(Some(Ok(Published {
        message: read_message(context.connection, message)?,
        replayed: true,
    })))
}

/// Reads a message as its publish returned it.
fn read_message(connection: &Connection, seq: i64) -> rusqlite::Result<Message> {
    let (mut message, first, count) = connection
        .prepare_cached(
            concat!(
                "SELECT m.id, t.name, m.timestamp, m.created_at, w.id, m.first_event, m.events, m.direct, ",
                tags_column!(),
                " FROM message m JOIN event_type t ON t.n = m.type JOIN workspace w ON w.n = m.workspace
             WHERE m.seq = ?1",
            ),
        )?
        .query_row([seq], |row| {
            let created_at = Timestamp::from_micros(row.get(3)?);
            let sent: Option<String> = row.get(2)?;
            let message = Message {
                id: row.get(0)?,
                event_type: EventType::from_stored(row.get(1)?),
                timestamp: sent.unwrap_or_else(|| server_timestamp(created_at)),
                workspace_id: row.get(4)?,
                tags: Tags::from_stored(row.get::<_, Option<String>>(8)?.as_deref()),
                events: Vec::new(),
                is_direct: row.get(7)?,
            };
            Ok((message, row.get::<_, i64>(5)?, row.get::<_, i64>(6)?))
        })?;
    message.events = connection
        .prepare_cached(
            "SELECT e.id, p.id FROM event e JOIN endpoint p ON p.n = e.endpoint
             WHERE e.seq >= ?1 AND e.seq < ?1 + ?2 ORDER BY e.seq",
        )?
        .query_map([first, count], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(message)
}

#[cfg(test)]
mod tests;
