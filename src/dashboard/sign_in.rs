//! Signing in and out: the cookie of a session, and the page with the form.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{COOKIE, SET_COOKIE};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::form::FORM_MAX;
use super::layout::html;
use super::query::Fields;
use super::sessions::{AGE_MAX, Principal, SessionKey};
use super::state::Dashboard;
use super::view::Assets;
use super::visit::{is_prefetch, receive_form, redirect};
use crate::domain::access::{Token, TokenHash};
use crate::server::error::ApiError;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    assets: Assets,
    problem: String,
    /// The page to which the person goes next.
    next: String,
}

/// Handles `GET /login` and `POST /login`, which need no session.
pub(super) async fn login(
    dashboard: &Arc<Dashboard>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    if request.method() == Method::POST {
        return sign_in(dashboard, request, payload).await;
    }
    let query = Fields::parse(request.query_string().as_bytes());
    let next = next_page(query.raw("next"));
    // A browser that loads a page in advance, or a program that looks at a link, must not use the code up.
    let is_visit = request.method() == Method::GET && !is_prefetch(request.headers());
    if let Some(code) = query.get("code")
        && is_visit
    {
        let now = dashboard.server.clock.monotonic();
        if dashboard.codes.take(code, now) {
            return Ok(begin(dashboard, request, Principal::Operator, &next));
        }
        return page(
            "This link was used before, or is too old. Start the server again for a new one, or sign in with a token.",
            next,
        );
    }
    page("", next)
}

async fn sign_in(
    dashboard: &Arc<Dashboard>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let form = receive_form(request, Some(payload), FORM_MAX).await?;
    let next = next_page(form.raw("next"));
    let Some(text) = form.get("token") else {
        return page("Enter an access token.", next);
    };
    let server = &dashboard.server;
    let hash = Token::parse(text).map(|token| token.hash());
    let found = match hash {
        Some(hash) => find(dashboard, hash).await,
        None => Err(ApiError::InvalidToken),
    };
    match found {
        Ok(hash) => Ok(begin(dashboard, request, Principal::Token(hash), &next)),
        Err(ApiError::InvalidToken) => {
            match server
                .rate_limits
                .bad_token(request, server.clock.monotonic())
            {
                ApiError::InvalidToken => {}
                too_many => return Err(too_many),
            }
            page("This token is unknown, expired or revoked.", next)
        }
        Err(other) => Err(other),
    }
}

async fn find(dashboard: &Dashboard, hash: TokenHash) -> Result<TokenHash, ApiError> {
    let server = &dashboard.server;
    let now = server.clock.now();
    server
        .auth
        .caller_of(hash, &server.store, &server.readers, now)
        .await?;
    Ok(hash)
}

fn page(problem: &str, next: String) -> Result<HttpResponse, ApiError> {
    html(&LoginPage {
        assets: Assets::new(),
        problem: problem.to_owned(),
        next,
    })
}

/// Returns the page to which a person goes after signing in: one of this server, or the first.
fn next_page(next: &str) -> String {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path && is_plain && !next.starts_with("/login") {
        next.to_owned()
    } else {
        "/".to_owned()
    }
}

/// Begins a session, and leads to its first page.
fn begin(
    dashboard: &Dashboard,
    request: &HttpRequest,
    principal: Principal,
    next: &str,
) -> HttpResponse {
    let now = dashboard.server.clock.monotonic();
    for old in keys(dashboard, request) {
        dashboard.sessions.end(old);
    }
    let cookie = dashboard.sessions.begin(principal, now);
    let age = AGE_MAX.as_secs();
    with_cookie(dashboard, request, redirect(next), &cookie, age)
}

/// Ends the session, and leads to the page to sign in.
pub(super) fn sign_out(
    dashboard: &Dashboard,
    request: &HttpRequest,
    key: SessionKey,
) -> HttpResponse {
    dashboard.sessions.end(key);
    with_cookie(dashboard, request, redirect("/login"), "", 0)
}

fn with_cookie(
    dashboard: &Dashboard,
    request: &HttpRequest,
    mut response: HttpResponse,
    value: &str,
    age_s: u64,
) -> HttpResponse {
    let is_secure = is_secure(dashboard, request);
    let secure = if is_secure { "; Secure" } else { "" };
    let name = cookie_name(dashboard, is_secure);
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Reports whether the browser reached the server, or the proxy before it, over HTTPS.
fn is_secure(dashboard: &Dashboard, request: &HttpRequest) -> bool {
    let forwarded = request.headers().get("x-forwarded-proto");
    let first = forwarded.and_then(|schemes| schemes.as_bytes().split(|&byte| byte == b',').next());
    dashboard.has_tls
        || first.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// Returns the name of the cookie. Over HTTPS it begins with `__Host-`, so that no other host can set it.
fn cookie_name(dashboard: &Dashboard, is_secure: bool) -> String {
    let prefix = if is_secure { "__Host-" } else { "" };
    format!("{prefix}hookpost_{}", dashboard.port)
}

/// Returns the keys of the sessions whose cookies a request has. There may be several cookies of one name.
pub(super) fn keys<'r>(
    dashboard: &Dashboard,
    request: &'r HttpRequest,
) -> impl Iterator<Item = SessionKey> + use<'r> {
    let name = cookie_name(dashboard, is_secure(dashboard, request));
    let values = request.headers().get_all(COOKIE);
    let pairs = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
    pairs.take(COOKIES_MAX).filter_map(move |pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        let value = std::str::from_utf8(value.strip_prefix(b"=")?).ok()?;
        Some(SessionKey::of(value))
    })
}

/// The cookies of a request that are looked at: more than browsers keep of a host.
const COOKIES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_one_of_this_server() {
        assert_eq!(next_page("/deliveries?a=b"), "/deliveries?a=b");
        for foreign in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/login",
            "/a\r\nb",
            "/\t/x",
        ] {
            assert_eq!(next_page(foreign), "/", "{foreign}");
        }
    }
}
