//! The values of settings, as people write them: durations, sizes, addresses, networks and origins.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::domain::signing_secrets::OVERLAP_MAX_S;
use crate::domain::workspace::{NAME_MAX, NameProblem, WorkspaceName};

/// Reads `1500ms`, `5s`, `2m` or `2min`, `1h`, `30d` or `0`.
///
/// # Errors
/// A text that names the accepted form, or says that the duration is too long.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let bad = || "expected a whole number with ms, s, m, h or d, such as 30s or 12h".to_owned();
    let number: u64 = number.parse().map_err(|_| bad())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        // Unambiguous, and it reads well: 0.
        "" if number == 0 => Some(0),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => return Err(bad()),
    };
    // Longer than any setting, and short enough that sums of times never overflow.
    let century = 100 * 366 * 86_400_000;
    match millis {
        Some(millis) if millis <= century => Ok(Duration::from_millis(millis)),
        _ => Err("longer than 100 years".to_owned()),
    }
}

/// Reads a whole number from `LEAST` to `MOST`.
pub(super) fn within<const LEAST: u32, const MOST: u32>(text: &str) -> Result<u32, String> {
    let number = text.trim().parse().ok();
    number
        .filter(|number| (LEAST..=MOST).contains(number))
        .ok_or_else(|| format!("expected a whole number from {LEAST} to {MOST}"))
}

/// Reads a number of bytes: `1048576`, `1024KiB` or `1MiB`.
///
/// # Errors
/// The text is no such number.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let bad = || "expected a number of bytes, or one with KiB, MiB or GiB, such as 1MiB".to_owned();
    let number: u64 = number.parse().map_err(|_| bad())?;
    let unit = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(bad()),
    };
    number.checked_mul(unit).ok_or_else(bad)
}

pub(super) fn parse_body_bytes(text: &str) -> Result<u32, String> {
    let bytes = u32::try_from(parse_size(text)?).unwrap_or(u32::MAX);
    if (1024..=4 << 20).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("must be between 1KiB and 4MiB".to_owned())
    }
}

/// The highest limit of bytes per minute: a tebibyte, more than any disk takes.
const VOLUME_MAX: u64 = 1 << 40;

pub(super) fn parse_volume(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    if bytes <= VOLUME_MAX {
        Ok(bytes)
    } else {
        Err("must be at most 1TiB".to_owned())
    }
}

/// Reads `*` or an origin as browsers send it (RFC 6454, section 6.1).
pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    let whole = text.trim().trim_end_matches('/');
    let is_origin = url::Url::parse(whole)
        .is_ok_and(|url| url.origin().ascii_serialization() == whole.to_ascii_lowercase());
    if whole == "*" || is_origin {
        Ok(whole.to_ascii_lowercase())
    } else {
        Err("expected * or an origin such as https://example.com".to_owned())
    }
}

/// Reads the name of a workspace.
///
/// # Errors
/// A text that says what is wrong with it.
pub fn parse_workspace_name(text: &str) -> Result<WorkspaceName, String> {
    WorkspaceName::parse(text).map_err(|problem| match problem {
        NameProblem::Empty => "a name needs at least one character".to_owned(),
        NameProblem::TooLong => format!("a name has at most {NAME_MAX} characters"),
        NameProblem::LooksLikeId => "a name must not look like a UUID".to_owned(),
        NameProblem::Invisible(character) => invisible("a name", character),
    })
}

/// Returns the message for a text with an invisible character.
#[must_use]
pub fn invisible(what: &str, character: char) -> String {
    let code = u32::from(character);
    format!("{what} must not have characters that cannot be seen, such as U+{code:04X}")
}

/// Reads the URL of a collector, without the path of traces. Credentials belong into a file, because other users
/// of the machine can read command lines, and the log shows URLs.
pub(super) fn parse_otlp_endpoint(text: &str) -> Result<String, String> {
    let whole = text.trim().trim_end_matches('/');
    let url = url::Url::parse(whole)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or("expected a URL such as http://127.0.0.1:4318")?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(
            "a URL without user, password and query; put a token into --otlp-headers-file"
                .to_owned(),
        );
    }
    if url.fragment().is_some() || url.path().ends_with("/v1/traces") {
        return Err(
            "leave out /v1/traces, which is added; for example http://127.0.0.1:4318".to_owned(),
        );
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Reads a network, or an address alone. `10.0.0.1/8` may mean either, so it is refused.
pub(super) fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let network = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            "expected a network or an address, such as 10.0.0.0/8 or 127.0.0.1".to_owned()
        })?;
    if network.addr() != network.network() {
        return Err(format!(
            "an address within a network: did you mean {} or {}?",
            network.trunc(),
            network.addr()
        ));
    }
    Ok(network)
}

