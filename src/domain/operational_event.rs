//! Operational events: what the server tells people of their endpoints and of itself, as messages that are
//! published like any others. Here are their types, their data and the rules for when they are due.
//!
//! The data names an endpoint by its origin, never by its URL: the path of a webhook is often a credential. It has
//! no payload of an event. Each has `text`, one sentence, because the formats for chat services show only members
//! that are no objects.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::clock::Timestamp;
use super::endpoint::DisabledReason;
use super::endpoint_url::EndpointUrl;
use super::event_type::EventType;
use super::job::{JobAction, LeftOut};
use super::words::words;

words! {
    /// The type of an operational event. Each begins with
    /// [`RESERVED_PREFIX`](super::event_type::RESERVED_PREFIX).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum OperationalType {
        /// An endpoint fails, and is going to be disabled if it goes on: the warning before.
        EndpointFailing = "hookpost.endpoint.failing",
        /// The server disabled an endpoint.
        EndpointDisabled = "hookpost.endpoint.disabled",
        /// An endpoint of which it was told that it fails has answered with a 2xx.
        EndpointRecovered = "hookpost.endpoint.recovered",
        /// Events failed for good.
        EventFailed = "hookpost.event.failed",
        /// Events of an endpoint have been due for long.
        BacklogOld = "hookpost.backlog.old",
        /// No event of the endpoint is due for long any more.
        BacklogCleared = "hookpost.backlog.cleared",
        /// A job has finished.
        JobFinished = "hookpost.job.finished",
        /// The disk of the database is nearly full.
        DiskLow = "hookpost.disk.low",
    }
}

impl OperationalType {
    /// Returns it as the type of a message.
    #[must_use]
    pub fn event_type(self) -> EventType {
        EventType::from_stored(self.as_str().to_owned())
    }
}

/// The number of rests in a row at which an endpoint counts as failing: with the default schedule it has been down for
/// three quarters of an hour then.
pub const FAILING_RESTS: u32 = 5;

/// The shortest time between two events [`OperationalType::EventFailed`] of an endpoint, so that an outage is one
/// message and not a flood.
pub const EVENT_FAILED_PERIOD: Duration = Duration::from_mins(10);

/// The time after which people are told again of a backlog that is still old.
pub const BACKLOG_PERIOD: Duration = Duration::from_hours(1);

/// The reason why an endpoint counts as failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailingReason {
    /// Half as many events in a row failed as disable an endpoint.
    Failures,
    /// It rests for the [`FAILING_RESTS`]th time in a row.
    Rests,
}

impl FailingReason {
    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Rests => "rests",
        }
    }

    /// Returns the reason why an endpoint fails that is not disabled; `None` if it does not. So many failed events in a
    /// row as `disable_after` says disable an endpoint; 0 means never.
    #[must_use]
    pub fn of(failures: u32, rests: u32, disable_after: u32) -> Option<Self> {
        let warned_at = disable_after.div_ceil(2);
        if disable_after > 0 && failures >= warned_at && failures < disable_after {
            Some(Self::Failures)
        } else if rests >= FAILING_RESTS {
            Some(Self::Rests)
        } else {
            None
        }
    }
}

/// Reports whether people are to be told at `now`, if they were told last at `told_at`. A time in the future was noted
/// before the clock was set back.
#[must_use]
pub fn is_due_again(told_at: Option<Timestamp>, period: Duration, now: Timestamp) -> bool {
    told_at.is_none_or(|told_at| told_at > now || now.since(told_at) >= period)
}

/// A workspace, as operational events name it.
#[derive(Clone, Debug, Serialize)]
pub struct WorkspaceFacts {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// An endpoint, as operational events name it.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointFacts {
    /// Its id.
    pub id: Uuid,
    /// Its name for people; may be empty.
    pub name: String,
    /// The scheme, host and port of its URL.
    pub origin: String,
    /// Its description for people; may be empty.
    pub description: String,
}

impl EndpointFacts {
    /// Returns the origin of a URL.
    #[must_use]
    pub fn origin_of(url: &EndpointUrl) -> String {
        let url = url.url();
        url.map_or_else(String::new, |url| url.origin().ascii_serialization())
    }

    /// Returns the endpoint in words.
    fn in_words(&self) -> String {
        if self.name.is_empty() {
            format!("Endpoint {}", self.origin)
        } else {
            format!("Endpoint “{}” ({})", self.name, self.origin)
        }
    }
}

/// The last attempt to an endpoint.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LastAttempt {
    /// The time at which it was recorded.
    pub at: Timestamp,
    /// The status code, if there was an answer.
    pub http_code: Option<u16>,
    /// The reason why there was no answer, as a word.
    pub error: Option<&'static str>,
}

