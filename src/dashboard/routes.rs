//! The table of pages, and the way of a request to its page.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};

use super::pages::{
    deliveries, endpoint, endpoint_actions, endpoint_form, endpoint_secret, endpoints, erase,
    event, job_form, jobs, message, messages, overview, publish, redeliveries, session, skip,
    system, test_send, tokens, workspaces,
};
use super::sessions::{Principal, Session, SessionKey};
use super::state::Dashboard;
use super::visit::{Visit, is_live, redirect};
use super::{assets, failure, sign_in};
use crate::domain::access::{Actor, Caller, Scopes, Visibility};
use crate::server::connection::RequestHandle;
use crate::server::error::ApiError;
use crate::server::path;
use crate::server::rate_limits::Budget;
use crate::server::readers::Lane;
use crate::server::request_notes::note;
use crate::server::same_machine;
use crate::storage::{Store, StoreError};

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
    page!(POST "/endpoints/{id}/pause",      endpoint_actions::pause),
    page!(POST "/endpoints/{id}/resume",     endpoint_actions::resume),
    page!(POST "/endpoints/{id}/enable",     endpoint_actions::enable),
    page!(POST "/endpoints/{id}/disable",    endpoint_actions::disable),
    page!(POST "/endpoints/{id}/delete",     endpoint_actions::delete),
    page!(POST "/endpoints/{id}/secret",     endpoint_secret::rotate),
    page!(POST "/endpoints/{id}/test",       test_send::send_one),
    page!(GET  "/deliveries",                deliveries::list),
    page!(POST "/redeliver",                 redeliveries::selected),
    page!(GET  "/events/{id}",               event::show),
    page!(GET  "/events/{id}/payload",       event::payload),
    page!(POST "/events/{id}/redeliver",     redeliveries::one),
    page!(POST "/events/{id}/skip",          skip::one),
    page!(GET  "/jobs",                      jobs::list),
    page!(POST "/jobs",                      job_form::create),
    page!(GET  "/jobs/new",                  job_form::new),
    page!(GET  "/jobs/{id}",                 jobs::show),
    page!(POST "/jobs/{id}/cancel",          jobs::cancel),
    page!(GET  "/messages",                  messages::list),
    page!(GET  "/messages/{id}",             message::show),
    page!(POST "/messages/{id}/erase",       erase::payload),
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
    // All other pages are one service behind a guard: the framework would match the pattern of each page against the path
    // of every request of the API.
    let is_page = |context: &guard::GuardContext<'_>| {
        let head = context.head();
        // A program with a token gets the API's answer about a path that the API does not have.
        !has_bearer(head.headers()) && is_known(&path::decoded(head.uri.path()))
    };
    let pages = web::scope("")
        .guard(guard::fn_guard(is_page))
        .default_service(web::to(dispatch));
    config.service(pages);
}

/// Reports whether a page other than `/`, or a file for pages, has this path.
fn is_known(path: &str) -> bool {
    let pages = TABLE.iter().map(|route| route.path);
    let mut patterns = pages.chain(["/login", "/assets/{id}"]);
    path != "/" && patterns.any(|pattern| matches(pattern, path).is_some())
}

/// Reports whether a program sent a token. Browsers send other schemes to a proxy that asks for a password.
fn has_bearer(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(AUTHORIZATION);
    values.any(|value| {
        let scheme = value.as_bytes().trim_ascii_start().get(..6);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
    })
}

/// Reports whether a browser sent the headers, to show the answer to a person.
fn is_browser(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok());
    accepts.into_iter().any(|value| value.contains("text/html"))
}

/// The longest query of a page, in bytes: a page repeats it in each of its links.
const QUERY_MAX: usize = 8 << 10;

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
    if request.query_string().len() > QUERY_MAX {
        return Err(ApiError::HeadTooLarge);
    }
    let path = path::decoded(request.path());
    if let Some(name) = path.strip_prefix("/assets/") {
        note(request, |facts| facts.route = Some(("", "/assets/{id}")));
        check_method(request, &[Method::GET, Method::HEAD])?;
        return assets::file(request, name);
    }
    if path == "/login" {
        note(request, |facts| facts.route = Some(("", "/login")));
        check_method(request, &[Method::GET, Method::HEAD, Method::POST])?;
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
    let is_counted = request.method() == Method::POST || !is_live(request);
    if is_counted {
        let now = dashboard.server.clock.monotonic();
        let limits = &dashboard.server.rate_limits;
        limits.count(&caller, Budget::Management, now)?;
    }
    let chosen = session.workspace;
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
    let answer = (route.handler)(visit).await;
    if matches!(answer, Err(ApiError::Store(StoreError::NotFound)))
        && let Some(chosen) = chosen
        && is_gone(dashboard, &caller, chosen).await
    {
        dashboard.sessions.choose_workspace(key, None);
        return Ok(redirect("/"));
    }
    answer
}

/// Reports whether the workspace that an admin had chosen was deleted.
async fn is_gone(dashboard: &Dashboard, caller: &Caller, chosen: uuid::Uuid) -> bool {
    let server = &dashboard.server;
    let lane = Lane::Caller(caller.owner());
    let find = move |store: &dyn Store| store.find_workspace(Visibility::All, chosen);
    let found = server.readers.read(lane, &server.store, find).await;
    matches!(found, Err(ApiError::Store(StoreError::NotFound)))
}

fn check_method(request: &HttpRequest, allowed: &[Method]) -> Result<(), ApiError> {
    if allowed.contains(request.method()) {
        Ok(())
    } else {
        Err(ApiError::MethodNotAllowed(allowed.to_vec()))
    }
}

/// Checks that a request to a server on loopback names this machine as its host, if it did not come through a
/// trusted proxy: a page can set the headers of a proxy by itself. A page of another host, whose name resolves to this machine, would otherwise be of the same origin.
fn check_host(request: &HttpRequest, dashboard: &Dashboard) -> Result<(), ApiError> {
    match dashboard.loopback_port {
        Some(port) if !dashboard.server.rate_limits.is_forwarded(request) => {
            let checked = same_machine::check_host(request.headers(), port);
            checked.map_err(|_| ApiError::ForeignOrigin(HOST_RULE))
        }
        _ => Ok(()),
    }
}

const HOST_RULE: &str = "Host must be localhost or a loopback address, with the server's port; name a proxy with --trusted-proxy";

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

fn session(dashboard: &Dashboard, request: &HttpRequest) -> Option<(SessionKey, Session)> {
    let now = dashboard.server.clock.monotonic();
    // Another server of the same host may have set a cookie of this name.
    sign_in::keys(dashboard, request).find_map(|key| {
        let session = dashboard.sessions.find(key, now, !is_live(request))?;
        Some((key, session))
    })
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
    scopes: Scopes::from_bits(u16::MAX),
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
