//! Tests of requests through a proxy.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};

use super::*;
use receiver::Conversation;

/// The start of the answer to CONNECT, as proxies word it.
const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n";

/// Connects both sides until one of them closes.
fn tunnel(conversation: &mut Conversation, to: SocketAddr) {
    let receiver = TcpStream::connect(to).expect("a receiver");
    let client = conversation.stream.get_ref().try_clone().expect("a handle");
    let (mut from_client, mut to_receiver) = (
        client.try_clone().expect("a handle"),
        receiver.try_clone().expect("a handle"),
    );
    let out = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_receiver);
        let _ = to_receiver.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut { receiver }, &mut { client });
    let _ = conversation
        .stream
        .get_ref()
        .shutdown(std::net::Shutdown::Both);
    let _ = out.join();
}

/// Returns the address that a CONNECT asks for.
fn wanted(head: &str) -> SocketAddr {
    let target = head.strip_prefix("CONNECT ").expect("CONNECT");
    let target = target.split(' ').next().expect("a target");
    target.parse().expect("an address")
}

/// A proxy that connects to the address for which it is asked.
fn proxy() -> Receiver {
    Receiver::start(|conversation| {
        let request = conversation.request().expect("a CONNECT");
        // In two parts, with more than a status.
        conversation.send(ESTABLISHED);
        conversation.send("Proxy-Agent: test\r\n\r\n");
        tunnel(conversation, wanted(&request.head));
    })
}

/// A proxy that answers CONNECT with these bytes.
fn refusing(answer: &'static str) -> Receiver {
    Receiver::start(move |conversation| {
        conversation.request();
        conversation.send(answer);
    })
}

fn through_at(url: &str, time: Duration, addresses: &[IpAddr]) -> HttpClient {
    let settings = HttpClientSettings {
        proxy: Some(url.parse().expect("a proxy")),
        request_timeout: time,
        ..open_settings()
    };
    HttpClient::new(settings, script(&[addresses])).expect("a client")
}

fn through(proxy: &Receiver) -> HttpClient {
    through_at(&format!("http://{}", proxy.address), PLENTY, &[LOOPBACK])
}

fn message(proxy: &Receiver) -> String {
    let failure = failure(&through(proxy), "http://receiver.test:9/");
    assert_eq!(failure.kind, AttemptFailure::Proxy, "{failure:?}");
    assert!(!failure.is_final);
    failure.message
}

#[test]
fn the_proxy_gets_the_address_and_the_receiver_the_name() {
    let (proxy, receiver) = (proxy(), Receiver::answering(OK));
    let client = through(&proxy);
    let port = receiver.address.port();
    for _ in 0..2 {
        let answer = post(&client, &format!("http://receiver.test:{port}/hook"));
        assert_eq!(answer.map(|answer| answer.code), Ok(200));
        let request = receiver.request();
        assert!(request.head.starts_with("POST /hook HTTP/1.1\r\n"));
        let host = format!("host: receiver.test:{port}\r\n");
        assert!(request.head.contains(&host), "{}", request.head);
        assert!(!request.head.to_lowercase().contains("proxy"));
        assert_eq!(request.connection, 0, "a tunnel serves again");
    }
    let connect = proxy.request();
    let asked = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    assert_eq!(connect.head, asked);
    assert_eq!(proxy.waiting_requests(), 0);
}

#[test]
fn tls_is_with_the_receiver_by_its_name() {
    let proxy = proxy();
    let (receiver, certificate) = super::tls::tls_receiver();
    let settings = HttpClientSettings {
        ca_file: Some(certificate),
        proxy: Some(
            format!("http://{}", proxy.address)
                .parse()
                .expect("a proxy"),
        ),
        ..open_settings()
    };
    let client = client(settings);
    let url = |host: &str| format!("https://{host}:{}/hook", receiver.address.port());
    let answer = post(&client, &url("receiver.test"));
    assert_eq!(answer.map(|answer| answer.code), Ok(200));
    assert!(proxy.request().head.starts_with("CONNECT 127.0.0.1:"));
    let failure = failure(&client, &url("other.test"));
    assert_eq!(failure.kind, AttemptFailure::Tls, "{failure:?}");
}

#[test]
fn credentials_go_to_the_proxy_alone() {
    let (proxy, receiver) = (proxy(), Receiver::answering(OK));
    let url = format!("http://user:pass%40word@{}", proxy.address);
    let client = through_at(&url, PLENTY, &[LOOPBACK]);
    assert!(post(&client, &receiver.url()).is_ok());
    let head = proxy.request().head;
    let value = "Proxy-Authorization: Basic dXNlcjpwYXNzQHdvcmQ=\r\n";
    assert!(head.ends_with(value), "{head}");
    assert!(!receiver.request().head.contains("dXNlcjpwYXNzQHdvcmQ="));
    assert!(!format!("{client:?}").contains("dXNlcjpwYXNzQHdvcmQ="));
}

