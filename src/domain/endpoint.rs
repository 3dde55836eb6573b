//! Endpoints: the URLs that receive webhooks.

use uuid::Uuid;

use super::clock::Timestamp;
use super::endpoint_url::EndpointUrl;
use super::event_type::Subscription;
use super::secret::Secret;

/// How a message is rendered for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `{"type", "timestamp", "data"}` with the producer's bytes.
    Raw,
    /// A Discord webhook message.
    Discord,
    /// A Slack incoming-webhook message.
    Slack,
}

impl Format {
    /// Every format, in the order in which messages name them; the position is what is stored.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Discord, Self::Slack];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Discord => "discord",
            Self::Slack => "slack",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// Why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// Somebody set `enabled` to false.
    Manual,
    /// It answered 410 Gone.
    Gone,
    /// Too many events in a row ended failed.
    Failing,
}

impl DisabledReason {
    /// Every reason; the position is what is stored.
    pub const ALL: [Self; 3] = [Self::Manual, Self::Gone, Self::Failing];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// A URL that receives webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: Uuid,
    /// The workspace that owns it.
    pub workspace_id: Uuid,
    /// Where events go.
    pub url: EndpointUrl,
    /// How messages are rendered.
    pub format: Format,
    /// What signs deliveries.
    pub secret: Secret,
    /// Which messages it gets; none at all is allowed.
    pub events: Vec<Subscription>,
    /// `None` while enabled.
    pub disabled_reason: Option<DisabledReason>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Option<Timestamp>,
}

/// What a caller says of a new endpoint.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    /// The workspace that will own it.
    pub workspace_id: Uuid,
    /// Where events go.
    pub url: EndpointUrl,
    /// How messages are rendered.
    pub format: Format,
    /// What signs deliveries.
    pub secret: Secret,
    /// Which messages it gets.
    pub events: Vec<Subscription>,
}

/// What a caller changes of an endpoint; `None` leaves a field alone.
#[derive(Clone, Debug, Default)]
pub struct EndpointPatch {
    /// Where events go.
    pub url: Option<EndpointUrl>,
    /// How messages are rendered.
    pub format: Option<Format>,
    /// What signs deliveries.
    pub secret: Option<Secret>,
    /// Which messages it gets.
    pub events: Option<Vec<Subscription>>,
    /// Enabling clears the failure count; disabling skips what is pending.
    pub enabled: Option<bool>,
}

impl EndpointPatch {
    /// Whether nothing was asked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.url.is_none()
            && self.format.is_none()
            && self.secret.is_none()
            && self.events.is_none()
            && self.enabled.is_none()
    }
}
