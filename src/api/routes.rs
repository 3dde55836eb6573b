//! The table of routes, and the order in which a request is refused.
//!
//! One table has all parts of each route: method, path, required access, and handler. This module, and not
//! actix-web, matches requests against it, because the contract orders refusals across routes: an invalid
//! token is a 401 on every path, known or not. After that come 404, 405, 401 for a missing token, 403 and
//! 429, all of them before the body is read.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};

use super::route_docs::RouteDocs;
use super::{
    batches, deliveries, endpoints, events, health, jobs, messages, pages, previews, test_send,
    tokens, workspaces,
};
use crate::domain::rate_limit::RateLimitStatus;
use crate::server::HEAD_MAX_BYTES;
use crate::server::access::{
    Access, PUBLISH, TOKENS_READ, TOKENS_WRITE, WEBHOOKS_VIEW, WEBHOOKS_WRITE, WORKSPACES_ADMIN,
    WORKSPACES_READ, WORKSPACES_WRITE, authorize,
};
use crate::server::auth::Authenticated;
use crate::server::call::{Call, NOBODY};
use crate::server::connection::RequestHandle;
use crate::server::error::ApiError;
use crate::server::path;
use crate::server::path::BASES;
use crate::server::rate_limit_headers::{counted_again, write_headers};
use crate::server::rate_limits::Budget;
use crate::server::request_metrics::mark_as_publish;
use crate::server::request_notes::{self, note};
use crate::server::state::ServerState;

/// A route as tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Its method; a GET route also takes HEAD.
    pub method: Method,
    /// Its path, with `{id}` for an id or `{key}` for a key, without the base.
    pub path: &'static str,
    /// The access that it requires.
    pub access: Access,
}

type HandlerFuture = Pin<Box<dyn Future<Output = Result<HttpResponse, ApiError>>>>;

struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    handler: fn(Call) -> HandlerFuture,
    /// Its description for clients; `None` for a page.
    docs: Option<&'static RouteDocs>,
}

/// The paths that only ask whether the server runs.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

impl Route {
    /// Returns the base with which `path` names the route.
    fn base(&self, path: &str) -> &'static str {
        let bases = BASES.into_iter().filter(|_| self.access != Public);
        bases
            .into_iter()
            .find(|base| path.starts_with(base))
            .unwrap_or_default()
    }

    fn budget(&self) -> Budget {
        if self.access == PUBLISH {
            Budget::Publish
        } else {
            Budget::Management
        }
    }
}

macro_rules! route {
    ($method:ident $path:literal, $access:expr, $handler:path, $docs:path) => {
        Route {
            docs: Some(&$docs),
            ..route!($method $path, $access, $handler)
        }
    };
    ($method:ident $path:literal, $access:expr, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            access: $access,
            handler: |call| Box::pin($handler(call)),
            docs: None,
        }
    };
}

use Access::Public;

