//! The API over a store with a workspace and tokens, and requests to it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, init_service};
use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::api::*;
use crate::config::ApiSettings;
use crate::delivery::http_client::{HttpResult, Request, Response};
use crate::delivery::{TestAttempts, Transport};
use crate::domain::access::{Actor, Scope, Scopes, Token, TokenKind};
use crate::domain::clock::{ManualClock, Timestamp};
use crate::domain::network_policy::NetworkPolicy;
use crate::domain::retry_after::RetryHeaders;
use crate::domain::workspace::WorkspaceName;
use crate::metrics::ApiMetrics;
use crate::server::request_log;
use crate::server::state::{Delivering, ServerState};
use crate::spans::Spans;
use crate::storage::sqlite::{SqliteSettings, SqliteStore};
use crate::storage::{NewAccessToken, Store};

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    api: ApiSettings,
}

/// A client whose receivers answer everything with 204.
struct NoNetwork;

impl Transport for NoNetwork {
    fn post(&self, _: &Request<'_>) -> HttpResult {
        let answer = Response {
            code: 204,
            body: String::new(),
            retry: RetryHeaders::default(),
            location: None,
        };
        HttpResult {
            result: Ok(answer),
            duration: Duration::ZERO,
        }
    }
}

/// The API over a store in a directory of its own, with a workspace and three tokens: an admin token, one
/// of the workspace with all scopes, and one that may only read.
pub(super) struct TestApi {
    pub(super) store: Arc<SqliteStore>,
    pub(super) state: Arc<ServerState>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) workspace: Uuid,
    pub(super) admin: String,
    pub(super) own: String,
    pub(super) reader: String,
    _directory: TempDir,
}

impl TestApi {
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    pub(super) fn with(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(
            1_700_000_000_000_000,
        )));
        let file = directory.path().join("test.db");
        let store = SqliteStore::open(&file, SqliteSettings::default(), clock.clone()).unwrap();
        let name = WorkspaceName::parse("acme").unwrap();
        let workspace = store.create_workspace(name).wait().unwrap().id;
        let flags = std::iter::once(&"test").chain(flags);
        let state = Arc::new(ServerState::new(
            store.clone(),
            clock.clone(),
            Settings::parse_from(flags).api,
            Delivering {
                policy: NetworkPolicy::default(),
                tests: TestAttempts::new(Arc::new(NoNetwork), clock.clone()),
            },
            Box::new(Vec::new),
            ApiMetrics::default(),
            Spans::default(),
        ));
        Self {
            admin: token(&*store, None, Scopes::all()),
            own: token(&*store, Some(workspace), Scopes::all()),
            reader: token(
                &*store,
                Some(workspace),
                [Scope::WebhooksRead].into_iter().collect(),
            ),
            store,
            state,
            clock,
            workspace,
            _directory: directory,
        }
    }

    /// Sends requests one after another and returns the responses.
    pub(super) fn send(&self, requests: Vec<TestRequest>) -> Vec<Answer> {
        run(async {
            let app = App::new()
                .wrap(from_fn(request_log::each_request))
                .configure(|config| configure(config, &self.state));
            let app = init_service(app).await;
            let mut answers = Vec::new();
            for request in requests {
                answers.push(answer(app.call(request.to_request()).await.unwrap()).await);
            }
            answers
        })
    }

    pub(super) fn one(&self, request: TestRequest) -> Answer {
        self.send(vec![request]).remove(0)
    }

    pub(super) fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.one(post(path, &self.own).set_payload(body.into()))
    }
}

impl Drop for TestApi {
    fn drop(&mut self) {
        self.store.stop();
    }
}

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}

pub(super) fn token(store: &dyn Store, workspace_id: Option<Uuid>, scopes: Scopes) -> String {
    let kind = workspace_id.map_or(TokenKind::Admin, |_| TokenKind::Workspace);
    let token = Token::generate(kind);
    let new = NewAccessToken {
        hash: token.hash(),
        workspace_id,
        comment: String::new(),
        scopes,
        expires_in: Some(Duration::from_hours(1)),
    };
    store.create_token(Actor::Operator, new).wait().unwrap();
    token.reveal().to_owned()
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(super) fn is(&self, status: u16, error: &str) {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(self.json()["error"], error);
    }
}

async fn answer(response: ServiceResponse<impl MessageBody>) -> Answer {
    let status = response.status();
    let headers = response.headers().clone();
    assert_eq!(headers.get("x-request-id").unwrap().len(), 16);
    let body = actix_web::body::to_bytes(response.into_body()).await;
    let body = body
        .map_err(|_| "the body cannot be read")
        .unwrap()
        .to_vec();
    Answer {
        status,
        headers,
        body,
    }
}

pub(super) fn get(path: &str, token: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header(bearer(token))
}

pub(super) fn post(path: &str, token: &str) -> TestRequest {
    TestRequest::post().uri(path).insert_header(bearer(token))
}

pub(super) fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}
