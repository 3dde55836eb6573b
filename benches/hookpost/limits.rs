//! The limits of the machine without Hookpost: the HTTP client against the bare receiver with nothing stored,
//! the database with nothing sent, and the disk.

use std::fs::File;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::Options;
use crate::load::{closed, now_us};
use crate::machine::thread_cpu_us;
use crate::receiver::Receiver;
use crate::report::{Latencies, RawLimits, Report};
use crate::server::Server;

const CLIENT_THREADS: usize = 64;
const SYNCS: usize = 300;
/// The messages of a transaction on the way of an event: as many as the server commits together under 64 connections.
const WAY_GROUP: u32 = 30;

const TABLES: &str = "PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -16384;
    CREATE TABLE message (seq INTEGER PRIMARY KEY, id BLOB UNIQUE, created_at INTEGER, body BLOB);
    CREATE TABLE event (seq INTEGER PRIMARY KEY, id BLOB UNIQUE, message INTEGER, endpoint INTEGER,
                        state INTEGER, due INTEGER, created_at INTEGER);
    CREATE TABLE queue (endpoint INTEGER, event INTEGER, PRIMARY KEY (endpoint, event)) WITHOUT ROWID;
    CREATE TABLE delivery (seq INTEGER PRIMARY KEY, id BLOB UNIQUE, event INTEGER, endpoint INTEGER, code INTEGER,
                           created_at INTEGER, response TEXT);";

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_secs(if options.quick { 2 } else { 5 });
    let (client_per_second, client_us) = client(time)?;
    let what = "ureq, 64 threads, keep-alive, nothing stored";
    report.note(what, client_per_second, "/s");
    report.note(format!("{what}: processor time"), client_us, "µs");
    let folder = options.folder()?;
    let mut messages_per_second = 0.0;
    for group in [100, 1000] {
        let file = folder.path().join(format!("{group}.db"));
        (messages_per_second, _) = messages(&file, group, false, time)?;
        let what = format!("SQLite, WAL, FULL: messages of three rows, {group} a transaction");
        report.note(what, messages_per_second, "/s");
    }
    let (_, rows_us) = messages(&folder.path().join("way.db"), WAY_GROUP, true, time)?;
    let what = format!(
        "SQLite: rows of a message and its delivery, {WAY_GROUP} a transaction: processor time"
    );
    report.note(what, rows_us, "µs");
    let request_us = request(options)?;
    report.note(
        "GET /healthz, 64 connections: processor time of the server",
        request_us,
        "µs",
    );
    let mut syncs = syncs(&folder.path().join("sync"))?;
    report.latencies("append 4 KiB and fdatasync", &mut syncs);
    report.raw = Some(RawLimits {
        client_per_second,
        messages_per_second,
        parts_us: request_us + rows_us + client_us,
    });
    Ok(())
}

/// Returns the requests a second, and the processor time of one in microseconds.
fn client(time: Duration) -> anyhow::Result<(f64, f64)> {
    let receiver = Receiver::start(None)?;
    let url = receiver.url("ok", 0);
    let body = "x".repeat(316);
    let (sent, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let cpu_us = Mutex::new(0.0);
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
            *cpu_us.lock().expect("clients do not panic") += thread_cpu_us();
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
    let sent = sent.into_inner() as f64;
    let cpu_us = cpu_us.into_inner()?;
    Ok((sent / start.elapsed().as_secs_f64(), cpu_us / sent))
}

/// Returns the processor time, in microseconds, that the server needs for a request that reads and stores nothing.
fn request(options: &Options) -> anyhow::Result<f64> {
    let folder = options.folder()?;
    let server = Server::start(&folder.path().join("hookpost.db"))?;
    let before = server.process().cpu();
    let count = if options.quick { 100_000 } else { 400_000 };
    let posted = closed(server.addr, 0..count, |_, request| {
        request.extend_from_slice(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    })?;
    anyhow::ensure!(posted.refused == 0, "the server does not answer 200");
    let cpu = server.process().cpu().saturating_sub(before);
    server.stop()?;
    Ok(cpu.as_micros() as f64 / count as f64)
}

/// Writes messages, each with its event and its place in the queue, and if `delivered` then its delivery, `group` in a
/// transaction. Returns the messages a second, and the processor time of one in microseconds.
fn messages(
    path: &Path,
    group: u32,
    delivered: bool,
    time: Duration,
) -> anyhow::Result<(f64, f64)> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(TABLES)?;
    let body = [b'x'; 316];
    let (start, before_us) = (Instant::now(), thread_cpu_us());
    let mut count = 0_i64;
    while start.elapsed() < time {
        let transaction = connection.transaction()?;
        {
            let mut message =
                transaction.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4)")?;
            let mut event = transaction
                .prepare_cached("INSERT INTO event VALUES (?1, ?2, ?1, 1, 0, NULL, ?3)")?;
            let mut queue = transaction.prepare_cached("INSERT INTO queue VALUES (1, ?1)")?;
            let first = count;
            for _ in 0..group {
                count += 1;
                message.execute(params![count, new_id(), count, body])?;
                event.execute(params![count, new_id(), count])?;
                queue.execute([count])?;
            }
            if delivered {
                deliver(&transaction, first + 1..=count)?;
            }
        }
        transaction.commit()?;
    }
    let used_us = thread_cpu_us() - before_us;
    let count = count as f64;
    Ok((count / start.elapsed().as_secs_f64(), used_us / count))
}

/// Stores the deliveries of events, and takes these from the queue.
fn deliver(connection: &Connection, events: RangeInclusive<i64>) -> anyhow::Result<()> {
    let mut delivery =
        connection.prepare_cached("INSERT INTO delivery VALUES (?1, ?2, ?1, 1, 200, ?1, 'ok')")?;
    let mut event = connection.prepare_cached("UPDATE event SET state = 2 WHERE seq = ?1")?;
    let mut queue =
        connection.prepare_cached("DELETE FROM queue WHERE endpoint = 1 AND event = ?1")?;
    for seq in events {
        delivery.execute(params![seq, new_id()])?;
        event.execute([seq])?;
        queue.execute([seq])?;
    }
    Ok(())
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
