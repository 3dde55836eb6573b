//! Models of receivers.

use std::time::Duration;

use super::random::Random;
use crate::delivery::protocol::AttemptResult;
use crate::domain::attempt_failure::AttemptFailure;

/// The time limit of an attempt.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// The behaviour of a receiver.
#[derive(Clone, Copy, Debug)]
pub(super) enum Behaviour {
    /// It answers 200 after this time.
    Answers(Duration),
    /// It answers any code after a random time; this share of the attempts succeeds.
    Flaky(f64),
    /// It never answers.
    Hangs,
    /// It answers this code at once.
    Code(u16),
    /// It refuses connections.
    Refuses,
    /// Its name does not resolve, and the look-up takes this time.
    Unresolved(Duration),
    /// It answers 429 or 503 with `Retry-After`.
    Busy(u16, Duration),
    /// The network policy forbids its address, so the failure is final.
    Forbidden,
}

impl Behaviour {
    /// Returns a random behaviour; good ones are rather frequent.
    pub(super) fn random(random: &mut Random) -> Self {
        let seconds = Duration::from_secs;
        match random.below(16) {
            0..=4 => Self::Answers(random.between(Duration::from_millis(1), seconds(1))),
            5 => Self::Answers(random.between(seconds(1), seconds(9))),
            6 | 7 => Self::Flaky(random.unit()),
            8 | 9 => Self::Hangs,
            10 => Self::Code(500),
            11 => Self::Code(random.pick(&[301, 404, 400])),
            12 => Self::Refuses,
            13 => Self::Unresolved(random.between(Duration::ZERO, seconds(5))),
            14 => Self::Busy(random.pick(&[429, 503]), retry_after(random)),
            _ if random.chance(0.2) => Self::Code(410),
            _ => Self::Forbidden,
        }
    }

    /// Returns the result of an attempt.
    pub(super) fn answer(self, random: &mut Random) -> AttemptResult {
        let around = |took: Duration, random: &mut Random| took.mul_f64(0.8 + 0.4 * random.unit());
        let instant = Duration::from_millis(2);
        match self {
            Self::Answers(took) => code(200, around(took, random)),
            Self::Flaky(share) => {
                let took = random.gap(Duration::from_millis(400)).min(TIMEOUT);
                if random.chance(share) {
                    code(204, took)
                } else {
                    match random.below(4) {
                        0 => code(500, took),
                        1 => code(404, took),
                        2 => failure(AttemptFailure::Protocol, took),
                        _ => failure(AttemptFailure::Timeout, TIMEOUT),
                    }
                }
            }
            Self::Hangs => failure(AttemptFailure::Timeout, TIMEOUT),
            Self::Code(number) => code(number, around(instant, random)),
            Self::Refuses => failure(AttemptFailure::Connect, around(instant, random)),
            Self::Unresolved(took) => failure(AttemptFailure::Dns, took),
            Self::Busy(number, wait) => AttemptResult {
                retry_after: Some(wait),
                ..code(number, around(instant, random))
            },
            Self::Forbidden => AttemptResult {
                is_final: true,
                ..failure(AttemptFailure::AddressRefused, Duration::ZERO)
            },
        }
    }
}

fn retry_after(random: &mut Random) -> Duration {
    let most = random.pick(&[10, 600, 100_000]);
    random.between(Duration::ZERO, Duration::from_secs(most))
}

fn code(code: u16, took: Duration) -> AttemptResult {
    AttemptResult {
        code: Some(code),
        error: None,
        is_final: false,
        response: None,
        retry_after: None,
        took,
    }
}

fn failure(error: AttemptFailure, took: Duration) -> AttemptResult {
    AttemptResult {
        code: None,
        error: Some(error),
        ..code(0, took)
    }
}
