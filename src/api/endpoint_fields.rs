//! The fields of an endpoint in the body of a request that creates or changes one.

use super::validate::{Checked, Field, Input, read};
use crate::domain::endpoint::{EndpointPatch, Format};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_type::Subscription;
use crate::domain::network_policy::NetworkPolicy;
use crate::domain::secret::Secret;

/// The request that has these fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// `POST`: fields without a default are required.
    Create,
    /// `PATCH`: every field may be absent.
    Update,
}

/// The fields of one request, as they were read.
pub(super) struct EndpointFields {
    url: Field<Option<EndpointUrl>>,
    format: Field<Option<Format>>,
    events: Field<Option<Vec<Subscription>>>,
    secret: Field<Option<Secret>>,
    name: Field<Option<String>>,
    description: Field<Option<String>>,
    enabled: Field<Option<bool>>,
}

impl EndpointFields {
    /// Reads the fields, in the order in which a 422 lists their problems. `secret` has a different place in
    /// the two requests; that is part of the contract with clients.
    pub(super) fn read(input: &mut Input<'_>, policy: &NetworkPolicy, kind: RequestKind) -> Self {
        let is_required = kind == RequestKind::Create;
        let url = input.field("url", is_required, read::url(policy));
        let early_secret = (!is_required).then(|| input.optional("secret", read::secret));
        let format = input.field("format", is_required, read::format);
        let events = input.field("events", is_required, read::subscriptions);
        Self {
            url,
            format,
            events,
            secret: early_secret.unwrap_or_else(|| input.optional("secret", read::secret)),
            name: input.optional("name", read::endpoint_name),
            description: input.optional("description", read::description),
            enabled: match kind {
                RequestKind::Create => Field::absent(),
                RequestKind::Update => input.optional("enabled", read::boolean),
            },
        }
    }

    /// Returns the fields as a change of an endpoint.
    pub(super) fn take(self, ok: &Checked) -> EndpointPatch {
        EndpointPatch {
            url: self.url.take(ok),
            format: self.format.take(ok),
            secret: self.secret.take(ok),
            events: self.events.take(ok),
            name: self.name.take(ok),
            description: self.description.take(ok),
            enabled: self.enabled.take(ok),
        }
    }
}
