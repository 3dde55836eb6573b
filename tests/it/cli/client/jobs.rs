//! The tests of `hookpost recover`, `skip`, `jobs` and `job`.

use super::*;

/// Publishes so many messages while their endpoint is disabled, and enables it. Returns the endpoint's id.
fn missed(app: &TestApp, receiver: &Receiver, count: usize) -> String {
    let endpoint = app.endpoint(&receiver.url("/in"));
    let id = endpoint["id"].as_str().unwrap();
    printed(app, &["endpoint", "disable", id]);
    for n in 0..count {
        app.publish("a", &json!(n));
    }
    printed(app, &["endpoint", "enable", id]);
    id.to_owned()
}

fn numbers(receiver: &Receiver) -> Vec<u64> {
    let received = receiver.at("/in");
    let numbers = received.iter().map(|one| {
        let body: Value = serde_json::from_slice(&one.body).unwrap();
        body["data"].as_u64().unwrap()
    });
    numbers.collect()
}

#[test]
fn one_command_recovers_an_outage_after_a_count_and_a_yes() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let id = missed(&app, &receiver, 20);
    let recover = ["recover", &id, "--since", "1h"];
    let with = |more: &[&'static str]| [&recover[..], more].concat();
    assert_eq!(printed(&app, &with(&["--dry-run"])), "20 events match.\n");
    let counted = printed_json(&app, &with(&["--dry-run"]));
    assert_eq!(counted, json!({"matched": 20, "complete": true}));
    assert_eq!(
        failed(&app, &recover),
        "hookpost: 20 events match; --yes redelivers so many"
    );
    assert_eq!(
        app.get("/api/webhooks/jobs").expect(200)["meta"]["total"],
        0
    );

    let ended = printed(&app, &with(&["--yes", "--wait"]));
    assert_eq!(value(&ended, "state"), "finished");
    assert_eq!(value(&ended, "matched"), "20");
    assert_eq!(value(&ended, "done"), "20");
    assert_eq!(value(&ended, "endpoint"), id);
    receiver.wait("/in", 20);
    let mut got = numbers(&receiver);
    got.sort_unstable();
    assert_eq!(got, (0..20).collect::<Vec<_>>());
    assert_eq!(printed(&app, &with(&["--yes"])), "0 events match.\n");

    // Filters by type and time.
    assert_eq!(
        printed(&app, &with(&["--type", "b", "--dry-run"])),
        "0 events match.\n"
    );
    assert_eq!(
        printed(&app, &with(&["--until", "30m", "--dry-run"])),
        "0 events match.\n"
    );
}

#[test]
fn a_recovery_without_an_endpoint_that_can_get_it_says_what_to_do() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let id = missed(&app, &receiver, 1);
    printed(&app, &["endpoint", "disable", &id]);
    let args = ["recover", &id, "--since", "1h", "--dry-run"];
    assert_eq!(
        failed(&app, &args),
        format!("hookpost: the endpoint is disabled; `hookpost endpoint enable {id}` comes first")
    );
    let nobody = "01a21f03-3343-4c6f-bbb0-afcc931f11f4";
    assert_eq!(
        failed(&app, &["recover", nobody, "--since", "1h"]),
        format!("hookpost: there is no endpoint {nobody}")
    );
    let output = client(&app, Path::new("/"), &["recover", &id])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "--since is required");
}

