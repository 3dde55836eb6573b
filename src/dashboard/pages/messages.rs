//! The list of messages: what was published, and what no endpoint, or not a certain one, has got.

use actix_web::HttpResponse;
use askama::Template;
use uuid::Uuid;

use crate::dashboard::endpoint_names::EndpointNames;
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::list_filters::{ListFilters, ListView};
use crate::dashboard::lists;
use crate::dashboard::pager::Pager;
use crate::dashboard::tag_text::{TagLink, tag_links};
use crate::dashboard::type_suggestions::event_types;
use crate::dashboard::view::{Count, Moment, ShortId};
use crate::dashboard::visit::Visit;
use crate::domain::access::Scope;
use crate::domain::clock::Timestamp;
use crate::domain::message::StoredMessage;
use crate::server::access::SEEING_WEBHOOKS;
use crate::server::error::ApiError;
use crate::server::inputs::filters::message_filter;
use crate::storage::{ListedMessages, MessageFilter, Page, Store};

/// A row of the list.
struct MessageRow {
    id: Uuid,
    event_type: String,
    tags: Vec<TagLink>,
    events: Count,
    is_archived: bool,
    at: Moment,
}

impl MessageRow {
    fn new(message: &StoredMessage, now: Timestamp) -> Self {
        Self {
            id: message.id,
            event_type: message.event_type.to_string(),
            tags: tag_links(&message.tags),
            events: Count(message.events),
            is_archived: message.is_archived,
            at: Moment::new(message.created_at, now),
        }
    }

    fn short_id(&self) -> ShortId {
        ShortId(self.id)
    }
}

#[derive(Template)]
#[template(path = "messages.html")]
struct MessagesPage {
    layout: Layout,
    filters: ListFilters,
    rows: Vec<MessageRow>,
    pager: Pager,
    total: Count,
    /// If not all could be searched for what an endpoint missed: a link to the list of the older ones.
    older: Option<String>,
    may_publish: bool,
}

struct Found {
    messages: ListedMessages,
    names: EndpointNames,
    event_types: Vec<String>,
}

/// Handles `GET /messages`.
pub(crate) async fn list(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let query = visit.query();
    let mut filters = ListFilters::new(ListView::Messages, query.clone());
    let (page, filter) = filters.read(|input| message_filter(input, visit.listed()));
    let found = find(&visit, filter, page).await?;
    let layout = Layout::new(&visit, Section::Messages, filters.title("Messages")).await?;
    let listed = &found.messages.listed;
    let older = found.messages.searched_back_to.map(|time| {
        let older = query
            .with("page", "")
            .with("end_timestamp", &time.to_string());
        format!("/messages?{}", older.to_query())
    });
    let rows = listed.items.iter();
    let rows = rows.map(|message| MessageRow::new(message, visit.now()));
    let (rows, total) = (rows.collect(), listed.total);
    filters.endpoints = found.names.choices;
    filters.event_types = found.event_types;
    html_of(
        filters.status(),
        &MessagesPage {
            layout,
            filters,
            rows,
            pager: Pager::new(page, total, "/messages", query),
            total: Count(total),
            older,
            may_publish: visit.may(Scope::WebhooksPublish),
        },
    )
}

async fn find(visit: &Visit, filter: Option<MessageFilter>, page: Page) -> Result<Found, ApiError> {
    let (listed, visible, workspace) = (visit.listed(), visit.visibility(), visit.workspace());
    let find = move |store: &dyn Store| {
        let messages = match filter {
            Some(filter) => store.list_messages(&filter, page)?,
            None => ListedMessages {
                listed: lists::empty(),
                searched_back_to: None,
            },
        };
        Ok(Found {
            names: EndpointNames::read(store, listed, visible, [])?,
            event_types: event_types(store, visible, workspace)?,
            messages,
        })
    };
    visit.read(find).await
}
