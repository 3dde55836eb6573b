//! The tests of `hookpost endpoint test`.

use super::*;

#[test]
fn a_test_prints_what_came_back_and_its_exit_code_says_whether_it_succeeded() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.answer(201, "taken");
    let endpoint = app.endpoint(&receiver.url("/in"));
    let id = endpoint["id"].as_str().unwrap();
    let text = printed(&app, &["endpoint", "test", id]);
    for (name, is) in [
        ("result", "201"),
        ("type", "hookpost.test"),
        ("response", "taken"),
    ] {
        assert_eq!(value(&text, name), is, "{text}");
    }
    let received = receiver.wait("/in", 1).remove(0);
    assert_eq!(value(&text, "event"), received.header("webhook-id"));

    let own = ["endpoint", "test", id, r#"{"n": 1.50}"#, "--type", "a.b"];
    let shown = printed_json(&app, &own);
    assert_eq!(shown["webhook_event"]["type"], "a.b");
    assert!(
        receiver.wait("/in", 2)[1]
            .text()
            .ends_with(r#""data":{"n": 1.50}}"#)
    );

    receiver.answer(500, "broken");
    let output = client(&app, Path::new("/"), &["endpoint", "test", id]);
    let output = { output }.output().unwrap();
    assert_eq!(one_line(&output, 1), "hookpost: the test did not succeed");
    assert_eq!(value(stdout(&output), "response"), "broken");
    let says = failed(
        &app,
        &["endpoint", "test", "0190a000-0000-4000-8000-000000000000"],
    );
    assert!(says.contains("endpoint"), "{says}");
}

#[test]
fn data_that_is_no_json_is_not_sent() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/in"));
    let id = endpoint["id"].as_str().unwrap();
    let output = client(&app, Path::new("/"), &["endpoint", "test", id, "{"]);
    let output = { output }.output().unwrap();
    assert!(one_line(&output, 2).contains("no JSON"));
    assert_eq!(receiver.count("/in"), 0);
}
