use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// A time-out that only a hang reaches.
const PLENTY: Duration = Duration::from_secs(20);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A look-up that returns the addresses set for the name, and counts its calls.
#[derive(Default)]
struct Scripted {
    answers: Mutex<HashMap<String, Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn set(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| ip(text)).collect();
        self.answers
            .lock()
            .expect("answers")
            .insert(host.to_owned(), addresses);
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("questions").len()
    }
}

impl Lookup for Scripted {
    fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        self.asked.lock().expect("questions").push(host.to_owned());
        assert_ne!(host, "panic.example", "a scripted panic");
        let answers = self.answers.lock().expect("answers");
        answers
            .get(host)
            .cloned()
            .ok_or_else(|| LookupError("no such name".to_owned()))
    }
}

/// A look-up that reports each call, and returns when the test says so.
struct Gated {
    asked: Sender<String>,
    answers: Mutex<Receiver<Vec<IpAddr>>>,
}

impl Gated {
    fn new() -> (Arc<Self>, Receiver<String>, Sender<Vec<IpAddr>>) {
        let (asked, questions) = channel();
        let (answer, answers) = channel();
        let answers = Mutex::new(answers);
        (Arc::new(Self { asked, answers }), questions, answer)
    }
}

impl Lookup for Gated {
    fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let gone = |_| LookupError("the test is over".to_owned());
        self.asked
            .send(host.to_owned())
            .map_err(|_| LookupError(String::new()))?;
        let answers = self.answers.lock().expect("answers");
        answers.recv_timeout(PLENTY).map_err(gone)
    }
}

/// A clock that the test moves.
#[derive(Clone)]
struct Hand(Arc<Mutex<Instant>>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn clock(&self) -> MonotonicClock {
        let hand = self.clone();
        Arc::new(move || *hand.0.lock().expect("the clock"))
    }

    fn advance(&self, seconds: f64) {
        *self.0.lock().expect("the clock") += Duration::from_secs_f64(seconds);
    }
}

fn scripted() -> (Resolver, Arc<Scripted>, Hand) {
    let lookup = Arc::new(Scripted::default());
    let hand = Hand::new();
    let resolver = Resolver::with_clock(lookup.clone(), NetworkPolicy::strict(), hand.clock());
    (resolver, lookup, hand)
}

#[test]
fn a_name_is_asked_for_once_and_cached() {
    let (resolver, lookup, hand) = scripted();
    lookup.set("a.example", &["8.8.8.8", "2606:4700::1"]);
    for _ in 0..100 {
        let found = resolver.resolve("a.example", PLENTY).expect("addresses");
        assert_eq!(*found, [ip("8.8.8.8"), ip("2606:4700::1")]);
    }
    assert_eq!(lookup.asked(), 1);
    hand.advance(5.0);
    lookup.set("a.example", &["9.9.9.9"]);
    assert_eq!(
        *resolver.resolve("a.example", PLENTY).expect("addresses"),
        [ip("9.9.9.9")]
    );
    assert_eq!(lookup.asked(), 2);
}

#[test]
fn a_forbidden_answer_refuses_the_name() {
    let (resolver, lookup, _) = scripted();
    lookup.set("mixed.example", &["8.8.8.8", "127.0.0.1"]);
    lookup.set("mapped.example", &["::ffff:8.8.8.8"]);
    // The forbidden address is the last of more than would ever be dialled.
    let mut many = vec!["8.8.8.8"; 500];
    many.push("10.0.0.1");
    lookup.set("many.example", &many);
    for (host, forbidden) in [
        ("mixed.example", "127.0.0.1"),
        ("mapped.example", "::ffff:8.8.8.8"),
        ("many.example", "10.0.0.1"),
    ] {
        let Err(ResolveError::NameRefused { refused, .. }) = resolver.resolve(host, PLENTY) else {
            panic!("{host} is refused");
        };
        assert_eq!(refused.ip, ip(forbidden));
    }
}

