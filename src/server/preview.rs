//! Previews: whether an endpoint would get a message, and as what. Nothing is stored or sent.

use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::eligibility::{Eligibility, Refusal};
use crate::domain::endpoint::Format;
use crate::domain::event_pattern::{EventPattern, Subject};
use crate::domain::event_type::Subscription;
use crate::domain::format;
use crate::domain::format::Summary;
use crate::domain::json::Tree;
use crate::domain::message::{raw_body, server_timestamp};
use crate::domain::workspace::WorkspaceName;
use crate::server::inputs::preview::PreviewRequest;
use crate::storage::{Store, StoreError};

/// The name of the workspace in the bodies for an admin who names no endpoint.
const SOME_WORKSPACE: &str = "workspace";

/// The fate of a message, if it were published.
#[derive(Debug)]
pub(crate) struct Preview {
    /// The reason why the endpoint does not get it; `None` if it does.
    pub(crate) refusal: Option<Refusal>,
    /// The body that it gets, or would get.
    pub(crate) body: String,
}

/// Makes a preview. Takes some milliseconds for a large message.
///
/// # Errors
/// [`StoreError::NotFound`] if the caller sees no such endpoint.
pub(crate) fn preview(
    store: &dyn Store,
    visibility: Visibility,
    request: PreviewRequest,
    now: Timestamp,
) -> Result<Preview, StoreError> {
    let id = request.endpoint_id;
    let endpoint = id
        .map(|id| store.find_endpoint(visibility, id))
        .transpose()?;
    let message = request.message;
    let timestamp = message.timestamp.unwrap_or_else(|| server_timestamp(now));
    let workspace = endpoint.as_ref().map(|it| it.workspace_id);
    let workspace = workspace.or(visibility.workspace());
    let is_disabled = endpoint
        .as_ref()
        .is_some_and(|it| it.disabled_reason.is_some());
    let (mut events, mut filter, mut format) = match endpoint {
        Some(endpoint) => {
            let settings = endpoint.settings;
            (settings.events, settings.filter, settings.target.format)
        }
        None => (
            vec![Subscription::every_type()],
            EventPattern::default(),
            Format::Raw,
        ),
    };
    if let Some(draft) = request.endpoint {
        events = draft.events.unwrap_or(events);
        filter = draft.filter.unwrap_or(filter);
        format = draft.format.unwrap_or(format);
    }
    let subject = Subject {
        event_type: &message.event_type,
        timestamp: &timestamp,
        data: &message.data,
        tree: &Tree::of(message.data.get()),
        tags: &message.tags,
    };
    let eligibility = Eligibility {
        events: &events,
        filter: &filter,
        is_disabled,
    };
    let rendered = if format == Format::Raw {
        None
    } else {
        let name = match workspace {
            Some(id) => store.find_workspace(Visibility::Workspace(id), id)?.name,
            None => WorkspaceName::from_stored(SOME_WORKSPACE.to_owned()),
        };
        let summary = Summary::of(&message.data);
        format::render(
            format,
            &message.event_type,
            &timestamp,
            name.as_str(),
            &summary,
        )
    };
    let body = rendered.unwrap_or_else(|| raw_body(&message.event_type, &timestamp, &message.data));
    Ok(Preview {
        refusal: eligibility.refusal(&subject),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
