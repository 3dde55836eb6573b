//! The JSON objects of messages, and their descriptions in the OpenAPI document.

use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::objects::Render;
use crate::domain::clock::Timestamp;
use crate::domain::message::{Message, StoredMessage};
use crate::domain::overview::{EventCounts, MessageSummary};
use crate::domain::tags::Tags;
use crate::server::schema::{Definition, Described, Schema, node, object};
use crate::storage::Published;

/// Returns the schema of the tags of a message.
fn tags_schema() -> Schema {
    Schema::any_object(node! { "region" => "eu" }).with("additionalProperties", Schema::text("eu"))
}

object! {
    /// An accepted message, with its events.
    pub(crate) struct MessageJson<'a> = "Message" {
        /// The id of the message.
        id: Uuid,
        /// The type of the message: parts of `a-z A-Z 0-9 _ -`, joined by dots.
        r#type: &'a str = Schema::text("order.created"),
        /// The producer's time, or the server's if the producer sent none.
        timestamp: &'a str = Timestamp::schema(),
        /// The workspace in which the message was published.
        workspace_id: Uuid,
        /// The endpoints that the producer named, in the order of the events: only these get the message, whatever their
        /// `events` are. Null: those get it that subscribe to its type.
        endpoint_ids: Option<Vec<Uuid>> = Option::<Vec<Uuid>>::schema().like(Value::Null),
        /// The tags of the message: for filters, not for receivers.
        tags: &'a Tags = tags_schema(),
        /// An event for each endpoint that gets the message; may be empty.
        events: Vec<MessageEventJson>,
    }
}

object! {
    /// An event of a message.
    pub(crate) struct MessageEventJson = "MessageEvent" {
        /// The id of the event.
        id: Uuid,
        /// The endpoint that gets it.
        webhook_endpoint_id: Uuid,
    }
}

impl<'a> MessageJson<'a> {
    fn new(message: &'a Message) -> Self {
        let events = message.events.iter();
        let endpoints = events.clone().map(|(_, endpoint)| *endpoint);
        Self {
            id: message.id,
            r#type: message.event_type.as_str(),
            timestamp: &message.timestamp,
            workspace_id: message.workspace_id,
            endpoint_ids: message.is_direct.then(|| endpoints.collect()),
            tags: &message.tags,
            events: events
                .map(|&(id, webhook_endpoint_id)| MessageEventJson {
                    id,
                    webhook_endpoint_id,
                })
                .collect(),
        }
    }
}

impl Render for Message {
    fn definition() -> Definition {
        MessageJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MessageJson::new(self).serialize(serializer)
    }
}

/// A message of a batch that was accepted.
pub(super) struct BatchMessage<'a>(pub(super) &'a Published);

impl Serialize for BatchMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Json<'a> {
            #[serde(flatten)]
            message: MessageJson<'a>,
            replayed: bool,
        }
        let Self(published) = self;
        Json {
            message: MessageJson::new(&published.message),
            replayed: published.replayed,
        }
        .serialize(serializer)
    }
}

impl BatchMessage<'_> {
    /// Returns the definition of the object: a message with one field more.
    pub(super) fn definition() -> Definition {
        let replayed = Schema::boolean()
            .like(false)
            .about("True if its idempotency key was used before with the same content: this is the first answer again.");
        let about = "A message of a batch that was accepted, with its events.";
        let (_, message) = MessageJson::definition();
        let schema = message.extended(about, ("replayed".to_owned(), replayed, true));
        ("BatchMessage".to_owned(), schema)
    }
}

impl Described for BatchMessage<'_> {
    fn schema() -> Schema {
        Schema::reference(&Self::definition())
    }
}

object! {
    /// The messages of a batch that was accepted.
    pub(super) struct PublishedBatch<'a> = "PublishedBatch" {
        /// The messages, in the order in which they were sent.
        data: Vec<BatchMessage<'a>>,
    }
}

object! {
    /// A message, as it was published.
    pub(crate) struct StoredMessageJson<'a> = "WebhookMessage" {
        /// The time at which the message was accepted.
        created_at: Timestamp,
        /// The id of the message.
        id: Uuid,
        /// The type of the message.
        r#type: &'a str = Schema::text("order.created"),
        /// The producer's time, or the server's if the producer sent none.
        timestamp: &'a str = Timestamp::schema(),
        /// The workspace in which the message was published.
        workspace_id: Uuid,
        /// The tags of the message.
        tags: &'a Tags = tags_schema(),
        /// True once the payload was dropped.
        is_archived: bool = Schema::boolean().like(false),
        /// The number of events that the message became, one for each endpoint that gets it; those that were deleted
        /// since are counted.
        event_count: u64 = Schema::integer(0, 1),
    }
}

impl Render for StoredMessage {
    fn definition() -> Definition {
        StoredMessageJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredMessageJson {
            created_at: self.created_at,
            id: self.id,
            r#type: self.event_type.as_str(),
            timestamp: &self.timestamp,
            workspace_id: self.workspace_id,
            tags: &self.tags,
            is_archived: self.is_archived,
            event_count: self.events,
        }
        .serialize(serializer)
    }
}

object! {
    /// The numbers of events that a message has, by state.
    pub(crate) struct EventCountsJson = "MessageEventCounts" {
        /// Not delivered yet.
        pending: u64 = Schema::integer(0, 0),
        /// Delivered.
        succeeded: u64 = Schema::integer(0, 1),
        /// Failed for good.
        failed: u64 = Schema::integer(0, 0),
        /// Not sent: their endpoint was disabled or deleted first, or a caller or a job skipped them.
        skipped: u64 = Schema::integer(0, 0),
    }
}

object! {
    /// A message with its data, and what became of it.
    pub(crate) struct MessageDetailJson<'a> = "WebhookMessageDetail" {
        /// The time at which the message was accepted.
        created_at: Timestamp,
        /// The id of the message.
        id: Uuid,
        /// The type of the message.
        r#type: &'a str = Schema::text("order.created"),
        /// The producer's time, or the server's if the producer sent none.
        timestamp: &'a str = Timestamp::schema(),
        /// The workspace in which the message was published.
        workspace_id: Uuid,
        /// The tags of the message.
        tags: &'a Tags = tags_schema(),
        /// True once the payload was dropped.
        is_archived: bool = Schema::boolean().like(false),
        /// The number of events that the message became, one for each endpoint that gets it; those that were deleted
        /// since are counted.
        event_count: u64 = Schema::integer(0, 1),
        /// The events that exist, by state.
        counts: EventCountsJson,
        /// The data that the producer sent: any JSON, with the same bytes. Null once the message is archived.
        data: Value = Schema::any(node! { "id" => "ord_1001" }),
    }
}

impl MessageDetailJson<'_> {
    /// Returns the JSON of a message without its data, which comes last: all up to the data.
    pub(super) fn before_data(summary: &MessageSummary) -> Vec<u8> {
        let message = &summary.message;
        let EventCounts {
            pending,
            succeeded,
            failed,
            skipped,
        } = summary.counts;
        let json = MessageDetailJson {
            created_at: message.created_at,
            id: message.id,
            r#type: message.event_type.as_str(),
            timestamp: &message.timestamp,
            workspace_id: message.workspace_id,
            tags: &message.tags,
            is_archived: message.is_archived,
            event_count: message.events,
            counts: EventCountsJson {
                pending,
                succeeded,
                failed,
                skipped,
            },
            data: Value::Null,
        };
        let mut json =
            serde_json::to_vec(&json).expect("these types have string keys and cannot fail");
        json.truncate(json.len() - "null}".len());
        json
    }
}
