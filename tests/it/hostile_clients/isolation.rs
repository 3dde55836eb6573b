//! The tests that another workspace's object cannot be told from one that never existed: not by the
//! response, and not by the statements that the database runs. An attempt also changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use hookpost::api::{self, Access, RouteInfo};
use rusqlite::types::Value as Column;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::NOBODY;
use super::server::{Server, token};
use super::wire::{Reply, exchange};
use crate::fixture::PATIENCE;
use crate::receiver::Receiver;

/// The text that only the statement for looking up a token has. Its result is cached for half a second, so
/// this statement comes and goes with the clock.
const LOOK_UP: &str = "WHERE t.hash = ?1";

/// A server with two workspaces: one has something of everything, the other one is curious.
struct Two {
    server: Server,
    theirs: Ids,
    curious: String,
}

/// The ids of one workspace, by the kind of object.
struct Ids {
    workspace: String,
    token: String,
    endpoint: String,
    message: String,
    event: String,
    delivery: String,
    job: String,
}

/// The result of a request: all that its client can see, and the statements that the database ran for it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    fields: BTreeMap<String, String>,
    body: String,
    statements: Vec<String>,
}

impl Two {
    fn start(database: &Path, receiver: &Receiver) -> Self {
        let (owner, curious) = (token(database, "owner"), token(database, "curious"));
        let level = "info,hookpost::api=debug,hookpost::sql=trace";
        let server = Server::start(database, level, &[]);
        let ask = |method: &str, path: &str, body: &Value| -> Value {
            let request = request(method, path, &owner, &body.to_string());
            let replies = exchange(server.addr, &request).unwrap();
            serde_json::from_slice(&replies[0].body).unwrap()
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |path: &str| ask("GET", path, &Value::Null)["data"][0]["id"].clone();
        let endpoint = json!({"url": receiver.url("/a"), "format": "raw", "events": ["*"]});
        let endpoint = ask("POST", "/api/webhooks/endpoints", &endpoint);
        let message = json!({"type": "a", "data": 1});
        let message = ask("POST", "/api/webhooks/events", &message);
        receiver.wait("/a", 1);
        let end = Instant::now() + PATIENCE;
        let delivery = loop {
            let delivery = list("/api/webhooks/deliveries");
            if delivery.is_string() {
                break delivery;
            }
            assert!(Instant::now() < end, "nothing was delivered");
        };
        let job = json!({"action": "skip", "filter": {"event_type": ["none"]}});
        let job = ask("POST", "/api/webhooks/jobs", &job);
        let theirs = Ids {
            workspace: text(&list("/api/workspaces")),
            token: text(&list("/api/workspace-access-tokens")),
            endpoint: text(&endpoint["id"]),
            message: text(&message["id"]),
            event: text(&message["events"][0]["id"]),
            delivery: text(&delivery),
            job: text(&job["id"]),
        };
        Self {
            server,
            theirs,
            curious,
        }
    }

    /// Returns the result of a request of the other workspace with `ID` replaced, without the id itself.
    fn outcome(&self, method: &str, path: &str, body: &str, id: &str) -> Outcome {
        let (path, body) = (path.replace("ID", id), body.replace("ID", id));
        let request = request(method, &path, &self.curious, &body);
        let mut replies = exchange(self.server.addr, &request).unwrap();
        assert_eq!(replies.len(), 1, "{method} {path}");
        let reply = replies.remove(0);
        let mut statements = Vec::new();
        loop {
            let line = self.server.next_line();
            if let Some(sql) = line["sql"].as_str()
                && !sql.contains(LOOK_UP)
            {
                statements.push(sql.to_owned());
            }
            if line["request_id"].as_str() == reply.header("x-request-id") {
                break;
            }
        }
        Outcome {
            status: reply.status,
            fields: fields(&reply),
            body: String::from_utf8(reply.body).unwrap().replace(id, "ID"),
            statements,
        }
    }
}

fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let body = if method == "GET" || body == "null" {
        ""
    } else {
        body
    };
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The fields of an answer, less what is different in each; lists in an order of their own.
fn fields(reply: &Reply) -> BTreeMap<String, String> {
    let fields = reply.head.lines().skip(1);
    let fields = fields.filter_map(|line| line.split_once(": "));
    let fields = fields.filter(|(name, _)| !["connection", "date", "x-request-id"].contains(name));
    fields
        .map(|(name, value)| {
            let mut items: Vec<_> = value.split(", ").collect();
            items.sort_unstable();
            (name.to_owned(), items.join(", "))
        })
        .collect()
}

/// Every way to name an object of another workspace: method, path and body with `ID` for its id, and
/// the ids that could stand there.
fn attempts<'a>(route: &RouteInfo, ids: &'a Ids) -> Vec<(String, String, Vec<&'a str>)> {
    let path = format!("/api{}", route.path.replace("{id}", "ID"));
    if route.path.contains("{id}") {
        let kind = route.path.trim_start_matches("/webhooks").split('/').nth(1);
        let own = match kind {
            Some("endpoints") => vec![&*ids.endpoint],
            Some("events") => vec![&*ids.event, &*ids.message, &*ids.delivery],
            Some("messages") => vec![&*ids.message, &*ids.event],
            Some("jobs") => vec![&*ids.job, &*ids.event],
            Some("workspaces") => vec![&*ids.workspace],
            Some("workspace-access-tokens") => vec![&*ids.token],
            _ => panic!("{} has an id that this test does not know", route.path),
        };
        let body = json!({
            "url": "https://a.example/", "enabled": false, "name": "mine", "comment": "mine",
            "scopes": ["webhooks:read"],
        });
        let kept = format!("{path}?keep_children=true");
        return [path, kept]
            .map(|path| (path, body.to_string(), own.clone()))
            .to_vec();
    }
    if route.path == "/webhooks/preview" {
        let body = json!({"endpoint_id": "ID", "message": {"type": "a", "data": 1}});
        return vec![(path, body.to_string(), vec![&*ids.endpoint])];
    }
    if route.method == "POST" {
        let body = json!({
            "workspace_id": "ID", "url": "https://a.example/", "format": "raw", "events": [],
            "type": "a", "data": 1, "comment": "", "scopes": ["webhooks:read"],
        });
        let mut all = vec![(path.clone(), body.to_string(), vec![&*ids.workspace])];
        if route.path.starts_with("/webhooks/events") {
            let named = json!({"type": "a", "data": 1, "endpoint_ids": ["ID"]});
            let mut several = named.clone();
            several["messages"] = json!([named]);
            let endpoints = vec![&*ids.endpoint, &*ids.event];
            all.push((path, several.to_string(), endpoints));
        }
        return all;
    }
    let all = [&*ids.event, &*ids.message, &*ids.delivery, &*ids.endpoint];
    [
        ("workspace_id", vec![&*ids.workspace]),
        ("endpoint_id", vec![&*ids.endpoint]),
        ("event_id", vec![&*ids.event]),
        ("message_id", vec![&*ids.message, &*ids.event]),
        ("missing_for", vec![&*ids.endpoint]),
        ("query", all.to_vec()),
        ("url", vec![&*ids.endpoint]),
    ]
    .map(|(name, ids)| (format!("{path}?{name}=ID"), String::new(), ids))
    .to_vec()
}

