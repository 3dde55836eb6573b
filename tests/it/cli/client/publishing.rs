//! The tests of `hookpost publish`.

use super::*;

#[test]
fn data_comes_from_the_command_line_a_file_or_stdin_byte_for_byte() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/in"));
    let folder = folder();
    let data = r#"{"b": 1.50, "a": "é"}"#;
    std::fs::write(folder.path().join("order.json"), data).unwrap();
    let publish = |args: &[&str], input: &[u8]| {
        let args = [&["publish", "order.paid"], args].concat();
        let output = fed(&mut client(&app, folder.path(), &args), input);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    publish(&[data], b"");
    publish(&["@order.json"], b"");
    publish(&["-"], data.as_bytes());
    let last = publish(&[], data.as_bytes());
    let received = receiver.wait("/in", 4);
    for one in received {
        assert!(
            one.text().ends_with(&format!(r#","data":{data}}}"#)),
            "{}",
            one.text()
        );
    }
    // The events are listed with the URLs of their endpoints.
    assert!(last.contains(&receiver.url("/in")), "{last}");
    let message = value(&last, "message");
    let events = printed_json(&app, &["events", "--message", message]);
    assert!(last.contains(events[0]["id"].as_str().unwrap()), "{last}");
}

#[test]
fn what_is_no_json_is_refused_before_anything_is_sent() {
    let app = TestApp::start();
    app.endpoint("http://127.0.0.1:9/");
    let folder = folder();
    std::fs::write(folder.path().join("image"), b"\x89PNG\r\n\x1a\n\0\0").unwrap();
    for (args, input, says) in [
        (
            &["@image"][..],
            &b""[..],
            "the data in image is no text in UTF-8",
        ),
        (
            &["-"],
            b"\xff\xfe\0",
            "the data on stdin is no text in UTF-8",
        ),
        (
            &[],
            b"",
            "the data on stdin is empty; for example: hookpost publish",
        ),
        (
            &["{\"a\": }"],
            b"",
            "the data on the command line is no JSON: expected value at line 1",
        ),
        (
            &["@missing"],
            b"",
            "cannot read the data in missing: No such file",
        ),
    ] {
        let args = [&["publish", "order.paid"], args].concat();
        let output = fed(&mut client(&app, folder.path(), &args), input);
        let line = one_line(&output, 2);
        assert!(line.starts_with(&format!("hookpost: {says}")), "{line}");
    }
    let events = app.get("/api/webhooks/events").expect(200);
    assert_eq!(events["meta"]["total"], 0);
}

#[test]
fn the_same_key_publishes_once() {
    let app = TestApp::start();
    app.endpoint("http://127.0.0.1:9/");
    let publish = |data: &str| {
        let args = ["publish", "order.paid", data, "--key", "order-1", "--json"];
        client(&app, Path::new("/"), &args).output().unwrap()
    };
    let (first, second) = (publish("1"), publish("1"));
    assert_eq!(stdout(&first), stdout(&second));
    assert!(stderr(&first).contains("Idempotency key: order-1"));
    assert!(!stderr(&first).contains("before"), "{}", stderr(&first));
    assert!(
        stderr(&second).contains("It was published before"),
        "{}",
        stderr(&second)
    );
    let other = one_line(&publish("2"), 1);
    assert!(other.ends_with("(422)"), "{other}");
    // Without a key, each call has one of its own.
    let key = |text: &str| value(text, "key").to_owned();
    let keys = [(); 2].map(|()| key(&printed(&app, &["publish", "order.paid", "1"])));
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn an_admin_token_publishes_into_the_workspace_that_it_names() {
    let app = TestApp::start();
    let args = [
        "publish",
        "a",
        "1",
        "--timestamp",
        "2026-01-31T12:00:00Z",
        "--json",
    ];
    let run = |args: &[&str]| {
        let mut command = client(&app, Path::new("/"), args);
        command.env("HOOKPOST_TOKEN", &app.admin).output().unwrap()
    };
    let without = run(&args);
    assert!(
        stderr(&without).contains("body.workspace_id: "),
        "{}",
        stderr(&without)
    );
    let published = run(&[&args[..], &["--workspace-id", &app.workspace]].concat());
    let message: Value = serde_json::from_slice(&published.stdout).unwrap();
    assert_eq!(message["workspace_id"], app.workspace.as_str());
    assert_eq!(message["timestamp"], "2026-01-31T12:00:00Z");
}

#[test]
fn waiting_ends_with_the_deliveries_and_tells_of_those_that_failed() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint_for(&receiver.url("/good"), "raw", &["*"]);
    let good = printed(&app, &["publish", "good.one", "1", "--wait", "20s"]);
    assert!(good.contains("succeeded"), "{good}");
    assert_eq!(receiver.count("/good"), 1);
    let message = printed_json(&app, &["publish", "good.one", "1", "--wait", "20s"]);
    assert_eq!(message["events"][0]["succeeded"], true);

    receiver.reply("/gone", 410, "");
    app.endpoint_for(&receiver.url("/gone"), "raw", &["bad.one"]);
    let wait = |time: &str| {
        let args = ["publish", "bad.one", "1", "--wait", time];
        client(&app, Path::new("/"), &args).output().unwrap()
    };
    let bad = wait("20s");
    assert!(stdout(&bad).contains("failed     410"), "{}", stdout(&bad));
    assert_eq!(
        one_line(&bad, 1),
        "hookpost: 1 of 2 deliveries did not succeed within 20s: 1 failed, 0 skipped, 0 pending"
    );

    receiver.hold("/slow");
    app.endpoint_for(&receiver.url("/slow"), "raw", &["slow.one"]);
    let args = ["publish", "slow.one", "1", "--wait", "100ms"];
    let slow = failed(&app, &args);
    assert!(slow.ends_with("0 failed, 0 skipped, 1 pending"), "{slow}");
    receiver.let_go("/slow");
}

#[test]
fn a_message_is_sent_to_the_named_endpoints_alone() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/others"));
    let named = app.endpoint_for(&receiver.url("/named"), "raw", &[]);
    let id = named["id"].as_str().unwrap();
    printed(&app, &["publish", "a", "1", "--endpoint", id]);
    receiver.wait("/named", 1);
    app.wait_for_events("succeeded", 1);
    assert_eq!(receiver.count("/others"), 0);
    let unknown = "0190a000-0000-4000-8000-000000000000";
    let line = failed(&app, &["publish", "a", "1", "--endpoint", unknown]);
    assert!(line.contains("body.endpoint_ids.0: "), "{line}");
}

/// Lines of messages with these numbers.
fn lines(numbers: std::ops::Range<u32>) -> String {
    let line = |number| format!("{{\"type\":\"a\",\"data\":{number}}}\n");
    numbers.map(line).collect()
}

#[test]
fn a_file_of_messages_is_published_in_batches_in_its_order() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/in"));
    let folder = folder();
    std::fs::write(folder.path().join("all.jsonl"), lines(0..250)).unwrap();
    let publish = |args: &[&str]| {
        let args = [&["publish", "--lines"], args].concat();
        let output = client(&app, folder.path(), &args).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    let text = publish(&["all.jsonl", "--key", "k"]);
    for (name, expected) in [
        ("messages", "250"),
        ("replayed", "0"),
        ("events", "250"),
        ("batches", "3"),
    ] {
        assert_eq!(value(&text, name), expected, "{text}");
    }
    app.wait_for_events("succeeded", 250);
    // In the order of the numbers, newest first.
    let newest = app.get("/api/webhooks/messages?limit=1").expect(200);
    let newest = newest["data"][0]["id"].as_str().unwrap();
    let newest = app
        .get(&format!("/api/webhooks/messages/{newest}"))
        .expect(200);
    assert_eq!(newest["data"], 249);
    let again = publish(&["all.jsonl", "--key", "k"]);
    assert_eq!(value(&again, "replayed"), "250");
    assert_eq!(receiver.count("/in"), 250);
    // From stdin, with a default for the lines that do not say otherwise.
    let id = "0190a000-0000-4000-8000-000000000000";
    let args = ["publish", "--lines", "-", "--endpoint", id];
    let own = br#"{"type":"a","data":1,"endpoint_ids":null}"#;
    let output = fed(&mut client(&app, folder.path(), &args), own);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = fed(
        &mut client(&app, folder.path(), &args),
        lines(0..1).as_bytes(),
    );
    assert!(
        stderr(&output).contains("line 1: endpoint_ids.0: "),
        "{}",
        stderr(&output)
    );
    let json = publish(&["all.jsonl", "--key", "k", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 250);
    assert_eq!(json[0]["replayed"], true);
}

#[test]
fn a_file_with_a_bad_line_is_published_up_to_its_batch_and_goes_on_with_the_same_key() {
    let app = TestApp::start();
    let folder = folder();
    let publish = |text: &str| {
        std::fs::write(folder.path().join("x.jsonl"), text).unwrap();
        let args = ["publish", "--lines", "x.jsonl", "--key", "k"];
        client(&app, folder.path(), &args).output().unwrap()
    };
    let total = || app.get("/api/webhooks/messages").expect(200)["meta"]["total"].clone();
    let bad = [&lines(0..130), "{\"type\":\"a..b\"}\n", &lines(131..140)].concat();
    let output = publish(&bad);
    let line = stderr(&output).lines().last().unwrap().to_owned();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(
        line.starts_with("hookpost: stopped after 100 messages; --key k goes on with the same file: line 131: type: "),
        "{line}"
    );
    assert!(line.contains("; line 131: data: "), "{line}");
    assert_eq!(value(stdout(&output), "messages"), "100");
    assert_eq!(total(), 100);
    let output = publish(&[&lines(0..3), "{\"type\":\n"].concat());
    let line = stderr(&output).lines().last().unwrap().to_owned();
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("line 4 in x.jsonl is no JSON"), "{line}");
    let output = publish(&lines(0..140));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(value(stdout(&output), "replayed"), "100");
    assert_eq!(total(), 140);
}

#[test]
fn a_batch_that_is_too_large_for_the_server_is_sent_in_parts() {
    let app = TestApp::with_flags(&["--max-body-bytes", "2000", "--publish-rate-limit", "60"]);
    let folder = folder();
    std::fs::write(folder.path().join("x.jsonl"), lines(0..50)).unwrap();
    let args = ["publish", "--lines", "x.jsonl"];
    let output = client(&app, folder.path(), &args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(value(text, "messages"), "50");
    assert!(value(text, "batches").parse::<u32>().unwrap() > 2, "{text}");
    // More messages than the whole budget: as many as it takes, and the rest later than this command waits.
    std::fs::write(folder.path().join("y.jsonl"), lines(0..70)).unwrap();
    let app = TestApp::with_flags(&["--publish-rate-limit", "60"]);
    let args = ["publish", "--lines", "y.jsonl", "--timeout", "2s"];
    let output = client(&app, folder.path(), &args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let published: u32 = value(text, "messages").parse().unwrap();
    assert!((58..=60).contains(&published), "{text}");
    assert!(stderr(&output).contains("429"), "{}", stderr(&output));
}

#[test]
fn erasing_asks_unless_told_not_to() {
    let app = TestApp::start();
    let message = app.publish("a", &json!("secret plan"));
    let id = message["id"].as_str().unwrap();
    let line = failed(&app, &["erase", id]);
    assert!(line.ends_with("--yes erases it"), "{line}");
    assert!(printed(&app, &["message", id]).contains("secret plan"));
    let output = client(&app, Path::new("/"), &["erase", id, "--yes"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stderr(&output),
        format!("Erased the payload of message {id}.\n")
    );
    let shown = printed(&app, &["message", id]);
    assert!(
        shown.contains("archived") && !shown.contains("secret plan"),
        "{shown}"
    );
    let nobodys = "0190a000-0000-4000-8000-000000000000";
    let line = failed(&app, &["erase", nobodys, "--yes"]);
    assert_eq!(line, format!("hookpost: there is no message {nobodys}"));
}
