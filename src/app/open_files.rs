//! The limit of open files, and the share of it that each part of the server gets.
//!
//! A client's connection, an attempt under way and the database all need open files. At the limit, even
//! attempts to healthy endpoints would fail. So clients get only the files that the other parts do not need.

/// The files for everything else: the database, the log, the wake-ups of threads, and look-ups of names.
const OTHERS: usize = 128;

/// The files of each sender: its connection, one that stays open for its next attempt, and one more, as a
/// sender dials up to three addresses at a time. Few need all three: new and bad endpoints get little more than
/// half of the senders, and a good one rarely has addresses that do not answer.
const PER_SENDER: usize = 3;

/// The limit that is assumed if the system does not tell the real one: a usual limit for services.
const ASSUMED: usize = 65_536;

/// Raises the soft limit of open files to the hard one; if that fails, the limit stays. Systems set a low
/// soft limit (often 1024) for old programs that use `select`. To be called once, at the start.
pub fn raise_open_files() {
    if let Some((soft, hard)) = limits()
        && soft < hard
        && let Err(error) = raise(hard)
    {
        tracing::debug!(soft, hard, %error, "the limit of open files stays");
    }
}

/// Returns the number of client connections that the limit allows beside `senders` and the other files.
pub(super) fn for_connections(senders: usize) -> usize {
    let (open, _) = limits().unwrap_or((ASSUMED, ASSUMED));
    open.saturating_sub(OTHERS + senders * PER_SENDER)
}

/// Returns the number of files that the process may open.
pub(super) fn soft_limit() -> Option<usize> {
    limits().map(|(soft, _)| soft)
}

/// Returns the soft and the hard limit.
fn limits() -> Option<(usize, usize)> {
    // Read as text, because the system call for it may be forbidden to services.
    parse(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn parse(text: &str) -> Option<(usize, usize)> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let mut numbers = line.split_whitespace().map(|number| match number {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    });
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(target_os = "linux")]
fn raise(to: usize) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let limit = u64::try_from(to).ok().filter(|_| to != usize::MAX);
    let all = Rlimit {
        current: limit,
        maximum: limit,
    };
    Ok(setrlimit(Resource::Nofile, all)?)
}

#[cfg(not(target_os = "linux"))]
fn raise(_: usize) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_system_writes_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             15366                15366                processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(parse(text), Some((1024, 524_288)));
        assert_eq!(
            parse("Max open files  unlimited unlimited files"),
            Some((usize::MAX, usize::MAX))
        );
        assert_eq!(parse("Max open files"), None);
        assert_eq!(parse(""), None);
    }
}
