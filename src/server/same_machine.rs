//! The protection of a server on a loopback address against web pages in a browser on the same machine.
//!
//! Only this machine can reach such a server, but any web page can make the browser that shows it send
//! requests to loopback addresses. A page of another origin does so under its own origin; then `Origin` and
//! `Sec-Fetch-Site` show it. Or the page's host name resolves to this machine (DNS rebinding), and for the
//! browser the server is of the page's origin; then `Host` is the page's name. A page can set none of these
//! headers. It can set those of a proxy (`X-Forwarded-For`), so pages that show more than the health and the version of
//! a server believe only proxies that the operator trusts.

use std::net::{IpAddr, SocketAddr};

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderMap, HeaderName, ORIGIN, VIA};
use actix_web::middleware::Next;

use super::error::ApiError;
use super::path::{BASES, decoded};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The headers that reverse proxies add.
const FORWARDING: [HeaderName; 4] = [
    VIA,
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
];

/// Checks that a request to a server on loopback, at `port`, is for a name of this machine, and not made by a
/// page of another origin.
///
/// # Errors
/// The rule that the request breaks.
pub fn check(headers: &HeaderMap, port: u16) -> Result<(), &'static str> {
    let host = own_host(headers, port)?;
    if headers.contains_key(ORIGIN) {
        let of_origin = only(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if !of_origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host)) {
            return Err("Origin must be the server's own");
        }
    }
    let mut sites = headers.get_all(SEC_FETCH_SITE);
    if sites.any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site")) {
        return Err("Sec-Fetch-Site must not be cross-site");
    }
    Ok(())
}

/// Checks that a request to a server on loopback, at `port`, is for a name of this machine.
///
/// # Errors
/// The rule that the request breaks.
pub(crate) fn check_host(headers: &HeaderMap, port: u16) -> Result<(), &'static str> {
    own_host(headers, port).map(|_| ())
}

fn own_host(headers: &HeaderMap, port: u16) -> Result<&str, &'static str> {
    let host = only(headers, &HOST).filter(|host| is_this_machine(host, port));
    host.ok_or("Host must be localhost or a loopback address, with the server's port")
}

/// Reports whether a reverse proxy has passed a request on.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDING.iter().any(|name| headers.contains_key(name))
}

/// Returns the value of a header that occurs once and is text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Reports whether `host`, as in a URL, is a loopback address or `localhost`, at `port`.
fn is_this_machine(host: &str, port: u16) -> bool {
    let (name, at) = match host.rsplit_once(':') {
        Some((name, at)) if !at.ends_with(']') => (name, at.parse().ok()),
        _ => (host, Some(80)),
    };
    let v6 = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let ip = match v6 {
        Some(v6) => v6.parse().map(IpAddr::V6),
        None => name.parse().map(IpAddr::V4),
    };
    let is_loopback = ip.map_or(name.eq_ignore_ascii_case("localhost"), |ip| {
        ip.is_loopback()
    });
    is_loopback && at == Some(port)
}

/// Refuses requests that browsers make for pages of other origins, if the server's address `own` is a
/// loopback address.
///
/// Does not check requests with a token, which no page has unless the user gave it one; requests of the API,
/// which need a token, and for which CORS names the allowed origins; requests through a reverse proxy, whose
/// names the operator chose; and requests without a browser's headers, which come from other programs. A link in a
/// page of another origin may lead to the server: that page sees nothing of what the browser then shows.
pub(crate) async fn refuse_foreign_origins<B: MessageBody + 'static>(
    own: Option<SocketAddr>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let headers = request.headers();
    let path = decoded(request.path());
    // A browser cannot reach a Unix socket.
    let port = own
        .filter(|own| own.ip().is_loopback())
        .map(|own| own.port());
    let is_free = port.is_none()
        || !(headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE))
        || headers.contains_key(AUTHORIZATION)
        || is_forwarded(headers)
        || needs_token(&path);
    let checked = match port {
        Some(port) if !is_free && follows_link(&request) => check_host(headers, port),
        Some(port) if !is_free => check(headers, port),
        _ => Ok(()),
    };
    if let Err(why) = checked {
        let refused = ApiError::ForeignOrigin(why).response("");
        return Ok(request.into_response(refused).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// Reports whether a browser shows the answer to a request in a window of its own, to the person who followed a link.
fn follows_link(request: &ServiceRequest) -> bool {
    let is = |name, value: &str| {
        let found = only(request.headers(), &HeaderName::from_static(name));
        found == Some(value)
    };
    request.method() == Method::GET
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

/// Reports whether a path is one of the API that gives nothing without a token. The OpenAPI document is under
/// the same base, but everybody gets it.
fn needs_token(path: &str) -> bool {
    let is_document = path.trim_end_matches('/').ends_with("/openapi.json");
    !is_document && BASES.iter().any(|base| path.starts_with(base))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn checked(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        check(&map, 8081).is_ok()
    }

    #[test]
    fn a_host_must_be_this_machine() {
        for host in [
            "localhost:8081",
            "LocalHost:8081",
            "127.0.0.1:8081",
            "127.9.9.9:8081",
            "[::1]:8081",
        ] {
            assert!(checked(&[("host", host)]), "{host}");
        }
        for host in [
            "",
            "localhost",
            "localhost:8080",
            "localhost:",
            "localhost:x",
            "localhost.:8081",
            "evil.example:8081",
            "localhost.evil.example:8081",
            "127.0.0.1.evil.example:8081",
            "10.0.0.1:8081",
            "0.0.0.0:8081",
            "[::]:8081",
            "[::1]",
            "::1:8081",
            "[127.0.0.1]:8081",
            "user@localhost:8081",
            "2130706433:8081",
            "127.1:8081",
            "localhost:8081:8081",
        ] {
            assert!(!checked(&[("host", host)]), "{host}");
        }
        assert!(!checked(&[]));
        assert!(!checked(&[
            ("host", "localhost:8081"),
            ("host", "localhost:8081")
        ]));
        let mut at_80 = HeaderMap::new();
        at_80.insert(HOST, HeaderValue::from_static("[::1]"));
        assert!(check(&at_80, 80).is_ok());
    }

    #[test]
    fn an_origin_must_be_its_own_and_a_site_not_another() {
        const HOST: (&str, &str) = ("host", "localhost:8081");
        assert!(checked(&[HOST, ("origin", "http://localhost:8081")]));
        for origin in [
            "",
            "null",
            "https://localhost:8081",
            "http://127.0.0.1:8081",
            "http://localhost:8080",
            "http://localhost",
            "http://evil.example:8081",
            "http://localhost:8081/",
            "localhost:8081",
        ] {
            assert!(!checked(&[HOST, ("origin", origin)]), "{origin}");
        }
        let own = ("origin", "http://localhost:8081");
        assert!(!checked(&[HOST, own, own]));
        for site in ["none", "same-origin", "same-site"] {
            assert!(checked(&[HOST, ("sec-fetch-site", site)]), "{site}");
        }
        for site in ["cross-site", "Cross-Site"] {
            assert!(!checked(&[HOST, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!checked(&[
            HOST,
            ("sec-fetch-site", "none"),
            ("sec-fetch-site", "cross-site")
        ]));
    }
}
