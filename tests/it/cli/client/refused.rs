//! The tests of errors: each is one line that says what would do, and has no token.

use hookpost::domain::access::{Scope, Scopes};

use super::*;

#[test]
fn every_problem_of_a_422_is_named() {
    let app = TestApp::with_default_policy(&[]);
    let args = ["endpoint", "create", "http://example.com", "--event", "a b"];
    let line = failed(&app, &args);
    assert!(
        line.starts_with("hookpost: body.url: URL scheme should be 'https'"),
        "{line}"
    );
    assert!(line.contains("--allow-http"), "{line}");
    assert!(line.contains("; body.events.0: "), "{line}");
    assert!(line.ends_with("(422)"), "{line}");
}

#[test]
fn a_token_that_is_not_accepted_is_named_by_its_place_alone() {
    let app = TestApp::start();
    let folder = folder();
    let wrong = Token::generate(TokenKind::Workspace);
    let wrong = wrong.reveal();
    std::fs::write(folder.path().join("wrong"), format!("{wrong}\n")).unwrap();
    std::fs::write(folder.path().join("right"), &app.token).unwrap();
    std::fs::write(folder.path().join("none"), "x").unwrap();
    let says = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = client(&app, folder.path(), &[&["events"], args].concat());
        command
            .env_remove("HOOKPOST_TOKEN")
            .envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert!(!stderr(&output).contains(wrong), "{}", stderr(&output));
        assert!(!stderr(&output).contains(&app.token), "{}", stderr(&output));
        (output.status.code(), stderr(&output).to_owned())
    };
    for (args, variables, place) in [
        (&[][..], &[("HOOKPOST_TOKEN", wrong)][..], "HOOKPOST_TOKEN"),
        (&["--token", wrong], &[], "--token"),
        (&["--token-file", "wrong"], &[], "wrong (--token-file)"),
        (
            &[],
            &[("HOOKPOST_TOKEN_FILE", "wrong")],
            "wrong (HOOKPOST_TOKEN_FILE)",
        ),
    ] {
        let (code, text) = says(args, variables);
        assert_eq!(code, Some(1));
        let expected = format!("does not accept the token in {place}: ");
        assert!(
            text.contains(&expected) && text.ends_with("(401)\n"),
            "{text}"
        );
    }
    let from_file = says(&["--token-file", "right"], &[("HOOKPOST_TOKEN", wrong)]);
    assert_eq!(from_file, (Some(0), String::new()), "the flag wins");
    let (code, both) = says(
        &[],
        &[("HOOKPOST_TOKEN", wrong), ("HOOKPOST_TOKEN_FILE", "right")],
    );
    assert_eq!(code, Some(1));
    assert!(both.contains("one will do"), "{both}");
    let (code, none) = says(&[], &[]);
    assert_eq!(code, Some(2));
    assert!(
        none.contains("HOOKPOST_TOKEN") && none.contains("token create"),
        "{none}"
    );
    let (code, no_token) = says(&["--token-file", "none"], &[]);
    assert_eq!(code, Some(1));
    assert!(
        no_token.contains("none (--token-file) holds no token"),
        "{no_token}"
    );
    let (code, mistyped) = says(&[], &[("HOOKPOST_TOKEN", &wrong[..wrong.len() - 1])]);
    assert_eq!(code, Some(2));
    assert!(!mistyped.contains(&wrong[..20]), "{mistyped}");
}

#[test]
fn a_missing_scope_is_named() {
    let app = TestApp::start();
    let scopes: Scopes = [Scope::WebhooksPublish].into_iter().collect();
    let token = app.make_token(Some(&app.workspace), scopes);
    let run = |args: &[&str]| {
        let mut command = client(&app, Path::new("/"), args);
        command.env("HOOKPOST_TOKEN", &token).output().unwrap()
    };
    assert_eq!(
        one_line(&run(&["events"]), 1),
        "hookpost: the token lacks the scope webhooks:read or webhooks:write or webhooks:view (403 insufficient_scope)"
    );
    // Such a token publishes, and shows ids in place of the URLs that it may not read.
    let endpoint = app.endpoint("http://127.0.0.1:9/");
    let published = run(&["publish", "a", "1"]);
    assert!(published.status.success(), "{}", stderr(&published));
    assert!(stdout(&published).contains(endpoint["id"].as_str().unwrap()));
    let waited = run(&["publish", "a", "1", "--wait", "1s"]);
    assert_eq!(waited.status.code(), Some(1));
    assert!(
        stdout(&waited).starts_with("message "),
        "{}",
        stdout(&waited)
    );
    assert!(
        stderr(&waited).contains("published, but"),
        "{}",
        stderr(&waited)
    );
}

#[test]
fn no_log_has_a_token_or_a_secret() {
    let app = TestApp::start();
    let endpoint = app.endpoint("http://127.0.0.1:9/");
    let (id, secret) = (endpoint["id"].as_str(), endpoint["secret"].as_str());
    let (id, secret) = (id.unwrap(), secret.unwrap());
    for args in [
        &["publish", "a", "1"][..],
        &["endpoint", "show", id, "--show-secret"],
        &["endpoint", "disable", id],
        &["endpoint", "create", "ftp://a"],
        &["events"],
    ] {
        let mut command = client(&app, Path::new("/"), args);
        let output = command.env("HOOKPOST_LOG", "trace").output().unwrap();
        let log = stderr(&output);
        assert!(!log.contains(&app.token) && !log.contains(secret), "{log}");
    }
}
