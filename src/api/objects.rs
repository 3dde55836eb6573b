//! The JSON objects in responses. The order of their fields is part of the contract with clients.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::domain::access::{AccessToken, Scope};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{DisabledReason, Endpoint};
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_type::Subscription;
use crate::domain::message::Message;
use crate::domain::workspace::Workspace;

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

#[derive(Serialize)]
struct WorkspaceJson<'a> {
    created_at: Timestamp,
    modified_at: Option<Timestamp>,
    id: Uuid,
    name: &'a str,
}

impl Render for Workspace {
    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WorkspaceJson {
            created_at: self.created_at,
            modified_at: self.modified_at,
            id: self.id,
            name: self.name.as_str(),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct AccessTokenJson<'a> {
    created_at: Timestamp,
    modified_at: Option<Timestamp>,
    id: Uuid,
    workspace_id: Option<Uuid>,
    comment: &'a str,
    scopes: Vec<&'static str>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    parent_id: Option<Uuid>,
}

impl Render for AccessToken {
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

/// The response to the creation of a token: the only one that has the credential.
#[derive(Serialize)]
pub(crate) struct CreatedToken<'a> {
    /// The token as lists show it.
    pub(crate) workspace_access_token: Rendered<'a, AccessToken>,
    /// The credential.
    pub(crate) token: &'a str,
}

#[derive(Serialize)]
struct EndpointJson<'a> {
    created_at: Timestamp,
    modified_at: Option<Timestamp>,
    id: Uuid,
    url: &'a str,
    format: &'static str,
    secret: &'a str,
    workspace_id: Uuid,
    events: &'a [Subscription],
    enabled: bool,
    disabled_reason: Option<&'static str>,
    name: &'a str,
    description: &'a str,
}

impl Render for Endpoint {
    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settings = &self.settings;
        EndpointJson {
            created_at: self.created_at,
            modified_at: self.modified_at,
            id: self.id,
            url: settings.target.url.as_str(),
            format: settings.target.format.as_str(),
            secret: settings.target.secret.reveal(),
            workspace_id: self.workspace_id,
            events: &settings.events,
            enabled: self.disabled_reason.is_none(),
            disabled_reason: self.disabled_reason.map(DisabledReason::as_str),
            name: &settings.name,
            description: &settings.description,
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct EventJson<'a> {
    created_at: Timestamp,
    modified_at: Option<Timestamp>,
    id: Uuid,
    last_http_code: Option<u16>,
    succeeded: Option<bool>,
    skipped: bool,
    payload: Option<&'a str>,
    r#type: &'a str,
    is_archived: bool,
    message_id: Uuid,
    webhook_endpoint_id: Uuid,
    attempts: u32,
    next_attempt_at: Option<Timestamp>,
}

impl Render for Event {
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

#[derive(Serialize)]
struct DeliveryJson<'a> {
    created_at: Timestamp,
    /// Always null: a delivery never changes.
    modified_at: Option<Timestamp>,
    id: Uuid,
    succeeded: bool,
    http_code: Option<u16>,
    response: Option<&'a str>,
    webhook_event: Rendered<'a, Event>,
    webhook_endpoint_id: Uuid,
    attempt: u32,
    duration_ms: u32,
    error: Option<&'static str>,
}

impl Render for Delivery {
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

#[derive(Serialize)]
struct MessageJson<'a> {
    id: Uuid,
    r#type: &'a str,
    timestamp: &'a str,
    workspace_id: Uuid,
    events: Vec<MessageEventJson>,
}

#[derive(Serialize)]
struct MessageEventJson {
    id: Uuid,
    webhook_endpoint_id: Uuid,
}

impl Render for Message {
    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let events = self.events.iter();
        MessageJson {
            id: self.id,
            r#type: self.event_type.as_str(),
            timestamp: &self.timestamp,
            workspace_id: self.workspace_id,
            events: events
                .map(|&(id, webhook_endpoint_id)| MessageEventJson {
                    id,
                    webhook_endpoint_id,
                })
                .collect(),
        }
        .serialize(serializer)
    }
}
