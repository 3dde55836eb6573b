//! The readers of what a preview is asked for.

use serde_json::value::RawValue;

use super::super::{FieldContext, InputValue};
use super::objects::{Others, object};
use super::{any_event_type, any_json, filter, format, producers_time, subscriptions, tags};
use crate::domain::endpoint::Format;
use crate::domain::event_pattern::EventPattern;
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::tags::Tags;

/// The settings of an endpoint that a preview is made for; `None`: as they are, or the default.
pub(crate) struct EndpointDraft {
    pub(crate) events: Option<Vec<Subscription>>,
    pub(crate) filter: Option<EventPattern>,
    pub(crate) format: Option<Format>,
}

/// The message that a preview is made of.
pub(crate) struct MessageDraft {
    pub(crate) event_type: EventType,
    pub(crate) data: Box<RawValue>,
    pub(crate) timestamp: Option<String>,
    pub(crate) tags: Tags,
}

/// Reads the settings of an endpoint. Other members are ignored, so that an endpoint as it is can be sent.
pub(crate) fn endpoint_draft(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EndpointDraft> {
    let about = "Settings of an endpoint, in the place of those that it has.";
    object(value, context, about, Others::Ignored, |members| {
        let events = members.optional(
            "events",
            "Its event types. Default: `[\"*\"]`.",
            subscriptions,
        );
        let filter = members.optional("filter", "Its filter. Default: `{}`.", filter);
        let format = members.optional("format", "Its format. Default: `raw`.", format);
        Some(EndpointDraft {
            events: events?,
            filter: filter?,
            format: format?,
        })
    })
}

/// Reads a message, as it is published.
pub(crate) fn message_draft(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<MessageDraft> {
    let about = "A message, as it is published.";
    object(value, context, about, Others::Ignored, |members| {
        let event_type = members.required("type", "Its type.", any_event_type);
        let data = members.required("data", "Its data, any JSON.", any_json);
        let timestamp = members.optional("timestamp", "Its time. Default: now.", producers_time);
        let tags = members.optional("tags", "Its tags.", tags);
        let (event_type, data) = (event_type?, data?);
        Some(MessageDraft {
            event_type: event_type?,
            data: data?,
            timestamp: timestamp?,
            tags: tags?.unwrap_or_default(),
        })
    })
}
