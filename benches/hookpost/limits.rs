//! The limits of the machine without Hookpost: the HTTP client against the bare receiver with nothing stored,
//! the database with nothing sent, and the disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::Options;
use crate::load::now_us;
use crate::receiver::Receiver;
use crate::report::{Latencies, RawLimits, Report};

const CLIENT_THREADS: usize = 64;
const SYNCS: usize = 300;

const TABLES: &str = "PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -16384;
    CREATE TABLE message (seq INTEGER PRIMARY KEY, id BLOB UNIQUE, created_at INTEGER, body BLOB);
    CREATE TABLE event (seq INTEGER PRIMARY KEY, id BLOB UNIQUE, message INTEGER, endpoint INTEGER,
                        state INTEGER, due INTEGER, created_at INTEGER);
    CREATE TABLE queue (endpoint INTEGER, event INTEGER, PRIMARY KEY (endpoint, event)) WITHOUT ROWID;";

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_secs(if options.quick { 2 } else { 5 });
    let client_per_second = client(time)?;
    report.note(
        "ureq, 64 threads, keep-alive, nothing stored",
        client_per_second,
        "/s",
    );
    let folder = options.folder()?;
    let mut messages_per_second = 0.0;
    for group in [100, 1000] {
        messages_per_second = messages(&folder.path().join(format!("{group}.db")), group, time)?;
        let what = format!("SQLite, WAL, FULL: messages of three rows, {group} a transaction");
        report.note(what, messages_per_second, "/s");
    }
    let mut syncs = syncs(&folder.path().join("sync"))?;
    report.latencies("append 4 KiB and fdatasync", &mut syncs);
    report.raw = Some(RawLimits {
        client_per_second,
        messages_per_second,
    });
    Ok(())
}

fn client(time: Duration) -> anyhow::Result<f64> {
    let receiver = Receiver::start(None)?;
    let url = receiver.url("ok", 0);
    let body = "x".repeat(316);
    let (sent, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    thread::scope(|scope| {
        let send = || -> Result<(), ureq::Error> {
            let config = ureq::Agent::config_builder()
                .proxy(None)
                .input_buffer_size(16 * 1024)
                .output_buffer_size(16 * 1024);
            let agent = config.build().new_agent();
            while !done.load(Ordering::Relaxed) {
                agent.post(&url).send(&body)?.body_mut().read_to_vec()?;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let running: Vec<_> = (0..CLIENT_THREADS).map(|_| scope.spawn(send)).collect();
        thread::sleep(time);
        done.store(true, Ordering::Relaxed);
        for thread in running {
            thread.join().expect("clients do not panic")?;
        }
        anyhow::Ok(())
    })?;
    Ok(sent.into_inner() as f64 / start.elapsed().as_secs_f64())
}

/// Messages a second, each with its event and its place in the queue, `group` in a transaction.
fn messages(path: &Path, group: u32, time: Duration) -> anyhow::Result<f64> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(TABLES)?;
    let body = [b'x'; 316];
    let start = Instant::now();
    let mut count = 0_i64;
    while start.elapsed() < time {
        let transaction = connection.transaction()?;
        {
            let mut message =
                transaction.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4)")?;
            let mut event = transaction
                .prepare_cached("INSERT INTO event VALUES (?1, ?2, ?1, 1, 0, NULL, ?3)")?;
            let mut queue = transaction.prepare_cached("INSERT INTO queue VALUES (1, ?1)")?;
            for _ in 0..group {
                count += 1;
                message.execute(params![count, new_id(), count, body])?;
                event.execute(params![count, new_id(), count])?;
                queue.execute([count])?;
            }
        }
        transaction.commit()?;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// As the server makes them: a clock of milliseconds, then random bits.
fn new_id() -> [u8; 16] {
    let random: u128 = rand::random();
    let clock = u128::from(now_us() / 1000) << 80;
    (clock | (random >> 48)).to_be_bytes()
}

fn syncs(path: &Path) -> anyhow::Result<Latencies> {
    let mut file = File::create(path)?;
    let mut latencies = Latencies::default();
    for _ in 0..SYNCS {
        file.write_all(&[0; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        latencies.push(u64::try_from(start.elapsed().as_micros())?);
    }
    Ok(latencies)
}
