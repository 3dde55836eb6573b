//! Endpoints: the URLs that receive webhooks.

use thiserror::Error;
use uuid::Uuid;

use super::clock::Timestamp;
use super::custom_headers::{CustomHeaders, GivenHeaders, NoSuchHeader};
use super::endpoint_health::EndpointHealth;
use super::endpoint_key::EndpointKey;
use super::endpoint_policy::EndpointPolicy;
use super::endpoint_url::EndpointUrl;
use super::event_pattern::EventPattern;
use super::event_type::Subscription;
use super::metadata::Metadata;
use super::secret::{GivenSecret, OtherPublicKey, Secret, SecretType};
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

words! {
    /// The reason why an endpoint is paused. The database stores the position of a reason in this list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum PausedReason {
        /// A caller of the API set `paused` to true.
        Manual = "manual",
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
    /// Headers that every attempt has besides those of the delivery.
    pub headers: CustomHeaders,
    /// The retries and limits that it has in place of the server's settings.
    pub policy: EndpointPolicy,
}

impl TargetSettings {
    /// Returns settings with a random secret, and nothing else that may be left out.
    #[must_use]
    pub fn new(url: EndpointUrl, format: Format) -> Self {
        Self {
            url,
            secrets: SigningSecrets::new(Secret::generate()),
            format,
            headers: CustomHeaders::default(),
            policy: EndpointPolicy::default(),
        }
    }
}

/// The settings of an endpoint: all that its owner chooses, except `enabled` and `paused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// The part that the delivery engine needs.
    pub target: TargetSettings,
    /// The event types that it is subscribed to; may be empty.
    pub events: Vec<Subscription>,
    /// The pattern that a message must match, too.
    pub filter: EventPattern,
    /// The name for people: at most [`NAME_MAX`] characters, all of them visible; may be empty.
    pub name: String,
    /// The description for people: at most [`DESCRIPTION_MAX`] characters; may be empty.
    pub description: String,
    /// The key for programs, which no other endpoint of the workspace has.
    pub key: EndpointKey,
    /// Texts that a program keeps with it.
    pub metadata: Metadata,
}

impl EndpointSettings {
    /// Returns settings with a random secret, and nothing else that may be left out.
    #[must_use]
    pub fn new(url: EndpointUrl, format: Format, events: Vec<Subscription>) -> Self {
        Self {
            target: TargetSettings::new(url, format),
            events,
            filter: EventPattern::default(),
            name: String::new(),
            description: String::new(),
            key: EndpointKey::default(),
            metadata: Metadata::default(),
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
    /// The reason why it is paused; `None` while it is not. A disabled one may be paused, too.
    pub paused_reason: Option<PausedReason>,
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
    /// False if it begins disabled.
    pub enabled: bool,
    /// True if it begins paused.
    pub paused: bool,
}

impl NewEndpoint {
    /// Returns an endpoint that gets events from the start.
    #[must_use]
    pub const fn new(workspace_id: Uuid, settings: EndpointSettings) -> Self {
        Self {
            workspace_id,
            settings,
            enabled: true,
            paused: false,
        }
    }
}

/// An endpoint that a caller wants to be there under a key, made or changed.
#[derive(Clone, Debug)]
pub struct PutEndpoint {
    /// The workspace that owns it.
    pub workspace_id: Uuid,
    /// Its fields, the key among them. What is absent gets its default, except the secret, which stays.
    pub fields: EndpointPatch,
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
    /// The type of a secret that is to be made, if none is given.
    pub secret_type: Option<SecretType>,
    /// The event types that it is subscribed to.
    pub events: Option<Vec<Subscription>>,
    /// The pattern that a message must match, too; `{}`: none.
    pub filter: Option<EventPattern>,
    /// The name for people; empty: none.
    pub name: Option<String>,
    /// The description for people; empty: none.
    pub description: Option<String>,
    /// The key for programs.
    pub key: Option<EndpointKey>,
    /// Texts that a program keeps with it, in place of all that are there.
    pub metadata: Option<Metadata>,
    /// The custom headers, in place of all that are there.
    pub headers: Option<GivenHeaders>,
    /// The policy, in place of the one that is there.
    pub policy: Option<EndpointPolicy>,
    /// True enables: the count of failures begins at zero. False disables: pending events are skipped.
    pub enabled: Option<bool>,
    /// True pauses: events wait. False ends the pause.
    pub paused: Option<bool>,
}

/// The reason why changes do not fit to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatchProblem {
    /// The secret is a public key that is not that of the endpoint.
    #[error(transparent)]
    OtherPublicKey(#[from] OtherPublicKey),
    /// The value of a header is to stay, and none is stored.
    #[error(transparent)]
    NoSuchHeader(#[from] NoSuchHeader),
}

impl EndpointPatch {
    /// Reports whether the patch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes `settings`. Enabling and pausing is left to the caller, as they are not among them.
    ///
    /// # Errors
    /// [`PatchProblem`] if the changes do not fit; nothing is changed.
    pub fn apply(self, settings: &mut EndpointSettings) -> Result<(), PatchProblem> {
        fn set<T>(field: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *field = new;
            }
        }
        let headers = self.headers;
        let headers = headers.map(|given| given.replace(&settings.target.headers));
        let headers = headers.transpose()?;
        if let Some(secret) = &self.secret {
            settings.target.secrets.replace(secret)?;
        }
        set(&mut settings.target.headers, headers);
        set(&mut settings.target.url, self.url);
        set(&mut settings.target.format, self.format);
        set(&mut settings.target.policy, self.policy);
        set(&mut settings.events, self.events);
        set(&mut settings.filter, self.filter);
        set(&mut settings.name, self.name);
        set(&mut settings.description, self.description);
        set(&mut settings.key, self.key);
        set(&mut settings.metadata, self.metadata);
        Ok(())
    }

    /// Returns the settings of a new endpoint; `None` if a required field is absent, the secret cannot sign, or a header
    /// has no value.
    #[must_use]
    pub fn into_settings(mut self) -> Option<EndpointSettings> {
        let (url, events) = (self.url.take()?, self.events.take()?);
        let mut settings = EndpointSettings::new(url, self.format?, events);
        if let Some(secret_type) = self.secret_type {
            settings.target.secrets = SigningSecrets::new(Secret::generate_of(secret_type));
        }
        self.apply(&mut settings).ok()?;
        Some(settings)
    }

    /// Returns the settings that take the place of `present`: what is absent gets its default, except the secrets, which
    /// stay as long as they are of the wanted type.
    ///
    /// # Errors
    /// [`PatchProblem`] if the fields do not fit. A required field that is absent stays as it is.
    pub fn put_over(
        mut self,
        present: &EndpointSettings,
    ) -> Result<EndpointSettings, PatchProblem> {
        let target = &present.target;
        let mut settings = EndpointSettings::new(
            self.url.take().unwrap_or_else(|| target.url.clone()),
            self.format.unwrap_or(target.format),
            self.events.take().unwrap_or_else(|| present.events.clone()),
        );
        let kept_type = target.secrets.present().secret_type();
        settings.target.secrets = match self.secret_type.filter(|wanted| *wanted != kept_type) {
            Some(other) if self.secret.is_none() => SigningSecrets::new(Secret::generate_of(other)),
            _ => target.secrets.clone(),
        };
        // The values that are to stay are looked up among the present ones.
        if self.headers.is_some() {
            settings.target.headers = target.headers.clone();
        }
        self.apply(&mut settings)?;
        Ok(settings)
    }
}