/// All rows of all tables, less when tokens were used last.
fn dump(database: &Path) -> Vec<String> {
    let connection =
        Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {table}"))
            .unwrap();
        let names: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let columns = names.iter().enumerate();
            let columns = columns.filter(|(_, name)| *name != "last_used_at");
            let columns = columns.map(|(at, name)| {
                let column: Column = row.get(at).unwrap();
                format!("{name}={column:?}")
            });
            rows.push(format!(
                "{table}: {}",
                columns.collect::<Vec<_>>().join(" ")
            ));
        }
    }
    rows
}

#[test]
fn another_workspaces_objects_cannot_be_told_from_missing_ones() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("h.db");
    let receiver = Receiver::start();
    let two = Two::start(&database, &receiver);
    let before = dump(&database);
    let has = |table: &str| before.iter().any(|row| row.starts_with(table));
    assert!(
        ["endpoint:", "message:", "event:", "delivery:", "token:"]
            .into_iter()
            .all(has)
    );
    let mut with_statements = 0;
    for route in api::table().filter(|route| route.access != Access::Public) {
        let method = route.method.as_str();
        for (path, body, ids) in attempts(&route, &two.theirs) {
            for id in ids {
                // The server's own threads ask the database something in between, at a start for some
                // requests in a row. A difference that the client made comes each time.
                let end = Instant::now() + PATIENCE;
                loop {
                    let nobodys = two.outcome(method, &path, &body, NOBODY);
                    let theirs = two.outcome(method, &path, &body, id);
                    with_statements += usize::from(!theirs.statements.is_empty());
                    if theirs == nobodys {
                        break;
                    }
                    assert!(
                        Instant::now() < end,
                        "{method} {path}: {theirs:#?}\nof nobody: {nobodys:#?}"
                    );
                }
            }
        }
    }
    assert!(with_statements > 20, "{with_statements}");
    assert_eq!(dump(&database), before);
    assert_eq!(receiver.at("/a").len(), 1, "nothing was sent again");
}
