//! Every setting: its flag, its environment variable, its default and its check.
//!
//! One struct per concern; each layer is given its own and reads nothing else. Values are checked
//! while the command line is read, so a bad one is an error that names its flag.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use ipnet::IpNet;

use crate::domain::network_policy::NetworkPolicy;

/// Where the data lives.
#[derive(Args, Clone, Debug)]
pub struct StorageSettings {
    /// The database file; made if it does not exist.
    #[arg(
        long,
        env = "HOOKPOST_DATABASE",
        value_name = "FILE",
        default_value = "./hookpost.db"
    )]
    pub database: PathBuf,
}

/// How the API listens and what it takes.
#[derive(Args, Clone, Debug)]
pub struct ApiSettings {
    /// The address and port of the API. Port 0 takes a free one.
    #[arg(
        long,
        env = "HOOKPOST_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,

    /// Origin that browsers may call the API from (repeatable); `*` allows all. Never with credentials.
    #[arg(
        value_parser = parse_origin,
        long,
        env = "HOOKPOST_CORS_ORIGIN",
        value_name = "ORIGIN",
        default_value = "*",
        value_delimiter = ','
    )]
    pub cors_origin: Vec<String>,

    /// The largest request body, in bytes (1 KiB to 4 MiB).
    #[arg(long, env = "HOOKPOST_MAX_BODY_BYTES", value_name = "BYTES", default_value_t = 262_144,
          value_parser = clap::value_parser!(u32).range(1024..=4_194_304))]
    pub max_body_bytes: u32,

    /// The most endpoints of one workspace.
    #[arg(long, env = "HOOKPOST_MAX_ENDPOINTS", value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_endpoints: u32,

    /// The most access tokens of one workspace that are made over the API; expired ones do not count.
    #[arg(long, env = "HOOKPOST_MAX_TOKENS", value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_tokens: u32,

    /// Requests a minute of all tokens of a workspace, publishes aside; so many at once at most. 0: no limit.
    #[arg(long, env = "HOOKPOST_RATE_LIMIT", value_name = "N", default_value_t = 500,
          value_parser = clap::value_parser!(u32).range(..=RATE_MAX))]
    pub rate_limit: u32,

    /// Publishes a minute of all tokens of a workspace; so many at once at most. 0: no limit.
    #[arg(long, env = "HOOKPOST_PUBLISH_RATE_LIMIT", value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(..=RATE_MAX))]
    pub publish_rate_limit: u32,

    /// Bytes of bodies a minute that may be published in a workspace; so many at once at most. 0: no limit.
    #[arg(long, env = "HOOKPOST_PUBLISH_BYTE_LIMIT", value_name = "BYTES", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=VOLUME_MAX))]
    pub publish_byte_limit: u64,

    /// Bad tokens a minute from one address that are told so; valid ones are always let in. 0: no limit.
    // More than somebody with the wrong token in their hands tries, less than a flood.
    #[arg(long, env = "HOOKPOST_AUTH_FAILURE_LIMIT", value_name = "N", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(..=RATE_MAX))]
    pub auth_failure_limit: u32,

    /// Reverse proxies whose X-Forwarded-For says where a request comes from (repeatable).
    #[arg(long, env = "HOOKPOST_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',',
          value_parser = parse_network)]
    pub trusted_proxy: Vec<IpNet>,
}

/// The highest rate a minute: beyond it, a limit is none.
const RATE_MAX: i64 = 1_000_000;

/// The most bytes a minute: a tebibyte, which no disk takes.
const VOLUME_MAX: u64 = 1 << 40;

/// Which addresses deliveries may go to.
#[derive(Args, Clone, Debug, Default)]
pub struct NetworkSettings {
    /// Allow endpoints with http:// URLs. Anyone on the way can read what they get.
    #[arg(long, env = "HOOKPOST_ALLOW_HTTP", value_parser = BoolishValueParser::new())]
    pub allow_http: bool,

    /// Allow deliveries to this network although it is private or reserved (repeatable).
    #[arg(
        long,
        env = "HOOKPOST_ALLOW_NETWORK",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = parse_network
    )]
    pub allow_network: Vec<IpNet>,
}

