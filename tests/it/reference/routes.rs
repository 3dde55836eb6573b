//! Routes: methods, paths, scopes, answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::tables::{assert_says, code, quoted, section, table};
use super::{Operation, keys, operations, schema};

/// A route as both say it.
#[derive(Debug, PartialEq)]
struct Route {
    scopes: BTreeSet<String>,
    only_admin: bool,
    status: u16,
    /// The name of the answer's schema; empty without a body.
    answer: String,
    /// Parameters of the query that are no filters.
    takes: BTreeSet<&'static str>,
    ignores_body: bool,
}

/// The nouns of API.md, and the names of the schemas.
const OBJECTS: [(&str, &str, &str); 9] = [
    ("message", "messages", "Message"),
    ("batch", "batches", "PublishedBatch"),
    ("event", "events", "WebhookEvent"),
    ("endpoint", "endpoints", "WebhookEndpoint"),
    ("delivery", "deliveries", "WebhookDelivery"),
    ("job", "jobs", "Job"),
    ("preview", "previews", "Preview"),
    ("workspace", "workspaces", "Workspace"),
    ("token", "tokens", "WorkspaceAccessToken"),
];

/// Returns the name of the schema of an answer in API.md.
fn answer(text: &'static str) -> String {
    let first = text.split(';').next().unwrap();
    if first.contains('{') {
        let created = "CreatedWorkspaceAccessToken";
        let members: BTreeSet<_> = quoted(first).into_iter().filter(|it| *it != "…").collect();
        assert_eq!(members, keys(&schema(created)["properties"]));
        return created.to_owned();
    }
    // A link is `[text](target)`.
    let mut plain = first.trim().replace('[', "");
    if let Some((before, after)) = plain.clone().split_once("](") {
        plain = before.to_owned() + after.split_once(')').unwrap().1;
    }
    let found = OBJECTS.iter().find_map(|(one, many, name)| {
        let is_one = plain == *one || plain.starts_with(&format!("{one} with "));
        let is_list = plain == format!("list of {many}");
        let list = is_list.then(|| format!("{name}List"));
        is_one.then(|| (*name).to_owned()).or(list)
    });
    match plain.as_str() {
        "" => String::new(),
        "`null`" => "null".to_owned(),
        // A message that is read has more than the answer to its publish.
        "list of messages" => "WebhookMessageList".to_owned(),
        "message with its data" => "WebhookMessageDetail".to_owned(),
        plain => found.unwrap_or_else(|| panic!("{plain}")),
    }
}

/// Returns the routes of API.md.
fn written() -> BTreeMap<String, Route> {
    let rows = table(section("Routes"), "route").into_iter().map(|row| {
        let [route, scopes, result] = row[..] else {
            panic!("{row:?}");
        };
        let (status, rest) = result.split_at(3);
        let mut area = "";
        let scopes = code(scopes).into_iter().map(|scope| {
            let (own, action) = scope.split_once(':').unwrap();
            if own != "…" {
                area = own;
            }
            format!("{area}:{action}")
        });
        let takes = rest.split_once("takes").map(|(_, after)| code(after));
        let described = Route {
            scopes: scopes.collect(),
            only_admin: row[1].contains("admin tokens only"),
            status: status.parse().unwrap(),
            answer: answer(rest),
            takes: takes.unwrap_or_default().into_iter().collect(),
            ignores_body: rest.contains("a body is ignored"),
        };
        (code(route)[0].replacen(' ', " /api", 1), described)
    });
    let rows: Vec<_> = rows.collect();
    let count = rows.len();
    let routes: BTreeMap<_, _> = rows.into_iter().collect();
    assert_eq!(routes.len(), count, "a route is there twice");
    routes
}

/// Returns the name of the schema of the answer that succeeds, and its status. A dry run has an answer of its own, and so has
/// the request that makes an endpoint under a key.
fn success(operation: &Operation) -> (u16, String) {
    let other = match operation.node["operationId"].as_str() {
        Some("jobs_create") => 200,
        Some("endpoints_put") => 201,
        _ => 0,
    };
    let mut good = operation
        .responses()
        .filter(|(status, _)| *status < 300 && *status != other);
    let (status, response) = good.next().unwrap();
    assert!(good.next().is_none(), "{}", operation.path);
    let body = &response["content"]["application/json"]["schema"];
    let name = match body["$ref"].as_str() {
        Some(target) => target.rsplit('/').next().unwrap(),
        None => body["type"].as_str().unwrap_or_default(),
    };
    (status, name.to_owned())
}

/// Returns the routes of the document.
fn documented() -> BTreeMap<String, Route> {
    let operations = operations().into_iter().filter(|it| !it.is_public());
    let routes = operations.map(|operation| {
        let security = operation.node["security"].as_array().unwrap().iter();
        let scopes = security.map(|each| each["accessToken"][0].as_str().unwrap().to_owned());
        let about = operation.node["description"].as_str().unwrap();
        let (status, answer) = success(&operation);
        let own = operation.parameters("query").into_iter();
        let own = own.map(|parameter| parameter["name"].as_str().unwrap());
        let is_list = answer.ends_with("List");
        let has_body = operation.node["requestBody"].is_object();
        let route = Route {
            scopes: scopes.collect(),
            only_admin: about.contains("Needs an admin token"),
            status,
            answer,
            takes: own.filter(|_| !is_list).collect(),
            ignores_body: !has_body && ["POST", "PATCH"].contains(&operation.method.as_str()),
        };
        (format!("{} {}", operation.method, operation.path), route)
    });
    routes.collect()
}

#[test]
fn routes_scopes_and_answers_are_the_same() {
    let (written, documented) = (written(), documented());
    for (name, route) in &written {
        assert_eq!(Some(route), documented.get(name), "{name}");
    }
    assert!(written.keys().eq(documented.keys()), "{documented:#?}");
}

#[test]
fn probes_are_the_routes_without_a_token() {
    let probes = section("Probes");
    let is_path = |word: &&str| word.starts_with("GET /");
    let written: BTreeSet<_> = code(probes).into_iter().filter(is_path).collect();
    let public = operations().into_iter().filter(Operation::is_public);
    let public = public.map(|it| format!("{} {}", it.method, it.path));
    let public: BTreeSet<_> = public.collect();
    assert!(
        written
            .iter()
            .copied()
            .eq(public.iter().map(String::as_str))
    );
    assert_says("Probes", "`/healthz` answers 200 `{\"status\":\"ok\"}`");
    for name in ["Health", "Readiness"] {
        let status = &schema(name)["properties"]["status"];
        assert_eq!(status["x-extensible-enum"], json!(["ok"]));
    }
    // The checks, in the example and in words.
    let checks = &schema("Check")["properties"]["name"]["x-extensible-enum"];
    for check in checks.as_array().unwrap() {
        let name = check.as_str().unwrap();
        assert!(probes.contains(&format!(
            "{{\"name\":\"{name}\",\"ok\":true,\"reason\":null}}"
        )));
        assert!(probes.contains(&format!("`{name}`")), "{name}");
    }
}
