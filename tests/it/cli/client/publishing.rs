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
