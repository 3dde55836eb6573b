//! The tests of the turns: the rule with a clock of its own, and streams over sockets.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Wake;

use actix_web::rt::System;
use actix_web::rt::net::TcpListener;
use tokio::io::{AsyncRead, Interest, ReadBuf};

use super::super::ServerCertificate;
use super::super::tls_stream::TlsStream;
use super::*;

/// A waker that is told from others by its number.
struct Numbered(#[expect(dead_code, reason = "only its address counts")] u64);

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {}
}

fn waker(number: u64) -> Waker {
    Waker::from(Arc::new(Numbered(number)))
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn handshakes_have_half_of_the_time_however_late_the_timer_is() {
    let start = Instant::now();
    for (took, late) in [
        (Duration::from_micros(100), MS),
        (MS, MS),
        (6 * MS, MS),
        (6 * MS, Duration::ZERO),
    ] {
        let mut rule = TurnRule::new(start);
        let (mut now, mut computed) = (start, Duration::ZERO);
        while now < start + 1000 * MS {
            if !rule.is_free(now) {
                now = rule.free_at + late;
            }
            rule.charge(now, took);
            now += took;
            computed += took;
        }
        let most = (now - start) / SHARE + CATCH_UP + took;
        assert!(computed <= most, "{took:?}: {computed:?} of {most:?}");
        assert!(
            computed * 5 >= most * 4,
            "{took:?}: {computed:?} of {most:?}"
        );
    }
}

#[test]
fn after_a_turn_as_much_time_passes_as_it_took() {
    let start = Instant::now();
    let mut rule = TurnRule::new(start);
    rule.charge(start, 10 * MS);
    assert!(!rule.is_free(start + Duration::from_micros(19_999)));
    assert!(rule.is_free(start + 20 * MS));
    // A quiet hour is not made up for, but for a moment.
    let later = start + Duration::from_hours(1);
    rule.charge(later, 10 * MS);
    assert!(!rule.is_free(later + Duration::from_micros(17_999)));
    assert!(rule.is_free(later + 18 * MS));
}

#[test]
fn the_newest_is_next_and_first_flights_alternate_with_later_ones() {
    let wakers: Vec<_> = (0..6).map(waker).collect();
    let mut rule = TurnRule::new(Instant::now());
    for (number, flight) in [
        (0, Flight::Later),
        (1, Flight::First),
        (2, Flight::First),
        (3, Flight::Later),
        (4, Flight::First),
        (5, Flight::First),
    ] {
        let place = u64::try_from(number).unwrap();
        assert!(rule.wait(place, flight, wakers[number].clone()).is_none());
    }
    // Waiting again renews the place.
    assert!(rule.wait(1, Flight::First, wakers[1].clone()).is_some());
    assert!(rule.leave(4).is_some_and(|left| left.will_wake(&wakers[4])));
    assert!(rule.leave(4).is_none());
    for expected in [5, 3, 2, 0, 1] {
        let next = rule.next().unwrap();
        assert!(next.will_wake(&wakers[expected]), "{expected} is next");
    }
    assert!(rule.next().is_none());
    assert!(rule.wait(9, Flight::Later, waker(9)).is_none());
    assert!(rule.next().is_some(), "with the other flights or without");
}

/// The stream of a client that has sent a `ClientHello` and then done `and_then`; and what is left of the client.
async fn after_a_hello(
    turns: &Rc<HandshakeTurns>,
    and_then: impl FnOnce(std::net::TcpStream) -> Option<std::net::TcpStream>,
) -> (TlsStream, Option<std::net::TcpStream>) {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&files[0], made.cert.pem()).unwrap();
    std::fs::write(&files[1], made.signing_key.serialize_pem()).unwrap();
    let [cert, key] = files;
    let acceptor = ServerCertificate::of_settings(Some(&cert), Some(&key))
        .unwrap()
        .unwrap()
        .acceptor();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut client = std::net::TcpStream::connect(addr).unwrap();
    session.write_tls(&mut client).unwrap();
    let client = and_then(client);
    let (stream, _) = listener.accept().await.unwrap();
    // Waits until the runtime knows what has come.
    let deadline = Instant::now() + Duration::from_secs(20);
    while stream
        .ready(Interest::READABLE)
        .await
        .unwrap()
        .is_read_closed()
        == client.is_some()
    {
        assert!(
            Instant::now() < deadline,
            "the end of the client is not seen"
        );
        yield_now().await;
    }
    (TlsStream::accept(&acceptor.unwrap(), turns, stream), client)
}

/// Polls the stream once.
async fn read_once(stream: &mut TlsStream) -> Poll<bool> {
    poll_fn(|context| {
        let mut bytes = [0; 16];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut *stream).poll_read(context, &mut buffer);
        Poll::Ready(read.map(|read| read.is_ok()))
    })
    .await
}

#[test]
fn a_client_that_has_closed_costs_no_turn() {
    System::new().block_on(async {
        let turns = HandshakeTurns::new();
        let free_at = turns.rule.borrow().free_at;
        let (mut stream, _) = after_a_hello(&turns, |_closed| None).await;
        assert_eq!(read_once(&mut stream).await, Poll::Ready(false));
        assert_eq!(turns.rule.borrow().free_at, free_at);

        let (mut stream, _client) = after_a_hello(&turns, Some).await;
        assert_eq!(
            read_once(&mut stream).await,
            Poll::Pending,
            "it is answered"
        );
        assert!(turns.rule.borrow().free_at > free_at);
    });
}

#[test]
fn a_handshake_waits_until_its_turn_and_leaves_the_queue_with_its_client() {
    System::new().block_on(async {
        let turns = HandshakeTurns::new();
        let hour = Duration::from_hours(1);
        turns.rule.borrow_mut().charge(Instant::now(), hour);
        let (mut stream, _client) = after_a_hello(&turns, Some).await;
        let free_at = turns.rule.borrow().free_at;
        assert_eq!(read_once(&mut stream).await, Poll::Pending);
        assert_eq!(turns.rule.borrow().free_at, free_at, "it computed nothing");
        assert_eq!(turns.rule.borrow().first.len(), 1);
        drop(stream);
        assert!(turns.rule.borrow().first.is_empty());
    });
}
