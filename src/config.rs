//! Every setting of a server: its flag, its environment variable, its default and its check.
//!
//! There is one struct per concern. Values are checked while the command line is read, so the error for a bad
//! one names its flag. A default stands in the attribute of its field and nowhere else: `Default` takes it
//! from there.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Command};
use ipnet::IpNet;

use crate::domain::network_policy::NetworkPolicy;

/// The place of the data.
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

/// The default address of the API. The subcommand `healthcheck` uses it, too.
pub const LISTEN: &str = "127.0.0.1:8080";

/// The address and the limits of the API.
#[derive(Args, Clone, Debug)]
pub struct ApiSettings {
    /// The address and port of the API. Port 0 takes a free one.
    #[arg(long, env = "HOOKPOST_LISTEN", value_name = "ADDR:PORT", default_value = LISTEN,
          value_parser = parse_listen)]
    pub listen: SocketAddr,

    /// Origin of web pages that may call the API (repeatable); `*` allows all. Credentials are never allowed.
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

    /// The most access tokens of one workspace that callers of the API may make; expired ones do not count.
    #[arg(long, env = "HOOKPOST_MAX_TOKENS", value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_tokens: u32,

    /// Requests per minute of a workspace, publishes not counted; as many may come at once. 0: no limit.
    #[arg(long, env = "HOOKPOST_RATE_LIMIT", value_name = "N", default_value_t = 500,
          value_parser = clap::value_parser!(u32).range(..=RATE_MAX))]
    pub rate_limit: u32,

    /// Publishes per minute of a workspace; as many may come at once. 0: no limit.
    #[arg(long, env = "HOOKPOST_PUBLISH_RATE_LIMIT", value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(..=RATE_MAX))]
    pub publish_rate_limit: u32,

    /// Bytes per minute that a workspace may publish; as many may come at once. 0: no limit.
    #[arg(long, env = "HOOKPOST_PUBLISH_BYTE_LIMIT", value_name = "BYTES", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=VOLUME_MAX))]
    pub publish_byte_limit: u64,

    /// Bad tokens per minute from one address that get a 401, not a 429; valid ones always work. 0: no limit.
    // More than a person with a wrong token tries, and less than a flood.
    #[arg(long, env = "HOOKPOST_AUTH_FAILURE_LIMIT", value_name = "N", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(..=RATE_MAX))]
    pub auth_failure_limit: u32,

    /// Reverse proxy whose X-Forwarded-For names the client: a network or an address (repeatable).
    #[arg(long, env = "HOOKPOST_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',',
          value_parser = parse_network)]
    pub trusted_proxy: Vec<IpNet>,
}

/// The highest limit per minute: a higher one would limit nobody.
const RATE_MAX: i64 = 1_000_000;

/// The highest limit of bytes per minute: a tebibyte, more than any disk takes.
const VOLUME_MAX: u64 = 1 << 40;

/// The addresses that deliveries may go to.
#[derive(Args, Clone, Debug)]
pub struct NetworkSettings {
    /// Allow endpoints with http:// URLs. Anyone on the network path can read what they receive.
    #[arg(long, env = "HOOKPOST_ALLOW_HTTP", value_parser = BoolishValueParser::new())]
    pub allow_http: bool,

    /// Allow deliveries to this network, even if it is private or reserved (repeatable).
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
    /// Returns the policy of these settings.
    #[must_use]
    pub fn policy(&self) -> NetworkPolicy {
        NetworkPolicy {
            allow_http: self.allow_http,
            allow: self.allow_network.clone(),
        }
    }
}

