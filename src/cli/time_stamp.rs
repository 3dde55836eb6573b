//! The time in the name of a file: 20260131T235959Z.

use std::time::SystemTime;

use time::OffsetDateTime;

/// Returns a time in UTC in the basic form of ISO 8601, to the second.
pub(super) fn stamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_one_word_that_sorts() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_903_999);
        assert_eq!(stamp(at), "20260131T235959Z");
    }
}
