//! Endpoints: the URLs that receive webhooks.

use uuid::Uuid;

use super::clock::Timestamp;
use super::endpoint_health::EndpointHealth;
use super::endpoint_url::EndpointUrl;
use super::event_type::Subscription;
use super::secret::{GivenSecret, OtherPublicKey, Secret};
use super::signing_secrets::SigningSecrets;
use super::words::words;

words! {
    /// The form in which an endpoint gets messages. The database stores the position of a format in this list, which
    /// is also the order in which error messages name them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Format {
        /// `{"type", "timestamp", "data"}`, with the bytes of the producer's data.
        Raw = "raw",
        /// A Discord webhook message.
        Discord = "discord",
        /// A Slack incoming-webhook message.
        Slack = "slack",
    }
}

words! {
    /// The reason why an endpoint is disabled. The database stores the position of a reason in this list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum DisabledReason {
        /// A caller of the API set `enabled` to false.
        Manual = "manual",
        /// Its receiver answered 410 Gone.
        Gone = "gone",
        /// Too many events in a row failed.
        Failing = "failing",
    }
}

/// The longest name of an endpoint, in characters.
pub const NAME_MAX: usize = 128;
/// The longest description of an endpoint, in characters.
pub const DESCRIPTION_MAX: usize = 1024;

/// The settings of an endpoint that the delivery engine needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSettings {
    /// The URL that receives events.
    pub url: EndpointUrl,
    /// The secrets that sign deliveries: the present one, and old ones after a rotation.
    pub secrets: SigningSecrets,
    /// The form in which it gets messages. The bodies of events are rendered when they are published; the engine
    /// uses this to read `Retry-After` and to explain failures.
    pub format: Format,
}

/// The settings of an endpoint: all that its owner chooses, except `enabled`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// The part that the delivery engine needs.
    pub target: TargetSettings,
    /// The event types that it is subscribed to; may be empty.
    pub events: Vec<Subscription>,
    /// The name for people: at most [`NAME_MAX`] characters, all of them visible; may be empty.
    pub name: String,
    /// The description for people: at most [`DESCRIPTION_MAX`] characters; may be empty.
    pub description: String,
}

impl EndpointSettings {
    /// Returns settings with a random secret, and without name and description.
    #[must_use]
    pub fn new(url: EndpointUrl, format: Format, events: Vec<Subscription>) -> Self {
        Self {
            target: TargetSettings {
                url,
                secrets: SigningSecrets::new(Secret::generate()),
                format,
            },
            events,
            name: String::new(),
            description: String::new(),
        }
    }

    /// Returns settings for raw deliveries of every type.
    #[must_use]
    pub fn raw(url: EndpointUrl) -> Self {
        Self::new(url, Format::Raw, vec![Subscription::every_type()])
    }
}

/// A URL that receives webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: Uuid,
    /// The workspace that owns it.
    pub workspace_id: Uuid,
    /// The settings that its owner chose.
    pub settings: EndpointSettings,
    /// The reason why it is disabled; `None` while enabled.
    pub disabled_reason: Option<DisabledReason>,
    /// The state of the endpoint, and the results of its attempts.
    pub health: EndpointHealth,
    /// The time at which it was made.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub modified_at: Option<Timestamp>,
}

/// A new endpoint, as a caller asks for it.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    /// The workspace that will own it.
    pub workspace_id: Uuid,
    /// Its settings.
    pub settings: EndpointSettings,
}

/// A caller's changes to an endpoint; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// The URL that receives events.
    pub url: Option<EndpointUrl>,
    /// The form in which it gets messages.
    pub format: Option<Format>,
    /// The secret that signs deliveries, at once and alone, unless it is the present one.
    pub secret: Option<GivenSecret>,
    /// The event types that it is subscribed to.
    pub events: Option<Vec<Subscription>>,
    /// The name for people; empty: none.
    pub name: Option<String>,
    /// The description for people; empty: none.
    pub description: Option<String>,
    /// True enables: the count of failures begins at zero. False disables: pending events are skipped.
    pub enabled: Option<bool>,
}

impl EndpointPatch {
    /// Reports whether the patch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes `settings`. Enabling and disabling is left to the caller, as `enabled` is not among them.
    ///
    /// # Errors
    /// [`OtherPublicKey`] if the secret is a public key that is not that of the endpoint; nothing is changed.
    pub fn apply(self, settings: &mut EndpointSettings) -> Result<(), OtherPublicKey> {
        fn set<T>(field: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *field = new;
            }
        }
        if let Some(secret) = &self.secret {
            settings.target.secrets.replace(secret)?;
        }
        set(&mut settings.target.url, self.url);
        set(&mut settings.target.format, self.format);
        set(&mut settings.events, self.events);
        set(&mut settings.name, self.name);
        set(&mut settings.description, self.description);
        Ok(())
    }

    /// Returns the settings of a new endpoint; `None` if a required field is absent, or the secret cannot sign.
    #[must_use]
    pub fn into_settings(mut self) -> Option<EndpointSettings> {
        let (url, events) = (self.url.take()?, self.events.take()?);
        let mut settings = EndpointSettings::new(url, self.format?, events);
        self.apply(&mut settings).ok()?;
        Some(settings)
    }
}
