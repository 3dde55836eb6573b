//! The JSON objects in responses, and their descriptions in the OpenAPI document. The order of the fields is
//! part of the contract with clients.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::access::{AccessToken, Scope};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Event, EventStatus};
use crate::domain::workspace::Workspace;
use crate::server::schema::{Definition, Described, Schema, object};

/// Returns a response with a JSON body. Objects carry secrets, so no cache may keep it.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let body = serde_json::to_vec(body).expect("these types have string keys and cannot fail");
    HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body)
}

/// A domain type that the API can render as JSON.
pub(crate) trait Render {
    /// Returns the definition of the object.
    fn definition() -> Definition;

    /// Returns the schema that refers to the definition.
    fn schema() -> Schema {
        Schema::reference(&Self::definition())
    }

    /// Writes the fields of the contract.
    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// The JSON of a domain object.
pub(crate) struct Rendered<'a, T>(pub(crate) &'a T);

impl<T: Render> Serialize for Rendered<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.render(serializer)
    }
}

impl<T: Render> Described for Rendered<'_, T> {
    fn schema() -> Schema {
        T::schema()
    }
}

/// The payload of the example of an event.
const PAYLOAD_EXAMPLE: &str = r#"{"type":"order.created","timestamp":"2026-01-31T12:00:00.000000Z","data":{"id":"ord_1001"}}"#;

object! {
    /// A tenant: it owns endpoints, messages and access tokens.
    pub(crate) struct WorkspaceJson<'a> = "Workspace" {
        /// The time at which the workspace was made.
        created_at: Timestamp,
        /// The time of the last change; null until the first one.
        modified_at: Option<Timestamp>,
        /// The id of the workspace.
        id: Uuid,
        /// The name, unique on the server: 1 to 64 visible characters, and no UUID.
        name: &'a str = Schema::text("shop"),
        /// The seconds after which payloads are dropped; 0: after the server's time. The shorter of the two times holds.
        archive_after: u64 = Schema::integer(0, 0),
        /// The seconds after which messages are deleted, with their events and deliveries; 0: after the server's time.
        /// The shorter of the two times holds. Pending events stay.
        delete_after: u64 = Schema::integer(0, 0),
        /// True if the workspace gets messages about its own endpoints, such as `hookpost.endpoint.failing`.
        operational_events: bool = Schema::boolean().like(false),
    }
}

impl Render for Workspace {
    fn definition() -> Definition {
        WorkspaceJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WorkspaceJson {
            created_at: self.created_at,
            modified_at: self.modified_at,
            id: self.id,
            name: self.name.as_str(),
            archive_after: self.retention.archive_after.seconds(),
            delete_after: self.retention.delete_after.seconds(),
            operational_events: self.operational_events,
        }
        .serialize(serializer)
    }
}

object! {
    /// An access token, without the credential itself.
    pub(crate) struct AccessTokenJson<'a> = "WorkspaceAccessToken" {
        /// The time at which the token was made.
        created_at: Timestamp,
        /// The time of the last change; null until the first one.
        modified_at: Option<Timestamp>,
        /// The id of the token.
        id: Uuid,
        /// The workspace for which the token acts; null for an admin token, which acts for all.
        workspace_id: Option<Uuid>,
        /// A text for people.
        comment: &'a str = Schema::text("the shop's checkout"),
        /// The scopes: the actions that the token allows.
        scopes: Vec<&'static str> = Schema::list(Schema::open_words(&Scope::ALL.map(Scope::as_str))),
        /// The time at which the token ends; null if it does not expire.
        expires_at: Option<Timestamp>,
        /// The time of the last request with the token, to about a minute; null before the first one.
        last_used_at: Option<Timestamp>,
        /// The token that made this one; null if the operator did, or an admin token that the caller may not see.
        parent_id: Option<Uuid>,
    }
}

impl Render for AccessToken {
    fn definition() -> Definition {
        AccessTokenJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AccessTokenJson {
            created_at: self.created_at,
            modified_at: self.modified_at,
            id: self.id,
            workspace_id: self.workspace_id,
            comment: &self.comment,
            scopes: self.scopes.iter().map(Scope::as_str).collect(),
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            parent_id: self.parent_id,
        }
        .serialize(serializer)
    }
}

object! {
    /// The answer to the creation of an access token: the only one with the credential.
    pub(crate) struct CreatedToken<'a> = "CreatedWorkspaceAccessToken" {
        /// The token, as lists show it.
        workspace_access_token: Rendered<'a, AccessToken>,
        /// The credential. It is shown only here: keep it.
        token: &'a str = Schema::text("hookpost_wat_…"),
    }
}

