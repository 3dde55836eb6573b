//! The built-in receiver: a small HTTP server on a loopback port, which checks signatures and shows the
//! webhooks that it received.
//!
//! Deliveries reach it in the same way as any other receiver. It has several inboxes, each with a name that
//! is part of the URL. It checks signatures with the secrets of the endpoints whose URL is the inbox's. It
//! keeps requests in memory, within limits. Web pages of other origins can neither read nor fill an inbox
//! through the user's browser.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, LOCATION, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, web};
use serde::Deserialize;
use tokio::sync::Notify;

use super::page::{self, Summary};
use super::received::Received;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::secret::Secret;
use crate::domain::signature;
use crate::server::same_machine;
use crate::vital;

/// The most requests kept per inbox; older ones are dropped.
const REQUESTS_MAX: usize = 100;
/// The most inboxes; requests to further ones are refused.
const INBOXES_MAX: usize = 32;
/// The longest name of an inbox, in bytes.
const NAME_MAX: usize = 64;
/// The most bytes of a body that are kept. With the limits above, inboxes take at most some 50 MB.
const BODY_KEPT_BYTES: usize = 16 * 1024;
/// The largest accepted body: more than the largest that can be published.
const BODY_MAX_BYTES: usize = 8 << 20;

/// A function that returns the secrets of the endpoints whose URL has the given path. It may block for
/// milliseconds.
pub(super) type FindSecrets = Arc<dyn Fn(&str) -> Vec<Secret> + Send + Sync>;

/// All inboxes, by name.
pub(super) struct Inboxes {
    secrets: FindSecrets,
    by_name: Mutex<HashMap<String, VecDeque<Received>>>,
    arrival: Notify,
}

impl Inboxes {
    pub(super) fn new(secrets: FindSecrets) -> Arc<Self> {
        Arc::new(Self {
            secrets,
            by_name: Mutex::default(),
            arrival: Notify::new(),
        })
    }

    /// Waits for the request with this `webhook-id`, and returns it.
    pub(super) async fn wait_for(&self, name: &str, id: &str) -> Received {
        loop {
            // Made before the check, so that no arrival after the check is missed.
            let arrival = self.arrival.notified();
            if let Some(received) = self.list(name).into_iter().find(|r| r.id == id) {
                return received;
            }
            arrival.await;
        }
    }

    /// Returns the requests of an inbox, newest first.
    fn list(&self, name: &str) -> Vec<Received> {
        let inboxes = vital::lock(&self.by_name);
        let kept = inboxes.get(name).into_iter().flatten();
        kept.rev().cloned().collect()
    }

    /// Returns the name of each inbox, the number of its requests, and the newest of them, by name.
    fn summaries(&self) -> Vec<Summary> {
        let inboxes = vital::lock(&self.by_name);
        let summaries = inboxes.iter().map(|(name, kept)| Summary {
            name: name.clone(),
            count: kept.len(),
            newest: kept.back().cloned(),
        });
        let mut summaries: Vec<_> = summaries.collect();
        summaries.sort_by(|a, b| a.name.cmp(&b.name));
        summaries
    }

    /// Removes the requests of an inbox; the inbox stays.
    fn clear(&self, name: &str) {
        if let Some(kept) = vital::lock(&self.by_name).get_mut(name) {
            kept.clear();
        }
    }

    /// Stores a request in the inbox `name`. Returns false if that would be one inbox too many.
    fn keep(&self, name: &str, received: Received) -> bool {
        let mut inboxes = vital::lock(&self.by_name);
        if !inboxes.contains_key(name) && inboxes.len() >= INBOXES_MAX {
            return false;
        }
        let kept = inboxes.entry(name.to_owned()).or_default();
        if kept.len() >= REQUESTS_MAX {
            kept.pop_front();
        }
        kept.push_back(received);
        drop(inboxes);
        self.arrival.notify_waiters();
        true
    }
}

/// Returns a server on `listener`; the caller spawns it.
pub(super) fn serve(listener: TcpListener, inboxes: Arc<Inboxes>) -> io::Result<Server> {
    let inboxes = web::Data::from(inboxes);
    let port = listener.local_addr()?.port();
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(move |request, next| {
                refuse_other_origins(port, request, next)
            }))
            .app_data(inboxes.clone())
            .app_data(web::PayloadConfig::new(BODY_MAX_BYTES))
            .route("/", web::get().to(list))
            .route("/inbox", web::get().to(list))
            .route("/inbox/{name}", web::post().to(receive))
            .route("/inbox/{name}", web::get().to(show))
            .route("/inbox/{name}", web::delete().to(clear))
            .route("/inbox/{name}/clear", web::post().to(clear_from_page))
    });
    Ok(server
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?
        .run())
}

/// Refuses a request that a browser makes for a page of another origin, or whose host name is not this
/// machine's.
async fn refuse_other_origins<B: MessageBody + 'static>(
    port: u16,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match same_machine::check(request.headers(), port) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(why) => {
            let text = format!("This inbox is for this machine only: {why}.\n");
            let refused = HttpResponse::Forbidden().body(text);
            Ok(request.into_response(refused).map_into_right_body())
        }
    }
}

