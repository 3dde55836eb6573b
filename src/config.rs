//! Every setting of a server: its flag, its environment variable, its default and its check.
//!
//! There is one struct per concern. The attributes of a field are the one source of what help, documents and
//! the example of a configuration file say about its setting: the flag's name is also the key in a
//! configuration file. A default stands there and nowhere else: `Default` takes it from there. Where a value
//! comes from (flag, variable, file or default) is the command line's subject, not this module's.

mod alerts;
mod certificate;
mod egress;
mod egress_proxy;
mod encryption;
mod listen;
mod small_file;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Command};
use ipnet::IpNet;

pub use self::alerts::AlertSettings;
pub use self::certificate::{CertificateError, CertificateFlags, CertificatePair};
pub use self::egress::EgressSettings;
pub use self::egress_proxy::EgressProxy;
pub use self::encryption::{EncryptionSettings, KeyFileError};
pub use self::listen::{
    LISTEN, ListenAddress, SocketMode, SocketOwner, parse_listen, parse_socket_address,
};
pub use self::small_file::read_small_file;
pub use self::values::{invisible, parse_duration, parse_size, parse_workspace_name};
use self::values::{
    parse_age, parse_body_bytes, parse_database_size, parse_expiry, parse_grace, parse_network,
    parse_origin, parse_otlp_endpoint, parse_overlap, parse_timeout, parse_volume, parse_wait,
    within,
};
use crate::domain::network_policy::NetworkPolicy;

/// The place of the data.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Storage")]
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

/// The address and the limits of the API.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "API")]
pub struct ApiSettings {
    /// The address and port of the API. Port 0 takes a free one.
    ///
    /// `localhost:8080` is 127.0.0.1:8080, and `:8080` is port 8080 of all IPv4 addresses of this machine.
    /// `unix:/run/hookpost/api.sock` is a Unix socket. For other machines, use TLS: a reverse proxy, or
    /// `--tls-cert`. A socket that systemd has bound (socket activation) is used in place of this address.
    #[arg(long, env = "HOOKPOST_LISTEN", value_name = "ADDRESS", default_value = LISTEN,
          value_parser = parse_listen)]
    pub listen: ListenAddress,

    /// The permissions of a Unix socket, in octal: who may connect.
    #[arg(
        long,
        env = "HOOKPOST_SOCKET_MODE",
        value_name = "MODE",
        default_value = "0660"
    )]
    pub socket_mode: SocketMode,

    /// The owner of a Unix socket: a user, `USER:GROUP` or `:GROUP`, as names or numbers.
    #[arg(long, env = "HOOKPOST_SOCKET_OWNER", value_name = "OWNER")]
    pub socket_owner: Option<SocketOwner>,

    /// Origin of web pages that may call the API (repeatable); `*` allows all. Name yours in production.
    #[arg(
        value_parser = parse_origin,
        long,
        env = "HOOKPOST_CORS_ORIGIN",
        value_name = "ORIGIN",
        default_value = "*",
        value_delimiter = ','
    )]
    pub cors_origin: Vec<String>,

    /// The largest request body: 1KiB to 4MiB.
    #[arg(long, env = "HOOKPOST_MAX_BODY_BYTES", value_name = "BYTES", default_value = "256KiB",
          value_parser = parse_body_bytes)]
    pub max_body_bytes: u32,

    /// The most endpoints of one workspace: 1 to 100000.
    #[arg(long, env = "HOOKPOST_MAX_ENDPOINTS", value_name = "N", default_value_t = 1000,
          value_parser = within::<1, 100_000>)]
    pub max_endpoints: u32,

    /// The most access tokens that one workspace makes over the API: 1 to 100000; expired ones do not count.
    #[arg(long, env = "HOOKPOST_MAX_TOKENS", value_name = "N", default_value_t = 1000,
          value_parser = within::<1, 100_000>)]
    pub max_tokens: u32,

    /// Requests per minute of all tokens of a workspace together, without publishes: up to 1000000; 0: no limit.
    #[arg(long, env = "HOOKPOST_RATE_LIMIT", value_name = "N", default_value_t = 500,
          value_parser = within::<0, RATE_MAX>)]
    pub rate_limit: u32,

    /// Publishes per minute of all tokens of a workspace together: up to 1000000; 0: no limit.
    #[arg(long, env = "HOOKPOST_PUBLISH_RATE_LIMIT", value_name = "N", default_value_t = 0,
          value_parser = within::<0, RATE_MAX>)]
    pub publish_rate_limit: u32,

    /// Bytes of bodies per minute that may be published in a workspace: up to 1TiB; 0: no limit.
    #[arg(long, env = "HOOKPOST_PUBLISH_BYTE_LIMIT", value_name = "BYTES", default_value = "0",
          value_parser = parse_volume)]
    pub publish_byte_limit: u64,

    /// Bad tokens per minute from one address that get a 401, not a 429: up to 1000000; 0: no limit.
    ///
    /// Valid tokens are always accepted.
    // More than a person with a wrong token tries, and less than a flood.
    #[arg(long, env = "HOOKPOST_AUTH_FAILURE_LIMIT", value_name = "N", default_value_t = 60,
          value_parser = within::<0, RATE_MAX>)]
    pub auth_failure_limit: u32,

    /// The time for which the old secret of an endpoint signs beside the new one after a rotation: at most 7d; 0s: it
    /// does not. A request may ask for another time.
    // A day, so that a receiver can get its new secret in working hours.
    #[arg(long, env = "HOOKPOST_SECRET_OVERLAP", value_name = "TIME", default_value = "24h",
          value_parser = parse_overlap)]
    pub secret_overlap: Duration,

    /// Reverse proxy whose X-Forwarded-For names the client: a network or an address (repeatable).
    #[arg(long, env = "HOOKPOST_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',',
          value_parser = parse_network)]
    pub trusted_proxy: Vec<IpNet>,
}

