//! The tests of the lists: their filters, their lengths and their forms.

use super::transport::{answer, answering, run};
use super::*;

#[test]
fn events_and_deliveries_are_listed_and_filtered() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.reply("/gone", 410, "");
    let good = app.endpoint_for(&receiver.url("/good"), "raw", &["*"]);
    app.endpoint_for(&receiver.url("/gone"), "raw", &["order.paid"]);
    let message = app.publish("order.paid", &json!(1));
    app.publish("order.sent", &json!(1));
    app.wait_for_events("pending", 0);

    let ids = |args: &[&str]| {
        let rows = printed_json(&app, args);
        rows.as_array().unwrap().len()
    };
    let (message, good) = (
        message["id"].as_str().unwrap(),
        good["id"].as_str().unwrap(),
    );
    assert_eq!(ids(&["events"]), 3);
    assert_eq!(ids(&["events", "--status", "failed"]), 1);
    assert_eq!(ids(&["events", "--status", "failed,succeeded"]), 3);
    assert_eq!(ids(&["events", "--message", message]), 2);
    assert_eq!(
        ids(&["events", "--endpoint", good, "--type", "order.sent"]),
        1
    );
    assert_eq!(ids(&["events", "--since", "1h", "--until", "0"]), 3);
    assert_eq!(ids(&["events", "--until", "2026-01-31T12:00:00Z"]), 0);
    assert_eq!(ids(&["events", "--limit", "2"]), 2);
    assert_eq!(ids(&["deliveries"]), 3);
    assert_eq!(ids(&["deliveries", "--failed", "--code", "4xx"]), 1);
    assert_eq!(ids(&["deliveries", "--succeeded", "--query", "200"]), 2);

    let failed = printed(&app, &["events", "--status", "failed"]);
    let row: Vec<&str> = failed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[3..], ["failed", "410", "1", "order.paid"], "{failed}");
    let attempts = printed(&app, &["deliveries", "--failed"]);
    assert!(attempts.contains("  410  "), "{attempts}");

    let event = printed(&app, &["event", row[0]]);
    assert_eq!(value(&event, "status"), "failed");
    assert_eq!(value(&event, "url"), receiver.url("/gone"));
    assert!(
        event.contains("RESPONSE") && event.contains("  410  "),
        "{event}"
    );
    assert!(event.contains(r#""type":"order.paid""#), "{event}");
    assert_eq!(
        printed_json(&app, &["event", row[0]])["last_http_code"],
        410
    );
    assert_eq!(
        super::failed(&app, &["event", good]),
        format!("hookpost: there is no event {good}")
    );
}

#[test]
fn a_long_list_is_whole_and_one_document() {
    let app = TestApp::start();
    app.endpoint("http://127.0.0.1:9/");
    for n in 0..120 {
        app.publish("a", &json!(n));
    }
    let all = printed_json(&app, &["events", "--all"]);
    let mut ids: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 120);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 120);
    assert_eq!(printed(&app, &["events", "--all"]).lines().count(), 121);
    assert_eq!(
        printed(&app, &["events", "--limit", "110"]).lines().count(),
        111
    );
    let first = client(&app, Path::new("/"), &["events"]).output().unwrap();
    assert_eq!(stdout(&first).lines().count(), 21);
    assert_eq!(stderr(&first), "20 of 120 events; --all lists them all.\n");
    assert_eq!(printed_json(&app, &["events", "--type", "b"]), json!([]));
}

#[test]
fn a_reader_that_has_enough_ends_a_list_without_a_word() {
    let app = TestApp::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = client(&app, Path::new("/"), &["events"]);
    let output = command.stdout(writer).stderr(Stdio::piped()).spawn();
    let output = output.unwrap().wait_with_output().unwrap();
    assert_eq!((stderr(&output), output.status.code()), ("", Some(0)));
}

#[test]
fn a_list_of_a_long_search_is_whole_although_the_first_part_of_it_found_little() {
    let page = |rows: &[u64], total: u64, end: Option<u64>| {
        let time = |number: u64| format!("2026-01-31T12:00:00.{:06}Z", 999_999 - number);
        let rows = rows.iter().map(|number| {
            json!({
                "id": format!("01a21f03-3343-4c6f-bbb0-{number:012}"), "created_at": time(*number),
            })
        });
        let mut meta = json!({"total": total});
        if let Some(end) = end {
            meta["searched_back_to"] = json!(time(end));
        }
        let body = json!({"data": rows.collect::<Vec<_>>(), "meta": meta});
        answer("200 X", "", &body.to_string())
    };
    // The first search finds one row and the second none, and each had no time for more.
    let mut pages = vec![page(&[0], 1, Some(1)), page(&[], 0, Some(2))];
    for number in 0..15 {
        let first = 100 * number + 10;
        let rows: Vec<_> = (first..first + 100).collect();
        pages.push(page(&rows, 1500 - 100 * number, None));
    }
    let endpoint = "01a21f03-3343-4c6f-bbb0-afcc931f11f4";
    let args = ["messages", "--missing-for", endpoint, "--all", "--json"];
    let (url, requests) = answering(pages);
    let output = run(folder().path(), &url, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let all: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1501);
    drop(requests);
}