/// The query of a request: `?status=503` makes the inbox answer 503, to show retries.
#[derive(Deserialize)]
struct AnswerQuery {
    status: Option<u16>,
}

async fn receive(
    inboxes: web::Data<Inboxes>,
    name: web::Path<String>,
    query: web::Query<AnswerQuery>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    if !is_name(&name) {
        return HttpResponse::NotFound().finish();
    }
    let path = request.path().to_owned();
    let for_look_up = inboxes.clone();
    let Ok(secrets) = web::block(move || (for_look_up.secrets)(&path)).await else {
        return HttpResponse::InternalServerError().finish();
    };
    let mut received = read(&request, &body, &secrets);
    let verified = received.verified;
    let code = match query.status.map(StatusCode::from_u16) {
        Some(Ok(code)) if code.as_u16() >= 200 => code,
        _ if verified => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    };
    received.status = code.as_u16();
    if !inboxes.keep(&name, received) {
        return HttpResponse::InsufficientStorage().finish();
    }
    HttpResponse::build(code).json(serde_json::json!({ "verified": verified }))
}

/// The part of a body of the format `raw` that is shown as its heading.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    event_type: Option<String>,
}

/// Checks the signature of a request with each of `secrets`, and returns the request as it is kept.
fn read(request: &HttpRequest, body: &[u8], secrets: &[Secret]) -> Received {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.map_or_else(String::new, |value| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        })
    };
    let (id, timestamp, signature) = (
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
    );
    let verified = secrets
        .iter()
        .any(|secret| signature::verify(secret, &id, &timestamp, body, &signature));
    let event_type = serde_json::from_slice(body).ok();
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        let all = headers.entry(name.as_str().to_owned()).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&value);
    }
    Received {
        at: SystemClock::new().now(),
        id,
        event_type: event_type.and_then(|typed: Typed| typed.event_type),
        verified,
        status: 0,
        timestamp,
        signature,
        headers,
        body: String::from_utf8_lossy(&body[..body.len().min(BODY_KEPT_BYTES)]).into_owned(),
    }
}

/// Shows an inbox: as JSON if the path ends in `.json` or the client accepts only that, else as a page.
async fn show(
    inboxes: web::Data<Inboxes>,
    name: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let (name, suffixed) = match name.strip_suffix(".json") {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    if !is_name(name) {
        return HttpResponse::NotFound().finish();
    }
    let accepted = request.headers().get(ACCEPT);
    let asked = accepted.is_some_and(|accept| {
        let accept = accept.to_str().unwrap_or_default();
        accept.contains("application/json") && !accept.contains("text/html")
    });
    let received = inboxes.list(name);
    if suffixed || asked {
        return HttpResponse::Ok().json(received);
    }
    html(page::inbox(name, &received))
}

fn html(page: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type("text/html; charset=utf-8")
        .body(page)
}

/// Shows the names of all inboxes.
async fn list(inboxes: web::Data<Inboxes>) -> HttpResponse {
    html(page::list(&inboxes.summaries()))
}

/// Empties an inbox.
async fn clear(inboxes: web::Data<Inboxes>, name: web::Path<String>) -> HttpResponse {
    inboxes.clear(&name);
    HttpResponse::NoContent().finish()
}

/// Does the same for the button of the page, and leads back to it.
async fn clear_from_page(inboxes: web::Data<Inboxes>, name: web::Path<String>) -> HttpResponse {
    if !is_name(&name) {
        return HttpResponse::NotFound().finish();
    }
    inboxes.clear(&name);
    HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("/inbox/{name}")))
        .finish()
}

/// Reports whether a name has only letters, digits, `-` and `_`, which need no escape in a URL or a page.
fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && (text.bytes()).all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(id: usize) -> Received {
        Received {
            id: id.to_string(),
            verified: true,
            ..Received::default()
        }
    }

    #[test]
    fn requests_and_inboxes_are_bounded() {
        let inboxes = Inboxes::new(Arc::new(|_| Vec::new()));
        for id in 0..REQUESTS_MAX + 5 {
            assert!(inboxes.keep("a", received(id)));
        }
        let kept = inboxes.list("a");
        assert_eq!(kept.len(), REQUESTS_MAX);
        assert_eq!(kept[0].id, (REQUESTS_MAX + 4).to_string());
        for name in 1..INBOXES_MAX {
            assert!(inboxes.keep(&name.to_string(), received(0)));
        }
        assert!(!inboxes.keep("one-too-many", received(0)));
        assert!(inboxes.keep("a", received(0)));
        inboxes.clear("a");
        inboxes.clear("none");
        assert!(inboxes.list("a").is_empty());
        assert_eq!(inboxes.summaries().len(), INBOXES_MAX);
    }

    #[test]
    fn names_need_no_escaping() {
        assert!(is_name("demo-1_A"));
        for bad in ["", "a.json", "a/b", "<", "é", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
