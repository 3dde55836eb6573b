//! Publishing to a store in memory.

use uuid::Uuid;

use super::interest::wants;
use super::tables::{EventRow, MessageRow, Tables, Written};
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::event_pattern::Subject;
use crate::domain::id::new_id;
use crate::domain::json::Tree;
use crate::domain::message::{
    BATCH_EVENTS_MAX, IDEMPOTENCY_PERIOD, Idempotency, Message, NewMessage, raw_body,
    server_timestamp,
};
use crate::storage::{EventBody, MessageFault, Notice, Published, StoreError};

impl Tables {
    pub(super) fn publish(&mut self, new: &NewMessage, now: Timestamp) -> Written<Published> {
        self.examine(new, now)?;
        Ok(self.store(new, now))
    }

    /// Publishes a batch. The faults of all messages are found before the first is stored.
    pub(super) fn publish_batch(
        &mut self,
        messages: &[NewMessage],
        now: Timestamp,
    ) -> Written<Vec<Published>> {
        let mut faults = Vec::new();
        let mut events = 0;
        for (place, new) in messages.iter().enumerate() {
            let before = &messages[..place];
            let is_same = |own: &Idempotency, it: &NewMessage| {
                let other = it.idempotency.as_ref();
                it.workspace_id == new.workspace_id && other.is_some_and(|it| it.key == own.key)
            };
            let first = new.idempotency.as_ref().and_then(|own| {
                let first = before.iter().find(|it| is_same(own, it))?;
                Some((first.idempotency == new.idempotency, own))
            });
            match first {
                Some((true, _)) => {}
                Some((false, own)) => {
                    faults.push((place, MessageFault::KeyReused(own.key.clone())));
                }
                None => match self.examine(new, now) {
                    Ok(recipients) => events += recipients,
                    Err(fault) => faults.push((place, fault)),
                },
            }
        }
        if !faults.is_empty() {
            return Err(StoreError::InvalidMessages(faults));
        }
        assert!(events <= BATCH_EVENTS_MAX, "no test has so many endpoints");
        let all: Vec<_> = messages.iter().map(|new| self.store(new, now)).collect();
        let (published, notices): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        Ok((published, notices.concat()))
    }

    /// Looks for the faults of a message; returns the number of events that it makes.
    fn examine(&self, new: &NewMessage, now: Timestamp) -> Result<usize, MessageFault> {
        let workspace = new.workspace_id;
        if self.find_workspace(Visibility::All, workspace).is_err() {
            return Err(MessageFault::UnknownWorkspace(workspace));
        }
        if self.earlier(new, now)?.is_some() {
            return Ok(0);
        }
        let mut unknown = Vec::new();
        for (place, id) in new.endpoint_ids.iter().enumerate() {
            if self.index_of_endpoint(workspace, *id).is_none() {
                unknown.push((place, *id));
            }
        }
        if unknown.is_empty() {
            Ok(self.recipients(new, now).len())
        } else {
            Err(MessageFault::UnknownEndpoints(unknown))
        }
    }

    /// Stores a message without faults, unless it was published before.
    fn store(&mut self, new: &NewMessage, now: Timestamp) -> (Published, Vec<Notice>) {
        if let Ok(Some(message)) = self.earlier(new, now) {
            let replayed = true;
            return (Published { message, replayed }, Vec::new());
        }
        let timestamp = match &new.timestamp {
            Some(sent) => sent.clone(),
            None => server_timestamp(now),
        };
        let body = raw_body(&new.event_type, &timestamp, &new.data).into();
        let body = EventBody::new(body, new.trace.clone());
        let mut message = Message {
            id: new_id(now),
            event_type: new.event_type.clone(),
            timestamp,
            workspace_id: new.workspace_id,
            tags: new.tags.clone(),
            events: Vec::new(),
            is_direct: !new.endpoint_ids.is_empty(),
        };
        let recipients = self.recipients(new, now);
        let notices = self.fan_out(&mut message, recipients, &body, now);
        self.messages.push(MessageRow {
            message: message.clone(),
            idempotency: new.idempotency.clone(),
            created_at: now,
            body,
        });
        let replayed = false;
        (Published { message, replayed }, notices)
    }

    fn index_of_endpoint(&self, workspace: Uuid, id: Uuid) -> Option<usize> {
        self.endpoints_of(workspace)
            .find(|index| self.endpoints[*index].id == id)
    }

    /// Returns the endpoints that get a message: those that it names, or the enabled ones that want it.
    fn recipients(&self, new: &NewMessage, now: Timestamp) -> Vec<usize> {
        let workspace = new.workspace_id;
        if !new.endpoint_ids.is_empty() {
            let named = new.endpoint_ids.iter();
            return named
                .filter_map(|id| self.index_of_endpoint(workspace, *id))
                .collect();
        }
        let timestamp = new.timestamp.clone();
        let timestamp = timestamp.unwrap_or_else(|| server_timestamp(now));
        let subject = Subject {
            event_type: &new.event_type,
            timestamp: &timestamp,
            data: &new.data,
            tree: &Tree::of(new.data.get()),
            tags: &new.tags,
        };
        self.endpoints_of(workspace)
            .filter(|index| self.queue.endpoints[*index].target.enabled)
            .filter(|index| wants(&self.endpoints[*index].settings, &subject))
            .collect()
    }

    /// Makes the events of a message; that of a disabled endpoint is skipped.
    fn fan_out(
        &mut self,
        message: &mut Message,
        recipients: Vec<usize>,
        body: &EventBody,
        now: Timestamp,
    ) -> Vec<Notice> {
        let mut notices = Vec::new();
        for index in recipients {
            let id = new_id(now);
            let seq = match self.queue.publish(index, now, body.clone()) {
                Some(mut event) => {
                    let seq = event.seq;
                    event.id = id;
                    notices.push(Notice::Published(event));
                    seq
                }
                None => self.queue.publish_skipped(index, now),
            };
            message.events.push((id, self.endpoints[index].id));
            let row = EventRow {
                id,
                message_id: message.id,
                event_type: message.event_type.clone(),
                created_at: now,
                modified_at: None,
                last_http_code: None,
                body: body.clone(),
            };
            self.events.insert(seq, row);
        }
        notices
    }

    /// Returns the message that was published with the same idempotency key, if the key still counts.
    fn earlier(&self, new: &NewMessage, now: Timestamp) -> Result<Option<Message>, MessageFault> {
        let Some(Idempotency { key, fingerprint }) = &new.idempotency else {
            return Ok(None);
        };
        for row in self.messages.iter().rev() {
            let in_time = row.created_at >= now.before(IDEMPOTENCY_PERIOD);
            if let Some(used) = &row.idempotency
                && (in_time && used.key == *key && row.message.workspace_id == new.workspace_id)
            {
                if used.fingerprint != *fingerprint {
                    return Err(MessageFault::KeyReused(key.clone()));
                }
                return Ok(Some(row.message.clone()));
            }
        }
        Ok(None)
    }
}
