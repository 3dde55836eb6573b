//! The errors of requests to a server, each as one line.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::columns::shown;

/// The most problems of a 422 that the line has; an operator reads the first ones.
const PROBLEMS_MAX: usize = 10;

/// The reason why a request has no result.
#[derive(Debug, Error)]
pub(in crate::cli) enum ClientError {
    #[error("no server answers at {server} (--server): start one with `hookpost serve`")]
    NoServer { server: String },
    /// The server may have got the request.
    #[error("no answer from {server} (--server): {why}")]
    NoAnswer { server: String, why: String },
    /// The server cannot have got the request.
    #[error("{server} (--server): {why}")]
    Unreachable { server: String, why: String },
    #[error("{server} (--server) answers {code} and points to {}", shown(.to))]
    Redirect {
        server: String,
        code: u16,
        to: String,
    },
    #[error("{server} (--server) gives no answer of the API{}; is it a Hookpost server?",
            .code.map_or(String::new(), |code| format!(", but {code}")))]
    NotHookpost { server: String, code: Option<u16> },
    #[error(
        "{server} (--server) gives a longer answer than any of the API; is it a Hookpost server?"
    )]
    TooLong { server: String },
    #[error(
        "{server} (--server) gives a list that does not go on: its next page has the same rows again"
    )]
    SameRows { server: String },
    #[error("{server} does not accept the token in {place}: {detail} (401)")]
    Token {
        server: String,
        /// The place that the token comes from.
        place: String,
        detail: String,
    },
    #[error(transparent)]
    Api(ApiError),
}

/// An error that the API answered.
#[derive(Debug)]
pub(in crate::cli) struct ApiError {
    pub(in crate::cli) code: u16,
    /// The API's name of the error, such as `EndpointDisabled`.
    pub(in crate::cli) name: String,
    pub(in crate::cli) detail: String,
    /// The time after which the server wants to be asked again; only of 429 and 503.
    pub(in crate::cli) retry_after: Option<Duration>,
    /// The problems of a 422.
    pub(in crate::cli) problems: Vec<Value>,
}

impl std::error::Error for ApiError {}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code, name, detail, ..
        } = self;
        match code {
            // Each problem says where it is; the name of the error would say nothing more.
            422 => write!(f, "{detail} (422)"),
            _ => write!(f, "{detail} ({code} {name})"),
        }
    }
}

impl ClientError {
    /// Reports whether the API answered with this code.
    pub(in crate::cli) fn is(&self, code: u16) -> bool {
        matches!(self, Self::Api(error) if error.code == code)
    }

    /// Reports whether the server may have done what it was asked, although there is no answer.
    pub(super) fn may_have_arrived(&self) -> bool {
        let is_error_of_server = matches!(self, Self::Api(error) if error.code == 500);
        is_error_of_server
            || matches!(
                self,
                Self::NoAnswer { .. } | Self::NotHookpost { .. } | Self::TooLong { .. }
            )
    }

    /// Returns the error for a person who named an object by its id.
    pub(in crate::cli) fn about(self, what: &str, id: impl fmt::Display) -> anyhow::Error {
        match self {
            Self::Api(error) if error.code == 404 && error.detail == "Not found" => {
                anyhow::anyhow!("there is no {what} {id}")
            }
            other => other.into(),
        }
    }

    /// Returns the error for a request that had no answer.
    pub(super) fn from_ureq(error: &ureq::Error, server: &str) -> Self {
        let server = server.to_owned();
        let why = match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Self::NoServer { server };
            }
            ureq::Error::Io(io) => {
                let tls = io.get_ref().and_then(|error| error.downcast_ref());
                match tls {
                    Some(error) => return Self::tls(server, error),
                    None => io.to_string(),
                }
            }
            ureq::Error::Rustls(error) => return Self::tls(server, error),
            ureq::Error::HostNotFound => {
                let why = "its name cannot be resolved".to_owned();
                return Self::Unreachable { server, why };
            }
            // The phase, which the library names, says nothing to a person.
            ureq::Error::Timeout(_) => "none in time (--timeout)".to_owned(),
            other => shown(&other.to_string()),
        };
        Self::NoAnswer { server, why }
    }

    fn tls(server: String, error: &rustls::Error) -> Self {
        let why = match error {
            rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
                "its certificate is from no authority that is trusted; --ca-file names a file of \
                 others"
                    .to_owned()
            }
            rustls::Error::InvalidMessage(_) => {
                "it does not speak TLS; is its URL one of http://?".to_owned()
            }
            other => format!("TLS: {other}"),
        };
        Self::Unreachable { server, why }
    }

    /// Returns the error for an answer whose body cannot be read.
    pub(super) fn from_json(error: &serde_json::Error, server: &str) -> Self {
        if error.is_eof() {
            return Self::broken_off(server);
        }
        let server = server.to_owned();
        Self::NotHookpost { server, code: None }
    }

    /// Returns the error for an answer without its end.
    pub(super) fn broken_off(server: &str) -> Self {
        Self::NoAnswer {
            server: server.to_owned(),
            why: "the answer breaks off".to_owned(),
        }
    }
}

