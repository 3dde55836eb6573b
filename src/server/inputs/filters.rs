//! Filters of lists, in the query of a request.

use uuid::Uuid;

use super::page::page;
use crate::domain::access::Visibility;
use crate::domain::tags::Tag;
use crate::server::validate::{Checked, Field, Input, read};
use crate::storage::{DeliveryFilter, EndpointFilter, EventFilter, MessageFilter, Page};

/// Reads the page and the filter of a list of events.
pub(crate) fn event_filter(
    input: &mut Input<'_>,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> (Page, EventFilter) + use<> {
    let page = page(input);
    let endpoints = input.query_list("endpoint_id", read::id);
    let messages = input.query_list("message_id", read::id);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    let event_types = event_types(input);
    let statuses = input.query_list("status", read::status);
    let after = input.query("start_timestamp", read::time);
    let before = input.query("end_timestamp", read::time);
    let code_class = input.query("http_code_class", read::code_class);
    let query = input.query("query", read::filter_text).unless_empty();
    move |ok| {
        let filter = EventFilter {
            visibility,
            workspaces: workspaces.take(ok),
            endpoints: endpoints.take(ok),
            messages: messages.take(ok),
            event_types: event_types.take(ok),
            statuses: statuses.take(ok),
            after: after.take(ok),
            before: before.take(ok),
            code_class: code_class.take(ok),
            query: query.take(ok),
        };
        (page.take(ok), filter)
    }
}

/// Reads the page and the filter of a list of deliveries.
pub(crate) fn delivery_filter(
    input: &mut Input<'_>,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> (Page, DeliveryFilter) + use<> {
    let page = page(input);
    let endpoints = input.query_list("endpoint_id", read::id);
    let event = input.query("event_id", read::id);
    let messages = input.query_list("message_id", read::id);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    let event_types = event_types(input);
    let after = input.query("start_timestamp", read::time);
    let before = input.query("end_timestamp", read::time);
    let succeeded = input.query("succeeded", read::boolean);
    let code_class = input.query("http_code_class", read::code_class);
    let query = input.query("query", read::filter_text).unless_empty();
    move |ok| {
        let filter = DeliveryFilter {
            visibility,
            workspaces: workspaces.take(ok),
            endpoints: endpoints.take(ok),
            event: event.take(ok),
            messages: messages.take(ok),
            event_types: event_types.take(ok),
            after: after.take(ok),
            before: before.take(ok),
            succeeded: succeeded.take(ok),
            code_class: code_class.take(ok),
            query: query.take(ok),
        };
        (page.take(ok), filter)
    }
}

/// Reads the page and the filter of a list of messages.
pub(crate) fn message_filter(
    input: &mut Input<'_>,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> (Page, MessageFilter) + use<> {
    let page = page(input);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    let event_types = event_types(input);
    let after = input.query("start_timestamp", read::time);
    let before = input.query("end_timestamp", read::time);
    let unrouted = input.query("unrouted", read::boolean);
    let tags = input.query_list("tag", read::tag_filter);
    let missing_for = input.query("missing_for", read::id);
    let query = input.query("query", read::filter_text).unless_empty();
    move |ok| {
        let filter = MessageFilter {
            visibility,
            workspaces: workspaces.take(ok),
            event_types: event_types.take(ok),
            after: after.take(ok),
            before: before.take(ok),
            unrouted: unrouted.take(ok),
            tags: tags
                .take(ok)
                .iter()
                .filter_map(|text| Tag::parse(text))
                .collect(),
            missing_for: missing_for.take(ok),
            query: query.take(ok),
        };
        (page.take(ok), filter)
    }
}

/// Reads the page and the filter of a list of endpoints.
pub(crate) fn endpoint_filter(
    input: &mut Input<'_>,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> (Page, EndpointFilter) + use<> {
    let page = page(input);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    let states = input.query_list("state", read::endpoint_state);
    let keys = input.query_list("key", read::filter_text).unless_empty();
    let url = input.query("url", read::filter_text).unless_empty();
    move |ok| {
        let filter = EndpointFilter {
            visibility,
            workspaces: workspaces.take(ok),
            states: states.take(ok),
            keys: keys.take(ok),
            url: url.take(ok),
        };
        (page.take(ok), filter)
    }
}

/// Reads the page of a list of access tokens, and the workspaces that it is limited to.
pub(crate) fn token_filter(
    input: &mut Input<'_>,
) -> impl FnOnce(&Checked) -> (Page, Vec<Uuid>) + use<> {
    let page = page(input);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    |ok| (page.take(ok), workspaces.take(ok))
}

fn event_types(input: &mut Input<'_>) -> Field<Vec<String>> {
    let types = input.query_list("event_type", read::filter_text);
    types.unless_empty()
}