#[test]
fn the_policy_judges_receivers_and_not_the_proxy() {
    let (proxy, receiver) = (refusing("HTTP/1.1 502 no\r\n\r\n"), Receiver::answering(OK));
    let url = format!("http://proxy.test:{}", proxy.address.port());
    let settings = HttpClientSettings {
        proxy: Some(url.parse().expect("a proxy")),
        policy: NetworkPolicy {
            allow_http: true,
            allow: Vec::new(),
        },
        ..open_settings()
    };
    // Every name leads to the loopback address, that of the proxy as well.
    let client = HttpClient::new(settings, script(&[&[LOOPBACK]])).expect("a client");
    let refused = failure(&client, &receiver.url());
    assert_eq!(refused.kind, AttemptFailure::AddressRefused);
    let refused = failure(&client, "http://receiver.test/");
    assert_eq!(refused.kind, AttemptFailure::Dns);
    assert_eq!(proxy.waiting_requests(), 0, "it was not even asked");
    let allowed = failure(&client, "http://1.1.1.1/");
    assert_eq!(allowed.kind, AttemptFailure::Proxy);
    assert!(proxy.request().head.starts_with("CONNECT 1.1.1.1:80 "));
}

#[test]
fn what_the_proxy_answers_names_the_failure() {
    for (answer, says) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno",
            "the egress proxy wants other credentials than it gets (407)",
        ),
        (
            "HTTP/1.0 403 Filtered\r\n\r\n",
            "the egress proxy doesn't allow the receiver's address or port (403)",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "the egress proxy has no connection to the receiver (502)",
        ),
        (
            "HTTP/1.1 405 Method Not Allowed\r\n\r\n",
            "the egress proxy doesn't take CONNECT (405)",
        ),
        (
            "220 mail.example ESMTP\r\n\r\n",
            "the egress proxy's answer is not valid HTTP/1.1",
        ),
        (
            "HTTP/1.1 200 OK\r\n",
            "the egress proxy closed the connection",
        ),
        ("", "the egress proxy closed the connection"),
    ] {
        assert_eq!(message(&refusing(answer)), says);
    }
    let endless = Receiver::start(|conversation| {
        conversation.request();
        conversation.send("HTTP/1.1 200 OK\r\n");
        while conversation.send("x: y\r\n") {}
    });
    let says = "the headers of the egress proxy's answer are too large";
    assert_eq!(message(&endless), says);
}

#[test]
fn a_proxy_that_cannot_be_reached() {
    let url = format!("http://user:secret@127.0.0.1:{}", closed_port());
    let client = through_at(&url, PLENTY, &[LOOPBACK]);
    let failure = failure(&client, "http://receiver.test/");
    assert_eq!(failure.kind, AttemptFailure::Proxy);
    assert_eq!(
        failure.message,
        "the egress proxy can't be reached: Connection refused"
    );
}

#[test]
fn a_proxy_that_does_not_answer_is_given_up_in_time() {
    let silent = Receiver::start(|conversation| {
        conversation.request();
        conversation.hang();
    });
    let url = format!("http://{}", silent.address);
    let client = through_at(&url, Duration::from_millis(300), &[LOOPBACK]);
    let attempt = client.post(&request("http://receiver.test/", &[], b"{}"));
    let failure = attempt.result.expect_err("a failure");
    assert_eq!(failure.kind, AttemptFailure::Timeout, "{failure:?}");
    assert!(attempt.duration < PLENTY / 4);
}

/// A proxy may reach only one of the families.
#[test]
fn the_next_address_is_tried_if_there_is_no_connection_to_one() {
    let receiver = Receiver::answering(OK);
    let dead: IpAddr = "127.0.0.2".parse().expect("an address");
    let proxy = Receiver::start(move |conversation| {
        let request = conversation.request().expect("a CONNECT");
        let to = wanted(&request.head);
        if to.ip() == dead {
            conversation.send("HTTP/1.1 503 Service Unavailable\r\n\r\n");
            return;
        }
        conversation.send(format!("{ESTABLISHED}\r\n"));
        tunnel(conversation, to);
    });
    let url = format!("http://{}", proxy.address);
    let client = through_at(&url, PLENTY, &[dead, LOOPBACK]);
    let url = format!("http://receiver.test:{}/", receiver.address.port());
    assert_eq!(post(&client, &url).map(|answer| answer.code), Ok(200));
    assert_eq!(wanted(&proxy.request().head).ip(), dead);
    assert_eq!(wanted(&proxy.request().head).ip(), LOOPBACK);
}

/// The bytes right behind the proxy's answer are the receiver's.
#[test]
fn no_byte_of_the_receiver_is_lost_at_the_start_of_the_tunnel() {
    let proxy = Receiver::start(|conversation| {
        conversation.request();
        conversation.send(format!("{ESTABLISHED}\r\n{OK}"));
        let mut rest = Vec::new();
        let _ = conversation.stream.read_to_end(&mut rest);
    });
    let answer = post(&through(&proxy), "http://receiver.test:9/");
    assert_eq!(answer.map(|answer| answer.body), Ok("ok".to_owned()));
}
