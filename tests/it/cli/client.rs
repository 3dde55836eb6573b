//! The tests of the commands that talk to a server, against the running application and a real receiver.

mod filters;
mod guide;
mod hostile_servers;
mod jobs;
mod lists;
mod publishing;
mod redelivering;
mod refused;
#[cfg(target_os = "linux")]
mod terminal;
mod test_sends;
mod transport;

use std::io::Write;

use serde_json::{Value, json};

use super::*;
use crate::fixture::TestApp;
use crate::receiver::Receiver;

/// The binary, told of a server by variables.
fn client(app: &TestApp, folder: &Path, args: &[&str]) -> Command {
    let mut command = command(folder, args);
    command.env("HOOKPOST_SERVER", format!("http://{}", app.addr));
    command.env("HOOKPOST_TOKEN", &app.token);
    command.stdin(Stdio::null());
    command
}

/// Runs the command with this stdin.
fn fed(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Runs a command that must succeed. Its tables must fit 100 columns, and have no colours, since this is no
/// terminal. Returns what it printed.
#[track_caller]
fn printed(app: &TestApp, args: &[&str]) -> String {
    let output = client(app, Path::new("/"), args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let text = stdout(&output);
    if !args.contains(&"--json") {
        assert!(!text.contains('\u{1b}'), "{text}");
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest.unwrap_or(0) <= 100, "{text}");
    }
    text.to_owned()
}

/// Runs a command that prints JSON.
#[track_caller]
fn printed_json(app: &TestApp, args: &[&str]) -> Value {
    let text = printed(app, &[args, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs a command that must fail with exit code 1, and returns its one line.
#[track_caller]
fn failed(app: &TestApp, args: &[&str]) -> String {
    let output = client(app, Path::new("/"), args).output().unwrap();
    one_line(&output, 1)
}

#[track_caller]
fn one_line(output: &Output, code: i32) -> String {
    let says = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{says}");
    assert_eq!(says.lines().count(), 1, "{says}");
    says.trim_end().to_owned()
}

/// The value of a line such as `endpoint  ID`.
#[track_caller]
fn value<'t>(text: &'t str, name: &str) -> &'t str {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let mut values = lines.filter(|(own, _)| *own == name);
    values
        .next()
        .unwrap_or_else(|| panic!("{name}: {text}"))
        .1
        .trim()
}

#[test]
fn an_endpoint_is_made_looked_at_disabled_enabled_and_deleted() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let url = receiver.url("/in");
    let made = printed(
        &app,
        &[
            "endpoint", "create", &url, "--event", "order.*", "--name", "Orders",
        ],
    );
    let id = value(&made, "endpoint");
    let path = format!("/api/webhooks/endpoints/{id}");
    let stored = app.get(&path).expect(200);
    let secret = stored["secret"].as_str().unwrap();
    assert_eq!(value(&made, "secret"), secret);
    assert_eq!(stored["events"], json!(["order.*"]));
    assert_eq!(stored["name"], "Orders");

    // The secret is shown to those who ask for it.
    let hidden = printed(&app, &["endpoint", "show", id]);
    assert!(!hidden.contains(secret), "{hidden}");
    let shown = printed(&app, &["endpoint", "show", id, "--show-secret"]);
    assert_eq!(value(&shown, "secret"), secret);
    assert!(printed_json(&app, &["endpoint", "show", id])["secret"].is_null());
    let listed = printed_json(&app, &["endpoint", "list"]);
    assert_eq!(listed[0]["id"], id);
    assert!(listed[0]["secret"].is_null());
    assert!(printed(&app, &["endpoint", "list"]).contains("order.*"));

    let state = |command: &str| {
        let text = printed(&app, &["endpoint", command, id]);
        assert!(!text.contains(secret));
        value(&text, "state").to_owned()
    };
    assert_eq!(state("disable"), "disabled");
    assert_eq!(app.get(&path).expect(200)["enabled"], false);
    let nothing = printed_json(&app, &["publish", "order.paid", "1"]);
    assert_eq!(nothing["events"], json!([]));
    assert_eq!(state("enable"), "active");

    let rotated = printed(&app, &["endpoint", "rotate-secret", id]);
    assert_ne!(rotated.trim_end(), secret);
    assert_eq!(app.get(&path).expect(200)["secret"], rotated.trim_end());

    printed(&app, &["endpoint", "delete", id]);
    let missing = failed(&app, &["endpoint", "show", id]);
    assert_eq!(missing, format!("hookpost: there is no endpoint {id}"));
}

#[test]
fn a_secret_is_rotated_with_the_overlap_and_the_type_that_are_asked_for() {
    let app = TestApp::start();
    let create = ["endpoint", "create", "https://example.com/hooks"];
    let made = printed_json(&app, &[&create[..], &["--secret-type", "ed25519"]].concat());
    let (id, first) = (
        made["id"].as_str().unwrap(),
        made["secret"].as_str().unwrap(),
    );
    assert!(first.starts_with("whpk_"));
    let path = format!("/api/webhooks/endpoints/{id}");
    let rotate = |flags: &[&str]| {
        let args = [&["endpoint", "rotate-secret", id][..], flags].concat();
        let output = client(&app, Path::new("/"), &args).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let stored = app.get(&path).expect(200);
        let printed = stdout(&output).trim_end().to_owned();
        (printed, stderr(&output).to_owned(), stored)
    };
    let (printed, remark, stored) = rotate(&["--overlap", "1h"]);
    assert_eq!(stored["secret"], printed);
    assert!(printed.starts_with("whpk_") && printed != first);
    let end = stored["secret_overlap_ends_at"].as_str().unwrap();
    assert!(remark.contains(end), "{remark}");
    let shown = self::printed(&app, &["endpoint", "show", id]);
    assert!(value(&shown, "overlap").contains(end), "{shown}");
    assert_eq!(value(&shown, "signature"), "ed25519");
    let (printed, remark, stored) = rotate(&["--overlap", "0s", "--secret-type", "hmac"]);
    assert!(printed.starts_with("whsec_") && stored["secret"] == printed);
    assert_eq!(
        (remark.as_str(), &stored["secret_overlap_ends_at"]),
        ("", &Value::Null)
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let own = "a secret of more than thirty-two characters";
    std::fs::write(&file, own).unwrap();
    let (printed, remark, stored) = rotate(&["--secret-file", file.to_str().unwrap()]);
    assert_eq!((printed.as_str(), &stored["secret"]), ("", &json!(own)));
    assert!(!remark.contains(own), "{remark}");
    let long = one_line(
        &client(
            &app,
            Path::new("/"),
            &["endpoint", "rotate-secret", id, "--overlap", "8d"],
        )
        .output()
        .unwrap(),
        1,
    );
    assert!(long.contains("604800"), "{long}");
}

#[test]
fn a_secret_of_ones_own_comes_from_a_file_and_is_not_printed() {
    let app = TestApp::start();
    let folder = folder();
    let secret = "a secret of more than thirty-two characters";
    std::fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
    let create = |args: &[&str]| {
        let args = [&["endpoint", "create", "http://127.0.0.1:9/"], args].concat();
        client(&app, folder.path(), &args).output().unwrap()
    };
    for json in [
        &["--secret-file", "secret"][..],
        &["--secret-file", "secret", "--json"],
    ] {
        let made = create(json);
        assert!(made.status.success(), "{}", stderr(&made));
        assert!(!stdout(&made).contains(secret));
    }
    let stored = app.get("/api/webhooks/endpoints").expect(200);
    assert_eq!(stored["data"][0]["secret"], secret);
    let missing = one_line(&create(&["--secret-file", "missing"]), 1);
    assert!(missing.contains("missing (--secret-file)"), "{missing}");
}
