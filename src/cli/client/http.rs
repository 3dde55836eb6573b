//! Requests to the API, and their repetition.

use std::io::Read;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use ureq::http::request::Builder;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, AsSendBody, Body};
use url::form_urlencoded;

use super::agent::{self, Roots};
use super::answer;
use super::api_error::{ApiError, ClientError};
use crate::domain::access::Token;

/// The longest error that is read, in bytes. The server's are shorter, whatever it quotes.
const ERROR_MAX_BYTES: u64 = 256 << 10;

/// The longest time of one try of a request with a key, so that another one follows within the usual time-out. A server
/// that works commits within milliseconds, and says so when its disk takes eight seconds.
const TRY_MAX: Duration = Duration::from_secs(10);

/// The shortest wait before a request is sent again. For one with a key and without an answer it doubles each time: a
/// server that restarts is back within seconds.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest of these waits.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A token, and the place that it comes from.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) token: Token,
    pub(super) place: String,
}

/// A client of one server.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    agent: Agent,
    /// The URL of the server, without a slash at its end.
    base: String,
    credential: Credential,
    timeout: Duration,
}

/// The parameters of a query string, in their order.
pub(in crate::cli) type Query = Vec<(&'static str, String)>;

struct Call<'a> {
    method: Method,
    path: String,
    body: Option<&'a [u8]>,
    /// The idempotency key of a request that must not be carried out twice.
    key: Option<&'a str>,
    /// True if the server carries it out once, however often it gets it: it has a key, or keys in its body.
    is_once: bool,
}

/// An answer with a 2xx.
pub(in crate::cli) struct Answer<T> {
    pub(in crate::cli) body: T,
    /// The bytes of the body as they came.
    pub(super) length: usize,
    /// True if an earlier request had the same key, and this is the answer to that one.
    pub(in crate::cli) is_replay: bool,
}

/// A request without a result.
pub(in crate::cli) struct Failed {
    pub(in crate::cli) error: ClientError,
    /// True if the server may have done what it was asked, at one of the tries.
    pub(in crate::cli) unanswered: bool,
}

impl Client {
    pub(super) fn new(
        base: String,
        credential: Credential,
        roots: &Roots,
        timeout: Duration,
    ) -> Self {
        Self {
            agent: agent::agent(roots),
            base,
            credential,
            timeout,
        }
    }

    /// Returns the URL of the server.
    pub(super) fn server(&self) -> &str {
        &self.base
    }

