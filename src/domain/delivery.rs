//! Deliveries: each is one HTTP attempt of an event.

use uuid::Uuid;

use super::attempt_failure::AttemptFailure;
use super::clock::Timestamp;
use super::event::Event;
use super::words::words;

/// The most characters of an answer's body that are kept.
pub const RESPONSE_MAX: usize = 2048;

/// A delivery as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// The endpoint that it went to.
    pub endpoint_id: Uuid,
    /// The event that it was an attempt of.
    pub event: Event,
    /// Its number, from 1 on, over all runs of the event.
    pub attempt: u32,
    /// True if the answer was a 2xx.
    pub succeeded: bool,
    /// The status code; `None` without an answer.
    pub http_code: Option<u16>,
    /// The reason why there was no answer.
    pub error: Option<AttemptFailure>,
    /// The first [`RESPONSE_MAX`] characters of the answer's body, or the error in words.
    pub response: Option<String>,
    /// The time that the attempt took.
    pub duration_ms: u32,
    /// The time at which it was recorded.
    pub created_at: Timestamp,
}

words! {
    /// The class of a status code: its first digit.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum CodeClass {
        /// 200 to 299
        Success = "2xx",
        /// 300 to 399
        Redirect = "3xx",
        /// 400 to 499
        ClientError = "4xx",
        /// 500 to 599
        ServerError = "5xx",
    }
}

impl CodeClass {
    /// Returns the first of the three digits.
    #[must_use]
    pub const fn hundreds(self) -> u16 {
        match self {
            Self::Success => 2,
            Self::Redirect => 3,
            Self::ClientError => 4,
            Self::ServerError => 5,
        }
    }
}
