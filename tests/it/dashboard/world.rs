//! A workspace with one object of every kind, and the table of what each page needs.

use std::time::Duration;

use hookpost::domain::access::{Scope, Scopes};
use hookpost::domain::clock::Clock;
use hookpost::domain::event_state::Verdict;
use serde_json::{Value, json};

use super::Visitor;
use super::history::{History, Reply};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

/// An id that no object has.
pub(super) const NOBODY: &str = "0190a000-0000-4000-8000-000000000000";

/// Who may use a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Everybody who is signed in.
    Session,
    /// A token with one of these scopes.
    AnyOf(&'static [Scope]),
    /// An admin token with this scope.
    Admin(Scope),
    /// An admin token.
    AnyAdmin,
}

impl Needs {
    /// Reports whether a workspace's token with these scopes may use the page.
    pub(super) fn allows(self, scopes: Scopes) -> bool {
        match self {
            Self::Session => true,
            Self::AnyOf(any) => any.iter().any(|scope| scopes.contains(*scope)),
            Self::Admin(_) | Self::AnyAdmin => false,
        }
    }
}

const READ: Needs = Needs::AnyOf(&[
    Scope::WebhooksRead,
    Scope::WebhooksWrite,
    Scope::WebhooksView,
]);
const WRITE: Needs = Needs::AnyOf(&[Scope::WebhooksWrite]);
const PUBLISH: Needs = Needs::AnyOf(&[Scope::WebhooksPublish]);
const READ_TOKENS: Needs = Needs::AnyOf(&[Scope::TokensRead, Scope::TokensWrite]);
const WRITE_TOKENS: Needs = Needs::AnyOf(&[Scope::TokensWrite]);
const READ_WORKSPACES: Needs = Needs::AnyOf(&[Scope::WorkspacesRead, Scope::WorkspacesWrite]);
const WRITE_WORKSPACES: Needs = Needs::AnyOf(&[Scope::WorkspacesWrite]);

/// What a page is, as the tests know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    /// The kind of object whose id is in the path.
    pub(super) kind: &'static str,
}

const fn rule(method: &'static str, path: &'static str, needs: Needs, kind: &'static str) -> Rule {
    Rule {
        method,
        path,
        needs,
        kind,
    }
}

/// The rules of all pages. They are written down here once more, since tests that took them from the code would agree
/// with every mistake.
#[rustfmt::skip]
pub(super) static RULES: [Rule; 40] = [
    rule("GET",  "/",                       Needs::Session,   ""),
    rule("GET",  "/endpoints",              READ,             ""),
    rule("GET",  "/endpoints/new",          WRITE,            ""),
    rule("POST", "/endpoints/new",          WRITE,            ""),
    rule("GET",  "/endpoints/{id}",         READ,             "endpoint"),
    rule("GET",  "/endpoints/{id}/edit",    WRITE,            "endpoint"),
    rule("POST", "/endpoints/{id}/edit",    WRITE,            "endpoint"),
    rule("POST", "/endpoints/{id}/pause",   WRITE,            "endpoint"),
    rule("POST", "/endpoints/{id}/resume",  WRITE,            "endpoint"),
    rule("POST", "/endpoints/{id}/enable",  WRITE,            "endpoint"),
    rule("POST", "/endpoints/{id}/disable", WRITE,            "endpoint"),
    rule("POST", "/endpoints/{id}/delete",  WRITE,            "endpoint"),
    rule("POST", "/endpoints/{id}/secret",  WRITE,            "endpoint"),
    rule("POST", "/endpoints/{id}/test",    WRITE,            "endpoint"),
    rule("GET",  "/deliveries",             READ,             ""),
    rule("POST", "/redeliver",              WRITE,            ""),
    rule("GET",  "/events/{id}",            READ,             "event"),
    rule("GET",  "/events/{id}/payload",    READ,             "event"),
    rule("POST", "/events/{id}/redeliver",  WRITE,            "event"),
    rule("POST", "/events/{id}/skip",       WRITE,            "event"),
    rule("GET",  "/jobs",                   READ,             ""),
    rule("POST", "/jobs",                   WRITE,            ""),
    rule("GET",  "/jobs/new",               WRITE,            ""),
    rule("GET",  "/jobs/{id}",              READ,             "job"),
    rule("POST", "/jobs/{id}/cancel",       WRITE,            "job"),
    rule("GET",  "/messages",               READ,             ""),
    rule("GET",  "/messages/{id}",          READ,             "message"),
    rule("POST", "/messages/{id}/erase",    WRITE,            "message"),
    rule("GET",  "/publish",                PUBLISH,          ""),
    rule("POST", "/publish",                PUBLISH,          ""),
    rule("GET",  "/tokens",                 READ_TOKENS,      ""),
    rule("POST", "/tokens",                 WRITE_TOKENS,     ""),
    rule("POST", "/tokens/{id}/revoke",     WRITE_TOKENS,     "token"),
    rule("GET",  "/workspaces",             READ_WORKSPACES,  ""),
    rule("POST", "/workspaces",             Needs::Admin(Scope::WorkspacesWrite), ""),
    rule("POST", "/workspaces/{id}/edit",   WRITE_WORKSPACES, "workspace"),
    rule("POST", "/workspaces/{id}/delete", Needs::Admin(Scope::WorkspacesWrite), "workspace"),
    rule("GET",  "/system",                 Needs::AnyAdmin,  ""),
    rule("POST", "/workspace",              Needs::AnyAdmin,  ""),
    rule("POST", "/logout",                 Needs::Session,   ""),
];

