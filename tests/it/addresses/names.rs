//! The tests of names that resolve to any address. Each attempt depends on all addresses in the answers of
//! the name servers, not on one of them.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpost::delivery::resolver::LookupError;
use serde_json::{Value, json};

use super::{Scripted, Untouched, create, deliveries, ip};
use crate::fixture::{PATIENCE, TestApp};
use crate::receiver::Receiver;

/// Only this address is allowed.
const GOOD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FLAGS: [&str; 3] = ["--allow-http", "--allow-network", "127.0.0.1/32"];

fn start(flags: &[&str]) -> (TestApp, Arc<Scripted>) {
    let lookup = Arc::new(Scripted::default());
    let app = TestApp::with_lookup(&[&FLAGS, flags].concat(), lookup.clone());
    (app, lookup)
}

/// Asserts that a name with a forbidden address is reported like a name that doesn't exist.
fn assert_leads_nowhere(delivery: &Value, endpoint: &Value) {
    assert_eq!(delivery["error"], "dns", "{delivery}");
    let url = url::Url::parse(endpoint["url"].as_str().unwrap()).unwrap();
    let said = format!(
        "{} leads to no address that may be used: it doesn't resolve, or not only to such addresses",
        url.host_str().unwrap()
    );
    assert_eq!(delivery["response"], said);
}

#[test]
fn one_forbidden_answer_refuses_the_name() {
    let (app, lookup) = start(&[]);
    let bad = ip("127.0.0.2");
    let target = Untouched::on(&[GOOD, bad]);
    let among_many = |at: usize| {
        let mut many = vec![GOOD; 1000];
        many[at] = bad;
        many
    };
    let answers = [
        vec![bad],
        vec![GOOD, bad],
        vec![bad, GOOD],
        vec![GOOD, GOOD, bad, GOOD],
        among_many(0),
        among_many(16),
        among_many(500),
        among_many(999),
        vec![GOOD, ip("::1")],
        vec![GOOD, ip("::")],
        vec![GOOD, ip("::ffff:127.0.0.1")],
        vec![GOOD, ip("64:ff9b::7f00:1")],
        vec![GOOD, ip("0.0.0.0")],
        vec![GOOD, ip("10.0.0.1")],
        vec![GOOD, ip("169.254.169.254")],
        vec![GOOD, ip("fd00:ec2::254")],
        vec![GOOD, ip("fe80::1")],
        vec![GOOD, ip("ff02::1")],
    ];
    let endpoints: Vec<(Value, IpAddr)> = answers
        .iter()
        .enumerate()
        .map(|(at, answer)| {
            let name = format!("mixed-{at}.test");
            lookup.answer(&name, answer);
            let url = format!("http://{name}:{}/hook", target.port());
            let forbidden = answer.iter().find(|ip| **ip != GOOD).unwrap();
            (create(&app, &url).expect(201), *forbidden)
        })
        .collect();
    app.publish("order.created", &json!({"id": 1}));
    for (endpoint, forbidden) in &endpoints {
        let delivery = &deliveries(&app, endpoint, 1)[0];
        assert_leads_nowhere(delivery, endpoint);
        assert!(!delivery.to_string().contains(&forbidden.to_string()));
        // A name may lead elsewhere tomorrow.
        assert_eq!(delivery["webhook_event"]["succeeded"], Value::Null);
        assert!(delivery["webhook_event"]["next_attempt_at"].is_string());
    }
    target.assert_untouched();
}

#[test]
fn names_of_this_machine_are_refused_like_its_addresses() {
    const LOOPBACK: [&str; 2] = ["--allow-network", "127.0.0.0/8"];
    let mut app = TestApp::with_default_policy(&LOOPBACK);
    let target = Untouched::everywhere();
    for name in ["localhost", "LOCALHOST", "ⓛocalhost", "loc\u{ad}alhost"] {
        let url = format!("https://{name}:{}/", target.port());
        let endpoint = create(&app, &url).expect(201);
        // From now on the endpoint could not be made, and the one that was made is not called.
        app.restart_with(&[]);
        create(&app, &url).expect(422);
        app.publish("order.created", &json!({"id": 1}));
        let path = format!(
            "/api/webhooks/deliveries?endpoint_id={}",
            super::id(&endpoint)
        );
        let list = app.wait_for(&path, |list| list["meta"]["total"] == 1);
        assert_leads_nowhere(&list["data"][0], &endpoint);
        app.delete(&format!("/api/webhooks/endpoints/{}", super::id(&endpoint)));
        app.restart_with(&LOOPBACK);
    }
    target.assert_untouched();
}

