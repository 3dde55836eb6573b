use std::io::ErrorKind::{
    AddrNotAvailable, ConnectionRefused, ConnectionReset, NetworkUnreachable,
};
use std::io::Read;
use std::net::TcpListener;

use super::*;

/// A time limit that no test reaches.
const PLENTY: Duration = Duration::from_secs(20);

fn open() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// Returns an address that refuses.
fn closed() -> SocketAddr {
    open().1
}

#[test]
fn a_failed_attempt_starts_the_next_at_once() {
    let (_listener, open) = open();
    let mut addresses = vec![closed(); 15];
    addresses.push(open);
    let started = Instant::now();
    let stream = connect(&addresses, PLENTY).expect("a connection");
    assert_eq!(stream.peer_addr().expect("connected"), open);
    // One delay after each refusal would take 3.75 s.
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_error_is_that_of_an_address_with_a_receiver() {
    let error = connect(&[closed(), closed()], PLENTY).expect_err("both refuse");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let told = |kinds: &[io::ErrorKind]| {
        let mut attempts = Attempts::default();
        for kind in kinds {
            attempts.note((*kind).into());
        }
        attempts.failure().kind()
    };
    assert_eq!(
        told(&[NetworkUnreachable, ConnectionRefused]),
        ConnectionRefused
    );
    assert_eq!(
        told(&[ConnectionRefused, NetworkUnreachable]),
        ConnectionRefused
    );
    assert_eq!(told(&[ConnectionRefused, ConnectionReset]), ConnectionReset);
    assert_eq!(
        told(&[AddrNotAvailable, NetworkUnreachable]),
        NetworkUnreachable
    );
    assert_eq!(told(&[]), AddrNotAvailable);
}

#[test]
fn a_time_that_is_used_up_is_a_time_out() {
    let (_listener, open) = open();
    let error = connect(&[open], Duration::ZERO).expect_err("no time");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn the_connection_is_in_blocking_mode() {
    let (_listener, open) = open();
    let mut stream = connect(&[open], PLENTY).expect("a connection");
    let time = Duration::from_millis(20);
    stream.set_read_timeout(Some(time)).expect("a time-out");
    let started = Instant::now();
    stream.read(&mut [0]).expect_err("nothing to read");
    assert!(started.elapsed() >= time, "the read has waited");
}

/// Tests with ports whose queue is full: Linux then ignores attempts to connect, as a black hole does.
#[cfg(target_os = "linux")]
mod black_holes {
    use std::collections::BTreeSet;

    use super::*;

    /// A port that accepts nothing until it is opened.
    struct BlackHole {
        listener: TcpListener,
        address: SocketAddr,
        _first: TcpStream,
    }

    impl BlackHole {
        fn new() -> Self {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            listener.bind(&any.into()).expect("a free port");
            listener.listen(0).expect("a queue of one");
            let listener = TcpListener::from(listener);
            let address = listener.local_addr().expect("bound");
            let first = TcpStream::connect(address).expect("the one that fits");
            Self {
                listener,
                address,
                _first: first,
            }
        }

        /// Makes room: the next packet of a pending attempt is answered.
        fn open(&self) {
            self.listener.accept().expect("the one that fits");
        }

        /// Returns the number of sockets that are connecting to it.
        fn attempts(&self) -> usize {
            // The table is not read at one moment. Sockets that two readings show are open at once between them.
            let mut before = self.connecting();
            loop {
                let after = self.connecting();
                if after == before {
                    return after.len();
                }
                before = after;
            }
        }

        /// Returns the local addresses of the sockets that are connecting to it.
        fn connecting(&self) -> BTreeSet<String> {
            let port = format!(":{:04X}", self.address.port());
            let table = std::fs::read_to_string("/proc/self/net/tcp").expect("a table");
            let attempt = |line: &str| {
                let mut fields = line.split_whitespace().skip(1);
                let (local, remote) = (fields.next()?, fields.next()?);
                // The second state is SYN_SENT.
                let is_attempt = remote.ends_with(&port) && fields.next() == Some("02");
                is_attempt.then(|| local.to_owned())
            };
            table.lines().filter_map(attempt).collect()
        }
    }

    #[test]
    fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
        let (hole, (_listener, open)) = (BlackHole::new(), open());
        let started = Instant::now();
        let stream = connect(&[hole.address, open], PLENTY).expect("a connection");
        assert_eq!(stream.peer_addr().expect("connected"), open);
        assert!(started.elapsed() >= ATTEMPT_DELAY);
        assert!(started.elapsed() < PLENTY / 10);
        assert_eq!(hole.attempts(), 0, "the other attempt is closed");
    }

    #[test]
    fn earlier_attempts_go_on_beside_later_ones() {
        let (slow, hole) = (BlackHole::new(), BlackHole::new());
        let addresses = [slow.address, hole.address];
        let dialling = std::thread::spawn(move || connect(&addresses, PLENTY));
        while hole.attempts() == 0 {
            assert!(!dialling.is_finished());
            std::thread::yield_now();
        }
        slow.open();
        let stream = dialling.join().expect("no panic").expect("a connection");
        assert_eq!(stream.peer_addr().expect("connected"), slow.address);
        assert_eq!(hole.attempts(), 0, "the other attempt is closed");
    }

    #[test]
    fn attempts_and_their_time_are_limited() {
        let hole = BlackHole::new();
        let addresses = [hole.address; 16];
        let time = Duration::from_millis(1300);
        let started = Instant::now();
        let dialling = std::thread::spawn(move || connect(&addresses, time));
        let mut most = 0;
        while !dialling.is_finished() {
            most = most.max(hole.attempts());
            std::thread::yield_now();
        }
        let error = dialling.join().expect("no panic").expect_err("no room");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= time && started.elapsed() < PLENTY / 4);
        assert_eq!(most, MAX_ATTEMPTS);
        assert_eq!(hole.attempts(), 0);
    }
}
