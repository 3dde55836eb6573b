//! The URL of an endpoint, parsed once, when a client sends it, into a form that can be stored and used.
//!
//! URLs are read as browsers read them (WHATWG): `HTTPS://Example.com:443/a/../b` is stored as
//! `https://example.com/b`, and `https://0x7f.1/` is recognised as a loopback address. Requests use the
//! stored text, so no second parser can read the client's text in another way. They encode some characters
//! of its path and query ([`request_form`]).
//!
//! Names are not looked up here: before each request, the engine checks the addresses of the name. Only the
//! addresses of `localhost` are known (RFC 6761, section 6.3).

mod request_form;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, ParseError, Url};

pub use self::request_form::request_form;
use super::network_policy::{AddressRefused, NetworkPolicy};

/// The longest URL in bytes, both as sent and as stored: the limit of the API that this one is compatible
/// with, and about the longest that every HTTP server accepts.
pub const MAX_URL_BYTES: usize = 2083;

/// An `https:` URL (or an `http:` one, if the policy allows it) in the normal form of WHATWG, without user
/// name and password, and at most [`MAX_URL_BYTES`] long. A fragment is kept, but never sent.
///
/// `Debug` shows only scheme, host and port: anyone who knows the path of a Slack or Discord webhook can post
/// to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EndpointUrl(String);

/// The reason why a text cannot be the URL of an endpoint; `api/validate` has the messages for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlProblem {
    /// It has a scheme other than `https:` (or `http:`, if the policy allows that).
    Scheme {
        /// True if the policy allows `http:`.
        http_allowed: bool,
        /// True if the scheme is `http:`.
        is_http: bool,
    },
    /// It is not a URL; the field says why.
    Parsing(&'static str),
    /// It is longer than [`MAX_URL_BYTES`], as sent or as normalised.
    TooLong,
    /// It has a user name or a password.
    Userinfo,
    /// Its host is an IP address that the policy forbids, or `localhost`.
    ForbiddenAddress(AddressRefused),
}

impl EndpointUrl {
    /// Reads a client's text. ASCII white space around it is dropped.
    pub fn parse(input: &str, policy: &NetworkPolicy) -> Result<Self, UrlProblem> {
        if input.len() > MAX_URL_BYTES {
            return Err(UrlProblem::TooLong);
        }
        let trimmed = input.trim_ascii();
        if trimmed.is_empty() {
            return Err(UrlProblem::Parsing("input is empty"));
        }
        let url = Url::parse(trimmed).map_err(parse_problem)?;
        let scheme_ok = match url.scheme() {
            "https" => true,
            "http" => policy.allow_http,
            _ => false,
        };
        if !scheme_ok {
            return Err(UrlProblem::Scheme {
                http_allowed: policy.allow_http,
                is_http: url.scheme() == "http",
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlProblem::Userinfo);
        }
        let checked = match url.host() {
            Some(Host::Ipv4(ip)) => policy.check_addr(ip.into()),
            Some(Host::Ipv6(ip)) => policy.check_addr(ip.into()),
            Some(Host::Domain(name)) if !is_name(name) => {
                return Err(UrlProblem::Parsing(BAD_NAME));
            }
            Some(Host::Domain(name)) if is_localhost(name) => check_loopback(policy),
            Some(Host::Domain(_)) | None => Ok(()),
        };
        checked.map_err(UrlProblem::ForbiddenAddress)?;
        let normalised = String::from(url);
        if normalised.len() > MAX_URL_BYTES {
            return Err(UrlProblem::TooLong);
        }
        Ok(Self(normalised))
    }

    /// Takes a stored text, which came from [`as_str`](Self::as_str). It is not checked here, because the
    /// policy may have changed since; each request checks it again.
    #[must_use]
    pub fn from_stored(normalised: String) -> Self {
        Self(normalised)
    }

    /// Returns the normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the parsed URL; `None` only for a [stored](Self::from_stored) text that is no URL.
    #[must_use]
    pub fn url(&self) -> Option<Url> {
        Url::parse(&self.0).ok()
    }

    /// Returns the scheme, host and port; empty for a [stored](Self::from_stored) text that is no URL.
    #[must_use]
    pub fn origin(&self) -> String {
        let origin = self.url().map(|url| url.origin().ascii_serialization());
        origin.unwrap_or_default()
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({}/…)", self.origin())
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason to refuse a host that is no address and no name.
const BAD_NAME: &str = "invalid international domain name";

/// Reports whether every character of `name` may occur in a host name. RFC 1123 has no underscore in host
/// names, but many containers do.
///
/// Browsers also accept quotes, braces and the like. But no name server and no certificate has such a name,
/// and RFC 3986, the grammar of requests, does not allow it.
fn is_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_'))
}

/// Reports whether a name in lower case means this machine, whatever the name servers say.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Checks that the policy allows one of the two addresses that `localhost` may have.
fn check_loopback(policy: &NetworkPolicy) -> Result<(), AddressRefused> {
    policy
        .check_addr(Ipv4Addr::LOCALHOST.into())
        .or_else(|refused| {
            let v6 = policy.check_addr(Ipv6Addr::LOCALHOST.into());
            v6.map_err(|_| refused)
        })
}

/// Returns the problem for an error of the parser. Clients match on these words, so they are written here:
/// the parser's own words may change. A domain with a forbidden character counts as a bad domain name.
fn parse_problem(error: ParseError) -> UrlProblem {
    match error {
        ParseError::EmptyHost => UrlProblem::Parsing("empty host"),
        ParseError::InvalidPort => UrlProblem::Parsing("invalid port number"),
        ParseError::InvalidIpv4Address => UrlProblem::Parsing("invalid IPv4 address"),
        ParseError::InvalidIpv6Address => UrlProblem::Parsing("invalid IPv6 address"),
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => UrlProblem::Parsing(BAD_NAME),
        ParseError::Overflow => UrlProblem::TooLong,
        // The other errors are about URLs without a host, which at this point can only be relative ones.
        _ => UrlProblem::Parsing("relative URL without a base"),
    }
}

#[cfg(test)]
mod tests;
