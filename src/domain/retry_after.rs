//! The wait that a receiver asks for in the headers of its answer. Pure functions, to which the caller passes
//! the time.
//!
//! `Retry-After` has seconds or a date (RFC 9110, section 10.2.3). Discord has rules of its own:
//!
//! - `X-RateLimit-Reset-After` has seconds with a fraction, in every version of its API. It is the time until
//!   the limit of this webhook allows another request. With the scope `shared` or `global`, another limit
//!   refused the request. Then only `Retry-After` has its time.
//! - `Retry-After` has milliseconds before version 8, and seconds from then on. The URLs that Discord's
//!   settings show have no version, which means version 6.

use std::time::{Duration, UNIX_EPOCH};

use super::clock::Timestamp;
use super::endpoint::Format;
use super::endpoint_url::EndpointUrl;

/// The first version of Discord's API whose `Retry-After` has seconds.
const DISCORD_SECONDS_SINCE: u32 = 8;

/// The version of Discord's API in a URL without one.
const DISCORD_DEFAULT_VERSION: u32 = 6;

/// The wait for a number with more digits than a time has. It means "for ever"; the caller limits it.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// The headers of an answer that concern the time of the next request, uninterpreted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryHeaders {
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// `X-RateLimit-Reset-After`.
    pub reset_after: Option<String>,
    /// `X-RateLimit-Scope`.
    pub scope: Option<String>,
}

impl RetryHeaders {
    /// Returns the wait that the receiver asks for. `None` if the headers have none that can be read.
    ///
    /// `format` and `url` are those of the endpoint: they decide on the units.
    #[must_use]
    pub fn wait(&self, format: Format, url: &EndpointUrl, now: Timestamp) -> Option<Duration> {
        let retry_after = self.retry_after.as_deref();
        if format != Format::Discord {
            return parse_retry_after(retry_after?, now);
        }
        let reset_after = self.reset_after.as_deref().and_then(parse_seconds);
        let of_another_limit = matches!(self.scope.as_deref(), Some("shared" | "global"));
        let first = reset_after.filter(|_| !of_another_limit);
        first
            .or_else(|| parse_discord(retry_after?, url, now))
            .or(reset_after)
    }
}

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date in one of the
/// three formats of section 5.6.7. `None` for anything else.
fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(FOR_EVER, Duration::from_secs));
    }
    let date = parse_http_date(value)?;
    Some(date.since(now))
}

/// Reads a `Retry-After` header of Discord.
fn parse_discord(value: &str, url: &EndpointUrl, now: Timestamp) -> Option<Duration> {
    let number = parse_seconds(value);
    let wait = match discord_version(url) {
        Some(version) if version < DISCORD_SECONDS_SINCE => number.map(|seconds| seconds / 1000),
        _ => number,
    };
    wait.or_else(|| parse_retry_after(value, now))
}

/// Returns the version of Discord's API in a URL: `/api/webhooks/…` or `/api/v10/webhooks/…`. `None` for any
/// other path, which is not one of Discord.
fn discord_version(url: &EndpointUrl) -> Option<u32> {
    let url = url.url()?;
    let mut segments = url.path_segments()?;
    if segments.next() != Some("api") {
        return None;
    }
    match segments.next()? {
        "webhooks" => Some(DISCORD_DEFAULT_VERSION),
        version if segments.next() == Some("webhooks") => version.strip_prefix('v')?.parse().ok(),
        _ => None,
    }
}

/// Reads a number of seconds with or without a fraction.
fn parse_seconds(value: &str) -> Option<Duration> {
    let value = value.trim();
    // Rust also reads signs, exponents and words such as `inf`.
    if !value.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let seconds = value.parse().ok()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(FOR_EVER))
}

