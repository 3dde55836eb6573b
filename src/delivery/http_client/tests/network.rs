//! Tests of connections: which are made, which are kept, and what happens when they break.

use super::*;
use crate::delivery::http_client::limits::OUTPUT_BYTES;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

#[test]
fn a_connection_serves_again() {
    let receiver = Receiver::answering(OK);
    let client = open_client();
    for _ in 0..5 {
        // Endpoints with the same receiver share the connection.
        let attempt = client.post(&request(&receiver.url(), &[], b"{}"));
        assert!(attempt.result.is_ok());
        assert_eq!(receiver.request().connection, 0);
    }
}

#[test]
fn a_long_answer_is_drained_so_that_its_connection_serves_again() {
    let receiver = Receiver::start(|conversation| {
        while conversation.request().is_some() {
            conversation.send("HTTP/1.1 500 Oops\r\ncontent-length: 60000\r\n\r\n");
            conversation.send("x".repeat(60_000));
        }
    });
    let client = open_client();
    for _ in 0..3 {
        assert_eq!(post(&client, &receiver.url()).map(|r| r.code), Ok(500));
        assert_eq!(receiver.request().connection, 0);
    }
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let (closed, closing) = channel();
    let receiver = Receiver::start(move |conversation| {
        conversation.request();
        conversation.send(OK);
        let stream = conversation.stream.get_ref();
        stream
            .shutdown(std::net::Shutdown::Both)
            .expect("an open connection");
        closed.send(()).expect("the test waits");
    });
    let client = open_client();
    for connection in 0..5 {
        assert!(post(&client, &receiver.url()).is_ok());
        assert_eq!(receiver.request().connection, connection);
        closing.recv_timeout(PLENTY).expect("closed");
    }
}

#[test]
fn connection_close_is_heeded() {
    let receiver =
        Receiver::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let client = open_client();
    for connection in 0..2 {
        assert!(post(&client, &receiver.url()).is_ok());
        assert_eq!(receiver.request().connection, connection);
    }
}

#[test]
fn bytes_after_an_answer_are_not_the_next_answer() {
    let receiver = Receiver::start(|conversation| {
        while conversation.request().is_some() {
            conversation.send(format!(
                "{OK}HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
            ));
        }
    });
    let client = open_client();
    for _ in 0..3 {
        assert_eq!(post(&client, &receiver.url()).map(|r| r.code), Ok(200));
    }
}

/// The receiver may have acted on the request, so the client must not repeat it.
#[test]
fn a_request_that_may_have_arrived_is_not_repeated() {
    let receiver = Receiver::start(|conversation| {
        conversation.request();
        conversation.send(OK);
        conversation.request();
        // The receiver closes the connection without an answer.
    });
    let client = open_client();
    assert!(post(&client, &receiver.url()).is_ok());
    let failure = failure(&client, &receiver.url());
    assert_eq!(failure.kind, AttemptFailure::Protocol);
    assert_eq!(
        failure.message,
        "the receiver closed the connection before its answer was complete"
    );
    assert_eq!(receiver.waiting_requests(), 2);
}

/// A connector whose first connection fails at the first write because it is closed; all others are real.
#[derive(Debug, Clone)]
struct StaleFirst {
    dialer: Dialer,
    idle_ages: Arc<Mutex<Vec<Duration>>>,
}

#[derive(Debug)]
struct StaleConnection(LazyBuffers);

impl Transport for StaleConnection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.0
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        Err(ureq::Error::Other(Box::new(Stale)))
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        unreachable!("nothing was sent")
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

impl Connector for StaleFirst {
    type Out = Either<StaleConnection, connection::Connection>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let mut idle_ages = self.idle_ages.lock().expect("the record");
        idle_ages.push(details.config.max_idle_age());
        if idle_ages.len() == 1 {
            let buffers = LazyBuffers::new(INPUT_BYTES, OUTPUT_BYTES);
            return Ok(Some(Either::A(StaleConnection(buffers))));
        }
        Ok(self.dialer.connect(details, None)?.map(Either::B))
    }
}