/// The event of which the failure is told.
#[derive(Clone, Debug, Serialize)]
pub struct FailedEvent {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub r#type: EventType,
}

/// What has happened to an endpoint.
#[derive(Clone, Debug)]
pub enum EndpointNews {
    /// It fails.
    Failing {
        /// The reason.
        reason: FailingReason,
        /// Events in a row that failed.
        failures: u32,
        /// Rests in a row.
        rests: u32,
        /// The number of failed events in a row that disables it; 0: none does.
        disable_after: u32,
        /// The attempt that showed it.
        last: LastAttempt,
    },
    /// The server disabled it.
    Disabled {
        /// The reason.
        reason: DisabledReason,
        /// Events in a row that failed.
        failures: u32,
        /// The number of its pending events, which are skipped; `None` if there are too many to count.
        skipped: Option<u64>,
        /// The attempt that showed it.
        last: LastAttempt,
    },
    /// It has answered with a 2xx after it failed.
    Recovered {
        /// The time when people were told that it fails.
        failing_since: Timestamp,
        /// The attempt that succeeded.
        last: LastAttempt,
    },
    /// Events failed for good.
    EventFailed {
        /// The number of events that failed since people were told last.
        count: u32,
        /// Events in a row that failed.
        failures: u32,
        /// The last of them; `None` if it is not known.
        event: Option<FailedEvent>,
        /// The last attempt of that event.
        last: Option<LastAttempt>,
    },
    /// Its oldest due event has waited for long.
    BacklogOld {
        /// The time at which that event became due.
        due_since: Timestamp,
        /// The time that it has waited.
        waited: Duration,
    },
    /// No event waits for long any more.
    BacklogCleared,
}

/// The data of an operational event of an endpoint, in the order of the members.
#[derive(Serialize)]
struct EndpointData<'a> {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<&'a WorkspaceFacts>,
    endpoint: &'a EndpointFacts,
    #[serde(flatten)]
    news: NewsData<'a>,
}

/// A number of events that were skipped; null if it is not known.
#[derive(Serialize)]
struct Skipped(Option<u64>);

/// The members that depend on the news. A member that an event does not have is left out.
#[derive(Default, Serialize)]
struct NewsData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Skipped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a FailedEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<LastAttempt>,
}

impl EndpointNews {
    /// Returns the type of the event.
    #[must_use]
    pub const fn kind(&self) -> OperationalType {
        match self {
            Self::Failing { .. } => OperationalType::EndpointFailing,
            Self::Disabled { .. } => OperationalType::EndpointDisabled,
            Self::Recovered { .. } => OperationalType::EndpointRecovered,
            Self::EventFailed { .. } => OperationalType::EventFailed,
            Self::BacklogOld { .. } => OperationalType::BacklogOld,
            Self::BacklogCleared => OperationalType::BacklogCleared,
        }
    }

    /// Returns the data of the event. `workspace`: the owner of the endpoint, unless it is told itself.
    #[must_use]
    pub fn data(
        &self,
        workspace: Option<&WorkspaceFacts>,
        endpoint: &EndpointFacts,
    ) -> Box<RawValue> {
        let of = workspace.map_or_else(String::new, |it| format!(" of workspace “{}”", it.name));
        let data = EndpointData {
            text: format!("{}{of} {}.", endpoint.in_words(), self.in_words()),
            workspace,
            endpoint,
            news: self.members(),
        };
        serde_json::value::to_raw_value(&data).expect("its keys are texts, and no value can fail")
    }

