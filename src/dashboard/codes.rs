//! One-time codes, with which the operator signs in without a token.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::sessions::random_text;

/// The codes that sign the operator in, each once.
#[derive(Default)]
pub(super) struct Codes(Mutex<HashMap<[u8; 32], Duration>>);

impl Codes {
    /// The time for which a code works: long enough to find the terminal again.
    pub(super) const LIFE: Duration = Duration::from_mins(30);

    /// Makes a code at this time of the monotonic clock.
    pub(super) fn make(&self, now: Duration) -> String {
        let code = random_text();
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, end| *end > now);
        codes.insert(digest(&code), now + Self::LIFE);
        code
    }

    /// Uses a code up. Reports whether it was valid.
    pub(super) fn take(&self, code: &str, now: Duration) -> bool {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.remove(&digest(code)).is_some_and(|end| end > now)
    }
}

/// Returns the hash under which a code is kept: a look-up by hash leaks nothing of the code.
fn digest(code: &str) -> [u8; 32] {
    Sha256::digest(code).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_works_once_and_for_a_time() {
        let codes = Codes::default();
        let now = Duration::from_secs(7);
        let code = codes.make(now);
        assert!(!codes.take("another", now));
        assert!(codes.take(&code, now));
        assert!(!codes.take(&code, now));
        let code = codes.make(now);
        assert!(!codes.take(&code, now + Codes::LIFE));
    }
}
