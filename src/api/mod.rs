//! Placeholder of the HTTP API, until it lands: health checks, and publishing without a check.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::config::ApiSettings;
use crate::domain::access::Token;
use crate::domain::clock::Clock;
use crate::domain::event_type::EventType;
use crate::domain::message::NewMessage;
use crate::domain::network_policy::NetworkPolicy;
use crate::storage::Store;

/// What the handlers work with.
#[derive(Clone)]
pub struct ApiState {
    /// What is stored.
    pub store: Arc<dyn Store>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// How the API listens and what it takes.
    pub settings: ApiSettings,
    /// Which URLs endpoints may have.
    pub policy: NetworkPolicy,
    /// Set once the server is stopping: publishes are refused from then on.
    pub stopping: Arc<AtomicBool>,
}

#[derive(Deserialize)]
struct Publish {
    r#type: String,
    data: Box<RawValue>,
    workspace_id: Option<Uuid>,
}

async fn publish(
    state: web::Data<ApiState>,
    request: actix_web::HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let Ok(body) = serde_json::from_slice::<Publish>(&body) else {
        return HttpResponse::UnprocessableEntity().finish();
    };
    let caller = (request.headers().get("authorization"))
        .and_then(|value| Token::parse(value.to_str().ok()?.strip_prefix("Bearer ")?))
        .and_then(|token| state.store.find_caller(&token.hash()).ok()?);
    let workspace_id = match caller.map(|caller| caller.reach) {
        Some(crate::domain::access::Reach::Workspace(id)) => id,
        Some(crate::domain::access::Reach::Server) => body.workspace_id.unwrap_or_default(),
        None => return HttpResponse::Unauthorized().body("{\"error\":\"invalid_token\"}"),
    };
    let published = state.store.publish(NewMessage {
        workspace_id,
        event_type: EventType::from_stored(body.r#type),
        timestamp: None,
        data: body.data,
        idempotency: None,
    });
    match published.await {
        Ok(published) => {
            let events: Vec<_> = (published.message.events.iter())
                .map(
                    |(id, endpoint)| serde_json::json!({"id": id, "webhook_endpoint_id": endpoint}),
                )
                .collect();
            HttpResponse::Accepted()
                .json(serde_json::json!({"id": published.message.id, "events": events}))
        }
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn ready(state: web::Data<ApiState>) -> HttpResponse {
    match state.store.check() {
        Ok(()) => HttpResponse::Ok().body("{\"status\":\"ok\"}"),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}

/// Answers on `listener` until the server is stopped; installs no signal handlers.
pub fn serve(listener: TcpListener, state: ApiState) -> io::Result<Server> {
    let state = web::Data::new(state);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .route("/readyz", web::get().to(ready))
            .route("/healthz", web::get().to(ready))
            .route("/api/webhooks/events", web::post().to(publish))
    });
    Ok(server
        .disable_signals()
        .shutdown_timeout(5)
        .workers(1)
        .listen(listener)?
        .run())
}