object! {
    /// A message bound for one endpoint.
    pub(crate) struct EventJson<'a> = "WebhookEvent" {
        /// The time at which the message was accepted.
        created_at: Timestamp,
        /// The time of the last change of its state; null until the first one.
        modified_at: Option<Timestamp>,
        /// The id of the event, which receivers get as `webhook-id`; the same on every attempt.
        id: Uuid,
        /// The status code of the last attempt; null if there was no answer.
        last_http_code: Option<u16>,
        /// True when it was delivered; false when it failed for good; null while it is pending, or if it was
        /// skipped.
        succeeded: Option<bool>,
        /// True if its endpoint was disabled or deleted before the event was delivered, or a caller or a job skipped it.
        skipped: bool = Schema::boolean().like(false),
        /// The exact body that is sent; null once the event is archived.
        payload: Option<&'a str> = Schema::text(PAYLOAD_EXAMPLE).or_null(),
        /// The type of the message.
        r#type: &'a str = Schema::text("order.created"),
        /// True once the payload was dropped.
        is_archived: bool = Schema::boolean().like(false),
        /// The message.
        message_id: Uuid,
        /// The endpoint.
        webhook_endpoint_id: Uuid,
        /// The number of attempts made.
        attempts: u32,
        /// The time of the next attempt, not before the end of the endpoint's rest or of a wait that the receiver asked
        /// for; null if none is to come. A time that has passed is shown as the time of the answer: an attempt is under
        /// way, or the event waits its turn.
        next_attempt_at: Option<Timestamp> = Option::<Timestamp>::schema().like(Value::Null),
    }
}

impl Render for Event {
    fn definition() -> Definition {
        EventJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EventJson {
            created_at: self.created_at,
            modified_at: self.modified_at,
            id: self.id,
            last_http_code: self.last_http_code,
            succeeded: match self.status {
                EventStatus::Succeeded => Some(true),
                EventStatus::Failed => Some(false),
                EventStatus::Pending | EventStatus::Skipped => None,
            },
            skipped: self.status == EventStatus::Skipped,
            payload: self.payload.as_deref(),
            r#type: self.event_type.as_str(),
            is_archived: self.payload.is_none(),
            message_id: self.message_id,
            webhook_endpoint_id: self.endpoint_id,
            attempts: self.attempts,
            next_attempt_at: self.next_attempt_at,
        }
        .serialize(serializer)
    }
}

object! {
    /// An attempt to send an event.
    pub(crate) struct DeliveryJson<'a> = "WebhookDelivery" {
        /// The time of the attempt.
        created_at: Timestamp,
        /// Always null: a delivery never changes.
        modified_at: Option<Timestamp> = Schema::null(),
        /// The id of the delivery.
        id: Uuid,
        /// True if the receiver answered with 2xx.
        succeeded: bool,
        /// The status code of the answer; null if there was no answer.
        http_code: Option<u16>,
        /// The first 2048 characters of the answer's body, after a note if the endpoint has a mistake; or the error
        /// in words. Null if there is no text.
        response: Option<&'a str> = Schema::text("ok").or_null(),
        /// The event.
        webhook_event: Rendered<'a, Event>,
        /// The endpoint.
        webhook_endpoint_id: Uuid,
        /// The number of the attempt, from 1 on.
        attempt: u32 = Schema::integer(1, 1),
        /// The duration of the attempt in milliseconds.
        duration_ms: u32 = Schema::integer(0, 42),
        /// The reason why there was no answer; null if there was one. There may be more reasons one day.
        error: Option<&'static str> = Schema::open_words(&AttemptFailure::ALL.map(AttemptFailure::as_str)).or_null().like(Value::Null),
    }
}

impl Render for Delivery {
    fn definition() -> Definition {
        DeliveryJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DeliveryJson {
            created_at: self.created_at,
            modified_at: None,
            id: self.id,
            succeeded: self.succeeded,
            http_code: self.http_code,
            response: self.response.as_deref().filter(|text| !text.is_empty()),
            webhook_event: Rendered(&self.event),
            webhook_endpoint_id: self.endpoint_id,
            attempt: self.attempt,
            duration_ms: self.duration_ms,
            error: self.error.map(AttemptFailure::as_str),
        }
        .serialize(serializer)
    }
}