/// Reads a duration between `least` and `most`; `says` names these limits in the error.
fn between(text: &str, least: Duration, most: Duration, says: &str) -> Result<Duration, String> {
    let value = parse_duration(text)?;
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("must be {says}"))
    }
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

pub(super) fn parse_wait(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO, 30 * DAY, "at most 30d")
}

pub(super) fn parse_timeout(text: &str) -> Result<Duration, String> {
    // Longer attempts would keep their threads from all other endpoints.
    between(text, SECOND / 10, 120 * SECOND, "between 100ms and 120s")
}

pub(super) fn parse_expiry(text: &str) -> Result<Duration, String> {
    between(text, SECOND, 365 * DAY, "between 1s and 365d")
}

pub(super) fn parse_grace(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO, 600 * SECOND, "at most 10m")
}

pub(super) fn parse_overlap(text: &str) -> Result<Duration, String> {
    let max = Duration::from_secs(OVERLAP_MAX_S);
    between(text, Duration::ZERO, max, "at most 7d")
}

/// Reads the age of data that is dropped; zero: none is.
pub(super) fn parse_age(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Ok(Duration::ZERO),
        _ => between(text, SECOND, 36_500 * DAY, "0, or between 1s and 36500d"),
    }
}

/// The bounds of the size of a database: room for what a server of any size needs, and more than any disk has.
const DATABASE_SIZES: std::ops::RangeInclusive<u64> = 16 << 20..=1 << 50;

pub(super) fn parse_database_size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    if bytes == 0 || DATABASE_SIZES.contains(&bytes) {
        Ok(bytes)
    } else {
        Err("must be 0, or between 16MiB and 1024TiB".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read() {
        assert_eq!(parse_origin("*").as_deref(), Ok("*"));
        assert_eq!(
            parse_origin("https://A.com/").as_deref(),
            Ok("https://a.com")
        );
        assert_eq!(
            parse_origin("http://localhost:3000").as_deref(),
            Ok("http://localhost:3000")
        );
        for bad in ["", "x y", "example.com", "https://a.com/path", "https://"] {
            assert!(parse_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_of_collectors_are_read() {
        for (text, url) in [
            ("http://localhost:4318", "http://localhost:4318"),
            (" https://Collector.example/ ", "https://collector.example"),
            ("https://a.example/otlp/", "https://a.example/otlp"),
        ] {
            assert_eq!(parse_otlp_endpoint(text).as_deref(), Ok(url));
        }
        for (bad, says) in [
            ("", "such as http://127.0.0.1:4318"),
            ("localhost:4318", "such as"),
            ("grpc://localhost:4317", "such as"),
            ("http://", "such as"),
            ("http://user@a.example", "--otlp-headers-file"),
            ("http://:key@a.example", "--otlp-headers-file"),
            ("https://a.example/?key=x", "--otlp-headers-file"),
            ("http://a.example/v1/traces", "leave out /v1/traces"),
        ] {
            let error = parse_otlp_endpoint(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn networks_are_read_with_or_without_a_length() {
        let read = |text| parse_network(text).map(|net| net.to_string());
        assert_eq!(read("10.0.0.0/8").as_deref(), Ok("10.0.0.0/8"));
        assert_eq!(read(" 127.0.0.1").as_deref(), Ok("127.0.0.1/32"));
        assert_eq!(read("::1").as_deref(), Ok("::1/128"));
        for bad in ["", "10.0.0.0/33", "10.0.0", "localhost", "*"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for within in ["10.0.0.1/8", "fd00::1/8"] {
            let error = read(within).unwrap_err();
            assert!(error.contains("did you mean"), "{within}: {error}");
        }
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("30d"), Ok(30 * DAY));
        for bad in [
            "",
            "s",
            "-1s",
            "1.5h",
            "1w",
            "99999999999999999999s",
            "9999999999d",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_read_within_their_limits() {
        assert_eq!(within::<4, 8>(" 4"), Ok(4));
        assert_eq!(within::<4, 8>("8"), Ok(8));
        for bad in ["", "3", "9", "-5", "x", "5.0", "99999999999999999999"] {
            let error = within::<4, 8>(bad).unwrap_err();
            assert_eq!(error, "expected a whole number from 4 to 8", "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_with_or_without_a_unit() {
        assert_eq!(parse_size("1024"), Ok(1024));
        assert_eq!(parse_size("1 MiB"), Ok(1 << 20));
        assert_eq!(parse_body_bytes("4MiB"), Ok(4 << 20));
        assert_eq!(parse_volume("1TiB"), Ok(1 << 40));
        for bad in [
            "",
            "MiB",
            "1MB",
            "1.5MiB",
            "-1",
            "1 mib",
            "99999999999999TiB",
        ] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert!(parse_body_bytes("1023").is_err() && parse_body_bytes("8GiB").is_err());
        assert!(parse_volume("1025GiB").is_err());
    }
}
