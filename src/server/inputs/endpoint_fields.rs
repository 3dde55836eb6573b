//! The fields of an endpoint in the body of a request that creates or changes one.

use uuid::Uuid;

use super::workspace::workspace_within;
use crate::domain::access::Visibility;
use crate::domain::custom_headers::GivenHeaders;
use crate::domain::endpoint::{EndpointPatch, Format, NewEndpoint, PutEndpoint};
use crate::domain::endpoint_key::EndpointKey;
use crate::domain::endpoint_policy::EndpointPolicy;
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_pattern::EventPattern;
use crate::domain::event_type::Subscription;
use crate::domain::metadata::Metadata;
use crate::domain::network_policy::NetworkPolicy;
use crate::domain::secret::{GivenSecret, SecretType};
use crate::server::validate::{Checked, Field, FieldContext, Input, InputValue, Violation, read};

/// The request that has these fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// `POST`: fields without a default are required.
    Create,
    /// `PUT`: the same, and the key is in the path.
    Put,
    /// `PATCH`: every field may be absent.
    Update,
}

/// The fields of one request, as they were read.
pub(crate) struct EndpointFields {
    url: Field<Option<EndpointUrl>>,
    format: Field<Option<Format>>,
    events: Field<Option<Vec<Subscription>>>,
    secret: Field<Option<GivenSecret>>,
    secret_type: Field<Option<SecretType>>,
    name: Field<Option<String>>,
    description: Field<Option<String>>,
    filter: Field<Option<EventPattern>>,
    enabled: Field<Option<bool>>,
    key: Field<Option<EndpointKey>>,
    metadata: Field<Option<Metadata>>,
    headers: Field<Option<GivenHeaders>>,
    policy: Field<Option<EndpointPolicy>>,
    paused: Field<Option<bool>>,
}

impl EndpointFields {
    /// Reads the fields, in the order in which a 422 lists their problems. `secret` has a different place in
    /// the two requests; that is part of the contract with clients. An endpoint that exists changes the type of its
    /// secret only by a rotation.
    pub(crate) fn read(input: &mut Input<'_>, policy: &NetworkPolicy, kind: RequestKind) -> Self {
        let is_required = kind != RequestKind::Update;
        let url = input.field("url", is_required, read::url(policy));
        let early_secret = (!is_required).then(|| input.optional("secret", read::given_secret));
        let format = input.field("format", is_required, read::format);
        let events = input.field("events", is_required, read::subscriptions);
        let (secret, secret_type) = match early_secret {
            Some(secret) => (secret, Field::absent()),
            None if kind == RequestKind::Put => secret_and_type(input, read::given_secret),
            None => secret_and_type(input, |value, context| {
                read::secret(value, context).map(GivenSecret::Secret)
            }),
        };
        Self {
            url,
            format,
            events,
            secret,
            secret_type,
            name: input.optional("name", read::endpoint_name),
            description: input.optional("description", read::description),
            enabled: input.optional("enabled", read::boolean),
            key: match kind {
                RequestKind::Put => Field::absent(),
                _ => input.optional("key", read::endpoint_key),
            },
            metadata: input.optional("metadata", read::metadata),
            headers: input.optional("headers", headers_for(kind)),
            policy: input.optional("policy", read::policy),
            paused: input.optional("paused", read::boolean),
            filter: input.optional("filter", read::filter),
        }
    }

    /// Returns the fields as a change of an endpoint.
    pub(crate) fn take(self, ok: &Checked) -> EndpointPatch {
        EndpointPatch {
            url: self.url.take(ok),
            format: self.format.take(ok),
            secret: self.secret.take(ok),
            secret_type: self.secret_type.take(ok),
            events: self.events.take(ok),
            filter: self.filter.take(ok),
            name: self.name.take(ok),
            description: self.description.take(ok),
            enabled: self.enabled.take(ok),
            key: self.key.take(ok),
            metadata: self.metadata.take(ok),
            headers: self.headers.take(ok),
            policy: self.policy.take(ok),
            paused: self.paused.take(ok),
        }
    }
}

/// Returns the reader of the custom headers in such a request. A new endpoint has no values that could stay.
fn headers_for(
    kind: RequestKind,
) -> impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<GivenHeaders> {
    move |value, context| {
        let headers = read::custom_headers(value, context)?;
        match headers.first_kept() {
            Some(name) if kind == RequestKind::Create => {
                let name = name.to_owned();
                let what = "no value is stored for this header: send one in place of ***";
                context
                    .member(name)
                    .refuse(value, Violation::Value(what.into()))
            }
            _ => Some(headers),
        }
    }
}

/// Reads the secret and its type, which must be one and the same, if the request has both.
pub(super) fn secret_and_type(
    input: &mut Input<'_>,
    read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<GivenSecret>,
) -> (Field<Option<GivenSecret>>, Field<Option<SecretType>>) {
    let mut sent = None;
    let secret = input.optional("secret", |value, context| {
        let secret = read(value, context)?;
        sent = secret.secret_type();
        Some(secret)
    });
    let secret_type = input.optional("secret_type", |value, context| {
        read::secret_type(value, context, sent)
    });
    (secret, secret_type)
}

/// Reads the fields of a new endpoint.
pub(crate) fn new_endpoint(
    input: &mut Input<'_>,
    policy: &NetworkPolicy,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> NewEndpoint + use<> {
    let fields = EndpointFields::read(input, policy, RequestKind::Create);
    let workspace = workspace_within(visibility, input);
    |ok| {
        let fields = fields.take(ok);
        let (enabled, paused) = (
            fields.enabled.unwrap_or(true),
            fields.paused.unwrap_or(false),
        );
        NewEndpoint {
            workspace_id: workspace.take(ok),
            settings: fields.into_settings().expect(
                "reading has required the fields without a default, a secret that signs, and values of headers",
            ),
            enabled,
            paused,
        }
    }
}

/// Reads an endpoint that is to be there under the key in the path.
pub(crate) fn put_endpoint(
    input: &mut Input<'_>,
    policy: &NetworkPolicy,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> PutEndpoint + use<> {
    let key = input.path_part("key", read::key_in_path);
    let fields = EndpointFields::read(input, policy, RequestKind::Put);
    let workspace = workspace_within(visibility, input);
    |ok| PutEndpoint {
        workspace_id: workspace.take(ok),
        fields: EndpointPatch {
            key: Some(key.take(ok)),
            ..fields.take(ok)
        },
    }
}

/// Reads a change of an endpoint: its id, and the fields that change.
pub(crate) fn endpoint_patch(
    input: &mut Input<'_>,
    policy: &NetworkPolicy,
) -> impl FnOnce(&Checked) -> (Uuid, EndpointPatch) + use<> {
    let id = input.path(read::id);
    let fields = EndpointFields::read(input, policy, RequestKind::Update);
    |ok| (id.take(ok), fields.take(ok))
}