#[test]
fn a_request_that_cannot_have_arrived_is_repeated_on_a_new_connection() {
    let receiver = Receiver::answering(OK);
    let settings = open_settings();
    let connector = StaleFirst {
        dialer: Dialer::new(Tls::new(None, None).expect("TLS"), None, 4),
        idle_ages: Arc::default(),
    };
    let resolver = Arc::new(Resolver::new(script(&[]), settings.policy));
    let client = HttpClient {
        agent: Agent::with_parts(config(PLENTY), connector.clone(), UreqResolver(resolver)),
        request_timeout: PLENTY,
        allow_http: true,
    };
    let headers = [("webhook-id", "1")];
    let attempt = client.post(&request(&receiver.url(), &headers, b"{\"a\":1}"));
    assert_eq!(attempt.result.map(|response| response.code), Ok(200));
    let request = receiver.request();
    assert_eq!(request.body, "{\"a\":1}");
    assert!(request.head.contains("webhook-id: 1\r\n"));
    assert_eq!(receiver.waiting_requests(), 0);
    assert_eq!(
        *connector.idle_ages.lock().expect("the record"),
        [idle::MAX_IDLE_AGE, Duration::ZERO]
    );
    // The new connection is kept like any other.
    assert!(post(&client, &receiver.url()).is_ok());
    assert_eq!(receiver.request().connection, 0);
}

#[test]
fn a_receiver_that_hangs_runs_into_the_deadline() {
    let in_time = "no complete answer within 300ms";
    let but = "no complete answer within 300ms (status 200 had arrived)";
    for (start, message) in [
        ("", in_time),
        ("HTTP/1.1 200", in_time),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", but),
    ] {
        let receiver = Receiver::start(move |conversation| {
            conversation.request();
            conversation.send(start);
            conversation.hang();
        });
        let attempt = hasty_client().post(&request(&receiver.url(), &[], b"{}"));
        let failure = attempt.result.expect_err("a failure");
        assert_eq!(
            failure.kind,
            AttemptFailure::Timeout,
            "{start:?} {failure:?}"
        );
        assert_eq!(failure.message, message);
        assert!(!failure.is_final);
        assert!(
            attempt.duration >= Duration::from_millis(300),
            "{attempt:?}",
            attempt = attempt.duration
        );
        assert!(attempt.duration < PLENTY / 4);
    }
}

#[test]
fn a_receiver_that_drips_runs_into_the_deadline() {
    for head in [
        "HTTP/1.1 200 OK\r\nx: ",
        "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let (_stay, stop) = channel::<()>();
        let stop = Mutex::new(stop);
        let receiver = Receiver::start(move |conversation| {
            conversation.request();
            conversation.send(head);
            let stop = stop.lock().expect("one connection");
            let pace = Duration::from_millis(10);
            while stop.recv_timeout(pace) == Err(RecvTimeoutError::Timeout)
                && conversation.send("0")
            {}
        });
        let attempt = hasty_client().post(&request(&receiver.url(), &[], b"{}"));
        let failure = attempt.result.expect_err("a failure");
        assert_eq!(
            failure.kind,
            AttemptFailure::Timeout,
            "{head:?} {failure:?}"
        );
        assert!(attempt.duration >= Duration::from_millis(300));
        assert!(attempt.duration < PLENTY / 4);
    }
}

#[test]
fn a_receiver_that_takes_nothing_runs_into_the_deadline() {
    let (_stay, stop) = channel::<()>();
    let stop = Mutex::new(stop);
    let receiver = Receiver::start(move |_| {
        let _ = stop.lock().expect("one connection").recv();
    });
    let body = vec![b'x'; 64 * 1024 * 1024];
    let attempt = hasty_client().post(&request(&receiver.url(), &[], &body));
    assert_eq!(
        attempt.result.expect_err("a failure").kind,
        AttemptFailure::Timeout
    );
    assert!(attempt.duration < PLENTY / 4);
}

#[test]
fn a_refused_connection() {
    let url = format!("http://127.0.0.1:{}/secret-path", closed_port());
    let failure = failure(&open_client(), &url);
    assert_eq!(failure.kind, AttemptFailure::Connect);
    assert_eq!(failure.message, "no connection: Connection refused");
    assert!(!failure.is_final);
}

#[test]
fn many_threads_share_a_client() {
    let receiver = Receiver::answering(OK);
    let client = open_client();
    let url = format!("http://many.test:{}/", receiver.address.port());
    thread::scope(|scope| {
        for _ in 0..16 {
            let (client, url) = (&client, &url);
            scope.spawn(move || {
                for _ in 0..50 {
                    let attempt = client.post(&request(url, &[], b"{}"));
                    assert_eq!(attempt.result.map(|response| response.code), Ok(200));
                }
            });
        }
    });
    let connections = receiver_connections(&receiver);
    assert!(
        connections <= 16,
        "{connections} connections for 16 threads"
    );
}

/// Returns the number of connections over which requests arrived.
fn receiver_connections(receiver: &Receiver) -> usize {
    (0..16 * 50)
        .map(|_| receiver.request().connection)
        .max()
        .map_or(0, |last| last + 1)
}
