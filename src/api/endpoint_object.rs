//! The JSON of an endpoint in responses, and its description in the OpenAPI document.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::objects::Render;
use crate::domain::access::Scopes;
use crate::domain::clock::Timestamp;
use crate::domain::custom_headers::{CustomHeaders, HIDDEN_VALUE};
use crate::domain::endpoint::{DisabledReason, Endpoint, Format, PausedReason};
use crate::domain::endpoint_health::EndpointState;
use crate::domain::endpoint_policy::EndpointPolicy;
use crate::domain::event_pattern::EventPattern;
use crate::domain::event_type::Subscription;
use crate::domain::metadata::Metadata;
use crate::domain::secret::SecretType;
use crate::server::access::shown_secret;
use crate::server::schema::{Definition, Described, Schema, node, object};
use crate::server::validate::{Section, read, schema_of};

object! {
    /// A URL that receives webhooks.
    pub(crate) struct EndpointJson<'a> = "WebhookEndpoint" {
        /// The time at which the endpoint was made.
        created_at: Timestamp,
        /// The time of the last change; null until the first one.
        modified_at: Option<Timestamp>,
        /// The id of the endpoint.
        id: Uuid,
        /// The URL to which events are sent, in its normal form: `https:`, without user and password.
        url: &'a str = Schema::text("https://example.com/webhooks").with("format", "uri"),
        /// The form of the body: `raw` sends type, timestamp and data; `discord` and `slack` send a message for the
        /// incoming webhooks of these services.
        format: &'static str = Schema::open_words(&Format::ALL.map(Format::as_str)),
        /// The text with which the receiver verifies: the signing secret or, of the type `ed25519`, the public key
        /// (`whpk_`). Null for a token that has only the scope `webhooks:view`, unless it is a public key. Without a
        /// secret in the request, Hookpost makes one. A request may bring a `whsec_` secret, an ed25519 key pair
        /// (`whsk_`, then base64 of the seed and the public key, or of the seed), or another text. The text that answers
        /// show stands for the secret that the endpoint has.
        secret: Option<Cow<'a, str>> = Schema::text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=").or_null(),
        /// The kind of signatures: `hmac` (`v1`), with which the receiver has the secret itself, or `ed25519` (`v1a`),
        /// with which it has only a public key. Requests without a secret get a random one of this type.
        secret_type: &'static str = Schema::open_words(&SecretType::ALL.map(SecretType::as_str)),
        /// The time at which the last old secret stops to sign after a rotation; null if only the present one signs.
        secret_overlap_ends_at: Option<Timestamp>,
        /// The workspace of the endpoint.
        workspace_id: Uuid,
        /// The event types that the endpoint gets: a type, `order.*` for all types that begin with `order.`, or `*`
        /// for all. Empty: none.
        events: &'a [Subscription] = Schema::list(Schema::text("order.*")),
        /// False if nothing is sent to the endpoint, and no events are made for it.
        enabled: bool,
        /// The reason why the endpoint is disabled: `manual` (by a client), `gone` (it answered 410) or `failing`;
        /// null while it is enabled. There may be more reasons one day.
        disabled_reason: Option<&'static str> = Schema::open_words(&DisabledReason::ALL.map(DisabledReason::as_str)).or_null().like(Value::Null),
        /// A name for people; may be empty.
        name: &'a str = Schema::text("Orders"),
        /// A description for people, on one or more lines; may be empty.
        description: &'a str = Schema::text("The warehouse's order intake"),
        /// The state of the endpoint now: `active`; `resting` after several failures in a row, until `resting_until`;
        /// `paused`; or `disabled`. There may be more states one day.
        state: &'static str = Schema::open_words(&EndpointState::ALL.map(EndpointState::as_str)),
        /// The end of the rest: then one event is tried. Null if the endpoint does not rest.
        resting_until: Option<Timestamp> = Option::<Timestamp>::schema().like(Value::Null),
        /// The time before which the receiver wants no attempt (`Retry-After`); null if it did not ask for a wait, or
        /// the wait is over.
        held_until: Option<Timestamp> = Option::<Timestamp>::schema().like(Value::Null),
        /// The events in a row that failed for good; so many as `disable_after` of the policy, or the server's
        /// `--disable-after`, says disable the endpoint.
        failures_in_a_row: u32 = Schema::integer(0, 0),
        /// The time of the last attempt that was answered with 2xx; null if there was none.
        last_success_at: Option<Timestamp>,
        /// The time of the last attempt that was not; null if there was none.
        last_failure_at: Option<Timestamp> = Option::<Timestamp>::schema().like(Value::Null),
        /// The key for programs, unique in the workspace; empty: none. With it, `PUT /webhooks/endpoints/by-key/{key}`
        /// makes the endpoint or changes it.
        key: &'a str = schema_of(Section::Body, read::endpoint_key),
        /// Texts that a program keeps with the endpoint. They are never sent.
        metadata: &'a Metadata = schema_of(Section::Body, read::metadata),
        /// The custom headers of every attempt. The values are not shown: `***` stands for each, and a request that has it
        /// keeps the value.
        headers: HiddenHeaders<'a> = schema_of(Section::Body, read::custom_headers).like(node! { "authorization" => HIDDEN_VALUE }),
        /// The retries and limits of the endpoint, in place of the server's settings; what is absent is as the server has it.
        policy: &'a EndpointPolicy = schema_of(Section::Body, read::policy).without("additionalProperties").like(node! { "rate_limit" => 600_u64 }),
        /// True if events are made for the endpoint and wait: nothing is sent until the pause ends.
        paused: bool = Schema::boolean().like(false),
        /// The reason why the endpoint is paused: `manual` (by a client); null while it is not. There may be more reasons one
        /// day.
        paused_reason: Option<&'static str> = Schema::open_words(&PausedReason::ALL.map(PausedReason::as_str)).or_null().like(Value::Null),
        /// The event pattern that a message must match, besides `events`: `{"data": {"total": [{"numeric": [">=", 100]}]}}`.
        /// `{}`: every message matches. A change applies to messages that are published from then on.
        filter: &'a EventPattern = Schema::any_object(node! {}),
    }
}

