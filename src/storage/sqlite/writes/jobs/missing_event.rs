//! Making the event of a message that an endpoint missed.

use rusqlite::{OptionalExtension, params};
use serde_json::value::RawValue;

use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Format;
use crate::domain::event_state::{Progress, Run};
use crate::domain::event_type::EventType;
use crate::domain::format;
use crate::domain::format::Summary;
use crate::domain::id::new_id;
use crate::domain::job::LeftOutReason;
use crate::domain::job_decision::EndpointCondition;
use crate::domain::message::{data_of, server_timestamp};
use crate::storage::sqlite::message_events::note_later_event;
use crate::storage::sqlite::reads::missing::MissingSearch;
use crate::storage::sqlite::rows;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointNumber, Notice, Seq};

const INSERT_EVENT: &str = "INSERT INTO event
    (seq, id, message, endpoint, workspace, type, format, state, run, run_attempt, run_started, attempts,
     due, created_at, body, job)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13, ?14, ?15)";

/// The endpoint that missed messages.
pub(super) struct Missing {
    number: EndpointNumber,
    workspace: i64,
    workspace_name: String,
    format: Format,
    /// The reason why it gets none; `None` if it may.
    refusal: Option<LeftOutReason>,
    search: Option<MissingSearch>,
}

/// A message as it is stored.
struct Stored {
    type_number: i64,
    event_type: EventType,
    timestamp: String,
    body: Vec<u8>,
}

impl Missing {
    /// Reads the endpoint; `None` if there is no such row.
    pub(super) fn of(
        context: &WriteContext<'_>,
        number: EndpointNumber,
    ) -> rusqlite::Result<Option<Self>> {
        let search = MissingSearch::new(context.connection, number.0)?;
        context
            .connection
            .prepare_cached(
                "SELECT p.workspace, w.name, p.format, p.disabled IS NOT NULL, p.deleted_at IS NOT NULL
                 FROM endpoint p JOIN workspace w ON w.n = p.workspace WHERE p.n = ?1",
            )?
            .query_row([number.0], |row| {
                Ok(Self {
                    number,
                    workspace: row.get(0)?,
                    workspace_name: row.get(1)?,
                    format: rows::format(row.get(2)?),
                    refusal: EndpointCondition::of(row.get(3)?, row.get(4)?).refusal(),
                    search,
                })
            })
            .optional()
    }

    /// Makes the event of a message, in a new run of the job, due at `due`. Returns the reason if it makes none. The
    /// event is as one of a publish now, except that it has the message's own timestamp.
    pub(super) fn make(
        &mut self,
        context: &mut WriteContext<'_>,
        message: i64,
        job: i64,
        due: Timestamp,
    ) -> Result<Result<(), LeftOutReason>, OperationError> {
        let stored = match self.find(context, message)? {
            Ok(stored) => stored,
            Err(reason) => return Ok(Err(reason)),
        };
        let body = self.render(&stored);
        context.weight += body.as_ref().map_or(0, Vec::len);
        let (seq, created_at) = context.cache.next_event(context.connection, context.now)?;
        // Its first run is not the one that its number stands for: that one would be a fresh event.
        let begun = Progress::redelivered(Run(context.cache.next_run()));
        context
            .connection
            .prepare_cached(INSERT_EVENT)?
            .execute(params![
                seq,
                new_id(created_at),
                message,
                self.number.0,
                self.workspace,
                stored.type_number,
                rows::format_column(self.format),
                begun.state,
                begun.run.0,
                begun.run_attempt,
                context.now.micros(),
                due.micros(),
                created_at.micros(),
                body,
                job,
            ])?;
        note_later_event(context, message, seq)?;
        context
            .counters
            .event(seq, self.number.0, stored.type_number, begun.state);
        context.notices.push(Notice::LetGo {
            endpoint: self.number,
            seq: Seq(seq),
            at: due,
        });
        Ok(Ok(()))
    }

    /// Reads a message, if it is missing still.
    fn find(
        &mut self,
        context: &WriteContext<'_>,
        message: i64,
    ) -> Result<Result<Stored, LeftOutReason>, OperationError> {
        if let Some(reason) = self.refusal {
            return Ok(Err(reason));
        }
        let row = context
            .connection
            .prepare_cached(
                "SELECT m.type, t.name, m.timestamp, m.created_at, m.body
                 FROM message m JOIN event_type t ON t.n = m.type
                 WHERE m.seq = ?1 AND m.workspace = ?2",
            )?
            .query_row(params![message, self.workspace], |row| {
                let created_at = Timestamp::from_micros(row.get(3)?);
                let sent: Option<String> = row.get(2)?;
                let stored = Stored {
                    type_number: row.get(0)?,
                    event_type: EventType::from_stored(row.get(1)?),
                    timestamp: sent.unwrap_or_else(|| server_timestamp(created_at)),
                    body: Vec::new(),
                };
                Ok((stored, row.get::<_, Option<Vec<u8>>>(4)?))
            })
            .optional()?;
        Ok(match row {
            None => Err(LeftOutReason::Changed),
            Some((_, None)) => Err(LeftOutReason::Archived),
            Some((stored, Some(body))) => {
                let search = self.search.as_mut();
                let is_missing = search
                    .map(|it| it.is_missing(context.connection, message, stored.type_number))
                    .transpose()?;
                if is_missing == Some(true) {
                    Ok(Stored { body, ..stored })
                } else {
                    Err(LeftOutReason::Changed)
                }
            }
        })
    }

    /// Returns the body to store with the event; `None` if its body is the message's.
    fn render(&self, stored: &Stored) -> Option<Vec<u8>> {
        if self.format == Format::Raw {
            return None;
        }
        let body = std::str::from_utf8(&stored.body).ok()?;
        let data = RawValue::from_string(data_of(body)?.to_owned()).ok()?;
        let (event_type, timestamp) = (&stored.event_type, &stored.timestamp);
        let summary = Summary::of(&data);
        format::render(
            self.format,
            event_type,
            timestamp,
            &self.workspace_name,
            &summary,
        )
    }
}