    /// Gets an object. `path` is what follows `/api/webhooks/`.
    pub(in crate::cli) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
    ) -> Result<T, ClientError> {
        self.get_measured(path, query).map(|answer| answer.body)
    }

    /// Gets an object, with the length of its answer.
    pub(super) fn get_measured<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
    ) -> Result<Answer<T>, ClientError> {
        let mut path = path.to_owned();
        if !query.is_empty() {
            let mut encoded = form_urlencoded::Serializer::new(String::new());
            encoded.extend_pairs(query);
            path = format!("{path}?{}", encoded.finish());
        }
        self.call(Method::GET, path, None)
    }

    /// Sends a request that changes something.
    pub(in crate::cli) fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &[u8],
    ) -> Result<T, ClientError> {
        let answer = self.call(method, path.to_owned(), Some(body))?;
        Ok(answer.body)
    }

    /// Deletes an object.
    pub(in crate::cli) fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.call::<()>(Method::DELETE, path.to_owned(), None)?;
        Ok(())
    }

    /// Sends a request that makes something. It is sent again when no answer came; `key` keeps the server from making
    /// it twice.
    pub(in crate::cli) fn create_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
        key: &str,
    ) -> Result<Answer<T>, Failed> {
        self.repeat(&Call {
            method: Method::POST,
            path: path.to_owned(),
            body: Some(body),
            key: Some(key),
            is_once: true,
        })
    }

    /// Sends a request that makes several objects, each of which has an idempotency key in the body. It is sent again when
    /// no answer came.
    pub(in crate::cli) fn create_each_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
    ) -> Result<T, Failed> {
        let answer = self.repeat(&Call {
            method: Method::POST,
            path: path.to_owned(),
            body: Some(body),
            key: None,
            is_once: true,
        })?;
        Ok(answer.body)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Option<&[u8]>,
    ) -> Result<Answer<T>, ClientError> {
        let call = Call {
            method,
            path,
            body,
            key: None,
            is_once: false,
        };
        self.repeat(&call).map_err(|failed| failed.error)
    }

    /// Sends a request until it has an answer that is final, within the time-out.
    fn repeat<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<Answer<T>, Failed> {
        let end = Instant::now() + self.timeout;
        let mut wait = FIRST_WAIT;
        let mut unanswered = false;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let error = match self.once(call, left) {
                Ok(mut answer) => {
                    // A try without an answer has been answered now.
                    answer.is_replay &= !unanswered;
                    return Ok(answer);
                }
                Err(error) => error,
            };
            unanswered |= error.may_have_arrived();
            let pause = match &error {
                ClientError::Api(refusal) => refusal.retry_after,
                // The server may be restarting.
                ClientError::NoAnswer { .. } | ClientError::NoServer { .. }
                    if call.is_once && unanswered =>
                {
                    let pause = wait;
                    wait = (wait * 2).min(WAIT_MAX);
                    Some(pause)
                }
                _ => None,
            };
            // A server may name any time, so it is compared and not added.
            let left = end.saturating_duration_since(Instant::now());
            match pause.map(|pause| pause.max(FIRST_WAIT)) {
                Some(pause) if pause < left => std::thread::sleep(pause),
                _ => return Err(Failed { error, unanswered }),
            }
        }
    }

    fn once<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        left: Duration,
    ) -> Result<Answer<T>, ClientError> {
        let time = if call.is_once {
            left.min(TRY_MAX)
        } else {
            left
        };
        let failed = |error: ureq::Error| ClientError::from_ureq(&error, &self.base);
        let request = self.request(call);
        let answer = match call.body {
            Some(body) => self.run(request.body(body), time),
            None => self.run(request.body(()), time),
        };
        let answer = answer.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer));
        }
        let is_replay = answer.headers().contains_key("idempotent-replayed");
        let text = if answer.status() == StatusCode::NO_CONTENT {
            b"null".to_vec()
        } else {
            answer::text(answer.into_body().into_reader(), &self.base)?
        };
        Ok(Answer {
            body: answer::object(&text, &self.base)?,
            length: text.len(),
            is_replay,
        })
    }

    fn run(
        &self,
        request: Result<Request<impl AsSendBody>, ureq::http::Error>,
        time: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request?);
        self.agent.run(request.timeout_global(Some(time)).build())
    }

    fn request(&self, call: &Call<'_>) -> Builder {
        let token = self.credential.token.reveal();
        let request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}/api/webhooks/{}", self.base, call.path))
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "application/json");
        let request = match call.body {
            Some(_) => request.header("content-type", "application/json"),
            None => request,
        };
        match call.key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    /// Returns the error that an answer of another status than 2xx means.
    fn refusal(&self, answer: Response<Body>) -> ClientError {
        let (head, body) = answer.into_parts();
        let mut text = Vec::new();
        // What came of an answer that breaks off says enough, or it is no error of the API.
        let _ = body
            .into_reader()
            .take(ERROR_MAX_BYTES)
            .read_to_end(&mut text);
        let header = |name: &str| head.headers.get(name)?.to_str().ok();
        let code = head.status.as_u16();
        if head.status.is_redirection() {
            return ClientError::Redirect {
                server: self.base.clone(),
                code,
                to: header("location").unwrap_or("nowhere").to_owned(),
            };
        }
        match ApiError::read(code, &text, &header) {
            Some(error) if code == StatusCode::UNAUTHORIZED => ClientError::Token {
                place: self.credential.place.clone(),
                server: self.base.clone(),
                detail: error.detail,
            },
            Some(error) => ClientError::Api(error),
            None => ClientError::NotHookpost {
                server: self.base.clone(),
                code: Some(code),
            },
        }
    }
}
