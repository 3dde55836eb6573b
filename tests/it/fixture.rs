//! A running application with its own folder, port and tokens, and a client for it.

mod running;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Parser;
use hookpost::app::AppSettings;
use hookpost::delivery::resolver::{Lookup, SystemLookup};
use hookpost::domain::access::{Actor, Scopes, Token, TokenKind};
use hookpost::domain::clock::{ManualClock, Timestamp};
use hookpost::storage::{NewAccessToken, Store};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use self::running::{Started, run};

/// The time for which a test waits for an event that must come soon.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The time at which a [`ManualClock`] starts.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// The names that routes take in their query strings.
pub(crate) const QUERY_NAMES: [&str; 18] = [
    "page",
    "limit",
    "endpoint_id",
    "event_id",
    "message_id",
    "workspace_id",
    "event_type",
    "status",
    "state",
    "url",
    "start_timestamp",
    "end_timestamp",
    "succeeded",
    "http_code_class",
    "unrouted",
    "missing_for",
    "query",
    "keep_children",
];

/// The arguments that every test application has, its own name and the database included.
const OWN_FLAGS: usize = 5;

/// The flags after those: no rate limits, since tests send many requests.
const NO_LIMITS: [&str; 2] = ["--rate-limit=0", "--auth-failure-limit=0"];

#[derive(Parser)]
#[command(args_override_self = true)]
struct Arguments {
    #[command(flatten)]
    settings: AppSettings,
}

/// A running application. Dropping it stops it gracefully.
pub(crate) struct TestApp {
    pub(crate) addr: SocketAddr,
    pub(crate) store: Arc<dyn Store>,
    /// The address of the metrics, if they are served.
    pub(crate) metrics: Option<SocketAddr>,
    /// The path of the page that signs the operator in to the dashboard once, if there is a dashboard.
    pub(crate) one_time_path: Option<String>,
    /// The clock, if it is moved by hand.
    pub(crate) clock: Option<Arc<ManualClock>>,
    /// A token that may do everything.
    pub(crate) admin: String,
    /// A workspace, and a token for it with all scopes.
    pub(crate) workspace: String,
    pub(crate) token: String,
    _folder: TempDir,
    flags: Vec<String>,
    lookup: Arc<dyn Lookup>,
    agent: ureq::Agent,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    /// The body, read as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl TestApp {
    /// With the machine's clocks.
    pub(crate) fn start() -> Self {
        Self::with(&[], None)
    }

    /// With a clock moved by hand.
    pub(crate) fn with_manual_clock(flags: &[&str]) -> Self {
        Self::with(flags, Some(Arc::new(ManualClock::new(START))))
    }

    /// With these flags of `serve`.
    pub(crate) fn with_flags(flags: &[&str]) -> Self {
        Self::with(flags, None)
    }

    /// With the network policy that `serve` has unless told otherwise.
    pub(crate) fn with_default_policy(flags: &[&str]) -> Self {
        Self::with_exactly(flags, None, Arc::new(SystemLookup))
    }