// Publishing is first, because most requests are publishes.
#[rustfmt::skip]
static TABLE: &[Route] = &[
    route!(POST   "/webhooks/events",                  PUBLISH,          events::publish,           events::PUBLISH),
    route!(POST   "/webhooks/events/batch",            PUBLISH,          batches::publish,          batches::PUBLISH),
    route!(GET    "/webhooks/events",                  WEBHOOKS_VIEW,    events::list,              events::LIST),
    route!(GET    "/webhooks/events/{id}",             WEBHOOKS_VIEW,    events::get,               events::GET),
    route!(POST   "/webhooks/events/{id}/redeliver",   WEBHOOKS_WRITE,   events::redeliver,         events::REDELIVER),
    route!(POST   "/webhooks/events/{id}/skip",        WEBHOOKS_WRITE,   events::skip,              events::SKIP),
    route!(POST   "/webhooks/jobs",                    WEBHOOKS_WRITE,   jobs::create,              jobs::CREATE),
    route!(GET    "/webhooks/jobs",                    WEBHOOKS_VIEW,    jobs::list,                jobs::LIST),
    route!(GET    "/webhooks/jobs/{id}",               WEBHOOKS_VIEW,    jobs::get,                 jobs::GET),
    route!(POST   "/webhooks/jobs/{id}/cancel",        WEBHOOKS_WRITE,   jobs::cancel,              jobs::CANCEL),
    route!(GET    "/webhooks/messages",                WEBHOOKS_VIEW,    messages::list,            messages::LIST),
    route!(GET    "/webhooks/messages/{id}",           WEBHOOKS_VIEW,    messages::get,             messages::GET),
    route!(DELETE "/webhooks/messages/{id}/payload",   WEBHOOKS_WRITE,   messages::erase_payload,   messages::ERASE_PAYLOAD),
    route!(POST   "/webhooks/endpoints",               WEBHOOKS_WRITE,   endpoints::create,         endpoints::CREATE),
    route!(GET    "/webhooks/endpoints",               WEBHOOKS_VIEW,    endpoints::list,           endpoints::LIST),
    route!(GET    "/webhooks/endpoints/{id}",          WEBHOOKS_VIEW,    endpoints::get,            endpoints::GET),
    route!(PATCH  "/webhooks/endpoints/{id}",          WEBHOOKS_WRITE,   endpoints::update,         endpoints::UPDATE),
    route!(DELETE "/webhooks/endpoints/{id}",          WEBHOOKS_WRITE,   endpoints::delete,         endpoints::DELETE),
    route!(PUT    "/webhooks/endpoints/by-key/{key}",  WEBHOOKS_WRITE,   endpoints::put,            endpoints::PUT),
    route!(PATCH  "/webhooks/endpoints/{id}/secret",   WEBHOOKS_WRITE,   endpoints::rotate_secret,  endpoints::ROTATE_SECRET),
    route!(POST   "/webhooks/preview",                 WEBHOOKS_VIEW,    previews::create,          previews::PREVIEW),
    route!(POST   "/webhooks/endpoints/{id}/test",     WEBHOOKS_WRITE,   test_send::test,           test_send::TEST),
    route!(GET    "/webhooks/deliveries",              WEBHOOKS_VIEW,    deliveries::list,          deliveries::LIST),
    route!(POST   "/workspaces",                       WORKSPACES_ADMIN, workspaces::create,        workspaces::CREATE),
    route!(GET    "/workspaces",                       WORKSPACES_READ,  workspaces::list,          workspaces::LIST),
    route!(GET    "/workspaces/{id}",                  WORKSPACES_READ,  workspaces::get,           workspaces::GET),
    route!(PATCH  "/workspaces/{id}",                  WORKSPACES_WRITE, workspaces::update,        workspaces::UPDATE),
    route!(DELETE "/workspaces/{id}",                  WORKSPACES_ADMIN, workspaces::delete,        workspaces::DELETE),
    route!(POST   "/workspace-access-tokens",          TOKENS_WRITE,     tokens::create,            tokens::CREATE),
    route!(GET    "/workspace-access-tokens",          TOKENS_READ,      tokens::list,              tokens::LIST),
    route!(PATCH  "/workspace-access-tokens/{id}",     TOKENS_WRITE,     tokens::update,            tokens::UPDATE),
    route!(DELETE "/workspace-access-tokens/{id}",     TOKENS_WRITE,     tokens::revoke,            tokens::REVOKE),
    route!(GET    "/healthz",                          Public,           health::live,              health::LIVE),
    route!(GET    "/readyz",                           Public,           health::ready,             health::READY),
];

/// The pages for people and the document for programs, which need no token. The document does not list them.
#[rustfmt::skip]
static PAGES: &[Route] = &[
    route!(GET "/",                          Public, pages::home),
    route!(GET "/docs",                      Public, pages::reference),
    route!(GET "/docs/start.js",             Public, pages::start_script),
    route!(GET "/docs/swagger-ui-bundle.js", Public, pages::swagger_script),
    route!(GET "/docs/swagger-ui.css",       Public, pages::swagger_style),
    route!(GET "/openapi.json",              Public, pages::document),
    route!(GET "/api/openapi.json",          Public, pages::document),
    route!(GET "/v1/openapi.json",           Public, pages::document),
];

/// Returns all routes of the API.
pub fn table() -> impl Iterator<Item = RouteInfo> {
    documented().map(|(route, _)| route)
}

/// Returns all routes of the API, with their descriptions.
pub(super) fn documented() -> impl Iterator<Item = (RouteInfo, &'static RouteDocs)> {
    TABLE.iter().filter_map(|route| {
        let info = RouteInfo {
            method: route.method.clone(),
            path: route.path,
            access: route.access,
        };
        Some((info, route.docs?))
    })
}

/// Handles every request that reaches the API.
pub(super) async fn dispatch(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ServerState>,
) -> HttpResponse {
    let admitted = admit(&request, payload, state.into_inner()).await;
    let (handled, rate_limit) = match admitted {
        Ok((route, call, rate_limit)) => ((route.handler)(call).await, rate_limit),
        Err(error) => (Err(error), None),
    };
    let mut response =
        handled.unwrap_or_else(|error| error.response(&request_notes::id_of(&request)));
    if let Some(rate_limit) = rate_limit {
        let rate_limit = counted_again(&request).unwrap_or(rate_limit);
        write_headers(response.headers_mut(), rate_limit);
    }
    response
}

