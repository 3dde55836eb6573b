//! The tests of estimates: examples that a person can calculate, and laws.

use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;

fn days_of(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

const fn kept(payloads: Option<Duration>, messages: Option<Duration>) -> KeepFor {
    KeepFor { payloads, messages }
}

/// A thousand messages a day for ten days, each with a payload of 400 bytes and 600 bytes of other data.
fn ten_days() -> GrowthSample {
    GrowthSample {
        used_bytes: 10_000 * 1000,
        spare_bytes: 0,
        messages: 10_000,
        unarchived: 10_000,
        payload_bytes: 400,
        oldest: days_of(10),
        published: 7000,
        period: LOOK_BACK,
    }
}

fn forecast(sample: GrowthSample, kept: KeepFor) -> Forecast {
    Forecast::new(sample, kept).unwrap()
}

fn room(disk: u64, limit: Option<u64>) -> Room {
    Room {
        disk_free_bytes: Some(disk),
        limit_bytes: limit,
    }
}

#[test]
fn a_database_levels_off_when_as_much_is_deleted_as_comes_in() {
    let ninety = kept(Some(days_of(30)), Some(days_of(90)));
    let forecast = forecast(ten_days(), ninety);
    assert_eq!(forecast.messages_per_day(), 1000);
    assert_eq!(forecast.bytes_per_message(), 1000);
    let level = 1000 * (90 * 600 + 30 * 400);
    assert_eq!(forecast.level_bytes(), Some(level));
    let outlook = forecast.outlook(room(level, None));
    assert_eq!(outlook, Outlook::Fits);
    assert!(!forecast.is_worrying(outlook));
    // A million bytes come in on a day, until payloads are dropped: then 600,000.
    assert_eq!(
        forecast.outlook(room(10_000_000, None)),
        Outlook::DiskFull(10.0)
    );
    let late = forecast.outlook(room(32_000_000, None));
    assert_eq!(late, Outlook::DiskFull(40.0));
    assert!(forecast.is_worrying(late), "the level is above the room");
    let limited = forecast.outlook(room(GIB, Some(20_000_000)));
    assert_eq!(limited, Outlook::Limit(10.0));
    assert!(forecast.is_worrying(limited));
    let both = forecast.outlook(room(5_000_000, Some(20_000_000)));
    assert_eq!(both, Outlook::DiskFull(5.0));
}

#[test]
fn without_deletion_a_database_grows_until_the_disk_is_full() {
    let forecast = forecast(ten_days(), kept(None, None));
    assert_eq!(forecast.level_bytes(), None);
    let soon = forecast.outlook(room(29_000_000, None));
    assert_eq!(soon, Outlook::DiskFull(29.0));
    assert!(forecast.is_worrying(soon));
    let late = forecast.outlook(room(400_000_000, None));
    assert_eq!(late, Outlook::DiskFull(400.0));
    assert!(!forecast.is_worrying(late));
    let limited = forecast.outlook(room(GIB, Some(20_000_000)));
    assert_eq!(limited, Outlook::Limit(10.0));
    assert!(!forecast.is_worrying(limited), "it is wanted");
}

#[test]
fn free_pages_of_the_file_are_room() {
    let sample = GrowthSample {
        spare_bytes: 3_000_000,
        ..ten_days()
    };
    let forecast = forecast(sample, kept(None, None));
    let outlook = forecast.outlook(room(7_000_000, None));
    assert_eq!(outlook, Outlook::DiskFull(10.0));
}

#[test]
fn a_database_at_its_level_stays_there() {
    let kept = kept(None, Some(days_of(10)));
    let forecast = forecast(ten_days(), kept);
    assert_eq!(forecast.level_bytes(), Some(10_000_000));
    assert_eq!(forecast.outlook(room(1000, None)), Outlook::Fits);
}

#[test]
fn a_server_that_gets_nothing_does_not_grow() {
    let sample = GrowthSample {
        published: 0,
        ..ten_days()
    };
    let forecast = forecast(sample, kept(None, None));
    assert_eq!(forecast.outlook(room(1, None)), Outlook::Fits);
    assert_eq!(forecast.level_bytes(), Some(10_000_000));
}

#[test]
fn an_hour_of_history_is_the_least() {
    let short = GrowthSample {
        period: HISTORY_MIN.saturating_sub(Duration::from_millis(1)),
        ..ten_days()
    };
    assert!(Forecast::new(short, KeepFor::default()).is_none());
    let enough = GrowthSample {
        period: HISTORY_MIN,
        ..ten_days()
    };
    assert!(Forecast::new(enough, KeepFor::default()).is_some());
    let empty = GrowthSample {
        messages: 0,
        ..ten_days()
    };
    assert!(Forecast::new(empty, KeepFor::default()).is_none());
}

prop_compose! {
    fn any_sample()(
        used in 1..1_000_000_000_000_u64,
        spare in 0..1_000_000_000_u64,
        messages in 1..1_000_000_000_u64,
        unarchived in 0..1_000_000_000_u64,
        payload_bytes in 0..1_000_000_u64,
        oldest in 0..400_000_000_u64,
        published in 0..1_000_000_000_u64,
        period in 3600..=604_800_u64,
    ) -> GrowthSample {
        GrowthSample {
            used_bytes: used,
            spare_bytes: spare,
            messages,
            unarchived: unarchived.min(messages),
            payload_bytes,
            oldest: Duration::from_secs(oldest),
            published,
            period: Duration::from_secs(period),
        }
    }
}

fn any_kept() -> impl Strategy<Value = KeepFor> {
    let time = || proptest::option::of((1..400_000_000_u64).prop_map(Duration::from_secs));
    (time(), time()).prop_map(|(payloads, messages)| KeepFor { payloads, messages })
}

proptest! {
    #[test]
    fn the_size_of_today_is_the_present_one(sample in any_sample(), kept in any_kept()) {
        let now = forecast(sample, kept).size_at(0.0);
        let used = float(sample.used_bytes);
        prop_assert!((now - used).abs() <= used * 1e-6 + 1.0, "{now} {used}");
    }

    #[test]
    fn a_size_is_reached_on_the_day_that_is_told(
        sample in any_sample(), kept in any_kept(), free in 1..1_000_000_000_000_u64,
    ) {
        let forecast = forecast(sample, kept);
        let bytes = float(sample.used_bytes) + float(free);
        if let Some(days) = forecast.days_until(bytes) {
            let size = forecast.size_at(days);
            prop_assert!(days >= 0.0);
            prop_assert!((size - bytes).abs() <= bytes * 1e-6 + 1.0, "{size} {bytes}");
        } else {
            prop_assert!(forecast.level_bytes().is_none_or(|level| float(level) <= bytes + 1.0));
        }
    }

    #[test]
    fn more_room_lasts_longer(
        sample in any_sample(), kept in any_kept(), free in 1..1_000_000_000_000_u64,
    ) {
        let forecast = forecast(sample, kept);
        let until = |free| forecast.days_until(float(sample.used_bytes) + float(free));
        let (less, more) = (until(free), until(free * 2));
        prop_assert!(less.unwrap_or(f64::INFINITY) <= more.unwrap_or(f64::INFINITY));
    }
}
