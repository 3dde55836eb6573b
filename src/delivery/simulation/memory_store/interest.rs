//! The interest of an endpoint: the messages that it wants.

use serde_json::value::RawValue;

use crate::domain::eligibility::Eligibility;
use crate::domain::endpoint::EndpointSettings;
use crate::domain::event_pattern::Subject;
use crate::domain::json::Tree;
use crate::domain::message::{Message, data_of};
use crate::storage::EventBody;

/// Reports whether an endpoint with these settings wants a message.
pub(super) fn is_wanted(settings: &EndpointSettings, message: &Message, body: &EventBody) -> bool {
    let body = std::str::from_utf8(body.bytes()).expect("a body is JSON");
    let data: &RawValue = serde_json::from_str(data_of(body).expect("it is that of a message"))
        .expect("data is JSON");
    let subject = Subject {
        event_type: &message.event_type,
        timestamp: &message.timestamp,
        data,
        tree: &Tree::of(data.get()),
        tags: &message.tags,
    };
    wants(settings, &subject)
}

/// Reports whether an endpoint with these settings wants what a subject says.
pub(super) fn wants(settings: &EndpointSettings, subject: &Subject<'_>) -> bool {
    let eligibility = Eligibility {
        events: &settings.events,
        filter: &settings.filter,
        is_disabled: false,
    };
    eligibility.refusal(subject).is_none()
}
