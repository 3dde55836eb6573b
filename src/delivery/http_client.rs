//! The only place that makes requests to receivers.
//!
//! One POST at a time per call, blocking the caller's thread; the client itself starts none, save
//! for name look-ups. It does what was asked and nothing else: no redirects, no proxies from the
//! environment, no cookies, no `.netrc`, no decompression. Every status is an answer.
//!
//! # Limits
//!
//! - **Time**: one deadline from name look-up to the end of the body, so that a receiver which
//!   sends a byte now and then gains nothing. Look-up and connection setup have less.
//! - **Size**: the head of an answer, how much of its body is read, and both together with all that
//!   may surround them, so that interim answers, empty chunks and trailers without end gain nothing.
//! - **Connections**: those in use are as many as the callers' threads, those idle are bounded
//!   (`idle`).
//!
//! # Failure behaviour
//!
//! A request that may have reached the receiver is never repeated here (`connection` has the one
//! exact exception); repeating is up to the engine, which records each attempt. An answer counts
//! once it has arrived whole, or up to what is read of it: one that breaks off is a failure, even
//! if its status was fine.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::Uri;
use ureq::{Agent, Body, RequestBuilder};

use self::connection::Dialer;
pub use self::errors::HttpClientError;
use self::errors::{Endless, Stale};
pub use self::failure::Failure;
use self::limits::{INPUT_BYTES, MAX_BODY_BYTES};
use self::tls::Tls;
use super::resolver::{Lookup, MonotonicClock, Resolver, UreqResolver};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::network_policy::NetworkPolicy;

mod buffers;
mod connection;
mod errors;
mod failure;
mod idle;
mod limits;
mod socket;
mod tcp;
mod tls;

/// How receivers see us.
const USER_AGENT: &str = concat!("Hookpost/", env!("CARGO_PKG_VERSION"));
/// The most of an answer's body that is kept, in characters.
const MAX_TEXT_CHARS: usize = 2048;
/// So many bytes are enough for the characters above: each takes at most four.
const MAX_TEXT_BYTES: usize = MAX_TEXT_CHARS * 4;
/// The most time for a name to resolve, and for TCP and TLS together to be set up: enough for one
/// lost packet or one dead name server, and half of the default for a whole attempt.
const MAX_SETUP_TIME: Duration = Duration::from_secs(5);
/// `Retry-After` is a number or a date; what is longer is neither.
const MAX_RETRY_AFTER_BYTES: usize = 64;

/// Sends webhooks. Meant to be shared by all sender threads.
#[derive(Debug)]
pub struct HttpClient {
    agent: Agent,
    request_timeout: Duration,
    allow_http: bool,
}

/// What an operator can set about requests.
#[derive(Debug, Clone)]
pub struct HttpClientSettings {
    /// The time for a whole attempt, from name look-up to the end of the answer.
    pub request_timeout: Duration,
    /// Certificates (PEM) to trust besides the public ones.
    pub ca_file: Option<Vec<u8>>,
    /// How many threads will send at a time; as many connections are kept when idle.
    pub max_threads: usize,
    /// Where requests may go.
    pub policy: NetworkPolicy,
}

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResult {
    /// The answer, or why there was none.
    pub result: Result<Response, Failure>,
    /// How long it took, from name look-up to the end of the answer.
    pub duration: Duration,
}

/// An HTTP answer, of whatever status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, such as 200.
    pub code: u16,
    /// The first 2,048 characters of the body, with U+FFFD for what is not UTF-8; may be empty.
    pub body: String,
    /// The value of `Retry-After`, uninterpreted.
    pub retry_after: Option<String>,
}

