//! The future of a database in words, with the settings that change it.

use super::{Forecast, Outlook, Room};
use crate::domain::retention::KeepFor;

/// Returns the whole days after which the room is used up; `None` if it is not.
#[must_use]
pub fn days_left(outlook: Outlook) -> Option<u64> {
    match outlook {
        Outlook::Fits => None,
        Outlook::DiskFull(days) | Outlook::Limit(days) => Some(whole(days)),
    }
}

/// Returns the words for what will happen, and for what would do.
#[must_use]
pub fn future(forecast: &Forecast, outlook: Outlook, room: Room, kept: KeepFor) -> String {
    let free = room.disk_free_bytes.map(size);
    let level = forecast.level_bytes().map(size);
    let days = days_left(outlook).unwrap_or_default();
    match (outlook, level) {
        (Outlook::Fits, Some(level)) => {
            let free = free
                .map(|free| format!(", {free} are free"))
                .unwrap_or_default();
            format!("it levels off at about {level}{free}")
        }
        (Outlook::Fits, None) => "it has no known limit".to_owned(),
        (Outlook::DiskFull(_), None) if !forecast.is_worrying(outlook) => {
            format!("at this rate the disk will do for {days} days")
        }
        (Outlook::DiskFull(_), None) => {
            let unset = if kept.messages.is_none() {
                "set"
            } else {
                "lower"
            };
            format!(
                "at this rate the disk will be full in {days} days: {unset} --delete-after, or set \
                 --max-database-size"
            )
        }
        (Outlook::DiskFull(_), Some(level)) => format!(
            "it would level off at about {level}, but the disk will be full in {days} days: lower \
             --archive-after or --delete-after, or set --max-database-size"
        ),
        (Outlook::Limit(_), None) => {
            format!(
                "it will reach --max-database-size in {days} days, and then loses its oldest events"
            )
        }
        (Outlook::Limit(_), Some(level)) => format!(
            "it would level off at about {level}, but will reach --max-database-size in {days} days, and then loses \
             its oldest events before their time: raise it, or lower --archive-after or --delete-after"
        ),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates"
)]
fn whole(days: f64) -> u64 {
    days.floor() as u64
}

/// Returns a size as people read it: with one digit after the point.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::growth::GrowthSample;

    const DAY: Duration = Duration::from_hours(24);

    /// A thousand messages a day for ten days, of a kilobyte each.
    fn forecast(kept: KeepFor) -> Forecast {
        let sample = GrowthSample {
            used_bytes: 10_000_000,
            spare_bytes: 0,
            messages: 10_000,
            unarchived: 10_000,
            payload_bytes: 0,
            oldest: 10 * DAY,
            published: 7000,
            period: 7 * DAY,
        };
        Forecast::new(sample, kept).unwrap()
    }

    fn words(delete_after: Option<Duration>, disk: Option<u64>, limit: Option<u64>) -> String {
        let kept = KeepFor {
            payloads: None,
            messages: delete_after,
        };
        let room = Room {
            disk_free_bytes: disk,
            limit_bytes: limit,
        };
        let forecast = forecast(kept);
        future(&forecast, forecast.outlook(room), room, kept)
    }

    #[test]
    fn the_words_say_what_will_happen() {
        let ninety = Some(90 * DAY);
        assert_eq!(
            words(ninety, Some(1 << 30), None),
            "it levels off at about 85.8 MiB, 1.0 GiB are free"
        );
        assert_eq!(words(ninety, None, None), "it levels off at about 85.8 MiB");
        assert_eq!(words(None, None, None), "it has no known limit");
        assert_eq!(
            words(None, Some(400_500_000), None),
            "at this rate the disk will do for 400 days"
        );
        assert_eq!(
            words(None, Some(20_500_000), None),
            "at this rate the disk will be full in 20 days: set --delete-after, or set --max-database-size"
        );
        assert!(words(ninety, Some(40_500_000), None).starts_with(
            "it would level off at about 85.8 MiB, but the disk will be full in 40 days: lower "
        ));
        assert!(
            words(None, Some(1 << 30), Some(20_000_000))
                .starts_with("it will reach --max-database-size in 10 days")
        );
        assert!(words(ninety, Some(1 << 30), Some(20_000_000)).starts_with(
            "it would level off at about 85.8 MiB, but will reach --max-database-size in 10 days"
        ));
    }

    #[test]
    fn sizes_are_short() {
        let shown = [0, 1024, 1_048_576 * 3 / 2, 5 << 40, 1 << 53].map(size);
        assert_eq!(
            shown,
            ["0.0 KiB", "1.0 KiB", "1.5 MiB", "5.0 TiB", "8192.0 TiB"]
        );
    }
}
