//! The growth of a database: an estimate of its size in the future, from how it grew lately.
//!
//! It assumes that messages go on coming in as often and as large as in the last days, that those that are there
//! came evenly, and that all workspaces keep their data as long as the server.

pub mod outlook_text;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::retention::KeepFor;

/// The time that is looked back, at most.
pub const LOOK_BACK: Duration = Duration::from_hours(7 * 24);

/// The shortest history that an estimate is made from.
const HISTORY_MIN: Duration = Duration::from_hours(1);

/// The days below which a disk that fills up is worth a warning.
const DAYS_MIN: f64 = 30.0;

const DAY_S: f64 = 86_400.0;

/// The measures of a database, some of them from samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrowthSample {
    /// The size of the pages with content.
    pub used_bytes: u64,
    /// The size of the pages without: room for new rows.
    pub spare_bytes: u64,
    /// The messages that are stored.
    pub messages: u64,
    /// Those of them that are too young to have been archived.
    pub unarchived: u64,
    /// The payload of one of these, in bytes.
    pub payload_bytes: u64,
    /// The age of the oldest message.
    pub oldest: Duration,
    /// The messages that came in within `period`.
    pub published: u64,
    /// The time up to now, at most [`LOOK_BACK`].
    pub period: Duration,
}

/// The room that a database has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The free space of its disk, if it is known.
    pub disk_free_bytes: Option<u64>,
    /// The largest size that the settings allow.
    pub limit_bytes: Option<u64>,
}

/// The future of a database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outlook {
    /// It stays within its room.
    Fits,
    /// The disk will be full after so many days.
    DiskFull(f64),
    /// It will reach the largest size that the settings allow after so many days.
    Limit(f64),
}

/// The part of the data that is kept for the same time.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Bytes that come in on a day.
    daily: f64,
    /// Bytes that are there now.
    present: f64,
    /// The days over which these came in.
    came_over: f64,
    /// The days that all is kept; infinite: for ever.
    kept: f64,
}

impl Part {
    fn at(&self, days: f64) -> f64 {
        let left = if self.kept.is_finite() {
            ((self.kept - days) / self.came_over).clamp(0.0, 1.0)
        } else {
            1.0
        };
        self.daily * days.min(self.kept) + self.present * left
    }

    /// Returns the days at which the growth of this part changes.
    fn bends(&self) -> [f64; 2] {
        [self.kept - self.came_over, self.kept]
    }
}

/// An estimate of the size of a database in the future.
#[derive(Clone, Copy, Debug)]
pub struct Forecast {
    sample: GrowthSample,
    messages_per_day: f64,
    payloads: Part,
    rest: Part,
}

impl Forecast {
    /// Makes an estimate; `None` if there is not enough history.
    #[must_use]
    pub fn new(sample: GrowthSample, kept: KeepFor) -> Option<Self> {
        if sample.messages == 0 || sample.period < HISTORY_MIN {
            return None;
        }
        let messages_per_day = float(sample.published) / days(sample.period);
        let used = float(sample.used_bytes);
        let payloads = (float(sample.unarchived) * float(sample.payload_bytes)).min(used);
        let payload = payloads / float(sample.unarchived).max(1.0);
        let rest = (used - payloads) / float(sample.messages);
        let oldest = days(sample.oldest).max(days(HISTORY_MIN));
        let kept_days = |kept: Option<Duration>| kept.map_or(f64::INFINITY, days);
        let part = |bytes: f64, present: f64, kept: f64| Part {
            daily: messages_per_day * bytes,
            present,
            came_over: oldest.min(kept),
            kept,
        };
        let rows_kept = kept_days(kept.messages);
        let payloads_kept = kept_days(kept.payloads).min(rows_kept);
        Some(Self {
            sample,
            messages_per_day,
            payloads: part(payload, payloads, payloads_kept),
            rest: part(rest, used - payloads, rows_kept),
        })
    }

    /// Returns the messages that come in on a day.
    #[must_use]
    pub fn messages_per_day(&self) -> u64 {
        whole(self.messages_per_day)
    }

    /// Returns the size of the database for each message that it has.
    #[must_use]
    pub fn bytes_per_message(&self) -> u64 {
        self.sample.used_bytes / self.sample.messages.max(1)
    }

    /// Returns the size at which the database will level off; `None` if it does not.
    #[must_use]
    pub fn level_bytes(&self) -> Option<u64> {
        let grows_for_ever = |part: &Part| part.kept.is_infinite() && part.daily > 0.0;
        if grows_for_ever(&self.rest) || grows_for_ever(&self.payloads) {
            return None;
        }
        Some(whole(self.size_at(self.last_bend())))
    }

    /// Returns what will happen in a database that has this room.
    #[must_use]
    pub fn outlook(&self, room: Room) -> Outlook {
        let disk = room.disk_free_bytes.and_then(|free| {
            let sample = self.sample;
            self.days_until(float(sample.used_bytes) + float(sample.spare_bytes) + float(free))
        });
        let limit = room
            .limit_bytes
            .and_then(|limit| self.days_until(float(limit)));
        match (disk, limit) {
            (None, None) => Outlook::Fits,
            (Some(disk), None) => Outlook::DiskFull(disk),
            (Some(disk), Some(limit)) if disk < limit => Outlook::DiskFull(disk),
            (_, Some(limit)) => Outlook::Limit(limit),
        }
    }

    /// Reports whether somebody should do something about this outlook: the settings ask for more data than there is
    /// room for, or the disk is full soon. A database without end that has a limit is as its operator wants it.
    #[must_use]
    pub fn is_worrying(&self, outlook: Outlook) -> bool {
        match outlook {
            Outlook::Fits => false,
            Outlook::DiskFull(days) => days < DAYS_MIN || self.level_bytes().is_some(),
            Outlook::Limit(_) => self.level_bytes().is_some(),
        }
    }

    fn size_at(&self, days: f64) -> f64 {
        self.payloads.at(days) + self.rest.at(days)
    }

    /// Returns the day from which the growth is constant.
    fn last_bend(&self) -> f64 {
        let bends = [self.payloads.bends(), self.rest.bends()];
        let finite = bends.into_iter().flatten().filter(|day| day.is_finite());
        finite.fold(0.0, f64::max)
    }

    /// Returns the days until the database has so many bytes; `None` if it never does.
    fn days_until(&self, bytes: f64) -> Option<f64> {
        let last = self.last_bend();
        let mut days: Vec<f64> = [self.payloads.bends(), self.rest.bends()]
            .into_iter()
            .flatten()
            .filter(|day| day.is_finite())
            .chain([0.0, last + 1.0])
            .collect();
        days.sort_by(f64::total_cmp);
        // Between two bends the size is a straight line, and after the last one, too.
        for (from, to) in days.iter().zip(days.iter().skip(1)) {
            let (before, after) = (self.size_at(*from), self.size_at(*to));
            if before >= bytes {
                return Some(*from);
            }
            if after >= bytes {
                return Some(from + (to - from) * (bytes - before) / (after - before));
            }
        }
        let (end, daily) = (last + 1.0, self.size_at(last + 1.0) - self.size_at(last));
        let more = bytes - self.size_at(end);
        // A growth of less than a byte a day is the rounding of these numbers.
        (daily > 1.0).then(|| end + more / daily)
    }
}

fn days(time: Duration) -> f64 {
    time.as_secs_f64() / DAY_S
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate needs no more than 53 bits"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
