//! Tests of the queue with outputs that stall, fail and recover.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Instant, SystemTime};

use tracing::Level;

use super::*;

/// The longest wait for an event that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// An output with a script: each write takes the next number of bytes in it, or fails with the next error.
struct Scripted {
    script: Receiver<io::Result<usize>>,
    written: Sender<Vec<u8>>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // At the end of the test the script ends; the thread, which nothing stops, then waits for ever.
        let taken = self.script.recv().map_err(|_| loop_for_ever());
        let taken = taken.unwrap_or(Ok(0))?.min(bytes.len());
        let _ = self.written.send(bytes[..taken].to_vec());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn loop_for_ever() {
    loop {
        std::thread::park();
    }
}

struct QueueFixture {
    queue: Arc<LogQueue>,
    script: Sender<io::Result<usize>>,
    written: Receiver<Vec<u8>>,
}

impl QueueFixture {
    fn new() -> Self {
        let queue = Arc::new(LogQueue::new());
        let (script, for_output) = channel();
        let (for_test, written) = channel();
        let for_thread = queue.clone();
        std::thread::spawn(move || {
            let mut out = Scripted {
                script: for_output,
                written: for_test,
            };
            let for_telling = for_thread.clone();
            for_thread.run(&mut out, &|lines| {
                for_telling.push(format!("{lines} lost\n").as_bytes(), false);
            });
        });
        Self {
            queue,
            script,
            written,
        }
    }

    fn takes(&self, bytes: usize) {
        self.script.send(Ok(bytes)).unwrap();
    }

    fn fails(&self, kind: ErrorKind) {
        self.script.send(Err(kind.into())).unwrap();
    }

    #[track_caller]
    fn assert_written(&self, text: &str) {
        let written = self.written.recv_timeout(PATIENCE).unwrap();
        assert_eq!(String::from_utf8_lossy(&written), text);
    }