/// An endpoint, as a caller with some scopes sees it.
#[derive(Debug)]
pub(crate) struct SeenEndpoint {
    pub(crate) endpoint: Endpoint,
    /// The scopes of the caller.
    pub(crate) by: Scopes,
}

impl Render for SeenEndpoint {
    fn definition() -> Definition {
        EndpointJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let endpoint = &self.endpoint;
        let (settings, health) = (&endpoint.settings, &endpoint.health);
        EndpointJson {
            created_at: endpoint.created_at,
            modified_at: endpoint.modified_at,
            id: endpoint.id,
            url: settings.target.url.as_str(),
            format: settings.target.format.as_str(),
            secret: shown_secret(settings.target.secrets.present(), self.by),
            secret_type: settings.target.secrets.present().secret_type().as_str(),
            secret_overlap_ends_at: settings.target.secrets.overlap_ends_at(),
            workspace_id: endpoint.workspace_id,
            events: &settings.events,
            enabled: endpoint.disabled_reason.is_none(),
            disabled_reason: endpoint.disabled_reason.map(DisabledReason::as_str),
            name: &settings.name,
            description: &settings.description,
            state: health.state.as_str(),
            resting_until: health.resting_until,
            held_until: health.held_until,
            failures_in_a_row: health.failures_in_a_row,
            last_success_at: health.last.success_at,
            last_failure_at: health.last.failure_at,
            key: settings.key.as_str(),
            metadata: &settings.metadata,
            headers: HiddenHeaders(&settings.target.headers),
            policy: &settings.target.policy,
            paused: endpoint.paused_reason.is_some(),
            paused_reason: endpoint.paused_reason.map(PausedReason::as_str),
            filter: &settings.filter,
        }
        .serialize(serializer)
    }
}

/// The custom headers of an endpoint, as answers show them: each name, with [`HIDDEN_VALUE`].
pub(crate) struct HiddenHeaders<'a>(&'a CustomHeaders);

impl Serialize for HiddenHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.names().map(|name| (name, HIDDEN_VALUE)))
    }
}
