//! Tests of addresses: those that requests are sent to, and above all those that they are not sent to.

use super::*;

#[test]
fn a_name_that_does_not_resolve() {
    let client = HttpClient::new(open_settings(), script(&[])).expect("a client");
    let failure = failure(&client, "http://none.test/");
    assert_eq!(failure.kind, AttemptFailure::Dns);
    let told = "none.test leads to no address that may be used: it doesn't resolve, or not only to such addresses";
    assert_eq!(failure.message, told);
    assert!(!failure.is_final);
}

#[test]
fn a_name_that_takes_too_long_to_resolve() {
    struct Never;
    impl Lookup for Never {
        fn lookup(&self, _: &str) -> Result<Vec<IpAddr>, LookupError> {
            thread::park_timeout(PLENTY / 10);
            Ok(Vec::new())
        }
    }
    let settings = HttpClientSettings {
        request_timeout: Duration::from_millis(50),
        ..open_settings()
    };
    let client = HttpClient::new(settings, Arc::new(Never)).expect("a client");
    let attempt = client.post(&request("http://slow.test/", &[], b"{}"));
    let failure = attempt.result.expect_err("a failure");
    assert_eq!(failure.kind, AttemptFailure::Dns);
    assert_eq!(failure.message, "slow.test didn't resolve in time");
    assert!(attempt.duration < PLENTY / 20);
}

#[test]
fn the_next_address_is_tried() {
    let receiver = Receiver::answering(OK);
    // No program listens on this port of the first address.
    let other = IpAddr::from([127, 0, 0, 2]);
    let client = HttpClient::new(open_settings(), script(&[&[other, LOOPBACK]])).expect("a client");
    let url = format!("http://two.test:{}/", receiver.address.port());
    assert!(post(&client, &url).is_ok());
}

/// The first address leads nowhere: Linux ignores attempts at a port whose queue is full.
#[cfg(target_os = "linux")]
#[test]
fn an_address_that_leads_nowhere_costs_little() {
    let receiver = Receiver::answering(OK);
    let nowhere = IpAddr::from([127, 0, 0, 2]);
    let hole = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let hole = hole.expect("a socket");
    let address = std::net::SocketAddr::new(nowhere, receiver.address.port());
    hole.bind(&address.into())
        .expect("the same port, on another address");
    hole.listen(0).expect("a queue of one");
    let _first = std::net::TcpStream::connect(address).expect("the one that fits");
    let addresses = script(&[&[nowhere, LOOPBACK]]);
    let client = HttpClient::new(open_settings(), addresses).expect("a client");
    let url = format!("http://two.test:{}/", receiver.address.port());
    let attempt = client.post(&request(&url, &[], b"{}"));
    assert!(attempt.result.is_ok());
    assert!(
        attempt.duration < Duration::from_secs(2),
        "{:?}",
        attempt.duration
    );
}

#[test]
fn forbidden_addresses_are_never_dialled() {
    let target = Untouched::new();
    let public = IpAddr::from([8, 8, 8, 8]);
    let settings = HttpClientSettings {
        policy: NetworkPolicy {
            allow_http: true,
            allow: Vec::new(),
        },
        ..open_settings()
    };
    let port = target.port();

    let client = HttpClient::new(settings.clone(), script(&[])).expect("a client");
    for literal in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let failure = failure(&client, &format!("http://{literal}:{port}/"));
        assert_eq!(failure.kind, AttemptFailure::AddressRefused, "{literal}");
        assert!(failure.is_final, "a literal never changes");
        let setting = "; the operator can allow its network with --allow-network";
        assert!(failure.message.ends_with(setting), "{}", failure.message);
    }

    let public_v6 = IpAddr::from([0x2606, 0x4700, 0, 0, 0, 0, 0, 1]);
    for answer in [
        &[LOOPBACK][..],
        &[public, LOOPBACK],
        &[LOOPBACK, public],
        &[public_v6, LOOPBACK],
        &[LOOPBACK, public_v6],
    ] {
        let client = HttpClient::new(settings.clone(), script(&[answer])).expect("a client");
        let failure = failure(&client, &format!("http://name.test:{port}/"));
        assert_eq!(failure.kind, AttemptFailure::Dns);
        assert!(!failure.message.contains("127.0.0.1"), "{failure:?}");
        assert!(!failure.is_final, "a name may change");
    }
    target.assert_untouched();
}

/// The name first resolves to an allowed address, later to a forbidden one.
#[test]
fn rebinding_does_not_get_through() {
    let forbidden = IpAddr::from([127, 0, 0, 2]);
    let receiver = Receiver::answering(OK);
    let port = receiver.address.port();
    let target = TcpListener::bind((forbidden, port)).expect("the same port elsewhere");
    target.set_nonblocking(true).expect("a mode");
    let policy = NetworkPolicy {
        allow_http: true,
        allow: vec!["127.0.0.1/32".parse().expect("a network")],
    };
    let start = Instant::now();
    let hand = Arc::new(Mutex::new(start));
    let clock = Arc::clone(&hand);
    let resolver = Arc::new(Resolver::with_clock(
        script(&[&[LOOPBACK], &[forbidden]]),
        policy,
        Arc::new(move || *clock.lock().expect("the clock")),
    ));
    let dialer = Dialer::new(Tls::new(None, None).expect("TLS"), None, 4);
    let client = HttpClient {
        agent: Agent::with_parts(config(PLENTY), dialer, UreqResolver(resolver)),
        request_timeout: PLENTY,
        allow_http: true,
    };
    let url = format!("http://rebind.test:{port}/");
    assert!(post(&client, &url).is_ok());
    assert!(post(&client, &url).is_ok(), "the address that was checked");
    // There is an idle connection now, and a refused name does not get it.
    *hand.lock().expect("the clock") = start + Duration::from_secs(6);
    assert_eq!(failure(&client, &url).kind, AttemptFailure::Dns);
    assert_eq!(receiver.waiting_requests(), 2);
    Untouched(target).assert_untouched();
}

#[test]
fn plain_http_needs_to_be_allowed() {
    let target = Untouched::new();
    let client = client(HttpClientSettings {
        policy: NetworkPolicy {
            allow_http: false,
            ..open_settings().policy
        },
        ..open_settings()
    });
    for scheme in ["http", "HTTP"] {
        let failure = failure(&client, &format!("{scheme}://127.0.0.1:{}/", target.port()));
        assert_eq!(failure.kind, AttemptFailure::AddressRefused);
        assert_eq!(
            failure.message,
            "plain http: URLs are not allowed; use https:, or have the operator set --allow-http"
        );
        assert!(failure.is_final);
    }
    for url in ["ftp://127.0.0.1/", "/hook", ""] {
        assert_eq!(
            failure(&client, url).kind,
            AttemptFailure::Internal,
            "{url}"
        );
    }
    target.assert_untouched();
}
