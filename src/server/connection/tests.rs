//! Tests of a connection as actix-http sees it: pipelined requests, limits and counted bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::domain::owner::Owner;
use crate::metrics::ApiMetrics;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// A client that has sent these bytes, read by read, and takes all bytes written to it.
struct Sent(VecDeque<Vec<u8>>);

impl AsyncRead for Sent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(bytes) = self.0.pop_front() else {
            return Poll::Pending;
        };
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection, used as actix-http uses it.
struct Framework {
    connection: Connection<Sent>,
    table: Rc<ConnectionTable>,
    wakes: Arc<Wakes>,
}

impl Framework {
    /// Runs a test with the connection of a client that has sent these bytes.
    fn with(sent: &[&[u8]], test: impl FnOnce(Self)) {
        actix_web::rt::System::new().block_on(async {
            let minute = Duration::from_mins(1);
            let table = ConnectionTable::new(
                ConnectionLimits {
                    idle: 3 * minute,
                    request: minute,
                    response: 3 * minute,
                    taken: 1,
                    connections: 1,
                    bytes: usize::MAX,
                    period: minute,
                },
                &ApiMetrics::default(),
            );
            let sent = sent.iter().map(|bytes| bytes.to_vec()).collect();
            test(Self {
                connection: table.admit(Sent(sent)),
                table,
                wakes: Arc::default(),
            });
        });
    }

