//! The tests of operational events: their data as reviewed, and when they are due.

use serde_json::{Value, json};

use super::*;
use crate::domain::endpoint::DisabledReason;
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::job::{JobAction, LeftOut};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn endpoint() -> EndpointFacts {
    let url = "https://hooks.example.com:8443/services/T00/B00/secret?key=hidden#part";
    EndpointFacts {
        id: Uuid::nil(),
        name: "Orders".to_owned(),
        origin: EndpointUrl::from_stored(url.to_owned()).origin(),
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
    assert_eq!(unreadable.origin(), "");
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
