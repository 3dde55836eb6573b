//! The HTTP client: the only module that makes requests to receivers.
//!
//! A call makes one POST and blocks the caller's thread; the client starts no threads except for name
//! look-ups. It makes that request and nothing else: no redirects, no proxies from the environment (but the
//! operator's, if one is set: `proxy`), no cookies, no `.netrc`, no decompression. An answer of any status is a success here.
//!
//! # Limits
//!
//! - **Time**: one deadline from name look-up to the end of the body, so that a receiver which sends a byte
//!   now and then cannot prolong an attempt. Look-up and connection setup have shorter limits.
//! - **Size**: the head of an answer, the part of the body that is read, and the whole answer with everything
//!   around these, so that interim answers, empty chunks and trailers without end cannot prolong it either.
//! - **Connections**: there are at most as many in use as the callers have threads; the number of idle ones
//!   is limited (`idle`).
//!
//! # Failure behaviour
//!
//! The client never repeats a request that may have reached the receiver (`connection` describes the only
//! case in which it repeats one). Retries are up to the engine, which records each attempt. An answer counts
//! once it has arrived whole, or as far as the client reads it. An answer that breaks off is a failure, even
//! if its status was a success.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::{HeaderMap, HeaderValue, Uri};
use ureq::{Agent, Body, RequestBuilder};

use self::connection::Dialer;
pub use self::errors::HttpClientError;
use self::errors::{ResponseTooLong, Stale};
pub use self::failure::Failure;
use self::limits::{INPUT_BYTES, MAX_BODY_BYTES};
use self::proxy::Proxy;
use self::tls::Tls;
use super::resolver::{Lookup, MonotonicClock, Resolver, UreqResolver};
use crate::config::{CertificatePair, EgressProxy};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::endpoint_url::request_form;
use crate::domain::network_policy::NetworkPolicy;
use crate::domain::retry_after::RetryHeaders;

mod buffers;
mod connection;
mod errors;
mod failure;
mod happy_eyeballs;
mod head;
mod idle;
mod limits;
mod proxy;
mod socket;
mod tcp;
mod tls;

/// The `User-Agent` that receivers see.
const USER_AGENT: &str = concat!("Hookpost/", env!("CARGO_PKG_VERSION"));
/// The most of an answer's body that is kept, in characters.
const MAX_TEXT_CHARS: usize = 2048;
/// The bytes that are enough for [`MAX_TEXT_CHARS`]: a character takes at most four.
const MAX_TEXT_BYTES: usize = MAX_TEXT_CHARS * 4;
/// The most time for a name to resolve, and for TCP and TLS together to be set up: enough for one
/// lost packet or one dead name server, and half of the default for a whole attempt.
const MAX_SETUP_TIME: Duration = Duration::from_secs(5);
/// The longest header about the time of the next request that is read. A number or a date is shorter.
const MAX_RETRY_HEADER_BYTES: usize = 64;

/// The HTTP client. All sender threads share one.
#[derive(Debug)]
pub struct HttpClient {
    agent: Agent,
    request_timeout: Duration,
    allow_http: bool,
}

/// The operator's settings of requests.
#[derive(Debug, Clone)]
pub struct HttpClientSettings {
    /// The time for a whole attempt, from name look-up to the end of the answer.
    pub request_timeout: Duration,
    /// Certificates (PEM) to trust besides the public ones.
    pub ca_file: Option<Vec<u8>>,
    /// The certificate for receivers that ask for one.
    pub certificate: Option<Arc<CertificatePair>>,
    /// The proxy through which requests go.
    pub proxy: Option<EgressProxy>,
    /// The number of threads that send at a time; as many idle connections are kept.
    pub max_threads: usize,
    /// The policy on the addresses that requests may be sent to.
    pub policy: NetworkPolicy,
}

/// One request, a POST.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The endpoint's URL, with query and all.
    pub url: &'a str,
    /// Headers in addition to the usual ones.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, which is JSON.
    pub body: &'a [u8],
    /// The time for the whole attempt, if it differs from that of the client.
    pub timeout: Option<Duration>,
}

/// The result of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResult {
    /// The answer, or the reason why there was none.
    pub result: Result<Response, Failure>,
    /// The duration of the request, from name look-up to the end of the answer.
    pub duration: Duration,
}

/// An HTTP answer of any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, such as 200.
    pub code: u16,
    /// The first 2,048 characters of the body, with U+FFFD for bytes that are not UTF-8; may be empty.
    pub body: String,
    /// The headers that concern the time of the next request.
    pub retry: RetryHeaders,
    /// The value of `Location`, uninterpreted, with U+FFFD for bytes that are not UTF-8. Only of redirects.
    pub location: Option<String>,
}

