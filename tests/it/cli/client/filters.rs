//! The tests of filters, tags and previews on the command line.

use super::*;

const FILTER: &str = r#"{"data": {"total": [{"numeric": [">=", 100]}]}}"#;

#[test]
fn a_filter_comes_from_the_command_line_or_a_file_and_is_shown() {
    let app = TestApp::start();
    let folder = folder();
    std::fs::write(folder.path().join("filter.json"), FILTER).unwrap();
    let expected: Value = serde_json::from_str(FILTER).unwrap();
    for filter in [FILTER, "@filter.json"] {
        let create = [
            "endpoint",
            "create",
            "https://a.example/",
            "--filter",
            filter,
        ];
        let output = client(&app, folder.path(), &create).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let made = stdout(&output).to_owned();
        let id = value(&made, "endpoint");
        let stored = app
            .get(&format!("/api/webhooks/endpoints/{id}"))
            .expect(200);
        assert_eq!(stored["filter"], expected);
        assert!(value(&made, "filter").contains("numeric"), "{made}");
        let cleared = printed(&app, &["endpoint", "update", id, "--filter", "{}"]);
        assert!(!cleared.contains("filter"), "{cleared}");
    }
    let refused = |filter: &str, code: i32| {
        let args = [
            "endpoint",
            "create",
            "https://a.example/",
            "--filter",
            filter,
        ];
        let output = client(&app, folder.path(), &args).output().unwrap();
        one_line(&output, code)
    };
    assert!(refused("{", 2).contains("the filter on the command line is no JSON"));
    assert!(refused("@nowhere", 1).contains("cannot read the filter in nowhere"));
    let why = refused(r#"{"data": {"total": 5}}"#, 1);
    assert!(
        why.contains("filter.data.total") && why.contains("put a single value into a list"),
        "{why}"
    );
}

#[test]
fn tags_are_published_listed_and_shown() {
    let app = TestApp::start();
    let publish = [
        "publish",
        "order.paid",
        "1",
        "--tag",
        "region:eu",
        "--tag",
        "url:http://a",
    ];
    let message = printed_json(&app, &publish);
    assert_eq!(message["tags"], json!({"region": "eu", "url": "http://a"}));
    printed(&app, &["publish", "order.paid", "2"]);
    let id = message["id"].as_str().unwrap();
    let listed = printed_json(&app, &["messages", "--tag", "region:eu"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], id);
    assert_eq!(
        printed_json(&app, &["messages"]).as_array().unwrap().len(),
        2
    );
    let shown = printed(&app, &["message", id]);
    assert_eq!(value(&shown, "tags"), "region:eu url:http://a");
    let output = client(&app, Path::new("/"), &["publish", "a", "1", "--tag", "eu"]).output();
    let says = stderr(&output.unwrap()).to_owned();
    assert!(
        says.contains("expected a name and a value, such as region:eu"),
        "{says}"
    );
}

#[test]
fn a_preview_says_whether_an_endpoint_would_get_a_message() {
    let app = TestApp::start();
    let made = printed(
        &app,
        &[
            "endpoint",
            "create",
            "https://a.example/",
            "--event",
            "order.*",
            "--filter",
            FILTER,
        ],
    );
    let id = value(&made, "endpoint");
    let shown = printed(
        &app,
        &[
            "preview",
            "order.paid",
            r#"{"total": 100}"#,
            "--endpoint",
            id,
        ],
    );
    assert_eq!(value(&shown, "matches"), "yes");
    assert!(shown.contains(r#""data":{"total": 100}}"#), "{shown}");
    for (args, why) in [
        (
            &[
                "preview",
                "order.paid",
                r#"{"total": 99}"#,
                "--endpoint",
                id,
            ][..],
            "filter.data.total",
        ),
        (
            &["preview", "user", r#"{"total": 100}"#, "--endpoint", id],
            "events",
        ),
        (&["preview", "user", "1", "--event", "order.*"], "events"),
        (
            &[
                "preview",
                "a",
                "1",
                "--filter",
                r#"{"tags": {"region": ["eu"]}}"#,
                "--tag",
                "region:us",
            ],
            "filter.tags.region",
        ),
    ] {
        let says = failed(&app, args);
        assert_eq!(
            says,
            format!("hookpost: the endpoint would not get the message: {why}")
        );
    }
    let json = printed_json(&app, &["preview", "a", "1", "--format", "slack"]);
    assert_eq!(json["matches"], true);
    let nobody = "0190a000-0000-4000-8000-000000000000";
    let missing = failed(&app, &["preview", "a", "1", "--endpoint", nobody]);
    assert_eq!(missing, format!("hookpost: there is no endpoint {nobody}"));
    assert_eq!(
        app.get("/api/webhooks/messages").expect(200)["meta"]["total"],
        0
    );
}