#[test]
fn jobs_are_listed_shown_waited_for_and_cancelled() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let id = missed(&app, &receiver, 3);
    let recover = ["recover", &id, "--since", "1h", "--rate", "1"];
    let made = printed_json(&app, &recover);
    let job = made["id"].as_str().unwrap();
    assert_eq!(
        (&made["state"], &made["rate"]),
        (&json!("running"), &json!(1))
    );

    let table = printed(&app, &["jobs", "--state", "running"]);
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        (row[0], row[3], row[4]),
        (job, "redeliver", "running"),
        "{table}"
    );
    assert_eq!(
        printed(&app, &["jobs", "--action", "skip"]).lines().count(),
        1
    );
    assert_eq!(printed_json(&app, &["jobs"])[0]["id"], job);

    let shown = printed(&app, &["job", job]);
    assert_eq!(value(&shown, "rate"), "1 a minute");
    assert_eq!(value(&shown, "status"), "failed,skipped,missing");
    let cancelled = printed(&app, &["job", job, "--cancel"]);
    assert_eq!(value(&cancelled, "state"), "cancelled");
    let output = client(&app, Path::new("/"), &["job", job, "--wait"])
        .output()
        .unwrap();
    assert_eq!(
        one_line(&output, 1),
        format!("hookpost: the job {job} was cancelled")
    );
    let nobody = "01a21f03-3343-4c6f-bbb0-afcc931f11f4";
    assert_eq!(
        failed(&app, &["job", nobody, "--cancel"]),
        format!("hookpost: there is no job {nobody}")
    );

    // More than the first page of the list, and the remark about the others.
    for _ in 0..2 {
        printed(&app, &["redeliver", "--type", "a", "--status", "succeeded"]);
    }
    let filter = json!({"action": "skip", "filter": {"event_type": ["none"]}});
    for _ in 0..24 {
        app.post("/api/webhooks/jobs", &app.token, &filter)
            .expect(202);
    }
    let total = app.get("/api/webhooks/jobs").expect(200)["meta"]["total"]
        .as_u64()
        .unwrap();
    let first = client(&app, Path::new("/"), &["jobs"]).output().unwrap();
    assert_eq!(stdout(&first).lines().count(), 21);
    assert_eq!(
        stderr(&first),
        format!("20 of {total} jobs; --all lists them all.\n")
    );
    let all = printed_json(&app, &["jobs", "--all"]);
    assert_eq!(all.as_array().unwrap().len() as u64, total);
}

#[test]
fn pending_events_are_skipped_by_ids_and_by_filters() {
    let app = TestApp::with_flags(&["--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    receiver.reply("/in", 500, "");
    let endpoint = app.endpoint(&receiver.url("/in"));
    let endpoint = endpoint["id"].as_str().unwrap();
    let first = app.publish("a", &json!(0));
    for n in 1..15 {
        app.publish("a", &json!(n));
    }
    let message = app.publish("b", &json!(1));
    let event = first["events"][0]["id"].as_str().unwrap();
    assert_eq!(printed(&app, &["skip", event]), "Skipped 1 event.\n");
    let again = client(&app, Path::new("/"), &["skip", event])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("NotPending"), "{}", stderr(&again));

    // A message is no filter of a job; the client goes through its events.
    let message = message["id"].as_str().unwrap();
    assert_eq!(
        printed(&app, &["skip", "--message", message]),
        "Skipped 1 event.\n"
    );
    assert_eq!(
        app.get("/api/webhooks/jobs").expect(200)["meta"]["total"],
        0
    );

    let all = ["skip", "--endpoint", endpoint];
    assert_eq!(
        failed(&app, &all),
        "hookpost: 14 events match; --yes skips so many"
    );
    let outcome = printed_json(&app, &[&all[..], &["--yes"]].concat());
    assert_eq!(outcome["skipped"], 14);
    assert_eq!(outcome["left_out"]["changed"], 0);
    let job = format!("/api/webhooks/jobs/{}", outcome["job_id"].as_str().unwrap());
    assert_eq!(app.get(&job).expect(200)["action"], "skip");
    app.wait_for_events("skipped", 16);
}

#[test]
fn a_redelivery_by_filters_is_one_job_with_its_rate() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/in"));
    for n in 0..3 {
        app.publish("a", &json!(n));
    }
    app.wait_for_events("succeeded", 3);
    let args = [
        "redeliver",
        "--type",
        "a",
        "--status",
        "succeeded",
        "--code",
        "2xx",
        "--rate",
        "60000",
    ];
    assert_eq!(printed(&app, &args), "Redelivered 3 events.\n");
    receiver.wait("/in", 6);
    let jobs = app.get("/api/webhooks/jobs").expect(200);
    assert_eq!(jobs["meta"]["total"], 1);
    assert_eq!(jobs["data"][0]["rate"], 60_000);
    assert_eq!(jobs["data"][0]["filter"]["http_code_class"], "2xx");
    assert_eq!(
        printed_json(&app, &["events", "--code", "2xx"])
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(printed_json(&app, &["events", "--code", "5xx"]), json!([]));

    let message = app.publish("a", &json!(4));
    let message = message["id"].as_str().unwrap();
    let event = "01a21f03-3343-4c6f-bbb0-afcc931f11f4";
    for bad in [
        &["redeliver", event, "--rate", "1"][..],
        &["redeliver", "--message", message, "--rate", "1"],
        &["redeliver", "--type", "a", "--rate", "0"],
        &["redeliver", "--type", "a", "--rate", "60001"],
        &["skip"],
    ] {
        let output = client(&app, Path::new("/"), bad).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
    }
}