/// A workspace with an endpoint that fails, its event and message, a job, and a token.
pub(super) struct World {
    pub(super) app: TestApp,
    pub(super) receiver: Receiver,
    pub(super) endpoint: String,
    pub(super) event: String,
    pub(super) message: String,
    /// A job that is over: it matched nothing.
    pub(super) job: String,
    pub(super) token: String,
}

impl World {
    pub(super) fn new() -> Self {
        // No second attempt changes an event while a test looks.
        Self::in_app(TestApp::with_flags(&[
            "--retry-schedule",
            "30d",
            "--disable-after",
            "0",
        ]))
    }

    pub(super) fn in_app(app: TestApp) -> Self {
        let receiver = Receiver::start();
        receiver.reply("/hook", 500, "");
        let endpoint = app.endpoint(&receiver.url("/hook"));
        let published = app.publish("parcel.lost", &json!({"order": 7}));
        receiver.wait("/hook", 1);
        app.wait_for("/api/webhooks/deliveries", |list| {
            list["meta"]["total"] == 1
        });
        app.make_token(Some(&app.workspace), Scopes::webhooks());
        let tokens = app.get("/api/workspace-access-tokens?limit=1").expect(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            endpoint: text(&endpoint["id"]),
            event: text(&published["events"][0]["id"]),
            message: text(&published["id"]),
            job: job_without_events(&app, &endpoint),
            token: text(&tokens["data"][0]["id"]),
            receiver,
            app,
        }
    }

