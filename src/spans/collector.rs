//! The client of a collector: one request for each batch of spans.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use ureq::Agent;
use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderName, HeaderValue, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};

use super::otlp_json::rejected;

/// The `User-Agent` that the collector sees.
const USER_AGENT: &str = concat!("hookpost/", env!("CARGO_PKG_VERSION"));

/// The path of traces below the collector's URL.
const TRACES: &str = "/v1/traces";

/// The time for a connection. A collector is near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most that is read of an answer: it has a number and maybe a sentence.
const ANSWER_BYTES: u64 = 64 << 10;

/// The most headers of a file: more than any service asks for.
const HEADERS_MAX: usize = 16;

/// The place of a collector, and what it asks for.
#[derive(Clone, Debug)]
pub struct CollectorSettings {
    /// The URL, without a slash at its end.
    pub url: String,
    /// The headers of each request.
    pub headers: Vec<(HeaderName, Credential)>,
}

/// A header's value that no log shows.
#[derive(Clone)]
pub struct Credential(HeaderValue);

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// The reason why a batch was not taken.
#[derive(Debug, Error)]
pub enum CollectorError {
    /// No answer came.
    #[error("{0}")]
    NoAnswer(#[from] Box<ureq::Error>),
    /// The collector has no time, or is not ready.
    #[error("the collector answered {status}")]
    Busy {
        /// The status.
        status: StatusCode,
        /// The time after which it wants to be asked again, if it says so in seconds.
        retry_after: Option<Duration>,
    },
    /// The collector does not take such spans, or does not know this server.
    #[error("the collector answered {0}")]
    Refused(StatusCode),
}

/// A client of one collector.
pub(super) struct Collector {
    agent: Agent,
    url: String,
    headers: Vec<(HeaderName, Credential)>,
}

impl Collector {
    /// Returns a client that follows no redirects and uses no proxy of the environment.
    pub(super) fn new(settings: &CollectorSettings) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::WebPki)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(USER_AGENT)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .tls_config(tls)
            .build()
            .new_agent();
        Self {
            agent,
            url: format!("{}{TRACES}", settings.url),
            headers: settings.headers.clone(),
        }
    }

    /// Sends the body of an export request. Returns how many of its spans the collector refused.
    pub(super) fn send(&self, body: &[u8], timeout: Duration) -> Result<usize, CollectorError> {
        let mut request = self.agent.post(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, &value.0);
        }
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.config().timeout_global(Some(timeout)).build();
        let mut answer = request.send(body).map_err(Box::new)?;
        let status = answer.status();
        if status.is_success() {
            let text = answer.body_mut().with_config().limit(ANSWER_BYTES);
            return Ok(text.read_to_vec().map_or(0, |text| rejected(&text)));
        }
        let seconds = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        Err(match status.as_u16() {
            429 | 502..=504 => CollectorError::Busy {
                status,
                retry_after: seconds.map(Duration::from_secs),
            },
            _ => CollectorError::Refused(status),
        })
    }
}

/// Reads headers from the text of a file: one on each line, as `name: value`. Empty lines, and those that begin
/// with `#`, are left out.
///
/// # Errors
/// The number of a line that is no header, without its text, or what is wrong with all.
pub fn parse_headers(text: &str) -> Result<Vec<(HeaderName, Credential)>, String> {
    let mut headers = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = || {
            let number = index + 1;
            format!("line {number} is no header; for example `authorization: Bearer …`")
        };
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| bad())?;
        let mut value = HeaderValue::try_from(value.trim()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.push((name, Credential(value)));
    }
    match headers.len() {
        0 => Err("it has no header".to_owned()),
        1..=HEADERS_MAX => Ok(headers),
        _ => Err(format!("it has more than {HEADERS_MAX} headers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_not_shown() {
        let text = "# of the service\nAuthorization: Bearer s3cret\n\nx-team : a:b \n";
        let headers = parse_headers(text).unwrap();
        let read: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.0.to_str().unwrap()))
            .collect();
        assert_eq!(
            read,
            [("authorization", "Bearer s3cret"), ("x-team", "a:b")]
        );
        assert!(!format!("{headers:?}").contains("s3cret"));
        for (bad, says) in [
            ("a: b\ns3cret", "line 2"),
            ("s3 cret: b", "line 1"),
            ("a: s3\u{7f}cret", "line 1"),
            ("\n# none", "no header"),
            (&"a: b\n".repeat(17), "more than 16"),
        ] {
            let error = parse_headers(bad).unwrap_err();
            assert!(error.contains(says) && !error.contains("cret"), "{error}");
        }
    }
}
