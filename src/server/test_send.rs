//! A test of an endpoint, for the API and for the dashboard: one attempt at once, whose result is the answer.
//!
//! Nothing of it is stored: a test is no event. Otherwise it would be in lists, totals and charts of what was really
//! sent, and a job that redelivers what failed would send the receiver a message that nobody published.

use std::time::Duration;

use actix_web::HttpRequest;
use uuid::Uuid;

use super::connection::RequestHandle;
use super::error::ApiError;
use super::inputs::test_send::TestMessage;
use super::publishing;
use super::state::ServerState;
use crate::delivery::TestAttempt;
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_type::EventType;
use crate::domain::format::{self, Summary};
use crate::domain::id::new_id;
use crate::domain::message::{raw_body, server_timestamp};
use crate::storage::{Store, StoreError};

/// The longest that an attempt may take (`--request-timeout`, and `timeout` in the policy of an endpoint).
const ATTEMPT_MAX: Duration = Duration::from_mins(2);

/// A test that is ready to be sent.
pub(crate) struct TestSend {
    pub(crate) endpoint: Endpoint,
    event_type: EventType,
    /// The body in the format of the endpoint.
    body: String,
}

impl TestSend {
    /// Finds the endpoint, and renders the message as it is rendered for events. Takes time for a large message.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the caller may not see the endpoint; the store's.
    pub(crate) fn prepare(
        store: &dyn Store,
        visibility: Visibility,
        id: Uuid,
        message: &TestMessage,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let endpoint = store.find_endpoint(visibility, id)?;
        let workspace = store.find_workspace(visibility, endpoint.workspace_id)?;
        let TestMessage { event_type, data } = message;
        let timestamp = server_timestamp(now);
        let rendered = format::render(
            endpoint.settings.target.format,
            event_type,
            &timestamp,
            workspace.name.as_str(),
            &Summary::of(data),
        );
        let body = rendered.unwrap_or_else(|| raw_body(event_type, &timestamp, data));
        Ok(Self {
            endpoint,
            event_type: event_type.clone(),
            body: String::from_utf8(body).expect("JSON that is made of texts is UTF-8"),
        })
    }
}

/// Sends a test to its endpoint, whether that is enabled or not. Returns the result as a delivery, which is not
/// stored. Takes the time of an attempt; if the caller goes, the attempt still ends.
///
/// # Errors
/// [`ApiError::TooManyTests`]; nothing was sent. [`StoreError::Unavailable`] if the server stops.
pub(crate) async fn send(
    state: &ServerState,
    request: &HttpRequest,
    test: TestSend,
) -> Result<Delivery, ApiError> {
    publishing::check_open(state)?;
    if let Some(handle) = request.conn_data::<RequestHandle>() {
        handle.extend(ATTEMPT_MAX);
    }
    let began = state.clock.now();
    let event_id = new_id(began);
    let (endpoint, body) = (test.endpoint, test.body);
    let attempt = TestAttempt {
        workspace_id: endpoint.workspace_id,
        event_id,
        body: body.clone().into_bytes(),
        settings: endpoint.settings.target,
    };
    let under_way = state.tests.start(attempt);
    let under_way = under_way.map_err(|_| ApiError::TooManyTests)?;
    // The thread of a test always answers, also after a panic.
    let result = under_way.await.map_err(|_| ApiError::TooManyTests)?;
    let succeeded = matches!(result.code, Some(200..=299));
    let status = if succeeded {
        EventStatus::Succeeded
    } else {
        EventStatus::Failed
    };
    Ok(Delivery {
        id: new_id(result.ended_at),
        endpoint_id: endpoint.id,
        event: Event {
            id: event_id,
            message_id: new_id(began),
            endpoint_id: endpoint.id,
            event_type: test.event_type,
            status,
            attempts: 1,
            last_http_code: result.code,
            next_attempt_at: None,
            payload: Some(body),
            created_at: began,
            modified_at: Some(result.ended_at),
        },
        attempt: 1,
        succeeded,
        http_code: result.code,
        error: result.error,
        response: result.response,
        duration_ms: u32::try_from(result.took.as_millis()).unwrap_or(u32::MAX),
        created_at: result.ended_at,
    })
}