/// Each of them is one failed attempt, and the next one goes by what the name servers say then.
#[test]
fn names_without_an_address_are_tried_again() {
    let (app, lookup) = start(&[]);
    let receiver = Receiver::start();
    let failures = [
        ("empty.test", None),
        ("none.test", Some("Name or service not known")),
        (
            "temporary.test",
            Some("Temporary failure in name resolution"),
        ),
        ("panic.test", Some("panic")),
    ];
    let endpoints: Vec<Value> = failures
        .iter()
        .map(|(name, error)| {
            let error = error.map(str::to_owned);
            lookup.set(name, move |turn| match (&error, turn) {
                (_, 1..) => Ok(vec![GOOD]),
                (None, 0) => Ok(Vec::new()),
                (Some(text), 0) => {
                    assert_ne!(text, "panic", "a name service that panics");
                    Err(LookupError(text.clone()))
                }
            });
            let url = format!("http://{name}:{}/{name}", receiver.addr.port());
            create(&app, &url).expect(201)
        })
        .collect();
    app.publish("order.created", &json!({"id": 1}));
    for ((name, _), endpoint) in failures.iter().zip(&endpoints) {
        assert_leads_nowhere(&deliveries(&app, endpoint, 1)[0], endpoint);
        assert_eq!(receiver.at(&format!("/{name}")).len(), 0);
    }
    app.wait_for_events("pending", 4);
    app.advance(Duration::from_secs(7));
    for ((name, _), endpoint) in failures.iter().zip(&endpoints) {
        let got = receiver.wait(&format!("/{name}"), 1);
        assert_eq!(
            got[0].header("host"),
            format!("{name}:{}", receiver.addr.port())
        );
        assert_eq!(deliveries(&app, endpoint, 2)[0]["succeeded"], true);
        assert_eq!(lookup.asked(name), 2, "once per attempt");
    }
}

#[test]
fn a_slow_look_up_is_waited_for_while_others_are_served() {
    let (app, lookup) = start(&[]);
    let receiver = Receiver::start();
    let port = receiver.addr.port();
    let (answer, answers) = channel();
    let answers = Mutex::new(answers);
    lookup.set("slow.test", move |_| {
        let answers = answers.lock().unwrap();
        Ok(vec![answers.recv_timeout(PATIENCE).unwrap()])
    });
    lookup.answer("quick.test", &[GOOD]);
    create(&app, &format!("http://slow.test:{port}/slow")).expect(201);
    create(&app, &format!("http://quick.test:{port}/quick")).expect(201);
    app.publish("order.created", &json!({"id": 1}));
    receiver.wait("/quick", 1);
    assert_eq!(receiver.at("/slow").len(), 0);
    answer.send(GOOD).unwrap();
    receiver.wait("/slow", 1);
    app.wait_for_events("succeeded", 2);
}

#[test]
fn look_ups_that_hang_cost_their_own_attempts_and_no_other() {
    let (app, lookup) = start(&["--request-timeout", "200ms"]);
    let receiver = Receiver::start();
    let target = Untouched::on(&[GOOD]);
    lookup.answer("quick.test", &[GOOD]);
    create(
        &app,
        &format!("http://quick.test:{}/quick", receiver.addr.port()),
    )
    .expect(201);
    app.publish("first", &json!(1));
    receiver.wait("/quick", 1);
    // As name servers that are gone: no answer before the test is over, and then a bad one.
    let (over, waiting) = channel::<()>();
    let waiting = Arc::new(Mutex::new(waiting));
    let hanging: Vec<Value> = (0..40)
        .map(|at| {
            let name = format!("hang-{at}.test");
            let waiting = waiting.clone();
            lookup.set(&name, move |_| {
                let _ = waiting.lock().unwrap().recv_timeout(PATIENCE);
                Ok(vec![ip("127.0.0.2")])
            });
            create(&app, &format!("http://{name}:{}/", target.port())).expect(201)
        })
        .collect();
    app.publish("second", &json!(1));
    for endpoint in &hanging {
        let delivery = &deliveries(&app, endpoint, 1)[0];
        assert_eq!(delivery["error"], "dns", "{delivery}");
        let said = delivery["response"].as_str().unwrap();
        assert!(said.ends_with(" didn't resolve in time"), "{said}");
    }
    // What was known of the quick name is too old now, so it has to be looked up among them.
    app.advance(Duration::from_secs(6));
    app.publish("third", &json!(1));
    receiver.wait("/quick", 3);
    assert_eq!(lookup.asked("quick.test"), 2);
    target.assert_untouched();
    drop(over);
}

#[test]
fn a_thousand_answers_are_checked_and_a_few_of_them_dialled() {
    let lookup = Arc::new(Scripted::default());
    let flags = ["--allow-http", "--allow-network", "127.0.0.0/8"];
    let app = TestApp::with_lookup(&flags, lookup.clone());
    let receiver = Receiver::start();
    let many = |first: u32| -> Vec<IpAddr> {
        (0..1000u32)
            .map(|at| IpAddr::V4(Ipv4Addr::from_bits(first + at)))
            .collect()
    };
    lookup.answer("many.test", &many(0x7f00_0001));
    let port = receiver.addr.port();
    create(&app, &format!("http://many.test:{port}/many")).expect(201);
    // Nobody listens at any of these.
    lookup.answer("nobody.test", &many(0x7f01_0001));
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let nobody = create(&app, &format!("http://nobody.test:{closed}/")).expect(201);
    app.publish("order.created", &json!({"id": 1}));
    receiver.wait("/many", 1);
    let delivery = &deliveries(&app, &nobody, 1)[0];
    assert_eq!(delivery["error"], "connect", "{delivery}");
}