impl ApiError {
    /// Reads the body of an error; `None` if it is none of the API.
    pub(super) fn read<'h>(
        code: u16,
        body: &[u8],
        header: &impl Fn(&str) -> Option<&'h str>,
    ) -> Option<Self> {
        let mut body: Value = serde_json::from_slice(body).ok()?;
        let name = body["error"].as_str()?.to_owned();
        let mut detail = match (&body["detail"], body["error_description"].as_str()) {
            (Value::Array(problems), _) => of_problems(problems),
            (Value::String(text), _) => text.clone(),
            (_, text) => text.unwrap_or("no details").to_owned(),
        };
        let challenge = header("www-authenticate").unwrap_or_default();
        if let Some((_, rest)) = challenge.split_once("scope=\"") {
            let scopes = rest.split('"').next().unwrap_or_default();
            detail = format!("the token lacks the scope {}", scopes.replace(' ', " or "));
        }
        let problems = match body["detail"].take() {
            Value::Array(problems) => problems,
            _ => Vec::new(),
        };
        let retry_after = header("retry-after").and_then(|value| value.parse().ok());
        Some(Self {
            code,
            name: shown(&name),
            detail: shown(&detail),
            retry_after: retry_after
                .filter(|_| matches!(code, 429 | 503))
                .map(Duration::from_secs),
            problems,
        })
    }
}

/// Returns the problems of a 422, such as `body.url: URL scheme should be 'https'`.
fn of_problems(problems: &[Value]) -> String {
    let place = |problem: &Value| {
        let parts = problem["loc"].as_array().map_or(&[][..], Vec::as_slice);
        dotted(parts)
    };
    let line = |problem: &Value| {
        let message = problem["msg"].as_str().unwrap_or("not valid");
        let setting = problem["ctx"]["setting"].as_str();
        let setting = setting.map(|name| format!(" (the server's {name} would allow it)"));
        format!(
            "{}: {message}{}",
            place(problem),
            setting.unwrap_or_default()
        )
    };
    let mut lines: Vec<String> = problems.iter().take(PROBLEMS_MAX).map(line).collect();
    if problems.len() > PROBLEMS_MAX {
        lines.push(format!("and {} more", problems.len() - PROBLEMS_MAX));
    }
    lines.join("; ")
}

/// Returns the place of a value, such as `body.events.0`.
pub(in crate::cli) fn dotted(parts: &[Value]) -> String {
    let parts = parts.iter().map(|part| match part {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(code: u16, body: &Value, header: (&'static str, &'static str)) -> ApiError {
        let header = |name: &str| (name == header.0).then_some(header.1);
        ApiError::read(code, body.to_string().as_bytes(), &header).unwrap()
    }

    #[test]
    fn an_error_is_one_line_of_its_problems() {
        let problem = |loc: Value| json!({"loc": loc, "msg": "bad\nnews"});
        let two = json!({"error": "RequestValidationError",
            "detail": [problem(json!(["body", "url"])), problem(json!(["body", "events", 0]))]});
        assert_eq!(
            read(422, &two, ("x", "")).to_string(),
            "body.url: bad?news; body.events.0: bad?news (422)"
        );
        let many = json!({"error": "RequestValidationError",
            "detail": vec![problem(json!(["body"])); PROBLEMS_MAX + 3]});
        assert!(
            read(422, &many, ("x", ""))
                .to_string()
                .ends_with("; and 3 more (422)")
        );
        let conflict = json!({"error": "EventArchived", "detail": "too old"});
        assert_eq!(
            read(409, &conflict, ("x", "")).to_string(),
            "too old (409 EventArchived)"
        );
        let scope = json!({"error": "insufficient_scope", "error_description": "more"});
        let challenge =
            "Bearer error=\"insufficient_scope\", scope=\"webhooks:read webhooks:write\"";
        assert_eq!(
            read(403, &scope, ("www-authenticate", challenge)).detail,
            "the token lacks the scope webhooks:read or webhooks:write"
        );
    }

    #[test]
    fn only_a_server_that_is_busy_is_asked_again() {
        let body = json!({"error": "X", "detail": "x"});
        for (code, expected) in [(429, Some(7)), (503, Some(7)), (409, None), (500, None)] {
            let error = read(code, &body, ("retry-after", "7"));
            assert_eq!(
                error.retry_after,
                expected.map(Duration::from_secs),
                "{code}"
            );
        }
        assert!(ApiError::read(502, b"<html>", &|_| None).is_none());
    }
}
