//! Numbers in sentences, and the defaults of settings.

use hookpost::api::HEAD_MAX_BYTES;
use hookpost::domain::delivery::RESPONSE_MAX;
use hookpost::domain::job::{JOB_KEPT, LET_GO_MAX, LET_GO_PER_ENDPOINT, RUNNING_JOBS_MAX};
use hookpost::domain::message::{BATCH_EVENTS_MAX, BATCH_MESSAGE_MAX, DATA_DEPTH_MAX};
use hookpost::domain::secret::KEY_BYTES;
use hookpost::domain::signing_secrets::OLD_SECRETS_MAX;
use hookpost::storage::QUERY_SCAN_MAX;

use super::limits::{bound, numbers, place, rows};
use super::tables::{assert_says, code};

const RETRIES: &str = "Retries, rest and disabling";

#[test]
fn the_other_rows_have_the_same_numbers() {
    let rows = rows();
    let page = place("?.page");
    assert_eq!((bound(page, "min"), &page["default"]), (Some(1), &1.into()));
    assert_says("Lists", "`page` counts from 1");
    let expires_in = place("WorkspaceAccessTokenCreate.expires_in");
    let [least, years, days] = numbers(rows["`expires_in`"])[..] else {
        panic!("{}", rows["`expires_in`"]);
    };
    assert_eq!(bound(expires_in, "min"), Some(least));
    assert_eq!(bound(expires_in, "max"), Some(years * days * 24 * 3600));
    for (field, at_least) in [("archive_after", 1), ("delete_after", 86_400)] {
        let written = numbers(rows[&*format!("`{field}` of a workspace")]);
        for body in ["WorkspaceCreate", "WorkspaceUpdate"] {
            let schema = place(&format!("{body}.{field}"));
            let most = bound(schema, "max").unwrap();
            assert_eq!(schema["minimum"], 0, "{body}.{field}");
            let gap = schema["not"]["maximum"].as_u64().unwrap_or(0);
            assert_eq!((written[0], gap + 1), (0, at_least), "{body}.{field}");
            assert_eq!(written[1..], [at_least, most, most / 86_400]);
        }
    }
    let head = numbers(rows["path, query string and headers"]);
    assert_eq!(head, [HEAD_MAX_BYTES as u64 / 1024]);
    let years = format!("up to {years} years");
    assert_says("Workspaces and access tokens", &years);
    let old = numbers(rows["old secrets of an endpoint"]);
    assert_eq!(old, [OLD_SECRETS_MAX as u64]);
    let entries = 2 * (1 + OLD_SECRETS_MAX);
    assert_eq!(entries, 6);
    assert_says("What a receiver gets", "several, at most six,");
    let message = numbers(rows["message of a batch"]);
    assert_eq!(message, [BATCH_MESSAGE_MAX as u64 / 1024]);
    let events = numbers(rows["events of a batch of several messages"]);
    assert_eq!(events, [BATCH_EVENTS_MAX as u64]);
    assert_says("Batches", "together make more than 5,000 events");
    let depth = numbers(rows["nesting of `data`"]);
    assert_eq!(depth, [DATA_DEPTH_MAX as u64]);
    let deep = format!("nested at most {DATA_DEPTH_MAX} deep");
    assert_says("Publishing", &deep);
    let says = |path: &str, words: &str| {
        let about = place(path)["description"].as_str().unwrap();
        assert!(about.contains(words), "{path}: {about}");
    };
    says("MessagePublish.data", &deep);
    let response = format!("first {RESPONSE_MAX} characters");
    assert_says("Events and deliveries", &response);
    says("WebhookDelivery.response", &response);

    let running = numbers(rows["running jobs of a workspace"]);
    assert_eq!(running, [RUNNING_JOBS_MAX as u64]);
    let (each, all) = (LET_GO_PER_ENDPOINT, LET_GO_MAX / 1000);
    for says in [
        format!("can have {RUNNING_JOBS_MAX} running jobs"),
        format!("at most {each} events of an endpoint, and {all},000 in all"),
        format!(
            "kept for {} days after its end",
            JOB_KEPT.as_secs() / 86_400
        ),
    ] {
        assert_says("Jobs", &says);
    }

    let million = QUERY_SCAN_MAX / 1_000_000;
    let scanned = format!("newest {million},000,000 rows that match the other filters");
    assert_says("Lists", &scanned);
    let query = super::operations()
        .into_iter()
        .flat_map(|it| it.parameters("query"))
        .find(|it| it["name"] == "query");
    let about = query.unwrap()["description"].as_str().unwrap();
    assert!(about.contains(&scanned), "{about}");
}