impl HttpClient {
    /// A client that looks names up through `lookup`. Makes no connection yet.
    pub fn new(
        settings: HttpClientSettings,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, HttpClientError> {
        Self::with_clock(settings, lookup, Arc::new(Instant::now))
    }

    /// The same, with a clock by which what is known of names grows old.
    pub fn with_clock(
        settings: HttpClientSettings,
        lookup: Arc<dyn Lookup>,
        clock: MonotonicClock,
    ) -> Result<Self, HttpClientError> {
        let tls = Tls::new(settings.ca_file.as_deref())?;
        let dialer = Dialer::new(tls, settings.max_threads);
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

    /// POSTs `body`, as JSON, with `headers` besides the usual ones. Blocks for at most the time
    /// for an attempt.
    ///
    /// Header values and URLs that could split a request are refused as
    /// [`AttemptFailure::Internal`], without connecting.
    #[must_use]
    pub fn post(&self, url: &str, headers: &[(&'static str, &str)], body: &[u8]) -> HttpResult {
        let started = Instant::now();
        let result = self.attempt(url, headers, body, started);
        HttpResult {
            result,
            duration: started.elapsed(),
        }
    }

    fn attempt(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
        started: Instant,
    ) -> Result<Response, Failure> {
        let uri = self.target(url)?;
        let request = || {
            let request = self
                .agent
                .post(uri.clone())
                .header("content-type", "application/json");
            headers.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
        };
        let sent = match request().send(body) {
            Err(ureq::Error::Other(error)) if error.is::<Stale>() => {
                self.on_new_connection(request(), started).send(body)
            }
            sent => sent,
        };
        let failure = |error| Failure::from_ureq(&error, self.request_timeout);
        let answer = sent.map_err(failure)?;
        let code = answer.status().as_u16();
        read(answer).map_err(|error| failure(error).after_status(code))
    }

    /// The URL in the form in which it is requested, if policy allows its scheme.
    fn target(&self, url: &str) -> Result<Uri, Failure> {
        let unusable = || {
            let message = "the endpoint's URL can't be requested";
            Failure::new(AttemptFailure::Internal, message)
        };
        let uri: Uri = url.parse().map_err(|_| unusable())?;
        match uri.scheme_str() {
            Some("https") => Ok(uri),
            Some("http") if self.allow_http => Ok(uri),
            Some("http") => Err(Failure::lasting(
                AttemptFailure::AddressRefused,
                "plain http: URLs are not allowed; use https:",
            )),
            _ => Err(unusable()),
        }
    }

    /// The same request, over a new connection and within what is left of the time.
    fn on_new_connection<B>(
        &self,
        request: RequestBuilder<B>,
        started: Instant,
    ) -> RequestBuilder<B> {
        let left = self.request_timeout.saturating_sub(started.elapsed());
        request
            .config()
            .timeout_global(Some(left))
            .max_idle_age(Duration::ZERO)
            .build()
    }
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
        // The size of the buffer is the limit, which the connection minds.
        .max_response_header_size(INPUT_BYTES)
        // The dialer keeps idle connections, not the agents.
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .max_idle_age(idle::MAX_IDLE_AGE)
        .build()
}

/// Reads an answer: to its end, so that its connection can be used again, unless it is too long.
///
/// By itself, so that what it has on the stack does not lie above that of ureq, which goes deep.
#[inline(never)]
fn read(answer: ureq::http::Response<Body>) -> Result<Response, ureq::Error> {
    let code = answer.status().as_u16();
    let retry_after = answer
        .headers()
        .get("retry-after")
        .filter(|value| value.len() <= MAX_RETRY_AFTER_BYTES)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut reader = answer.into_body().into_reader();
    let mut kept = Vec::new();
    let mut total = 0;
    let mut chunk = [0; 4096];
    while total < MAX_BODY_BYTES {
        let room = chunk.len().min(MAX_BODY_BYTES - total);
        let length = match reader.read(&mut chunk[..room]) {
            Ok(0) => break,
            Ok(length) => length,
            // More framing than body: as with any body that is too long, its start will do.
            Err(error) if is_endless(&error) => break,
            Err(error) => return Err(error.into()),
        };
        let wanted = length.min(MAX_TEXT_BYTES - kept.len());
        kept.extend_from_slice(&chunk[..wanted]);
        total += length;
    }
    Ok(Response {
        code,
        body: text(kept),
        retry_after,
    })
}

/// Whether reading ended because an answer is longer than what is read of one.
fn is_endless(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(error, Some(ureq::Error::Other(ours)) if ours.is::<Endless>())
}

/// The first [`MAX_TEXT_CHARS`] characters of what may or may not be UTF-8.
fn text(bytes: Vec<u8>) -> String {
    let mut text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT_CHARS) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