    /// Returns the next bytes; `None` if there are none yet.
    fn read(&mut self) -> Option<Vec<u8>> {
        let waker = Waker::from(self.wakes.clone());
        let mut space = [0; 100];
        let mut buffer = ReadBuf::new(&mut space);
        let stream = Pin::new(&mut self.connection);
        match stream.poll_read(&mut Context::from_waker(&waker), &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().to_vec()).ok(),
            Poll::Pending => {
                assert!(buffer.filled().is_empty());
                None
            }
        }
    }

    fn answer(&mut self) {
        let waker = Waker::from(self.wakes.clone());
        let mut context = Context::from_waker(&waker);
        let pieces = [&ANSWER[..9], &ANSWER[9..]].map(IoSlice::new);
        let written =
            Pin::new(&mut self.connection).poll_write_vectored(&mut context, &pieces[..1]);
        assert!(matches!(written, Poll::Ready(Ok(9))));
        let written = Pin::new(&mut self.connection).poll_write(&mut context, &ANSWER[9..]);
        assert!(matches!(written, Poll::Ready(Ok(_))));
        let flushed = Pin::new(&mut self.connection).poll_flush(&mut context);
        assert!(matches!(flushed, Poll::Ready(Ok(()))));
    }

    fn wakes(&self) -> u32 {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

#[test]
fn the_next_request_is_read_after_the_response_is_flushed_and_wakes_the_reader() {
    let (start, end) = GET.split_at(7);
    let ahead = [GET, start].concat();
    Framework::with(&[&ahead, end, GET, b""], |mut framework| {
        assert_eq!(framework.read().unwrap(), GET);
        assert_eq!(framework.read(), None);
        framework.answer();
        assert_eq!(framework.wakes(), 1);
        assert_eq!(framework.read().unwrap(), start);
        assert_eq!(framework.read().unwrap(), end);
        // The next request came in a read of its own. The gate holds it from now on.
        assert_eq!(framework.read(), None);
        framework.answer();
        assert_eq!(framework.wakes(), 2);
        assert_eq!(framework.read().unwrap(), GET);
        assert_eq!(framework.read().unwrap(), b"", "the end");
    });
}

#[test]
fn a_client_that_does_not_pipeline_wakes_no_reader() {
    Framework::with(&[GET], |mut framework| {
        assert_eq!(framework.read().unwrap(), GET);
        assert_eq!(framework.read(), None);
        framework.answer();
        assert_eq!(framework.wakes(), 0);
    });
}

#[test]
fn the_end_of_the_clients_bytes_is_read_before_the_response() {
    Framework::with(&[GET, b""], |mut framework| {
        assert_eq!(framework.read().unwrap(), GET);
        assert_eq!(framework.read().unwrap(), b"");
    });
}

#[test]
fn a_request_that_was_given_more_time_has_it_and_the_next_one_has_not() {
    Framework::with(&[GET, GET], |mut framework| {
        framework.read();
        let minutes = |n: u32| Instant::now() + Duration::from_mins(1) * n;
        let handle = framework.connection.request_handle();
        handle.extend(Duration::from_mins(2));
        framework.table.close_overdue(minutes(2));
        framework.answer();
        assert_eq!(framework.read().unwrap(), GET, "it is not given up");
        framework.table.close_overdue(minutes(2));
        assert_eq!(framework.read().unwrap(), b"", "it is given up");
    });
}

#[test]
fn the_time_of_a_request_that_is_held_back_begins_when_it_is_read() {
    Framework::with(&[&GET.repeat(2)], |mut framework| {
        framework.read();
        framework.answer();
        let stage = |framework: &Framework| framework.connection.state.stage.get();
        assert_eq!(stage(&framework), Stage::Idle);
        assert_eq!(framework.read().unwrap(), GET);
        assert_eq!(stage(&framework), Stage::Request);
        assert_eq!(framework.read(), None);
        let later = Instant::now() + Duration::from_mins(2);
        framework.table.close_overdue(later);
        assert_eq!(framework.wakes(), 1);
        assert_eq!(framework.read().unwrap(), b"", "it is given up");
    });
}

#[test]
fn a_connection_that_is_given_up_gives_no_more_bytes() {
    Framework::with(&[&GET.repeat(2)], |mut framework| {
        framework.read();
        assert_eq!(framework.read(), None);
        let later = Instant::now() + Duration::from_mins(2);
        framework.table.close_overdue(later);
        assert_eq!(framework.wakes(), 1);
        framework.answer();
        assert_eq!(framework.read().unwrap(), b"");
    });
}

/// Returns the bytes that the connection counts for its request.
fn held(framework: &Framework) -> usize {
    framework.connection.state.bytes[Kind::Request as usize].get()
}

#[test]
fn the_rest_of_a_body_whose_request_is_answered_is_not_counted() {
    let sized: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 50\r\n\r\nx";
    let chunked: &[u8] = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nx";
    for (head, chunk_cost) in [(sized, 0), (chunked, 40)] {
        Framework::with(&[head, b"yyyy"], |mut framework| {
            framework.read();
            assert_eq!(held(&framework), head.len() + chunk_cost);
            assert!(!framework.connection.state.draining.get());
            framework.answer();
            assert_eq!(held(&framework), 0);
            assert_eq!(framework.read().unwrap(), b"yyyy");
            assert_eq!(held(&framework), 0);
            assert!(framework.connection.state.draining.get());
        });
    }
    // With a lost boundary, bytes still count.
    let padded = format!(
        "GET / HTTP/1.1\r\ncontent-length: {}0\r\n\r\n",
        " ".repeat(50)
    );
    Framework::with(&[padded.as_bytes(), GET], |mut framework| {
        framework.read();
        framework.answer();
        assert_eq!(framework.read().unwrap(), GET);
        assert_eq!(held(&framework), GET.len());
    });
}

#[test]
fn what_comes_after_too_many_chunks_is_dropped_until_the_connection_ends() {
    let head: &[u8] = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk: &[u8] = b"1\r\nx\r\n";
    let reads = [vec![head], vec![chunk; 1500]].concat();
    Framework::with(&reads, |mut framework| {
        let mut chunks = 0;
        framework.read();
        while framework.read().is_some() {
            chunks += 1;
        }
        assert!((1024..1100).contains(&chunks), "{chunks}");
        let state = Rc::clone(&framework.connection.state);
        assert_eq!(state.refused.get(), Some(GivenUp::TooManyChunks));
        assert!(framework.connection.stream.0.is_empty());
        framework.answer();
        assert_eq!(
            (state.stage.get(), held(&framework)),
            (Stage::Discarding, 0)
        );
        framework.connection.stream.0.push_back(GET.to_vec());
        assert_eq!(framework.read(), None);
        framework
            .table
            .close_overdue(Instant::now() + Duration::from_secs(4));
        assert_eq!(framework.read(), None);
        framework
            .table
            .close_overdue(Instant::now() + Duration::from_secs(5));
        assert_eq!(framework.read().unwrap(), b"", "the end");
    });
}

#[test]
fn a_client_that_waits_for_100_continue_stays_at_the_stage_of_its_request() {
    let head: &[u8] = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    Framework::with(&[head, b"body"], |mut framework| {
        framework.read();
        let owner = Owner::new(uuid::Uuid::from_u128(1));
        framework.connection.request_handle().attribute(owner);
        let mut context = Context::from_waker(Waker::noop());
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let written = Pin::new(&mut framework.connection).poll_write(&mut context, interim);
        assert!(matches!(written, Poll::Ready(Ok(_))));
        assert_eq!(framework.connection.state.stage.get(), Stage::Request);
        assert_eq!(framework.read().unwrap(), b"body");
        assert_eq!(held(&framework), head.len() + 4);
        assert_eq!(framework.connection.state.owner(), Some(owner));
        framework.answer();
        assert_eq!(held(&framework), 0);
    });
}

/// A client that takes one byte at every second write.
#[derive(Default)]
struct Sips {
    takes: bool,
}

impl AsyncWrite for Sips {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.takes = !self.takes;
        if self.takes {
            Poll::Ready(Ok(1))
        } else {
            Poll::Pending
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs a test with a client that takes its response byte by byte. It must take 50 bytes in a minute, and its
/// worker may hold `bytes`.
fn sipped(bytes: usize, test: impl FnOnce(&ConnectionTable, &mut dyn FnMut(&[u8]) -> Sip)) {
    actix_web::rt::System::new().block_on(async {
        let table = ConnectionTable::new(
            ConnectionLimits {
                idle: MINUTE,
                request: MINUTE,
                response: MINUTE,
                taken: 50,
                connections: 1,
                bytes,
                period: MINUTE,
            },
            &ApiMetrics::default(),
        );
        let mut connection = table.admit(Sips::default());
        let mut context = Context::from_waker(Waker::noop());
        test(&table, &mut |answer| {
            Pin::new(&mut connection).poll_write(&mut context, answer)
        });
    });
}

type Sip = Poll<io::Result<usize>>;

const MINUTE: Duration = Duration::from_mins(1);

fn is_given_up(sip: &Sip) -> bool {
    matches!(sip, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut)
}

#[test]
fn a_client_that_takes_its_response_byte_by_byte_is_given_up() {
    // The minute begins with the first byte, or with the one that completes the 50.
    for (sips, is_enough) in [(2, false), (49, false), (50, true)] {
        sipped(usize::MAX, |table, sip| {
            let mut sip = || (sip(&[b'x'; 100]), sip(&[b'x'; 100])).0;
            assert!(matches!(sip(), Poll::Ready(Ok(1))));
            let began = Instant::now();
            while Instant::now() == began {}
            for _ in 1..sips {
                assert!(matches!(sip(), Poll::Ready(Ok(1))));
            }
            table.close_overdue(began + MINUTE);
            assert_eq!(is_given_up(&sip()), !is_enough, "{sips}");
        });
    }
}

#[test]
fn bytes_written_and_not_taken_are_counted() {
    for (may_hold, is_too_much) in [(4000, true), (8200, false)] {
        sipped(may_hold, |_, sip| {
            let answer = [b'x'; 8192];
            assert!(matches!(sip(&answer), Poll::Ready(Ok(1))));
            assert_eq!(is_given_up(&sip(&answer)), is_too_much, "{may_hold}");
        });
    }
}