#[test]
fn rebinding_is_caught_by_the_next_look_up() {
    let (resolver, lookup, hand) = scripted();
    lookup.set("rebind.example", &["8.8.8.8"]);
    assert!(resolver.resolve("rebind.example", PLENTY).is_ok());
    lookup.set("rebind.example", &["169.254.169.254"]);
    // While the address is cached, it still is the one that was checked.
    assert_eq!(
        *resolver
            .resolve("rebind.example", PLENTY)
            .expect("addresses"),
        [ip("8.8.8.8")]
    );
    hand.advance(6.0);
    let error = resolver
        .resolve("rebind.example", PLENTY)
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "rebind.example can't be used: the address 169.254.169.254 is not allowed: cloud metadata service"
    );
}

#[test]
fn only_so_many_addresses_are_dialled() {
    let (resolver, lookup, _) = scripted();
    lookup.set("many.example", &["8.8.8.8"; 500]);
    let found = resolver.resolve("many.example", PLENTY).expect("addresses");
    assert_eq!(found.len(), MAX_ADDRESSES);
}

#[test]
fn families_take_turns() {
    let (resolver, lookup, _) = scripted();
    let mut many = vec!["2606:4700::1"; 20];
    many.extend(["8.8.8.8", "9.9.9.9"]);
    lookup.set("v6-first.example", &many);
    lookup.set("v4-first.example", &["8.8.8.8", "9.9.9.9", "2606:4700::1"]);
    let resolve = |host| resolver.resolve(host, PLENTY).expect("addresses");
    let found = resolve("v6-first.example");
    assert_eq!(found.len(), MAX_ADDRESSES);
    let v6 = ip("2606:4700::1");
    assert_eq!(
        found[..6],
        [v6, ip("8.8.8.8"), v6, ip("9.9.9.9"), v6, v6],
        "the one that the system prefers is first, and no family is left out"
    );
    assert_eq!(
        *resolve("v4-first.example"),
        [ip("8.8.8.8"), v6, ip("9.9.9.9")]
    );
}

#[test]
fn literals_are_checked_and_never_looked_up() {
    let (resolver, lookup, _) = scripted();
    assert_eq!(
        *resolver.resolve("8.8.8.8", PLENTY).expect("public"),
        [ip("8.8.8.8")]
    );
    assert_eq!(
        *resolver.resolve("[2606:4700::1]", PLENTY).expect("public"),
        [ip("2606:4700::1")]
    );
    for literal in ["127.0.0.1", "[::1]", "[::ffff:8.8.8.8]", "0.0.0.0"] {
        assert!(
            matches!(
                resolver.resolve(literal, PLENTY),
                Err(ResolveError::LiteralRefused(_))
            ),
            "{literal}"
        );
    }
    assert_eq!(lookup.asked(), 0);
}

#[test]
fn failures_are_told_and_soon_forgotten() {
    let (resolver, lookup, hand) = scripted();
    let error = resolver.resolve("none.example", PLENTY).expect_err("none");
    assert_eq!(
        error.to_string(),
        "none.example doesn't resolve: no such name"
    );
    lookup.set("none.example", &["8.8.8.8"]);
    assert!(resolver.resolve("none.example", PLENTY).is_err());
    hand.advance(1.1);
    assert!(resolver.resolve("none.example", PLENTY).is_ok());

    lookup.set("empty.example", &[]);
    assert!(matches!(
        resolver.resolve("empty.example", PLENTY),
        Err(ResolveError::Failed { .. })
    ));
}

#[test]
fn a_look_up_that_panics_is_a_failure() {
    let (resolver, lookup, _) = scripted();
    assert!(matches!(
        resolver.resolve("panic.example", PLENTY),
        Err(ResolveError::Failed { .. })
    ));
    lookup.set("a.example", &["8.8.8.8"]);
    assert!(resolver.resolve("a.example", PLENTY).is_ok());
}

