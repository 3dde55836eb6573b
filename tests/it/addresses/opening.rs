//! The tests that `--allow-network` and `--allow-http` allow exactly what they name.

use serde_json::{Value, json};

use super::{Untouched, create, deliveries, ip};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

#[test]
fn an_allowed_network_ends_where_it_ends() {
    let app = TestApp::with_default_policy(&[
        "--allow-network",
        "10.1.0.0/16,192.168.7.7/32",
        "--allow-network",
        "fd12::/16",
    ]);
    for (host, allowed) in [
        ("10.1.0.0", true),
        ("10.1.255.255", true),
        ("10.0.255.255", false),
        ("10.2.0.0", false),
        ("192.168.7.7", true),
        ("192.168.7.6", false),
        ("192.168.7.8", false),
        ("[fd12::]", true),
        ("[fd12:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", true),
        ("[fd11:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", false),
        ("[fd13::]", false),
        // None of the ways to write one of these inside of another address.
        ("[::ffff:10.1.0.1]", false),
        ("[::10.1.0.1]", false),
        ("[::ffff:0:10.1.0.1]", false),
        ("[64:ff9b::10.1.0.1]", false),
        ("[64:ff9b:1::10.1.0.1]", false),
        ("[2002:a01:1::1]", false),
        ("127.0.0.1", false),
        ("169.254.169.254", false),
        ("[::1]", false),
        ("8.8.8.8", true),
    ] {
        let answer = create(&app, &format!("https://{host}/"));
        let expected = if allowed { 201 } else { 422 };
        assert_eq!(answer.status, expected, "{host}: {}", answer.text);
        // Plain HTTP is another question.
        let answer = create(&app, &format!("http://{host}/")).expect(422);
        assert_eq!(answer["detail"][0]["type"], "url_scheme", "{host}");
    }
}

#[test]
fn a_request_goes_to_the_allowed_address_and_not_to_the_next_one() {
    let receiver = Receiver::start();
    let port = receiver.addr.port();
    let lax = ["--allow-http", "--allow-network", "127.0.0.0/8"];
    let mut app = TestApp::with_default_policy(&lax);
    let next = Untouched::on(&[ip("127.0.0.2"), ip("127.0.0.3")]);
    let allowed = create(&app, &format!("http://127.0.0.1:{port}/allowed")).expect(201);
    let refused: Vec<Value> = ["127.0.0.2", "127.0.0.3"]
        .iter()
        .map(|host| create(&app, &format!("http://{host}:{}/", next.port())).expect(201))
        .collect();
    app.restart_with(&["--allow-http", "--allow-network", "127.0.0.1/32"]);
    app.publish("order.created", &json!({"id": 1}));
    receiver.wait("/allowed", 1);
    assert_eq!(deliveries(&app, &allowed, 1)[0]["succeeded"], true);
    for endpoint in &refused {
        let delivery = &deliveries(&app, endpoint, 1)[0];
        assert_eq!(delivery["error"], "address_refused", "{delivery}");
    }
    next.assert_untouched();
}

#[test]
fn plain_http_stays_refused_although_the_network_is_allowed() {
    let open = ["--allow-http", "--allow-network", "127.0.0.0/8"];
    let mut app = TestApp::with_default_policy(&open);
    let target = Untouched::on(&[ip("127.0.0.1")]);
    let url = format!("http://127.0.0.1:{}/", target.port());
    let endpoint = create(&app, &url).expect(201);
    app.restart_with(&open[1..]);
    for again in [&url, &url.to_uppercase(), "http://example.com/"] {
        let answer = create(&app, again).expect(422);
        assert_eq!(answer["detail"][0]["type"], "url_scheme", "{again}");
        assert_eq!(answer["detail"][0]["msg"], "URL scheme should be 'https'");
    }
    app.publish("order.created", &json!({"id": 1}));
    let delivery = &deliveries(&app, &endpoint, 1)[0];
    assert_eq!(delivery["error"], "address_refused");
    assert_eq!(
        delivery["response"],
        "plain http: URLs are not allowed; use https:, or have the operator set --allow-http"
    );
    // Trying again would not help, so nobody does.
    app.wait_for_events("failed", 1);
    target.assert_untouched();
}