/// TLS for the API.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS of the API")]
pub struct TlsSettings {
    /// The certificate of the server, and those of the authorities between it and the root.
    ///
    /// With it, the server speaks HTTPS only. SIGHUP reads both files again.
    #[arg(long, env = "HOOKPOST_TLS_CERT", value_name = "PEM")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate.
    #[arg(long, env = "HOOKPOST_TLS_KEY", value_name = "PEM")]
    pub tls_key: Option<PathBuf>,
}

/// The highest limit per minute: a higher one would limit nobody.
const RATE_MAX: u32 = 1_000_000;

/// The addresses that deliveries may go to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetworkSettings {
    /// Allow endpoints with `http://` URLs. Anyone on the network path can read what they receive.
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
#[command(next_help_heading = "Delivery")]
pub struct DeliverySettings {
    /// Waits between the attempts of an event, each at most 30d; each is varied by up to 20 % either way.
    #[arg(long, env = "HOOKPOST_RETRY_SCHEDULE", value_name = "WAITS", value_delimiter = ',',
          default_value = "5s,30s,2m,10m,30m,1h,2h,4h,8h,12h", value_parser = parse_wait)]
    pub retry_schedule: Vec<Duration>,

    /// The longest time of one attempt, from the look-up of the name to the end of the answer: 100ms to 120s.
    #[arg(long, env = "HOOKPOST_REQUEST_TIMEOUT", value_name = "TIME", default_value = "10s",
          value_parser = parse_timeout)]
    pub request_timeout: Duration,

    /// The age at which an unfinished event fails, after at least one attempt: 1s to 365d.
    #[arg(long, env = "HOOKPOST_EXPIRE_AFTER", value_name = "TIME", default_value = "72h",
          value_parser = parse_expiry)]
    pub expire_after: Duration,

    /// Disable an endpoint after this many failed events in a row; 0: never.
    #[arg(
        long,
        env = "HOOKPOST_DISABLE_AFTER",
        value_name = "N",
        default_value_t = 10,
        value_parser = within::<0, { u32::MAX }>
    )]
    pub disable_after: u32,

    /// A file of certificates to trust besides the public ones.
    #[arg(long, env = "HOOKPOST_CA_FILE", value_name = "PEM")]
    pub ca_file: Option<PathBuf>,

    /// The most attempts at the same time: 4 to 2048; each takes a thread while it lasts.
    #[arg(long, env = "HOOKPOST_MAX_THREADS", value_name = "N", default_value_t = 256,
          value_parser = within::<4, 2048>)]
    pub max_threads: u32,

    /// The longest that a stopping server waits for attempts under way: at most 10m.
    #[arg(long, env = "HOOKPOST_GRACE_PERIOD", value_name = "TIME", default_value = "10s",
          value_parser = parse_grace)]
    pub grace_period: Duration,
}

