//! The table of pages, and the way of a request to its page.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};

use super::pages::{
    deliveries, endpoint, endpoint_form, endpoints, event, message, overview, publish,
    redeliveries, session, system, tokens, workspaces,
};
use super::sessions::{Principal, Session, SessionKey};
use super::state::Dashboard;
use super::visit::{Visit, redirect};
use super::{assets, failure, sign_in};
use crate::domain::access::{Actor, Caller, Scopes, Visibility};
use crate::server::connection::RequestHandle;
use crate::server::error::ApiError;
use crate::server::path;
use crate::server::request_notes::note;
use crate::server::same_machine;

/// A page as tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageInfo {
    /// Its method; a page that is read also takes HEAD.
    pub method: Method,
    /// Its path, with `{id}` for an id.
    pub path: &'static str,
}

type PageFuture = Pin<Box<dyn Future<Output = Result<HttpResponse, ApiError>>>>;

struct Route {
    method: Method,
    path: &'static str,
    handler: fn(Visit) -> PageFuture,
}

macro_rules! page {
    ($method:ident $path:literal, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            handler: |visit| Box::pin($handler(visit)),
        }
    };
}

#[rustfmt::skip]
static TABLE: &[Route] = &[
    page!(GET  "/",                          overview::show),
    page!(GET  "/endpoints",                 endpoints::list),
    page!(GET  "/endpoints/new",             endpoint_form::new),
    page!(POST "/endpoints/new",             endpoint_form::create),
    page!(GET  "/endpoints/{id}",            endpoint::show),
    page!(GET  "/endpoints/{id}/edit",       endpoint_form::edit),
    page!(POST "/endpoints/{id}/edit",       endpoint_form::update),
    page!(POST "/endpoints/{id}/enable",     endpoint::enable),
    page!(POST "/endpoints/{id}/disable",    endpoint::disable),
    page!(POST "/endpoints/{id}/delete",     endpoint::delete),
    page!(POST "/endpoints/{id}/secret",     endpoint::replace_secret),
    page!(GET  "/deliveries",                deliveries::list),
    page!(POST "/redeliver",                 redeliveries::selected),
    page!(GET  "/events/{id}",               event::show),
    page!(GET  "/events/{id}/payload",       event::payload),
    page!(POST "/events/{id}/redeliver",     redeliveries::one),
    page!(GET  "/messages/{id}",             message::show),
    page!(GET  "/publish",                   publish::compose),
    page!(POST "/publish",                   publish::send),
    page!(GET  "/tokens",                    tokens::list),
    page!(POST "/tokens",                    tokens::create),
    page!(POST "/tokens/{id}/revoke",        tokens::revoke),
    page!(GET  "/workspaces",                workspaces::list),
    page!(POST "/workspaces",                workspaces::create),
    page!(POST "/workspaces/{id}/edit",      workspaces::update),
    page!(POST "/workspaces/{id}/delete",    workspaces::delete),
    page!(GET  "/system",                    system::show),
    page!(POST "/workspace",                 session::choose_workspace),
    page!(POST "/logout",                    session::sign_out),
];

/// Returns all pages that need a session.
pub fn table() -> impl Iterator<Item = PageInfo> {
    TABLE.iter().map(|route| PageInfo {
        method: route.method.clone(),
        path: route.path,
    })
}

/// Adds the dashboard to an application. Programs that ask for `/` get the API's answer.
pub fn configure(config: &mut ServiceConfig, dashboard: &Arc<Dashboard>) {
    config.app_data(web::Data::from(Arc::clone(dashboard)));
    let home = web::resource("/")
        .guard(guard::fn_guard(|context| {
            is_browser(context.head().headers())
        }))
        .default_service(web::to(dispatch));
    config.service(home);
    let mut paths: Vec<_> = TABLE
        .iter()
        .map(|route| route.path)
        .filter(|path| *path != "/")
        .collect();
    paths.dedup();
    paths.extend(["/login", "/assets/{id}"]);
    // A program with a token gets the API's answer about a path that the API does not have.
    let has_no_token =
        |context: &guard::GuardContext<'_>| !context.head().headers().contains_key(AUTHORIZATION);
    let pages = web::resource(paths)
        .guard(guard::fn_guard(has_no_token))
        .default_service(web::to(dispatch));
    config.service(pages);
}

/// Reports whether a browser sent the headers, to show the answer to a person.
fn is_browser(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok());
    accepts.into_iter().any(|value| value.contains("text/html"))
}

async fn dispatch(
    request: HttpRequest,
    payload: web::Payload,
    dashboard: web::Data<Dashboard>,
) -> HttpResponse {
    let dashboard = dashboard.into_inner();
    let answered = answer(&request, payload, &dashboard).await;
    answered.unwrap_or_else(|error| failure::page(&request, error))
}

