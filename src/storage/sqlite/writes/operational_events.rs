//! Operational events: messages of the server itself, stored in the transaction that makes what they tell of.
//!
//! So a crash loses both or neither, and no request is made to oneself. Such a message is stored by the code that
//! stores a publish, and is delivered like any other. Two workspaces may get it: that of the operator, and the one that
//! owns the endpoint, if it wants to. There are no loops: what happens to an endpoint of the operator's workspace is only
//! logged, no endpoint is told of itself, and the failure of an operational event is not told.
//!
//! Telling never makes the write fail of which it tells. If the database has reached its largest size, which refuses
//! publishes, the message is left out, and a line of the log says so.

mod attempts;
mod backlog;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::value::RawValue;
use uuid::Uuid;

pub(crate) use self::attempts::{AttemptEffect, tell_of_attempt};
pub(crate) use self::backlog::{OldBacklog, tell_of_backlog, tell_of_untold_failures};
use super::publish::publish_own;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::id::new_id;
use crate::domain::operational_event::{
    EndpointFacts, EndpointNews, OperationalType, WorkspaceFacts,
};
use crate::domain::workspace::WorkspaceName;
use crate::storage::EndpointNumber;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};

/// Makes the workspace of the operator if there is none of this name; returns its id. For the start of a server, before
/// the writer has the connection.
pub(crate) fn make_operator_workspace(
    connection: &Connection,
    name: &WorkspaceName,
    now: Timestamp,
) -> rusqlite::Result<Uuid> {
    let find = |connection: &Connection| {
        let sql = "SELECT id FROM workspace WHERE name = ?1 AND deleted_at IS NULL";
        let found = connection.query_row(sql, [name.as_str()], |row| row.get(0));
        found.optional()
    };
    if let Some(id) = find(connection)? {
        return Ok(id);
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // A tool may have made it meanwhile.
    if let Some(id) = find(&transaction)? {
        return Ok(id);
    }
    let id = new_id(now);
    transaction.execute(
        "INSERT INTO workspace (id, name, created_at) VALUES (?1, ?2, ?3)",
        params![id, name.as_str(), now.micros()],
    )?;
    transaction.commit()?;
    Ok(id)
}

/// An endpoint in use, and those who are told of it.
struct Subject {
    number: EndpointNumber,
    endpoint: EndpointFacts,
    workspace: WorkspaceFacts,
    /// The operator's workspace, if it is told.
    operator: Option<Uuid>,
    /// Set if the owner is told.
    tells_owner: bool,
    /// Set if the endpoint is in the operator's workspace: the log is told.
    is_operators: bool,
}

impl Subject {
    /// Reads an endpoint; `None` if nobody is to be told of it.
    fn find(context: &WriteContext<'_>, number: EndpointNumber) -> rusqlite::Result<Option<Self>> {
        let subject = context
            .connection
            .prepare_cached(
                "SELECT e.id, e.name, e.url, e.description, w.id, w.name, w.operational_events
                 FROM endpoint e JOIN workspace w ON w.n = e.workspace
                 WHERE e.n = ?1 AND e.deleted_at IS NULL AND w.deleted_at IS NULL",
            )?
            .query_row([number.0], |row| {
                let url = EndpointUrl::from_stored(row.get(2)?);
                let workspace: Uuid = row.get(4)?;
                let is_operators = context.operator == Some(workspace);
                Ok(Self {
                    number,
                    endpoint: EndpointFacts {
                        id: row.get(0)?,
                        name: row.get(1)?,
                        origin: url.origin(),
                        description: row.get(3)?,
                    },
                    workspace: WorkspaceFacts {
                        id: workspace,
                        name: row.get(5)?,
                    },
                    operator: context.operator.filter(|_| !is_operators),
                    tells_owner: row.get::<_, bool>(6)? && !is_operators,
                    is_operators,
                })
            })
            .optional()?;
        Ok(subject.filter(|it| it.operator.is_some() || it.tells_owner || it.is_operators))
    }

    /// Tells the news to all who are to be told.
    fn tell(
        &self,
        context: &mut WriteContext<'_>,
        news: &EndpointNews,
    ) -> Result<(), OperationError> {
        let kind = news.kind();
        if self.is_operators {
            let (endpoint, r#type) = (self.endpoint.id, kind.as_str());
            tracing::warn!(%endpoint, r#type, "an endpoint of the operator's workspace is in trouble or has recovered");
        }
        if let Some(operator) = self.operator {
            let data = news.data(Some(&self.workspace), &self.endpoint);
            send(context, operator, kind, data, None)?;
        }
        if self.tells_owner {
            let data = news.data(None, &self.endpoint);
            send(context, self.workspace.id, kind, data, Some(self.number))?;
        }
        Ok(())
    }
}

/// Publishes an operational event in a workspace, within the caller's transaction. `except` is the endpoint that does
/// not get it. A deleted workspace gets nothing.
pub(crate) fn send(
    context: &mut WriteContext<'_>,
    workspace: Uuid,
    kind: OperationalType,
    data: Box<RawValue>,
    except: Option<EndpointNumber>,
) -> Result<(), OperationError> {
    if context.is_size_limit_reached {
        let r#type = kind.as_str();
        tracing::warn!(
            r#type,
            "the database is full: an operational event is left out"
        );
        return Ok(());
    }
    publish_own(context, workspace, kind.event_type(), data, except)
}

/// Publishes an operational event that concerns a whole workspace, or (`None`) all of them, such as the end of a job,
/// within the caller's transaction: to the operator, unless the workspace is the operator's; and to the workspace itself,
/// if it wants to be told. `data` gets the workspace for the operator, and nothing for the workspace itself.
pub(crate) fn tell_workspace(
    context: &mut WriteContext<'_>,
    workspace: Option<i64>,
    kind: OperationalType,
    data: impl Fn(Option<&WorkspaceFacts>) -> Box<RawValue>,
) -> Result<(), OperationError> {
    let operator = context.operator;
    let Some(workspace) = workspace else {
        return match operator {
            None => Ok(()),
            Some(operator) => send(context, operator, kind, data(None), None),
        };
    };
    let found = context
        .connection
        .prepare_cached(
            "SELECT id, name, operational_events FROM workspace
             WHERE n = ?1 AND deleted_at IS NULL",
        )?
        .query_row([workspace], |row| {
            let facts = WorkspaceFacts {
                id: row.get(0)?,
                name: row.get(1)?,
            };
            Ok((facts, row.get::<_, bool>(2)?))
        })
        .optional()?;
    let Some((facts, wants)) = found else {
        return Ok(());
    };
    if operator == Some(facts.id) {
        return Ok(());
    }
    if let Some(operator) = operator {
        send(context, operator, kind, data(Some(&facts)), None)?;
    }
    if wants {
        send(context, facts.id, kind, data(None), None)?;
    }
    Ok(())
}