/// The time that data is kept.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Retention")]
pub struct RetentionSettings {
    /// The age at which payloads are dropped; their events and deliveries stay listed: up to 36500d; 0: never.
    #[arg(long, env = "HOOKPOST_ARCHIVE_AFTER", value_name = "TIME", default_value = "30d",
          value_parser = parse_age)]
    pub archive_after: Duration,

    /// The age at which messages are deleted, with their events and deliveries: up to 36500d; 0: never.
    ///
    /// Pending events stay until they are finished. Access tokens are deleted this long after their expiry.
    #[arg(long, env = "HOOKPOST_DELETE_AFTER", value_name = "TIME", default_value = "90d",
          value_parser = parse_age)]
    pub delete_after: Duration,

    /// The largest size of the database file, without its write-ahead log: from 16MiB to 1024TiB; 0: no limit.
    ///
    /// Near the limit, the oldest payloads are dropped, and then the oldest finished events are deleted. If only
    /// pending events are left, publishes get a 507.
    #[arg(long, env = "HOOKPOST_MAX_DATABASE_SIZE", value_name = "BYTES", default_value = "0",
          value_parser = parse_database_size)]
    pub max_database_size: u64,
}

/// The checks of `/readyz`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Health")]
pub struct HealthSettings {
    /// The age of the oldest event that could be attempted from which on /readyz is 503; 0: never.
    ///
    /// A load balancer then sends no requests to the server, also no publishes: set it where another program
    /// should be told of a backlog.
    #[arg(long, env = "HOOKPOST_UNREADY_AFTER", value_name = "TIME", default_value = "0",
          value_parser = parse_duration)]
    pub unready_after: Duration,
}

/// The dashboard.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Dashboard")]
pub struct DashboardSettings {
    /// Serve no pages for browsers, except for the reference of the API.
    #[arg(long, env = "HOOKPOST_NO_DASHBOARD", value_parser = BoolishValueParser::new())]
    pub no_dashboard: bool,
}

/// The metrics.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsSettings {
    /// The address and port for metrics, at the path `/metrics`. None are served unless it is set.
    ///
    /// Needs no token, so it belongs on an address that only your monitoring reaches.
    #[arg(long, env = "HOOKPOST_METRICS_LISTEN", value_name = "ADDR:PORT", value_parser = parse_socket_address)]
    pub metrics_listen: Option<SocketAddr>,
}

/// The traces.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Traces")]
pub struct TraceSettings {
    /// The URL of an OpenTelemetry collector, which gets spans of publishes and attempts. None are made unless it
    /// is set.
    ///
    /// They are sent by OTLP over HTTP, as JSON, to the path `/v1/traces` below this URL.
    #[arg(long, env = "HOOKPOST_OTLP_ENDPOINT", value_name = "URL", value_parser = parse_otlp_endpoint)]
    pub otlp_endpoint: Option<String>,

    /// A file with headers for the collector, such as its token: one `name: value` on each line.
    #[arg(
        long,
        env = "HOOKPOST_OTLP_HEADERS_FILE",
        value_name = "FILE",
        requires = "otlp_endpoint"
    )]
    pub otlp_headers_file: Option<PathBuf>,
}

/// Returns the settings of an empty command line, without the environment.
fn defaults<S: Args>() -> S {
    let command = S::augment_args(Command::new("defaults").no_binary_name(true));
    let matches = without_environment(command).try_get_matches_from(std::iter::empty::<&str>());
    matches
        .and_then(|matches| S::from_arg_matches(&matches))
        .expect("every setting has a default or is optional")
}

/// Returns a definition that does not read the environment.
#[must_use]
pub fn without_environment(command: Command) -> Command {
    command
        .mut_args(|arg| arg.env(None::<&'static str>))
        .mut_subcommands(without_environment)
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
    TlsSettings,
    EncryptionSettings,
    NetworkSettings,
    EgressSettings,
    DeliverySettings,
    RetentionSettings,
    AlertSettings,
    MetricsSettings,
    HealthSettings,
    TraceSettings
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_command_line_and_no_variable_changes_them() {
        let api = ApiSettings::default();
        assert_eq!(api.listen.to_string(), "127.0.0.1:8080");
        assert_eq!((api.max_endpoints, api.max_tokens), (1000, 1000));
        assert!(api.trusted_proxy.is_empty());
        assert_eq!(DeliverySettings::default().retry_schedule.len(), 10);
        let retention = RetentionSettings::default();
        let days = |days: u64| Duration::from_hours(24 * days);
        assert_eq!(
            (retention.archive_after, retention.delete_after),
            (days(30), days(90))
        );
        assert_eq!(retention.max_database_size, 0);
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
}