/// The rules for deliveries.
#[derive(Args, Clone, Debug)]
pub struct DeliverySettings {
    /// Waits between the attempts of an event, comma-separated; each varies by up to 20 % either way.
    #[arg(long, env = "HOOKPOST_RETRY_SCHEDULE", value_name = "WAITS", value_delimiter = ',',
          default_value = "5s,30s,2m,10m,30m,1h,2h,4h,8h,12h", value_parser = parse_wait)]
    pub retry_schedule: Vec<Duration>,

    /// The longest time of one attempt, from the name look-up to the last byte of the answer.
    #[arg(long, env = "HOOKPOST_REQUEST_TIMEOUT", value_name = "TIME", default_value = "10s",
          value_parser = parse_timeout)]
    pub request_timeout: Duration,

    /// The time after which an unfinished event ends as failed.
    #[arg(long, env = "HOOKPOST_EXPIRE_AFTER", value_name = "TIME", default_value = "72h",
          value_parser = parse_expiry)]
    pub expire_after: Duration,

    /// Disable an endpoint after this many failed events in a row; 0: never.
    #[arg(
        long,
        env = "HOOKPOST_DISABLE_AFTER",
        value_name = "N",
        default_value_t = 10
    )]
    pub disable_after: u32,

    /// A file of certificates to trust besides the public ones.
    #[arg(long, env = "HOOKPOST_CA_FILE", value_name = "PEM")]
    pub ca_file: Option<PathBuf>,

    /// The most attempts at the same time; each takes a thread while it lasts.
    #[arg(long, env = "HOOKPOST_MAX_THREADS", value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(4..=2048))]
    pub max_threads: u32,

    /// The time that a stopping server gives to attempts under way.
    #[arg(long, env = "HOOKPOST_GRACE_PERIOD", value_name = "TIME", default_value = "10s",
          value_parser = parse_grace)]
    pub grace_period: Duration,
}

/// The time that data is kept.
#[derive(Args, Clone, Debug)]
pub struct RetentionSettings {
    /// Drop payloads this long after their publish; their events and deliveries stay listed.
    #[arg(long, env = "HOOKPOST_ARCHIVE_AFTER", value_name = "TIME", default_value = "30d",
          value_parser = parse_archive)]
    pub archive_after: Duration,
}

/// Returns the settings of an empty command line, without the environment.
fn defaults<S: Args>() -> S {
    let command = S::augment_args(Command::new("defaults").no_binary_name(true));
    let matches = without_environment(command).try_get_matches_from(std::iter::empty::<&str>());
    matches
        .and_then(|matches| S::from_arg_matches(&matches))
        .expect("every setting has a default or is optional")
}

fn without_environment(command: Command) -> Command {
    command.mut_args(|arg| arg.env(None::<&'static str>))
}

/// Takes the defaults of settings from the attributes of their fields.
macro_rules! default_from_attributes {
    ($($settings:ty),*) => {$(
        impl Default for $settings {
            fn default() -> Self {
                defaults()
            }
        }
    )*};
}

default_from_attributes!(
    StorageSettings,
    ApiSettings,
    NetworkSettings,
    DeliverySettings,
    RetentionSettings
);

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

/// Reads an IP address with a port.
///
/// # Errors
/// A text that names the accepted form.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let addr = text.trim().parse();
    addr.map_err(|_| format!("expected ADDR:PORT, such as {LISTEN}"))
}

/// Reads `*` or an origin as browsers send it (RFC 6454, section 6.1).
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

/// Reads a network, or an address alone. `10.0.0.1/8` may mean either, so it is refused.
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

fn parse_wait(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO, 30 * DAY, "at most 30d")
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    // Longer attempts would keep their threads from all other endpoints.
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
    fn defaults_are_those_of_the_command_line_and_no_variable_changes_them() {
        let api = ApiSettings::default();
        assert_eq!(api.listen.to_string(), "127.0.0.1:8080");
        assert_eq!((api.max_endpoints, api.max_tokens), (1000, 1000));
        assert!(api.trusted_proxy.is_empty());
        assert_eq!(DeliverySettings::default().retry_schedule.len(), 10);
        assert_eq!(RetentionSettings::default().archive_after, 30 * DAY);
        assert!(!NetworkSettings::default().allow_http);
        // `cargo` sets this variable for every test.
        let arg = clap::Arg::new("x")
            .env("CARGO_MANIFEST_DIR")
            .default_value("-");
        let command = without_environment(Command::new("x").no_binary_name(true).arg(arg));
        let matches = command.get_matches_from(std::iter::empty::<&str>());
        assert_eq!(
            matches.get_one::<String>("x").map(String::as_str),
            Some("-")
        );
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