    fn members(&self) -> NewsData<'_> {
        let none = NewsData::default();
        match self {
            Self::Failing {
                reason,
                failures,
                rests,
                disable_after,
                last,
            } => NewsData {
                reason: Some(reason.as_str()),
                failures: Some(*failures),
                rests: Some(*rests),
                disable_after: Some(*disable_after),
                last: Some(*last),
                ..none
            },
            Self::Disabled {
                reason,
                failures,
                skipped,
                last,
            } => NewsData {
                reason: Some(reason.as_str()),
                failures: Some(*failures),
                skipped: Some(Skipped(*skipped)),
                last: Some(*last),
                ..none
            },
            Self::Recovered {
                failing_since,
                last,
            } => NewsData {
                failures: Some(0),
                failing_since: Some(*failing_since),
                last: Some(*last),
                ..none
            },
            Self::EventFailed {
                count,
                failures,
                event,
                last,
            } => NewsData {
                failures: Some(*failures),
                count: Some(*count),
                event: event.as_ref(),
                last: *last,
                ..none
            },
            Self::BacklogOld { due_since, waited } => NewsData {
                due_since: Some(*due_since),
                waited_seconds: Some(waited.as_secs()),
                ..none
            },
            Self::BacklogCleared => none,
        }
    }

    /// Returns what is told, as the end of a sentence that begins with the endpoint.
    fn in_words(&self) -> String {
        let events = |count: u32| number_of_events(count.into());
        match self {
            Self::Failing {
                reason: FailingReason::Failures,
                failures,
                disable_after,
                ..
            } => format!(
                "is failing: {} in a row failed; at {disable_after} it is disabled",
                events(*failures)
            ),
            Self::Failing { rests, .. } => {
                format!("is failing: no attempt has succeeded in {rests} rests in a row")
            }
            Self::Disabled {
                reason, failures, ..
            } => match reason {
                DisabledReason::Gone => "was disabled: it answered 410 Gone".to_owned(),
                DisabledReason::Failing => {
                    format!("was disabled: {} in a row failed", events(*failures))
                }
                DisabledReason::Manual => "was disabled by a user".to_owned(),
            },
            Self::Recovered { .. } => "has recovered: it answered with a 2xx".to_owned(),
            Self::EventFailed { count, .. } => {
                format!("did not get {} after all retries", events(*count))
            }
            Self::BacklogOld { waited, .. } => format!(
                "has a backlog: its oldest due event has waited for {}",
                match waited.as_secs() {
                    seconds @ 0..120 => format!("{seconds} seconds"),
                    seconds => format!("{} minutes", seconds / 60),
                }
            ),
            Self::BacklogCleared => "has no old backlog any more".to_owned(),
        }
    }
}

fn number_of_events(count: u64) -> String {
    match count {
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}

/// Returns the data of [`OperationalType::DiskLow`]. Sizes are in bytes.
#[must_use]
pub fn disk_low(free: u64, threshold: u64) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Data {
        text: String,
        free_bytes: u64,
        threshold_bytes: u64,
    }
    let data = Data {
        text: format!(
            "The disk of Hookpost's database has {} MiB left.",
            free >> 20
        ),
        free_bytes: free,
        threshold_bytes: threshold,
    };
    serde_json::value::to_raw_value(&data).expect("its keys are texts, and no value can fail")
}

/// A job that has finished.
#[derive(Clone, Copy, Debug)]
pub struct FinishedJob {
    /// Its id.
    pub id: Uuid,
    /// Its action.
    pub action: JobAction,
    /// The number of events of its set.
    pub matched: u64,
    /// The number of events that it acted on.
    pub done: u64,
    /// The events that it left out.
    pub left_out: LeftOut,
}