/// Reads a date of RFC 9110, section 5.6.7. `None` before 1970.
fn parse_http_date(value: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(value).ok()?;
    let micros = date.duration_since(UNIX_EPOCH).ok()?.as_micros();
    Some(Timestamp::from_micros(i64::try_from(micros).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn retry_after_is_read_as_seconds_and_as_dates() {
        let hour = Some(Duration::from_hours(1));
        assert_eq!(parse_retry_after("3600", NOW), hour);
        assert_eq!(
            parse_retry_after("Tue, 14 Nov 2023 23:13:20 GMT", NOW),
            hour
        );
        assert_eq!(
            parse_retry_after("Tuesday, 14-Nov-23 23:13:20 GMT", NOW),
            hour
        );
        assert_eq!(parse_retry_after("Tue Nov 14 23:13:20 2023", NOW), hour);
        let past = parse_retry_after("Tue, 14 Nov 2000 23:13:20 GMT", NOW);
        assert_eq!(past, Some(Duration::ZERO));
        for bad in [
            "",
            "soon",
            "-5",
            "1.5",
            "Tue, 99 Nov 2023 23:13:20 GMT",
            "1 2 3",
        ] {
            assert_eq!(parse_retry_after(bad, NOW), None, "{bad}");
        }
    }

    /// The wait in milliseconds. Empty texts stand for absent headers.
    fn asked(
        format: Format,
        path: &str,
        [retry_after, reset_after, scope]: [&str; 3],
    ) -> Option<u128> {
        let header = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let headers = RetryHeaders {
            retry_after: header(retry_after),
            reset_after: header(reset_after),
            scope: header(scope),
        };
        let url = EndpointUrl::from_stored(format!("https://discord.example{path}"));
        let wait = headers.wait(format, &url, NOW);
        wait.map(|wait| wait.as_millis())
    }

    #[test]
    fn discord_has_milliseconds_before_version_8_and_seconds_from_then_on() {
        for (path, millis) in [
            ("/api/webhooks/1/token", 1998),
            ("/api/webhooks/1/token?wait=true", 1998),
            ("/api/v6/webhooks/1/token", 1998),
            ("/api/v7/webhooks/1/token", 1998),
            ("/api/v8/webhooks/1/token", 1_998_000),
            ("/api/v10/webhooks/1/token", 1_998_000),
            ("/webhooks/1/token", 1_998_000),
            ("/api", 1_998_000),
            ("/api/vx/webhooks/1/token", 1_998_000),
            ("/other/webhooks/1/token", 1_998_000),
        ] {
            let asked = asked(Format::Discord, path, ["1998", "", ""]);
            assert_eq!(asked, Some(millis), "{path}");
        }
    }

    #[test]
    fn reset_after_comes_first_at_discord_unless_another_limit_refused() {
        let discord = |headers| asked(Format::Discord, "/api/webhooks/1/token", headers);
        assert_eq!(discord(["1998", "1.5", ""]), Some(1500));
        assert_eq!(discord(["1998", "1.5", "user"]), Some(1500));
        assert_eq!(discord(["", "0", ""]), Some(0));
        assert_eq!(discord(["65000", "1.5", "shared"]), Some(65_000));
        assert_eq!(discord(["65000", "1.5", "global"]), Some(65_000));
        assert_eq!(discord(["", "1.5", "shared"]), Some(1500));
        for bad in ["soon", "-1", "1e9", "inf", "nan", ".", "1.2.3", ""] {
            assert_eq!(discord(["1998", bad, ""]), Some(1998), "{bad}");
        }
        let date = "Tue, 14 Nov 2023 22:14:20 GMT";
        assert_eq!(discord([date, "", ""]), Some(60_000));
        assert_eq!(discord(["", "", ""]), None);
        let endless = "9".repeat(60);
        assert_eq!(discord(["", &endless, ""]), Some(FOR_EVER.as_millis()));
    }

    #[test]
    fn other_formats_know_retry_after_alone() {
        for format in [Format::Raw, Format::Slack] {
            let other = |headers| asked(format, "/api/webhooks/1/token", headers);
            assert_eq!(other(["30", "1.5", ""]), Some(30_000));
            assert_eq!(other(["", "1.5", ""]), None);
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(value in "\\PC{0,40}", reset in "[0-9.]{0,64}") {
            for format in Format::ALL {
                let _ = asked(format, "/api/webhooks/1/token", [&value, &reset, ""]);
                let _ = asked(format, "/api/v10/webhooks/1/token", [&value, "", ""]);
            }
        }
    }
}