/// Finds the route, and checks that the caller may use it.
///
/// # Errors
/// The first refusal, in the order of the contract.
async fn admit(
    request: &HttpRequest,
    payload: web::Payload,
    state: Arc<ServerState>,
) -> Result<(&'static Route, Call, Option<RateLimitStatus>), ApiError> {
    let fields = request.headers().iter();
    let head = fields.map(|(name, value)| name.as_str().len() + value.len());
    let target = request.path().len() + request.query_string().len();
    if head.sum::<usize>() + target > HEAD_MAX_BYTES {
        return Err(ApiError::HeadTooLarge);
    }
    let path = path::decoded(request.path());
    let found = find(request.method(), &path);
    if let Found::Route(route, _) = &found {
        if route.budget() == Budget::Publish {
            mark_as_publish(request);
        }
        note(request, |facts| {
            facts.route = Some((route.base(&path), route.path));
            facts.is_probe = PROBES.contains(&route.path);
        });
    }
    // A probe must get through while the store fails, so the server does not look its token up.
    let open = matches!(&found, Found::Route(route, _) if route.access == Public);
    let authenticated = if open {
        None
    } else {
        authenticate(request, &state).await?
    };
    let (route, id) = match found {
        Found::Route(route, id) => (route, id),
        Found::WrongMethod(allowed) => return Err(ApiError::MethodNotAllowed(allowed)),
        Found::Nothing => return Err(ApiError::UnknownPath),
    };
    let handle = request.conn_data::<RequestHandle>().cloned();
    let (caller, rate_limit) = match &authenticated {
        None if open => (NOBODY, None),
        None => return Err(ApiError::Unauthorized),
        Some(Authenticated { caller, .. }) => {
            note(request, |facts| {
                facts.is_authenticated = true;
                facts.workspace_id = caller.visibility.workspace();
            });
            authorize(route.access, caller)?;
            if let Some(handle) = &handle {
                handle.attribute(caller.owner());
            }
            let now = state.clock.monotonic();
            let rate_limit = state.rate_limits.count(caller, route.budget(), now)?;
            (*caller, rate_limit)
        }
    };
    let call = Call {
        state,
        caller,
        authenticated,
        access: route.access,
        id: id.to_owned(),
        reads: route.docs.map(|docs| docs.reads),
        request: request.clone(),
        payload: Some(payload),
        handle,
    };
    Ok((route, call, rate_limit))
}

async fn authenticate(
    request: &HttpRequest,
    state: &ServerState,
) -> Result<Option<Authenticated>, ApiError> {
    let (headers, now) = (request.headers(), state.clock.now());
    let found = state
        .auth
        .caller(headers, &state.store, &state.readers, now);
    match found.await {
        Err(ApiError::InvalidToken) => Err(state
            .rate_limits
            .bad_token(request, state.clock.monotonic())),
        other => other,
    }
}

enum Found<'p> {
    Route(&'static Route, &'p str),
    /// The path exists, but only with these methods.
    WrongMethod(Vec<Method>),
    Nothing,
}

/// Finds the route of a request in the table. One trailing slash makes no difference. Of several patterns that match, those
/// with the longest text before their parameter count: `batch` is no id of an event.
fn find<'p>(method: &Method, path: &'p str) -> Found<'p> {
    // HEAD has the route of GET; actix-web leaves the body out.
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let path = match path.strip_suffix('/') {
        Some(rest) if !rest.is_empty() && !rest.ends_with('/') => rest,
        _ => path,
    };
    let based = BASES
        .into_iter()
        .find_map(|base| path.strip_prefix(base).filter(|rest| rest.starts_with('/')));
    let (mut allowed, mut found, mut longest) = (Vec::new(), None, 0);
    for route in TABLE.iter().chain(PAGES) {
        let rest = match (route.access, based) {
            (Public, _) => path,
            (_, Some(rest)) => rest,
            (_, None) => continue,
        };
        let Some(id) = matches(route.path, rest) else {
            continue;
        };
        let literal = route.path.find('{').unwrap_or(route.path.len());
        if literal < longest {
            continue;
        }
        if literal > longest {
            (found, longest) = (None, literal);
            allowed.clear();
        }
        if route.method == *method {
            found = Some(Found::Route(route, id));
        }
        if route.method == Method::GET {
            allowed.extend([Method::GET, Method::HEAD]);
        } else {
            allowed.push(route.method.clone());
        }
    }
    match found {
        Some(route) => route,
        None if allowed.is_empty() => Found::Nothing,
        None => Found::WrongMethod(allowed),
    }
}

/// Returns the part of `path` in place of the `{id}` or `{key}` of `pattern`, if it matches; it is empty if the pattern has
/// none.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod tests;