#[test]
fn many_wait_for_one_look_up() {
    let (lookup, questions, answer) = Gated::new();
    let resolver = Resolver::new(lookup, NetworkPolicy::strict());
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..32)
            .map(|_| scope.spawn(|| resolver.resolve("a.example", PLENTY)))
            .collect();
        assert_eq!(questions.recv_timeout(PLENTY).as_deref(), Ok("a.example"));
        answer.send(vec![ip("8.8.8.8")]).expect("a waiting look-up");
        for one in waiting {
            assert!(one.join().expect("no panic").is_ok());
        }
    });
    assert!(questions.try_recv().is_err(), "nobody asked again");
}

#[test]
fn a_look_up_that_takes_too_long_is_given_up() {
    let (lookup, _questions, _answer) = Gated::new();
    let resolver = Resolver::new(lookup, NetworkPolicy::strict());
    let error = resolver.resolve("a.example", Duration::from_millis(20));
    assert_eq!(
        error.expect_err("too slow").to_string(),
        "a.example didn't resolve in time"
    );
}

#[test]
fn the_last_addresses_serve_while_a_look_up_hangs() {
    let (lookup, questions, answer) = Gated::new();
    let hand = Hand::new();
    let resolver = Resolver::with_clock(lookup, NetworkPolicy::strict(), hand.clock());
    answer
        .send(vec![ip("8.8.8.8")])
        .expect("kept for the look-up");
    assert!(resolver.resolve("a.example", PLENTY).is_ok());
    assert!(questions.recv_timeout(PLENTY).is_ok());

    hand.advance(4.5);
    assert!(
        resolver.resolve("a.example", PLENTY).is_ok(),
        "renewed in the background"
    );
    assert!(
        questions.recv_timeout(PLENTY).is_ok(),
        "and the renewal hangs"
    );
    hand.advance(200.0);
    let found = resolver
        .resolve("a.example", PLENTY)
        .expect("the last addresses");
    assert_eq!(*found, [ip("8.8.8.8")]);
    hand.advance(200.0);
    assert!(matches!(
        resolver.resolve("a.example", Duration::from_millis(20)),
        Err(ResolveError::Slow { .. })
    ));
}

/// Names whose look-ups hang take at most half of the threads.
#[test]
fn hanging_names_leave_room_for_quick_ones() {
    struct Mixed(Scripted, Arc<Gated>);
    impl Lookup for Mixed {
        fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
            if host.starts_with("hang") {
                self.1.lookup(host)
            } else {
                self.0.lookup(host)
            }
        }
    }
    let (gated, questions, _answer) = Gated::new();
    let quick = Scripted::default();
    quick.set("quick.example", &["8.8.8.8"]);
    let hand = Hand::new();
    let resolver = Resolver::with_clock(
        Arc::new(Mixed(quick, gated)),
        NetworkPolicy::strict(),
        hand.clock(),
    );
    assert!(resolver.resolve("quick.example", PLENTY).is_ok());
    for n in 0..100 {
        let name = format!("hang-{n}.example");
        assert!(resolver.resolve(&name, Duration::ZERO).is_err());
    }
    for _ in 0..DOUBTFUL_THREADS {
        assert!(questions.recv_timeout(PLENTY).is_ok());
    }
    hand.advance(400.0);
    assert!(resolver.resolve("quick.example", PLENTY).is_ok());
    assert!(
        questions.try_recv().is_err(),
        "no more than half of the threads"
    );
    assert!(resolver.shared.state().threads <= MAX_THREADS);
}

#[test]
fn threads_end_with_the_resolver() {
    let (resolver, lookup, _) = scripted();
    lookup.set("a.example", &["8.8.8.8"]);
    assert!(resolver.resolve("a.example", PLENTY).is_ok());
    let shared = Arc::downgrade(&resolver.shared);
    drop(resolver);
    let deadline = Instant::now() + PLENTY;
    while shared.upgrade().is_some() {
        assert!(Instant::now() < deadline, "a thread still holds on");
        thread::yield_now();
    }
}

#[test]
fn the_system_resolves_localhost() {
    let found = SystemLookup
        .lookup("localhost")
        .expect("every system knows it");
    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    assert!(SystemLookup.lookup("name.invalid").is_err());
}