    /// A world in which each duration and each time is the same in each run. Its receiver gets nothing.
    pub(super) fn recorded() -> Self {
        let mut app = TestApp::with_manual_clock(&[]);
        let endpoint = app.endpoint("https://shop.example/hooks");
        app.advance(Duration::from_mins(5));
        let mut history = History::of(&mut app);
        let (published, events) = history.publish("parcel.lost", r#"{"order":7}"#);
        history.clock.advance(Duration::from_millis(120));
        let later = history.clock.now().after(Duration::from_hours(1));
        let reply = Reply::with(503, "{\"error\": \"maintenance\"}", 120);
        history.record(&events[0], reply, Verdict::RetryAt(later));
        history.clock.advance(Duration::from_mins(2));
        history.end(&mut app);
        let tokens = app.get("/api/workspace-access-tokens?limit=1").expect(200);
        Self {
            receiver: Receiver::start(),
            endpoint: endpoint["id"].as_str().unwrap().to_owned(),
            event: events[0].id.to_string(),
            message: published.message.id.to_string(),
            job: job_without_events(&app, &endpoint),
            token: tokens["data"][0]["id"].as_str().unwrap().to_owned(),
            app,
        }
    }

    /// Returns the id of the object of this kind.
    pub(super) fn id(&self, kind: &str) -> &str {
        match kind {
            "endpoint" => &self.endpoint,
            "event" => &self.event,
            "message" => &self.message,
            "job" => &self.job,
            "token" => &self.token,
            "workspace" => &self.app.workspace,
            _ => "",
        }
    }

    /// Returns the path of a page, with the id of the object that it is about.
    pub(super) fn path(&self, rule: &Rule) -> String {
        rule.path.replace("{id}", self.id(rule.kind))
    }

    /// Returns everything that a form could have changed, as the API shows it to an admin.
    pub(super) fn everything(&self) -> String {
        let lists = [
            "webhooks/endpoints",
            "webhooks/events",
            "webhooks/jobs",
            "workspaces",
            "workspace-access-tokens",
        ];
        let list = |list: &str| {
            let path = format!("/api/{list}?limit=100");
            let mut list = self.app.get_as(&self.app.admin, &path).expect(200);
            for row in list["data"].as_array_mut().unwrap() {
                let row = row.as_object_mut().unwrap();
                // Reading changes it.
                row.remove("last_used_at");
            }
            list.to_string()
        };
        lists.map(list).join("\n")
    }
}

/// Makes a job of which no event is in the set, and returns its id.
fn job_without_events(app: &TestApp, endpoint: &Value) -> String {
    let body = json!({"action": "redeliver", "filter": {
        "endpoint_id": [endpoint["id"]], "status": ["succeeded"],
    }});
    let made = app
        .post("/api/webhooks/jobs", &app.token, &body)
        .expect(202);
    let id = made["id"].as_str().unwrap().to_owned();
    app.wait_for(&format!("/api/webhooks/jobs/{id}"), |job| {
        job["state"] == "finished"
    });
    id
}

/// Returns fields with which a form does what it is for: those of all forms at once.
pub(super) fn fields(world: &World) -> Vec<(&'static str, String)> {
    let own = |text: &str| text.to_owned();
    vec![
        ("url", world.receiver.url("/other")),
        ("name", own("forged")),
        ("description", own("forged")),
        ("format", own("raw")),
        ("events", own("*")),
        ("enabled", own("true")),
        ("secret", String::new()),
        ("event", world.event.clone()),
        ("type", own("order.forged")),
        ("event_type", own("order.forged")),
        ("data", own("{}")),
        ("action", own("send")),
        ("comment", own("forged")),
        ("scopes", own("webhooks:read")),
        ("workspace", world.app.workspace.clone()),
        ("workspace_id", world.app.workspace.clone()),
        ("archive_after", own("3")),
        ("delete_after", own("9")),
        ("next", own("/")),
        ("job", own("redeliver")),
        ("endpoint_id", world.endpoint.clone()),
        ("status", own("failed")),
    ]
}

/// Sends a form with all fields, as a page of the visitor's session.
pub(super) fn send_form(world: &World, visitor: &Visitor<'_>, path: &str) -> super::Page {
    send_form_with(world, visitor, path, &[])
}

/// Does the same as [`send_form`], with other values of some fields.
pub(super) fn send_form_with(
    world: &World,
    visitor: &Visitor<'_>,
    path: &str,
    others: super::FormFields<'_>,
) -> super::Page {
    let mut fields = fields(world);
    fields.retain(|(name, _)| others.iter().all(|(other, _)| name != other));
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain(others.iter().copied())
        .collect();
    visitor.post(path, &fields)
}