impl FinishedJob {
    /// Returns the data of [`OperationalType::JobFinished`]. `workspace`: the owner of the job, unless it is told
    /// itself, or the job was for all workspaces.
    #[must_use]
    pub fn data(&self, workspace: Option<&WorkspaceFacts>) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Counts {
            archived: u64,
            endpoint_disabled: u64,
            endpoint_deleted: u64,
            changed: u64,
        }
        #[derive(Serialize)]
        struct Job {
            id: Uuid,
            action: &'static str,
            matched: u64,
            done: u64,
            left_out: Counts,
        }
        #[derive(Serialize)]
        struct Data<'a> {
            text: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            workspace: Option<&'a WorkspaceFacts>,
            job: Job,
        }
        let LeftOut {
            archived,
            endpoint_disabled,
            endpoint_deleted,
            changed,
        } = self.left_out;
        let of = workspace.map_or_else(String::new, |it| format!(" of workspace “{}”", it.name));
        let (action, done) = (self.action.as_str(), self.done);
        let left = self.left_out.total();
        let data = Data {
            text: format!(
                "A job{of} has finished: {action}, {}, {left} left out.",
                number_of_events(done)
            ),
            workspace,
            job: Job {
                id: self.id,
                action,
                matched: self.matched,
                done,
                left_out: Counts {
                    archived,
                    endpoint_disabled,
                    endpoint_deleted,
                    changed,
                },
            },
        };
        serde_json::value::to_raw_value(&data).expect("its keys are texts, and no value can fail")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn endpoint() -> EndpointFacts {
        let url = "https://hooks.example.com:8443/services/T00/B00/secret?key=hidden#part";
        EndpointFacts {
            id: Uuid::nil(),
            name: "Orders".to_owned(),
            origin: EndpointFacts::origin_of(&EndpointUrl::from_stored(url.to_owned())),
            description: "the warehouse".to_owned(),
        }
    }

    fn workspace() -> WorkspaceFacts {
        WorkspaceFacts {
            id: Uuid::max(),
            name: "shop".to_owned(),
        }
    }

    const LAST: LastAttempt = LastAttempt {
        at: NOW,
        http_code: Some(503),
        error: None,
    };

    fn all() -> Vec<EndpointNews> {
        vec![
            EndpointNews::Failing {
                reason: FailingReason::Failures,
                failures: 5,
                rests: 2,
                disable_after: 10,
                last: LAST,
            },
            EndpointNews::Failing {
                reason: FailingReason::Rests,
                failures: 0,
                rests: 5,
                disable_after: 10,
                last: LAST,
            },
            EndpointNews::Disabled {
                reason: DisabledReason::Gone,
                failures: 1,
                skipped: Some(7),
                last: LAST,
            },
            EndpointNews::Disabled {
                reason: DisabledReason::Failing,
                failures: 10,
                skipped: None,
                last: LastAttempt {
                    http_code: None,
                    error: Some("timeout"),
                    ..LAST
                },
            },
            EndpointNews::Recovered {
                failing_since: NOW.before(Duration::from_mins(9)),
                last: LAST,
            },
            EndpointNews::EventFailed {
                count: 1,
                failures: 1,
                event: Some(FailedEvent {
                    id: Uuid::nil(),
                    r#type: EventType::parse("order.paid").unwrap(),
                }),
                last: Some(LAST),
            },
            EndpointNews::EventFailed {
                count: 9,
                failures: 3,
                event: None,
                last: None,
            },
            EndpointNews::BacklogOld {
                due_since: NOW.before(Duration::from_mins(16)),
                waited: Duration::from_mins(16),
            },
            EndpointNews::BacklogCleared,
        ]
    }

    fn finished_job() -> FinishedJob {
        FinishedJob {
            id: Uuid::nil(),
            action: JobAction::Redeliver,
            matched: 9,
            done: 7,
            left_out: LeftOut {
                archived: 2,
                ..LeftOut::default()
            },
        }
    }

    #[test]
    fn the_data_is_as_reviewed() {
        let shown: Vec<String> = all()
            .iter()
            .map(|news| {
                let kind = news.kind().as_str();
                format!(
                    "{kind}\n{}\n",
                    news.data(Some(&workspace()), &endpoint()).get()
                )
            })
            .chain([format!(
                "hookpost.job.finished\n{}\n",
                finished_job().data(Some(&workspace())).get()
            )])
            .chain([format!(
                "hookpost.disk.low\n{}\n",
                disk_low(5 << 20, 1 << 30).get()
            )])
            .collect();
        insta::assert_snapshot!(shown.concat());
    }

    #[test]
    fn no_path_query_or_fragment_is_told() {
        for news in all() {
            for of in [None, Some(&workspace())] {
                let data = news.data(of, &endpoint());
                for part in ["services", "secret", "hidden", "part\"", "T00"] {
                    assert!(!data.get().contains(part), "{data}");
                }
                assert!(data.get().contains("https://hooks.example.com:8443"));
                let data: Value = serde_json::from_str(data.get()).unwrap();
                assert_eq!(data.get("workspace").is_some(), of.is_some());
            }
        }
        let unreadable = EndpointUrl::from_stored(String::new());
        assert_eq!(EndpointFacts::origin_of(&unreadable), "");
    }

    #[test]
    fn the_number_of_skipped_events_is_null_if_it_is_not_known() {
        let skipped = |news: &EndpointNews| -> Option<Value> {
            let data = news.data(None, &endpoint());
            let data: Value = serde_json::from_str(data.get()).unwrap();
            data.get("skipped").cloned()
        };
        assert_eq!(skipped(&all()[2]), Some(json!(7)));
        assert_eq!(skipped(&all()[3]), Some(Value::Null));
        assert_eq!(skipped(&all()[4]), None);
    }

    #[test]
    fn half_of_the_failures_warn_but_not_those_that_disable() {
        let reason = |failures, disable_after| FailingReason::of(failures, 0, disable_after);
        assert_eq!(reason(4, 10), None);
        assert_eq!(reason(5, 10), Some(FailingReason::Failures));
        assert_eq!(reason(9, 10), Some(FailingReason::Failures));
        assert_eq!(reason(10, 10), None);
        assert_eq!(
            (reason(1, 3), reason(2, 3)),
            (None, Some(FailingReason::Failures))
        );
        assert_eq!(
            (reason(1, 1), reason(1, 2)),
            (None, Some(FailingReason::Failures))
        );
        assert_eq!(reason(1000, 0), None);
        assert_eq!(FailingReason::of(0, 4, 10), None);
        assert_eq!(FailingReason::of(0, 5, 0), Some(FailingReason::Rests));
    }

    #[test]
    fn people_are_told_again_after_the_period_and_after_a_clock_that_was_set_back() {
        let minute = Duration::from_mins(1);
        assert!(is_due_again(None, minute, NOW));
        assert!(!is_due_again(Some(NOW), minute, NOW));
        assert!(!is_due_again(Some(NOW.before(minute / 2)), minute, NOW));
        assert!(is_due_again(Some(NOW.before(minute)), minute, NOW));
        assert!(is_due_again(Some(NOW.after(minute)), minute, NOW));
    }
}