#[test]
fn sentences_have_the_same_numbers() {
    let max = |path: &str| bound(place(path), "max").unwrap();
    let min = |path: &str| bound(place(path), "min").unwrap();
    let limit = place("?.limit")["default"].as_u64().unwrap();
    let (entries, secret) = (
        "WebhookEndpointCreate.events",
        "WebhookEndpointCreate.secret",
    );
    let key = "?.Idempotency-Key";
    let name = "WorkspaceCreate.name";
    let comment = max("WorkspaceAccessTokenCreate.comment");
    for (title, sentence) in [
        ("Lists", format!("`limit` is {limit} by default")),
        ("Lists", format!("at most {} times", max("?.endpoint_id"))),
        (
            "Errors",
            format!("more than {} `events` are a `value_error`", max(entries)),
        ),
        (
            "Endpoints",
            format!("**`events`** has up to {} entries", max(entries)),
        ),
        (
            "Endpoints",
            format!(
                "joined by dots, at most {} characters",
                max("MessagePublish.type")
            ),
        ),
        (
            "Endpoints",
            format!(
                "up to {} characters on one line",
                max("WebhookEndpointCreate.name")
            ),
        ),
        (
            "Endpoints",
            "up to 1,024 characters, on one or more lines".to_owned(),
        ),
        (
            "Endpoints",
            format!("has {} to {} characters", min(secret), max(secret)),
        ),
        (
            "Endpoints",
            format!(
                "base64 of {} to {} bytes",
                KEY_BYTES.start(),
                KEY_BYTES.end()
            ),
        ),
        (
            "Publishing",
            format!("{} to {} visible ASCII characters", min(key), max(key)),
        ),
        (
            "Workspaces and access tokens",
            format!("{} to {} characters, not a UUID", min(name), max(name)),
        ),
        (
            "Workspaces and access tokens",
            format!("for people: up to {comment} characters"),
        ),
    ] {
        assert_says(title, &sentence);
    }
    assert_eq!(max("WebhookEndpointCreate.description"), 1024);
}

#[test]
fn settings_have_the_defaults_that_the_reference_says() {
    let command = hookpost::cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    let default = |flag: &str| {
        let mut arguments = serve.get_arguments();
        let argument = arguments.find(|it| it.get_long() == flag.strip_prefix("--"));
        let argument = argument.unwrap_or_else(|| panic!("{flag}"));
        let values = argument.get_default_values().iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
        values.join(",")
    };
    for (row, text) in rows() {
        for flag in code(text) {
            let written = match numbers(text).first() {
                Some(number) if text.contains("KiB") => format!("{number}KiB"),
                // The second flag of a row has no limit.
                Some(_) if flag == "--publish-rate-limit" => "0".to_owned(),
                Some(number) => number.to_string(),
                None => "0".to_owned(),
            };
            assert_eq!(default(flag), written, "{row}: {flag}");
        }
    }
    for (title, flag, value, sentence) in [
        (
            "Rate limits",
            "--rate-limit",
            "500",
            "500 a minute (`--rate-limit`)",
        ),
        (
            "Rate limits",
            "--rate-limit",
            "500",
            "one request every 60 s / 500",
        ),
        (
            "Rate limits",
            "--auth-failure-limit",
            "60",
            "60 a minute (`--auth-failure-limit`)",
        ),
        (
            "Rate limits",
            "--publish-rate-limit",
            "0",
            "no limit unless `--publish-rate-limit` is set",
        ),
        (
            "Rate limits",
            "--publish-byte-limit",
            "0",
            "without it there is no limit",
        ),
        (
            "Secrets",
            "--secret-overlap",
            "24h",
            "24 hours (`--secret-overlap`)",
        ),
        (
            "Events and deliveries",
            "--archive-after",
            "30d",
            "30 days after the publish, `--archive-after`",
        ),
        (
            "Workspaces and access tokens",
            "--max-tokens",
            "1000",
            "1,000 tokens (`--max-tokens`)",
        ),
        (
            "What a receiver gets",
            "--request-timeout",
            "10s",
            "10 seconds in all (`--request-timeout`)",
        ),
        (
            RETRIES,
            "--retry-schedule",
            "5s,30s,2m,10m,30m,1h,2h,4h,8h,12h",
            "5 s, 30 s, 2 min, 10 min, 30 min, 1, 2, 4, 8 and 12 hours, each varied by 20 % (`--retry-schedule`)",
        ),
        (
            RETRIES,
            "--expire-after",
            "72h",
            "72 hours (`--expire-after`)",
        ),
        (
            RETRIES,
            "--disable-after",
            "10",
            "ten events in a row (`--disable-after`)",
        ),
    ] {
        assert_eq!(default(flag), value, "{flag}");
        assert_says(title, sentence);
    }
}
