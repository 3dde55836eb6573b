//! The tests of `X-Request-Id`.

use crate::fixture::TestApp;

/// Returns the id in the answer to a request that has this one.
fn answered(app: &TestApp, path: &str, given: &str) -> String {
    let answer = app.request("GET", path, &[("x-request-id", given)], None);
    answer.header("x-request-id").unwrap().to_owned()
}

#[test]
fn a_clients_id_is_taken_if_it_can_be_logged() {
    let app = TestApp::start();
    let longest = "k".repeat(128);
    for path in ["/healthz", "/api/webhooks/events", "/nowhere"] {
        for good in [
            "a",
            "0190a2b4-0000-4000-8000-000000000001",
            "x/y+z=:._@-",
            &longest,
        ] {
            assert_eq!(answered(&app, path, good), good);
        }
        for bad in [
            "",
            "a b",
            "a;b",
            "a\"b",
            "<a>",
            &format!("{longest}k"),
            "whsec_a",
            &app.token,
        ] {
            let made = answered(&app, path, bad);
            assert_eq!(made.len(), 16, "{bad}: {made}");
            assert!(
                made.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{bad}: {made}"
            );
        }
    }
    let twice = [("x-request-id", "one"), ("x-request-id", "two")];
    let answer = app.request("GET", "/healthz", &twice, None);
    assert_eq!(answer.header("x-request-id").unwrap().len(), 16);
}
