//! `hookpost healthcheck`: a readiness check for the container image, which has no other HTTP client.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use ureq::http::{Request, StatusCode};
use url::Url;

use super::request::{self, reachable};
use crate::config::{LISTEN, parse_duration, parse_listen};

/// Ask a running server whether it is ready: exit code 0 if it is.
#[derive(Args, Debug)]
pub(super) struct Healthcheck {
    /// The address that the server listens on.
    #[arg(long, env = "HOOKPOST_LISTEN", value_name = "ADDR:PORT", default_value = LISTEN,
          value_parser = parse_listen)]
    listen: SocketAddr,

    /// Ask this server instead, such as `http://127.0.0.1:8080`.
    #[arg(long, env = "HOOKPOST_HEALTHCHECK_URL", value_parser = parse_url)]
    url: Option<Url>,

    /// The longest time to wait for the answer.
    #[arg(long, env = "HOOKPOST_HEALTHCHECK_TIMEOUT", value_name = "TIME", default_value = "5s",
          value_parser = parse_duration)]
    timeout: Duration,
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme() == "http" && url.has_host() {
        Ok(url)
    } else {
        Err("expected an http:// URL; TLS ends before the server".to_owned())
    }
}

impl Healthcheck {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (authority, path) = match &self.url {
            Some(url) => target(url),
            None => (reachable(self.listen).to_string(), "/readyz".to_owned()),
        };
        let request = Request::get(format!("http://{authority}{path}")).body(())?;
        let (status, body) = request::send(request, self.timeout)?;
        if status != StatusCode::OK {
            bail!("not ready: {} {}", status.as_u16(), body.trim());
        }
        Ok(())
    }
}

/// Returns the host with its port, and the path: `/readyz` unless the URL has one.
fn target(url: &Url) -> (String, String) {
    let host = url.host_str().unwrap_or_default();
    let authority = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
    let path = match url.path() {
        "/" => "/readyz".to_owned(),
        path => path.to_owned(),
    };
    (authority, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_readyz() {
        let ask = |text| target(&parse_url(text).unwrap());
        assert_eq!(ask("http://a:9"), ("a:9".to_owned(), "/readyz".to_owned()));
        assert_eq!(
            ask("http://[::1]/x"),
            ("[::1]:80".to_owned(), "/x".to_owned())
        );
        assert!(parse_url("https://a").is_err());
    }
}
