//! The attempts of an event, as its time line shows them.

use uuid::Uuid;

use super::advice::Advice;
use super::lists;
use super::view::{Millis, Moment, Outcome};
use crate::domain::access::Visibility;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::storage::{DeliveryFilter, Listed, Page, Store, StoreError};

/// The most attempts of an event that its page shows: all, unless it was redelivered many times.
const SHOWN_MAX: u64 = 100;

/// Reads the last attempts of an event, newest first.
///
/// # Errors
/// The store's.
pub(super) fn of_event(
    store: &dyn Store,
    visibility: Visibility,
    event: Uuid,
) -> Result<Listed<Delivery>, StoreError> {
    let filter = DeliveryFilter {
        visibility,
        event: Some(event),
        ..DeliveryFilter::ALL
    };
    let page = Page {
        number: 1,
        limit: SHOWN_MAX,
    };
    let paged = store.list_deliveries(&filter, page, lists::NO_PAYLOAD)?;
    lists::whole(store, paged, |store, numbers, bytes| {
        store.read_deliveries(numbers, bytes)
    })
}

/// An attempt in a time line.
pub(super) struct AttemptView {
    pub(super) id: Uuid,
    pub(super) number: u32,
    /// The class of its mark: `good` or `bad`.
    pub(super) kind: &'static str,
    pub(super) outcome: Outcome,
    pub(super) at: Moment,
    /// The time that it took; `None` if there was no request.
    pub(super) duration: Option<Millis>,
    /// The beginning of the answer's body, or the error in words; may be empty.
    pub(super) response: String,
    /// The reason and what to do; `None` if it succeeded, or if the attempt after it has the same.
    pub(super) advice: Option<Advice>,
    /// Set if its answer is shown unfolded.
    pub(super) is_open: bool,
}

impl AttemptView {
    fn new(delivery: &Delivery, now: Timestamp) -> Self {
        let response = delivery.response.as_deref();
        let advice =
            (!delivery.succeeded).then(|| Advice::on(delivery.http_code, delivery.error, response));
        Self {
            id: delivery.id,
            number: delivery.attempt,
            kind: if delivery.succeeded { "good" } else { "bad" },
            outcome: outcome(delivery),
            at: Moment::new(delivery.created_at, now),
            duration: (delivery.error != Some(AttemptFailure::Expired))
                .then(|| Millis(delivery.duration_ms.into())),
            response: response.unwrap_or_default().to_owned(),
            advice,
            is_open: false,
        }
    }

    /// Returns the views of attempts, the newest first; the answer of that one is shown unfolded.
    pub(super) fn all(attempts: &[Delivery], now: Timestamp) -> Vec<Self> {
        let mut views: Vec<_> = attempts.iter().map(|one| Self::new(one, now)).collect();
        // The same advice is given once, with the newest attempt that it is about.
        for newer in (1..views.len()).rev() {
            if views[newer].advice == views[newer - 1].advice {
                views[newer].advice = None;
            }
        }
        if let Some(newest) = views.first_mut() {
            newest.is_open = true;
        }
        views
    }

    /// Reports whether the response is an answer of the receiver, rather than an error in the server's words.
    pub(super) fn has_answer(&self) -> bool {
        self.outcome.text.bytes().all(|byte| byte.is_ascii_digit()) && !self.response.is_empty()
    }
}

/// Returns the result of an attempt.
pub(super) fn outcome(delivery: &Delivery) -> Outcome {
    let failure = delivery.error.map(AttemptFailure::as_str);
    Outcome::new(delivery.succeeded, delivery.http_code, failure)
}
