//! Figures of the machine and of a process on it. Linux has them under /proc; on other systems they are
//! missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The time between two looks at the size of the write-ahead log.
const WAL_SAMPLES: Duration = Duration::from_millis(10);

/// The machine, as lines of a Markdown list.
pub(crate) fn facts(dir: &Path) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let model = line_of("/proc/cpuinfo", "model name").unwrap_or_default();
    let memory = line_of("/proc/meminfo", "MemTotal").and_then(|line| kilobytes(&line));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "- {cores} cores, {model}; {:.0} GB of memory; {} {}\n\
         - {}\n- SQLite {}; load generator, receiver and server on the same cores\n",
        memory.unwrap_or_default() / 1000.0,
        std::env::consts::OS,
        kernel.trim(),
        file_system(dir).unwrap_or_else(|| "file system unknown".to_owned()),
        rusqlite::version(),
    )
}

fn line_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A figure in kB, in MB.
fn kilobytes(text: &str) -> Option<f64> {
    let number: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024.0 / 1e6)
}

fn file_system(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let (at, kind, options) = mounted
        .filter(|(at, _, _)| dir.starts_with(at))
        .max_by_key(|(at, _, _)| at.len())?;
    Some(format!("{kind} at {at} ({options})"))
}

/// A process, by its id.
#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Resident memory in MB, now.
    pub(crate) fn resident_mb(self) -> f64 {
        self.status("VmRSS")
    }

    /// The most resident memory in MB that it had so far.
    pub(crate) fn peak_mb(self) -> f64 {
        self.status("VmHWM")
    }

    fn status(self, key: &str) -> f64 {
        let line = line_of(&format!("/proc/{}/status", self.0), key);
        line.and_then(|line| kilobytes(&line)).unwrap_or(f64::NAN)
    }

    /// Processor time that it has used.
    pub(crate) fn cpu(self) -> Duration {
        // Times are in ticks of 10 ms on every Linux; they follow the name, which ends with `)`.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = times.filter_map(|time| time.parse::<u64>().ok()).sum();
        Duration::from_millis(10 * ticks)
    }

    /// The times that its threads gave up a processor by themselves, mostly to wait. Threads that have ended are not
    /// counted.
    pub(crate) fn waits(self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0));
        let files = threads.into_iter().flatten().flatten();
        let counts = files.filter_map(|thread| {
            let file = thread.path().join("status");
            let count = line_of(file.to_str()?, "voluntary_ctxt_switches")?;
            count.parse::<f64>().ok()
        });
        counts.sum()
    }
}

/// Processor time that the calling thread has used, in microseconds.
pub(crate) fn thread_cpu_us() -> f64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = times
        .split(' ')
        .next()
        .and_then(|it| it.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e3
}

/// A watcher of the size of a database's write-ahead log.
pub(crate) struct WalWatch {
    done: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl WalWatch {
    pub(crate) fn start(database: &Path) -> Self {
        let mut name = database.as_os_str().to_owned();
        name.push("-wal");
        let wal = PathBuf::from(name);
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        let thread = thread::spawn(move || {
            let mut most = 0;
            while !seen.load(Ordering::Relaxed) {
                most = most.max(fs::metadata(&wal).map_or(0, |file| file.len()));
                thread::sleep(WAL_SAMPLES);
            }
            most
        });
        Self { done, thread }
    }

    /// The largest size in MB.
    pub(crate) fn stop(self) -> f64 {
        self.done.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_or(f64::NAN, |most| most as f64 / 1e6)
    }
}