async fn answer(
    request: &HttpRequest,
    payload: web::Payload,
    dashboard: &Arc<Dashboard>,
) -> Result<HttpResponse, ApiError> {
    check_host(request, dashboard)?;
    let path = path::decoded(request.path());
    if let Some(name) = path.strip_prefix("/assets/") {
        note(request, |facts| facts.route = Some(("", "/assets/{id}")));
        return assets::file(request, name);
    }
    if path == "/login" {
        note(request, |facts| facts.route = Some(("", "/login")));
        return sign_in::login(dashboard, request, payload).await;
    }
    let (route, id) = find(request.method(), &path)?;
    note(request, |facts| facts.route = Some(("", route.path)));
    let Some((key, session)) = session(dashboard, request) else {
        return Ok(unless_signed_in(request));
    };
    let Some((caller, actor)) = caller(dashboard, &session, key).await? else {
        return Ok(unless_signed_in(request));
    };
    note(request, |facts| {
        facts.is_authenticated = true;
        // An open page asks every few seconds; like those of probes, the lines would fill the log.
        facts.is_probe = is_live(request);
        facts.workspace_id = caller.visibility.workspace();
    });
    if let Some(handle) = request.conn_data::<RequestHandle>() {
        handle.attribute(caller.owner());
    }
    let visit = Visit {
        dashboard: Arc::clone(dashboard),
        request: request.clone(),
        payload: Some(payload),
        id: id.to_owned(),
        key,
        session,
        caller,
        actor,
    };
    (route.handler)(visit).await
}

/// Checks that a request to a server on loopback names this machine as its host, if it did not come through a
/// proxy. A page of another host, whose name resolves to this machine, would otherwise be of the same origin.
fn check_host(request: &HttpRequest, dashboard: &Dashboard) -> Result<(), ApiError> {
    match dashboard.loopback_port {
        Some(port) if !same_machine::is_forwarded(request.headers()) => {
            same_machine::check_host(request.headers(), port).map_err(ApiError::ForeignOrigin)
        }
        _ => Ok(()),
    }
}

/// Finds the page of a request, and the `{id}` of its path.
fn find<'p>(method: &Method, path: &'p str) -> Result<(&'static Route, &'p str), ApiError> {
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut allowed = Vec::new();
    for route in TABLE {
        let Some(id) = matches(route.path, path) else {
            continue;
        };
        if route.method == *method {
            return Ok((route, id));
        }
        if route.method == Method::GET {
            allowed.push(Method::HEAD);
        }
        allowed.push(route.method.clone());
    }
    if allowed.is_empty() {
        Err(ApiError::UnknownPath)
    } else {
        Err(ApiError::MethodNotAllowed(allowed))
    }
}

/// Returns the `{id}` of `path` if it matches `pattern`; it is empty if the pattern has none.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = pattern.split_once("{id}") else {
        return (pattern == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// Reports whether the script of an open page asks for its new content, and not a person.
fn is_live(request: &HttpRequest) -> bool {
    request.headers().contains_key("x-live-update")
}

fn session(dashboard: &Dashboard, request: &HttpRequest) -> Option<(SessionKey, Session)> {
    let key = sign_in::key(dashboard, request.headers())?;
    let now = dashboard.server.clock.monotonic();
    let session = dashboard.sessions.find(key, now, !is_live(request))?;
    Some((key, session))
}

/// Returns the caller that a session acts for; `None` if its token has ended, and so has the session.
async fn caller(
    dashboard: &Dashboard,
    session: &Session,
    key: SessionKey,
) -> Result<Option<(Caller, Actor)>, ApiError> {
    let hash = match session.principal {
        Principal::Operator => return Ok(Some((OPERATOR, Actor::Operator))),
        Principal::Token(hash) => hash,
    };
    let server = &dashboard.server;
    let now = server.clock.now();
    let found = server
        .auth
        .caller_of(hash, &server.store, &server.readers, now);
    match found.await {
        Ok(found) => Ok(Some((found.caller, Actor::Caller(found.caller)))),
        Err(ApiError::InvalidToken) => {
            dashboard.sessions.end(key);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// The operator, who may do everything.
static OPERATOR: Caller = Caller {
    token_id: uuid::Uuid::nil(),
    visibility: Visibility::All,
    scopes: Scopes::from_bits(u8::MAX),
    expires_at: None,
};

/// Leads to the page to sign in, and back to the page that was asked for.
fn unless_signed_in(request: &HttpRequest) -> HttpResponse {
    if is_cross_site(request) {
        return failure::load_again();
    }
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    if request.method() == Method::POST || target == "/" {
        return redirect("/login");
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", target);
    redirect(&format!("/login?{}", query.finish()))
}

/// Reports whether a person followed a link of another site. The browser then leaves the cookie out, as its
/// `SameSite=Strict` demands, although the person may be signed in.
fn is_cross_site(request: &HttpRequest) -> bool {
    let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    request.method() == Method::GET
        && header("sec-fetch-site") == Some(b"cross-site")
        && header("sec-fetch-mode") == Some(b"navigate")
}
