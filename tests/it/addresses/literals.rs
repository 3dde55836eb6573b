//! The tests of forbidden addresses in a URL, in every spelling that some parser takes for an address. They
//! are refused when an endpoint is created or changed, and again before a request, as the policy may have
//! changed.

mod tables;

use rusqlite::Connection;
use serde_json::{Value, json};

use self::tables::{FORBIDDEN, UNUSABLE};
use super::{Scripted, Untouched, create, deliveries, id};
use crate::fixture::{Answer, TestApp};

fn forbidden() -> impl Iterator<Item = &'static str> {
    FORBIDDEN.iter().flat_map(|(_, hosts)| *hosts).copied()
}

/// Returns the reason why `answer` is not the refusal of a URL of this kind, if it is not.
fn fault(answer: &Answer, url: &str, kind: &str) -> Option<String> {
    let problem = answer.json()["detail"][0].clone();
    let right =
        answer.status == 422 && problem["type"] == kind && problem["loc"] == json!(["body", "url"]);
    (!right).then(|| {
        format!(
            "{url:?} should be {kind}: {} {}",
            answer.status, answer.text
        )
    })
}

#[test]
fn the_tables_of_addresses_have_all_their_rows() {
    let mut all: Vec<&str> = forbidden().collect();
    assert!(all.len() >= 150, "{}", all.len());
    let with_doubles = all.len();
    all.sort_unstable();
    all.dedup();
    assert!(
        with_doubles - all.len() < 3,
        "metadata services may be twice in it"
    );
}

#[test]
fn no_endpoint_is_made_or_moved_to_a_forbidden_address() {
    let app = TestApp::with_default_policy(&[]);
    let endpoint = create(&app, "https://example.com/hook").expect(201);
    let path = format!("/api/webhooks/endpoints/{}", id(&endpoint));
    let addresses = forbidden().flat_map(|host| {
        [
            (format!("https://{host}/hook"), "value_error"),
            (format!("https://{host}:8443"), "value_error"),
        ]
    });
    let unusable = UNUSABLE
        .iter()
        .map(|(url, kind)| ((*url).to_owned(), *kind));
    let mut faults = Vec::new();
    for (url, kind) in addresses.chain(unusable) {
        faults.extend(fault(&create(&app, &url), &url, kind));
        faults.extend(fault(&app.patch(&path, &json!({"url": url})), &url, kind));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // What would do is said, and nothing was stored on the way.
    let answer = create(&app, "https://0x7f.1/").expect(422);
    assert_eq!(
        answer["detail"][0]["msg"],
        "Value error, the address 127.0.0.1 is not allowed: loopback (RFC 1122); \
         use a public address, or have the operator allow this network"
    );
    assert_eq!(app.get(&path).expect(200), endpoint);
    let list = app.get("/api/webhooks/endpoints").expect(200);
    assert_eq!(list["meta"]["total"], 1);
}

/// As one operator's mistake, and the next one's repair.
#[test]
fn what_was_stored_under_a_lax_policy_is_not_dialled_under_a_strict_one() {
    let lax = ["--allow-network", "0.0.0.0/0", "--allow-network", "::/0"];
    let lookup = std::sync::Arc::new(Scripted::default());
    let mut app = TestApp::with_lookup(&lax, lookup.clone());
    let target = Untouched::everywhere();
    let endpoints: Vec<Value> = forbidden()
        .map(|host| {
            let url = format!("https://{host}:{}/hook", target.port());
            create(&app, &url).expect(201)
        })
        .collect();
    app.restart_with(&[]);
    app.publish("order.created", &json!({"id": 1}));
    let count = u64::try_from(endpoints.len()).unwrap();
    app.wait_for_events("failed", count);
    for endpoint in &endpoints {
        let delivery = &deliveries(&app, endpoint, 1)[0];
        let url = endpoint["url"].as_str().unwrap();
        assert_eq!(delivery["error"], "address_refused", "{url}: {delivery}");
        assert_eq!(delivery["succeeded"], false, "{url}");
        assert_eq!(delivery["http_code"], Value::Null, "{url}");
        let said = delivery["response"].as_str().unwrap();
        assert!(said.contains(" is not allowed: "), "{url}: {said}");
    }
    target.assert_untouched();
    assert_eq!(lookup.names(), [""; 0], "an address is not a name");
}

/// A database that something else wrote to: spellings that the API never stores. The client reads
/// those as names, and what a name resolves to is checked.
#[test]
fn spellings_that_only_another_program_can_have_stored_are_refused_too() {
    let target = Untouched::everywhere();
    let mut app = TestApp::with_default_policy(&["--allow-http"]);
    let hosts = [
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "localhost",
    ];
    let endpoints: Vec<Value> = hosts
        .iter()
        .map(|host| create(&app, &format!("https://{host}.example/")).expect(201))
        .collect();
    app.stop();
    let database = Connection::open(app.database()).unwrap();
    for (host, endpoint) in hosts.iter().zip(&endpoints) {
        let url = format!("http://{host}:{}/", target.port());
        let changed = database.execute(
            "UPDATE endpoint SET url = ?1 WHERE url = ?2",
            [url.as_str(), endpoint["url"].as_str().unwrap()],
        );
        assert_eq!(changed, Ok(1));
    }
    drop(database);
    app.restart();
    app.publish("order.created", &json!({"id": 1}));
    for endpoint in &endpoints {
        let delivery = &deliveries(&app, endpoint, 1)[0];
        let error = delivery["error"].as_str().unwrap();
        // Systems differ in what they take for a number.
        assert!(matches!(error, "address_refused" | "dns"), "{delivery}");
    }
    let refused = &deliveries(&app, &endpoints[5], 1)[0];
    assert_eq!(refused["error"], "dns", "{refused}");
    target.assert_untouched();
}
