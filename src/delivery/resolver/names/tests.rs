use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Addresses, Found, Job, MAX_NAMES, MAX_QUEUED, Names, STALE};
use crate::delivery::resolver::LookupError;

const QUICK: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_secs(8);

fn addresses(last: u8) -> Addresses {
    Arc::new([IpAddr::from([8, 8, 8, last])])
}

fn failure() -> Result<Addresses, LookupError> {
    Err(LookupError("no such name".to_owned()))
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Returns names with "a.example" resolved quickly, and the time of that.
fn resolved() -> (Names, Instant) {
    let mut names = Names::new(2);
    let start = Instant::now();
    assert!(matches!(
        names.find("a.example", start),
        Found::Wait { stale: None, .. }
    ));
    let job = names.take().expect("a look-up");
    names.finish(&job, Ok(addresses(1)), QUICK, start);
    (names, start)
}

fn found(names: &mut Names, now: Instant) -> Option<Addresses> {
    match names.find("a.example", now) {
        Found::Addresses(found) => Some(found),
        _ => None,
    }
}

#[test]
fn addresses_are_used_for_five_seconds() {
    let (mut names, start) = resolved();
    assert_eq!(found(&mut names, start), Some(addresses(1)));
    assert_eq!(found(&mut names, start + secs(4.999)), Some(addresses(1)));
    let (mut names, start) = resolved();
    assert_eq!(found(&mut names, start + secs(5.0)), None);
}

#[test]
fn addresses_in_use_are_renewed_before_they_expire() {
    let (mut names, start) = resolved();
    assert_eq!(found(&mut names, start + secs(3.9)), Some(addresses(1)));
    assert!(names.take().is_none(), "too early");
    assert_eq!(found(&mut names, start + secs(4.1)), Some(addresses(1)));
    assert_eq!(found(&mut names, start + secs(4.2)), Some(addresses(1)));
    let job = names.take().expect("the renewal");
    assert!(names.take().is_none(), "one look-up per name");
    names.finish(&job, Ok(addresses(2)), QUICK, start + secs(4.3));
    assert_eq!(found(&mut names, start + secs(4.4)), Some(addresses(2)));
    assert_eq!(found(&mut names, start + secs(8.2)), Some(addresses(2)));
    assert!(names.take().is_none(), "their age counts from the renewal");
}

#[test]
fn the_last_addresses_stand_in_for_a_slow_look_up() {
    let (mut names, start) = resolved();
    let Found::Wait {
        stale: Some((old, patience)),
        ..
    } = names.find("a.example", start + secs(60.0))
    else {
        panic!("addresses to fall back on");
    };
    assert_eq!((old, patience), (addresses(1), secs(1.0)));
    let job = names.take().expect("a look-up");
    // While the look-up runs, the time to wait for it ends.
    for (elapsed, left) in [(60.25, 0.75), (61.0, 0.0), (90.0, 0.0)] {
        let Found::Wait {
            stale: Some((_, patience)),
            ..
        } = names.find("a.example", start + secs(elapsed))
        else {
            panic!("addresses to fall back on");
        };
        assert_eq!(patience, secs(left));
    }
    // It fails slowly: that says nothing about the name, and no sender waits for the next look-up.
    names.finish(&job, failure(), SLOW, start + secs(91.0));
    assert!(matches!(
        names.find("a.example", start + secs(91.0)),
        Found::Wait {
            stale: Some((_, Duration::ZERO)),
            ..
        }
    ));
    // After five minutes the addresses are not used any more.
    assert!(matches!(
        names.find("a.example", start + secs(300.0)),
        Found::Wait { stale: None, .. }
    ));
}

#[test]
fn who_waits_for_a_slow_failure_gets_the_last_addresses() {
    let (mut names, start) = resolved();
    let Found::Wait { look_up, .. } = names.find("a.example", start + secs(60.0)) else {
        panic!("a look-up");
    };
    let job = names.take().expect("the look-up");
    names.finish(&job, failure(), SLOW, start + secs(68.0));
    assert_eq!(look_up.wait(Duration::ZERO), Some(Ok(addresses(1))));
}

#[test]
fn a_quick_failure_counts_for_a_second() {
    let (mut names, start) = resolved();
    names.find("a.example", start + secs(60.0));
    let job = names.take().expect("a look-up");
    names.finish(&job, failure(), QUICK, start + secs(60.0));
    assert!(matches!(
        names.find("a.example", start + secs(60.9)),
        Found::Failed(_)
    ));
    assert!(names.take().is_none());
    assert!(matches!(
        names.find("a.example", start + secs(61.1)),
        Found::Wait { stale: None, .. }
    ));
}

/// Finds a name, and runs the look-up that this queues.
fn look_up(names: &mut Names, host: &str, took: Duration, now: Instant) {
    names.find(host, now);
    let job = names.take().expect("a look-up");
    assert_eq!(&*job.host, host);
    names.finish(&job, Ok(addresses(1)), took, now);
}

fn hosts(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| &*job.host).collect()
}

#[test]
fn only_quick_names_may_use_every_thread() {
    let mut names = Names::new(2);
    let start = Instant::now();
    look_up(&mut names, "quick.example", QUICK, start);
    look_up(&mut names, "slow.example", SLOW, start);
    let later = start + secs(400.0);
    for host in [
        "slow.example",
        "new-1.example",
        "new-2.example",
        "quick.example",
    ] {
        names.find(host, later);
    }
    assert_eq!(names.runnable(), 3);
    let running: Vec<Job> = std::iter::from_fn(|| names.take()).collect();
    assert_eq!(
        hosts(&running),
        ["quick.example", "new-1.example", "new-2.example"]
    );
    assert_eq!(names.runnable(), 0, "the slow name waits");
    names.finish(&running[0], Ok(addresses(1)), QUICK, later);
    assert!(names.take().is_none(), "a quick one makes no room for it");
    names.finish(&running[1], failure(), QUICK, later);
    assert_eq!(
        names.take().map(|job| job.host).as_deref(),
        Some("slow.example")
    );
}

#[test]
fn waiting_look_ups_are_bounded() {
    let (mut names, start) = resolved();
    for n in 0..MAX_QUEUED {
        assert!(matches!(
            names.find(&format!("{n}.example"), start),
            Found::Wait { .. }
        ));
    }
    assert!(matches!(names.find("more.example", start), Found::Full));
    assert!(matches!(names.find("7.example", start), Found::Wait { .. },));
    // The cached addresses are still used, though they can't be renewed.
    let later = start + secs(60.0);
    assert_eq!(found(&mut names, later), Some(addresses(1)));
    assert!(matches!(
        names.find("a.example", start + STALE),
        Found::Full
    ));
}

#[test]
fn remembered_names_are_bounded() {
    let mut names = Names::new(2);
    let start = Instant::now();
    for n in 0..u32::try_from(3 * MAX_NAMES).expect("small") {
        let now = start + Duration::from_millis(1) * n;
        look_up(&mut names, &format!("{n}.example"), QUICK, now);
        // One name is in use all the time.
        if n > 0 && n % 1000 == 0 {
            names.find("0.example", now);
            while let Some(job) = names.take() {
                names.finish(&job, Ok(addresses(1)), QUICK, now);
            }
        }
        assert!(names.entries.len() <= MAX_NAMES);
    }
    assert!(names.entries.contains_key("0.example"));
    assert!(!names.entries.contains_key("1.example"));
    assert!(names.entries.len() >= MAX_NAMES / 2);
}