    /// Waits until the thread has taken all lines; it then waits for the output to take the last one.
    fn until_it_stalls(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.queue.lock().lines.is_empty() {
            assert!(Instant::now() < end);
            std::thread::yield_now();
        }
    }
}

const ALL: usize = usize::MAX;

/// A record whose line has this id, and takes so many bytes besides.
fn record(id: &str, bytes: usize) -> Entry {
    Entry::Record(Record::Request(RequestLine {
        at: SystemTime::UNIX_EPOCH,
        level: Level::INFO,
        request_id: Arc::from(id),
        method: "GET",
        route: None,
        path: Some("x".repeat(bytes).into()),
        status: 200,
        duration: Duration::ZERO,
        workspace_id: None,
        client: None,
        published: None,
        batch: None,
    }))
}

/// The line of such a record.
fn line(id: &str) -> String {
    format!(
        "1970-01-01T00:00:00.000000Z  INFO hookpost::requests: request request_id={id} method=GET path=\"\" \
         status=200 duration_ms=0.000\n"
    )
}

/// An output that takes everything, and tells of each write.
struct Told(Sender<Vec<u8>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn records_are_lines_in_their_order_and_many_are_one_write() {
    let queue = LogQueue::new();
    for id in ["a", "b"] {
        queue.enqueue(record(id, 0), false);
    }
    queue.push(b"text\n", false);
    queue.enqueue(record("c", 0), false);
    let (writes, written) = channel();
    queue.drain(&mut Told(writes));
    let written: Vec<_> = written.try_iter().map(String::from_utf8).collect();
    let expected = [line("a") + &line("b"), "text\n".to_owned(), line("c")];
    assert_eq!(written, expected.map(Ok));
    let state = queue.lock();
    assert_eq!((state.bytes, state.texts, state.lost), (0, 0, 0));
}

#[test]
fn a_text_or_a_flush_brings_out_the_records_before_it() {
    let fixture = QueueFixture::new();
    fixture.queue.enqueue(record("a", 0), false);
    fixture.takes(ALL);
    // Nothing else comes: the pause ends.
    fixture.assert_written(&line("a"));
    fixture.queue.enqueue(record("b", 0), false);
    fixture.queue.push(b"text\n", false);
    fixture.takes(ALL);
    fixture.takes(ALL);
    fixture.assert_written(&line("b"));
    fixture.assert_written("text\n");
    fixture.queue.enqueue(record("c", 0), false);
    fixture.takes(ALL);
    fixture.queue.wait(PATIENCE);
    assert!(!fixture.queue.lock().is_busy());
    fixture.assert_written(&line("c"));
}

#[test]
fn the_records_of_a_write_that_fails_are_counted_one_by_one() {
    let queue = LogQueue::new();
    for id in ["a", "b", "c"] {
        queue.enqueue(record(id, 0), false);
    }
    let (script, for_output) = channel();
    let (for_test, written) = channel();
    let mut out = Scripted {
        script: for_output,
        written: for_test,
    };
    // The first line is whole, the second is not, and of the third nothing is written.
    script.send(Ok(line("a").len() + 5)).unwrap();
    script.send(Err(ErrorKind::StorageFull.into())).unwrap();
    queue.drain(&mut out);
    assert_eq!(queue.lock().lost, 2);
    let begun = written.try_iter().next().unwrap();
    assert!(begun.starts_with(line("a").as_bytes()));
}

#[test]
fn records_that_nobody_takes_cost_bounded_memory() {
    let queue = LogQueue::new();
    let (long, pushed) = (64 << 10, 3 * QUEUE_BYTES / (64 << 10));
    for _ in 0..pushed {
        queue.enqueue(record("a", long), false);
    }
    let kept = queue.lock().lines.len();
    assert_eq!(
        kept,
        QUEUE_BYTES / PARTS * (PARTS - 1) / record("a", long).bytes()
    );
    let lost = queue.lock().lost;
    assert_eq!(lost, u64::try_from(pushed - kept).unwrap());
    assert!(queue.lock().bytes <= QUEUE_BYTES);
    let queue = LogQueue::new();
    for _ in 0..3 * QUEUE_LINES {
        queue.enqueue(record("a", 0), false);
    }
    let kept = queue.lock().lines.len();
    assert!(kept <= QUEUE_LINES / PARTS * (PARTS - 1), "{kept}");
    assert!(queue.lock().bytes <= QUEUE_BYTES);
    assert_eq!(
        queue.lock().lost,
        u64::try_from(3 * QUEUE_LINES - kept).unwrap()
    );
}

#[test]
fn lines_are_written_whole_and_in_order() {
    let fixture = QueueFixture::new();
    for line in ["a\n", "bb\n", "ccc\n"] {
        fixture.queue.push(line.as_bytes(), false);
    }
    fixture.takes(ALL);
    fixture.takes(1);
    fixture.fails(ErrorKind::Interrupted);
    fixture.fails(ErrorKind::WouldBlock);
    fixture.takes(ALL);
    fixture.takes(ALL);
    for written in ["a\n", "b", "b\n", "ccc\n"] {
        fixture.assert_written(written);
    }
    fixture.queue.wait(PATIENCE);
    assert_eq!(fixture.queue.lock().lost, 0);
}

#[test]
fn what_cannot_be_written_is_counted_and_told_once_it_can() {
    let fixture = QueueFixture::new();
    fixture.queue.push(b"lost\n", false);
    fixture.fails(ErrorKind::BrokenPipe);
    fixture.queue.push(b"torn\n", false);
    fixture.takes(2);
    fixture.fails(ErrorKind::StorageFull);
    fixture.queue.push(b"not even the end of the line\n", false);
    fixture.fails(ErrorKind::StorageFull);
    fixture.queue.push(b"again\n", false);
    for _ in 0..3 {
        fixture.takes(ALL);
    }
    for written in ["to", "\n", "again\n", "3 lost\n"] {
        fixture.assert_written(written);
    }
    fixture.queue.wait(PATIENCE);
    assert_eq!(fixture.queue.lock().lost, 3, "told, and still counted");
    fixture.queue.push(b"on\n", false);
    fixture.takes(ALL);
    fixture.assert_written("on\n");
}

#[test]
fn a_reader_that_stalls_holds_up_nobody_and_costs_bounded_memory() {
    let fixture = QueueFixture::new();
    fixture.queue.push(b"stalls\n", false);
    fixture.until_it_stalls();
    let long = vec![b'x'; 4096];
    let pushed = 3 * QUEUE_BYTES / long.len();
    for _ in 0..pushed {
        fixture.queue.push(&long, false);
    }
    let kept = fixture.queue.lock().lines.len();
    assert_eq!(kept, QUEUE_BYTES / PARTS * (PARTS - 1) / long.len());
    for _ in 0..3 * QUEUE_LINES {
        fixture.queue.push(b"", false);
    }
    let many = QUEUE_LINES / PARTS * (PARTS - 1);
    assert_eq!(fixture.queue.lock().lines.len(), many);
    // Errors may use the rest, and no more.
    for _ in 0..3 * QUEUE_LINES {
        fixture.queue.push(b"error\n", true);
    }
    assert_eq!(fixture.queue.lock().lines.len(), QUEUE_LINES);
    let lost = pushed + 5 * QUEUE_LINES;
    assert_eq!(fixture.queue.lock().lost, u64::try_from(lost).unwrap());
    // The end of the process does not wait for ever for the output.
    let started = Instant::now();
    fixture.queue.wait(Duration::from_millis(1));
    assert!(started.elapsed() < PATIENCE);
    // The report of lost lines comes when there is room for it, after the lines that were queued before.
    for _ in 0..=QUEUE_LINES + 1 {
        fixture.takes(ALL);
    }
    let end = Instant::now() + PATIENCE;
    let told = format!("{lost} lost\n");
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let written = fixture.written.recv_timeout(left).expect("it is told");
        if written == told.as_bytes() {
            break;
        }
    }
}

#[test]
fn without_a_thread_the_end_writes_what_waits() {
    let queue = LogQueue::new();
    queue.push(b"a\n", false);
    queue.push(b"b\n", true);
    let mut out = Vec::new();
    queue.drain(&mut out);
    assert_eq!(out, b"a\nb\n");
}

#[test]
fn lines_that_the_end_has_written_take_no_room() {
    let queue = LogQueue::new();
    let line = vec![b'x'; QUEUE_BYTES / 4];
    for _ in 0..10 {
        queue.push(&line, true);
        let mut out = Vec::new();
        queue.drain(&mut out);
        assert_eq!(out.len(), line.len());
    }
    let state = queue.lock();
    assert_eq!((state.bytes, state.lost), (0, 0));
}

#[test]
fn a_line_that_the_end_cannot_write_is_counted() {
    let (script, for_output) = channel();
    let (for_test, _written) = channel();
    let mut out = Scripted {
        script: for_output,
        written: for_test,
    };
    let queue = LogQueue::new();
    queue.push(b"lost\n", true);
    script.send(Err(ErrorKind::BrokenPipe.into())).unwrap();
    queue.drain(&mut out);
    assert_eq!(queue.lock().lost, 1);
}