impl NetworkSettings {
    /// The policy that these settings make.
    #[must_use]
    pub fn policy(&self) -> NetworkPolicy {
        NetworkPolicy {
            allow_http: self.allow_http,
            allow: self.allow_network.clone(),
        }
    }
}

/// How deliveries are made.
#[derive(Args, Clone, Debug)]
pub struct DeliverySettings {
    /// Waits between the attempts of an event, comma-separated; each is varied by 20 % either way.
    #[arg(long, env = "HOOKPOST_RETRY_SCHEDULE", value_name = "WAITS", value_delimiter = ',',
          default_value = "5s,30s,2m,10m,30m,1h,2h,4h,8h,12h", value_parser = parse_wait)]
    pub retry_schedule: Vec<Duration>,

    /// The longest time one attempt may take, from name look-up to the last byte of the answer.
    #[arg(long, env = "HOOKPOST_REQUEST_TIMEOUT", value_name = "TIME", default_value = "10s",
          value_parser = parse_timeout)]
    pub request_timeout: Duration,

    /// The time after which an unfinished event ends as failed.
    #[arg(long, env = "HOOKPOST_EXPIRE_AFTER", value_name = "TIME", default_value = "72h",
          value_parser = parse_expiry)]
    pub expire_after: Duration,

    /// Disable an endpoint after so many events in a row have failed; 0: never.
    #[arg(
        long,
        env = "HOOKPOST_DISABLE_AFTER",
        value_name = "N",
        default_value_t = 10
    )]
    pub disable_after: u32,

    /// Certificates to trust besides the public ones.
    #[arg(long, env = "HOOKPOST_CA_FILE", value_name = "PEM")]
    pub ca_file: Option<PathBuf>,

    /// The most attempts at the same time; each takes a thread while it lasts.
    #[arg(long, env = "HOOKPOST_MAX_THREADS", value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(4..=2048))]
    pub max_threads: u32,

    /// How long a stopping server waits for attempts under way.
    #[arg(long, env = "HOOKPOST_GRACE_PERIOD", value_name = "TIME", default_value = "10s",
          value_parser = parse_grace)]
    pub grace_period: Duration,
}

/// How long things are kept.
#[derive(Args, Clone, Debug)]
pub struct RetentionSettings {
    /// Drop payloads this long after their publish; what happened to them stays listed.
    #[arg(long, env = "HOOKPOST_ARCHIVE_AFTER", value_name = "TIME", default_value = "30d",
          value_parser = parse_archive)]
    pub archive_after: Duration,
}

/// Reads `1500ms`, `5s`, `2m`, `1h` or `30d`.
///
/// # Errors
/// Says what would do.
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
        // Nothing to get wrong, and it reads well: 0.
        "" if number == 0 => Some(0),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => return Err(bad()),
    };
    // Far beyond any setting, and small enough that sums of times never overflow.
    let century = 100 * 366 * 86_400_000;
    match millis {
        Some(millis) if millis <= century => Ok(Duration::from_millis(millis)),
        _ => Err("longer than 100 years".to_owned()),
    }
}

/// Takes `*` or an origin as browsers send it (RFC 6454, section 6.1).
fn parse_origin(text: &str) -> Result<String, String> {
    let whole = text.trim().trim_end_matches('/');
    let is_origin = url::Url::parse(whole)
        .is_ok_and(|url| url.origin().ascii_serialization() == whole.to_ascii_lowercase());
    if whole == "*" || is_origin {
        Ok(whole.to_ascii_lowercase())
    } else {
        Err("expected * or an origin such as https://example.com".to_owned())
    }
}

/// Takes a network, or an address alone. `10.0.0.1/8` may be meant for either, so it is refused.
fn parse_network(text: &str) -> Result<IpNet, String> {
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

fn parse_wait(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO, 30 * DAY, "at most 30d")
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    // Longer attempts would hold their threads against every other endpoint.
    between(text, SECOND / 10, 120 * SECOND, "between 100ms and 120s")
}

fn parse_expiry(text: &str) -> Result<Duration, String> {
    between(text, SECOND, 365 * DAY, "between 1s and 365d")
}

fn parse_grace(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO, 600 * SECOND, "at most 10m")
}

fn parse_archive(text: &str) -> Result<Duration, String> {
    between(text, SECOND, 36_500 * DAY, "between 1s and 36500d")
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
}
