//! A test of an endpoint: one attempt at once, and the page with its result. Nothing of it is stored, so the page shows
//! all of it.

use actix_web::HttpResponse;
use askama::Template;
use uuid::Uuid;

use crate::dashboard::attempts::AttemptView;
use crate::dashboard::json_text::JsonText;
use crate::dashboard::layout::{Layout, Section, html};
use crate::dashboard::url_text::short_name;
use crate::dashboard::visit::Visit;
use crate::domain::access::Scope;
use crate::domain::event_type::EventType;
use crate::server::error::ApiError;
use crate::server::inputs::test_send::{TestMessage, test_data};
use crate::server::test_send::{TestSend, send};
use crate::storage::Store;

#[derive(Template)]
#[template(path = "test_send.html")]
struct TestPage {
    layout: Layout,
    endpoint_id: Uuid,
    /// The endpoint's name.
    name: String,
    event_type: String,
    /// The `webhook-id` that the receiver got.
    event_id: Uuid,
    attempts: Vec<AttemptView>,
    succeeded: bool,
    payload: JsonText,
}

/// Handles `POST /endpoints/{id}/test`.
pub(crate) async fn send_one(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let (visibility, id, now) = (visit.visibility(), visit.path_id()?, visit.now());
    let message = TestMessage {
        event_type: EventType::test(),
        data: test_data(),
    };
    let prepare = move |store: &dyn Store| TestSend::prepare(store, visibility, id, &message, now);
    let test = visit.read(prepare).await?;
    let settings = &test.endpoint.settings;
    let name = short_name(&settings.name, &settings.target.url);
    let delivery = send(&visit.dashboard.server, &visit.request, test).await?;
    let layout = Layout::new(&visit, Section::Endpoints, format!("Test of {name}")).await?;
    let payload = delivery.event.payload.as_deref().unwrap_or_default();
    html(&TestPage {
        endpoint_id: id,
        name,
        event_type: delivery.event.event_type.as_str().to_owned(),
        event_id: delivery.event.id,
        attempts: AttemptView::all(std::slice::from_ref(&delivery), visit.now()),
        succeeded: delivery.succeeded,
        payload: JsonText::new(payload),
        layout,
    })
}