impl HttpClient {
    /// Returns a client that looks names up through `lookup`. Makes no connection yet.
    pub fn new(
        settings: HttpClientSettings,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, HttpClientError> {
        Self::with_clock(settings, lookup, Arc::new(Instant::now))
    }

    /// Returns a client whose cached look-ups age by `clock`.
    pub fn with_clock(
        settings: HttpClientSettings,
        lookup: Arc<dyn Lookup>,
        clock: MonotonicClock,
    ) -> Result<Self, HttpClientError> {
        let tls = Tls::new(settings.ca_file.as_deref(), settings.certificate)?;
        let proxy = (settings.proxy).map(|proxy| Proxy::new(proxy, lookup.clone(), clock.clone()));
        let dialer = Dialer::new(tls, proxy, settings.max_threads);
        let allow_http = settings.policy.allow_http;
        let resolver = Arc::new(Resolver::with_clock(lookup, settings.policy, clock));
        let agent = Agent::with_parts(
            config(settings.request_timeout),
            dialer,
            UreqResolver(resolver),
        );
        Ok(Self {
            agent,
            request_timeout: settings.request_timeout,
            allow_http,
        })
    }

    /// Makes the request. Blocks for at most the time limit of an attempt.
    ///
    /// Header values and URLs that could split a request fail as [`AttemptFailure::Internal`], without a
    /// connection.
    #[must_use]
    pub fn post(&self, request: &Request<'_>) -> HttpResult {
        let started = Instant::now();
        let result = self.attempt(request, started);
        HttpResult {
            result,
            duration: started.elapsed(),
        }
    }

    fn attempt(&self, request: &Request<'_>, started: Instant) -> Result<Response, Failure> {
        let &Request {
            url,
            headers,
            body,
            timeout,
        } = request;
        let uri = self.parse_url(url)?;
        let request = || {
            let request = self.agent.post(uri.clone());
            let request = match timeout {
                None => request,
                Some(timeout) => with_timeout(request, timeout),
            };
            let request = request.header("content-type", "application/json");
            headers.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
        };
        let timeout = timeout.unwrap_or(self.request_timeout);
        let sent = match request().send(body) {
            Err(ureq::Error::Other(error)) if error.is::<Stale>() => {
                let left = timeout.saturating_sub(started.elapsed());
                on_new_connection(request(), left).send(body)
            }
            sent => sent,
        };
        let failure = |error| Failure::from_ureq(&error, timeout);
        let answer = sent.map_err(failure)?;
        let code = answer.status().as_u16();
        read(answer).map_err(|error| failure(error).after_status(code))
    }

    /// Parses the URL, if the network policy allows its scheme.
    fn parse_url(&self, url: &str) -> Result<Uri, Failure> {
        let unusable = || {
            let message = "the endpoint's URL can't be requested";
            Failure::new(AttemptFailure::Internal, message)
        };
        let uri: Uri = request_form(url).parse().map_err(|_| unusable())?;
        match uri.scheme_str() {
            Some("https") => Ok(uri),
            Some("http") if self.allow_http => Ok(uri),
            Some("http") => Err(Failure::new_final(
                AttemptFailure::AddressRefused,
                "plain http: URLs are not allowed; use https:, or have the operator set --allow-http",
            )),
            _ => Err(unusable()),
        }
    }
}

/// Makes a repeated request use a new connection, and gives it the time that is left.
fn on_new_connection<B>(request: RequestBuilder<B>, left: Duration) -> RequestBuilder<B> {
    request
        .config()
        .timeout_global(Some(left))
        .max_idle_age(Duration::ZERO)
        .build()
}

/// Gives a request this time in all.
fn with_timeout<B>(request: RequestBuilder<B>, timeout: Duration) -> RequestBuilder<B> {
    let setup = Some(timeout.min(MAX_SETUP_TIME));
    request
        .config()
        .timeout_global(Some(timeout))
        .timeout_resolve(setup)
        .timeout_connect(setup)
        .build()
}

fn config(request_timeout: Duration) -> Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(USER_AGENT)
        .accept_encoding(AutoHeaderValue::None)
        .timeout_global(Some(request_timeout))
        .timeout_resolve(Some(request_timeout.min(MAX_SETUP_TIME)))
        .timeout_connect(Some(request_timeout.min(MAX_SETUP_TIME)))
        // The connection enforces this limit: it is the largest size of its input buffer.
        .max_response_header_size(INPUT_BYTES)
        // The dialer keeps idle connections; the agent keeps none.
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .max_idle_age(idle::MAX_IDLE_AGE)
        .build()
}

/// Reads an answer to its end, so that its connection can be used again. Stops reading one that is too long.
///
/// Not inlined: its buffer would be on the stack during the calls into ureq, which need much stack.
#[inline(never)]
fn read(answer: ureq::http::Response<Body>) -> Result<Response, ureq::Error> {
    let code = answer.status().as_u16();
    let retry = retry_headers(answer.headers());
    let location = (answer.status().is_redirection())
        .then(|| answer.headers().get("location"))
        .flatten()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut reader = answer.into_body().into_reader();
    let mut kept = Vec::new();
    let mut total = 0;
    let mut chunk = [0; 4096];
    while total < MAX_BODY_BYTES {
        let room = chunk.len().min(MAX_BODY_BYTES - total);
        let length = match reader.read(&mut chunk[..room]) {
            Ok(0) => break,
            Ok(length) => length,
            // The answer is too long, with more framing than body. Its start is enough, as with a long body.
            Err(error) if is_too_long(&error) => break,
            Err(error) => return Err(error.into()),
        };
        let wanted = length.min(MAX_TEXT_BYTES - kept.len());
        kept.extend_from_slice(&chunk[..wanted]);
        total += length;
    }
    Ok(Response {
        code,
        body: text(kept),
        retry,
        location,
    })
}

fn retry_headers(headers: &HeaderMap) -> RetryHeaders {
    let text = |name| {
        let value: &HeaderValue = headers.get(name)?;
        let value = value.to_str().ok();
        let value = value.filter(|value| value.len() <= MAX_RETRY_HEADER_BYTES);
        value.map(str::to_owned)
    };
    RetryHeaders {
        retry_after: text("retry-after"),
        reset_after: text("x-ratelimit-reset-after"),
        scope: text("x-ratelimit-scope"),
    }
}

/// Reports whether reading ended because the answer is longer than the limit.
fn is_too_long(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(error, Some(ureq::Error::Other(ours)) if ours.is::<ResponseTooLong>())
}

/// Returns the first [`MAX_TEXT_CHARS`] characters of bytes that may not be UTF-8.
fn text(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    cut(text)
}

/// Returns the first [`MAX_TEXT_CHARS`] characters of a text.
pub(super) fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT_CHARS) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