    /// With exactly these flags of `serve`, a script for names, and a clock moved by hand.
    pub(crate) fn with_lookup(flags: &[&str], lookup: Arc<dyn Lookup>) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        Self::with_exactly(flags, Some(clock), lookup)
    }

    fn with(flags: &[&str], clock: Option<Arc<ManualClock>>) -> Self {
        let local = ["--allow-http", "--allow-network", "127.0.0.0/8"];
        let flags = [&local[..], flags].concat();
        Self::with_exactly(&flags, clock, Arc::new(SystemLookup))
    }

    fn with_exactly(
        flags: &[&str],
        clock: Option<Arc<ManualClock>>,
        lookup: Arc<dyn Lookup>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("hookpost.db");
        let mut all: Vec<String> = [
            "test",
            "--listen",
            "127.0.0.1:0",
            "--database",
            database.to_str().unwrap(),
        ]
        .map(str::to_owned)
        .to_vec();
        // Tests poll, and send bad tokens, faster than anybody should. Those of the limits set them.
        all.extend(NO_LIMITS.map(str::to_owned));
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let (started, running) = run(&all, clock.clone(), lookup.clone());
        let Started {
            addr,
            metrics,
            store,
            one_time_path,
        } = started;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build()
            .new_agent();
        let mut app = Self {
            addr,
            metrics,
            store,
            one_time_path,
            clock,
            admin: String::new(),
            workspace: String::new(),
            token: String::new(),
            _folder: folder,
            flags: all,
            lookup,
            agent,
            running: Some(running),
        };
        app.admin = app.make_token(None, Scopes::all());
        let made = app.post("/api/workspaces", &app.admin, &json!({"name": "test"}));
        app.workspace = String::from(made.expect(201)["id"].as_str().unwrap());
        app.token = app.make_token(Some(&app.workspace), Scopes::all());
        app
    }

    /// Makes a token past the API, as the command line does.
    pub(crate) fn make_token(&self, workspace: Option<&str>, scopes: Scopes) -> String {
        self.make_expiring_token(workspace, scopes, None)
    }

    pub(crate) fn make_expiring_token(
        &self,
        workspace: Option<&str>,
        scopes: Scopes,
        expires_in: Option<Duration>,
    ) -> String {
        let kind = if workspace.is_some() {
            TokenKind::Workspace
        } else {
            TokenKind::Admin
        };
        let token = Token::generate(kind);
        let new = NewAccessToken {
            hash: token.hash(),
            workspace_id: workspace.map(|id| Uuid::parse_str(id).unwrap()),
            comment: String::new(),
            scopes,
            expires_in,
        };
        self.store
            .create_token(Actor::Operator, new)
            .wait()
            .unwrap();
        token.reveal().to_owned()
    }

    /// Stops the application gracefully.
    pub(crate) fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            thread.join().unwrap();
        }
    }

    /// Starts it again on the same file.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let (started, running) = run(&self.flags, self.clock.clone(), self.lookup.clone());
        (self.addr, self.metrics, self.store) = (started.addr, started.metrics, started.store);
        self.one_time_path = started.one_time_path;
        self.running = Some(running);
    }

    /// Starts it again on the same file, with these flags instead of those it was given.
    pub(crate) fn restart_with(&mut self, flags: &[&str]) {
        self.flags.truncate(OWN_FLAGS + NO_LIMITS.len());
        self.flags
            .extend(flags.iter().map(|flag| (*flag).to_owned()));
        self.restart();
    }

    /// Returns the path of the database.
    pub(crate) fn database(&self) -> &str {
        &self.flags[OWN_FLAGS - 1]
    }

    /// Makes a request; `body` as it is. The answer must be as the OpenAPI document says.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addr));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let answer = Answer {
            status: answer.status().as_u16(),
            headers,
            text: answer.body_mut().read_to_string().unwrap(),
        };
        super::contract::check(method, path, &answer);
        answer
    }

    fn call(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let body = body.map(Value::to_string);
        self.request(method, path, &headers, body.as_ref().map(String::as_bytes))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &self.token, None)
    }

    pub(crate) fn get_as(&self, token: &str, path: &str) -> Answer {
        self.call("GET", path, token, None)
    }

    pub(crate) fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.call("POST", path, token, Some(body))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, &self.token, Some(body))
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &self.token, None)
    }

    /// Makes an endpoint for all events of the test's workspace.
    pub(crate) fn endpoint(&self, url: &str) -> Value {
        self.endpoint_for(url, "raw", &["*"])
    }

    pub(crate) fn endpoint_for(&self, url: &str, format: &str, events: &[&str]) -> Value {
        let body = json!({"url": url, "format": format, "events": events});
        self.post("/api/webhooks/endpoints", &self.token, &body)
            .expect(201)
    }

    /// Publishes a message in the test's workspace.
    pub(crate) fn publish(&self, kind: &str, data: &Value) -> Value {
        let body = json!({"type": kind, "data": data});
        self.post("/api/webhooks/events", &self.token, &body)
            .expect(202)
    }

    /// Enables or disables an endpoint of the test's workspace.
    #[track_caller]
    pub(crate) fn set_enabled(&self, endpoint: &Value, enabled: bool) {
        let change = json!({"enabled": enabled});
        self.patch(&endpoint_path(endpoint), &change).expect(200);
    }

    /// Waits until the answer to a GET satisfies a condition.
    #[track_caller]
    pub(crate) fn wait_for(&self, path: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).expect(200);
            if condition(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "{path} stays at {answer}");
            std::thread::yield_now();
        }
    }

    /// Waits until so many events of the test's workspace have a status.
    #[track_caller]
    pub(crate) fn wait_for_events(&self, status: &str, count: u64) -> Value {
        let path = format!("/api/webhooks/events?limit=100&status={status}");
        self.wait_for(&path, |list| list["meta"]["total"] == count)
    }

    /// Moves the clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock
            .as_ref()
            .expect("a test with a manual clock")
            .advance(by);
    }
}

/// Returns the path of an endpoint that the API has shown.
pub(crate) fn endpoint_path(endpoint: &Value) -> String {
    format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    )
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waiting for {what}");
        std::thread::yield_now();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop();
    }
}
