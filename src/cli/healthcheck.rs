//! `hookpost healthcheck`: a readiness check for the container image, which has no other HTTP client.

mod pinned;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use url::Url;

use super::client::shown;
use super::output;
use super::request::reachable;
use crate::config::{LISTEN, ListenAddress, parse_duration, parse_listen};

/// Ask a running server whether it is ready: exit code 0 if it is.
#[derive(Args, Debug)]
pub(super) struct Healthcheck {
    /// The address that the server listens on.
    #[arg(long, env = "HOOKPOST_LISTEN", value_name = "ADDRESS", default_value = LISTEN,
          value_parser = parse_listen)]
    listen: ListenAddress,

    /// The certificate of the server, if it speaks HTTPS: it must be the one that the server shows.
    #[arg(long, env = "HOOKPOST_TLS_CERT", value_name = "PEM")]
    tls_cert: Option<PathBuf>,

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
    if ["http", "https"].contains(&url.scheme()) && url.has_host() {
        Ok(url)
    } else {
        Err("expected an http:// or https:// URL".to_owned())
    }
}

impl Healthcheck {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let timeout = self.timeout;
        let (give, answer) = mpsc::channel();
        // No step of the exchange has a limit, such as the look-up of a name. The thread ends with the process.
        thread::Builder::new()
            .name("healthcheck".to_owned())
            .spawn(move || give.send(self.ask()))?;
        let answer = answer.recv_timeout(timeout).ok();
        let (status, body) =
            answer.with_context(|| format!("no answer within {timeout:?} (--timeout)"))??;
        if status != 200 {
            bail!("not ready: {status} {}", shown(body.trim()));
        }
        output::listing("ok\n")
    }

    /// Sends the request, and returns the status and the body of the answer.
    fn ask(&self) -> anyhow::Result<(u16, String)> {
        let (host, path, is_tls) = match (&self.url, &self.listen) {
            (Some(url), _) => {
                let (host, path) = target(url);
                (host, path, url.scheme() == "https")
            }
            (None, ListenAddress::Tcp(addr)) => {
                let host = reachable(*addr).to_string();
                (host, READYZ.to_owned(), self.tls_cert.is_some())
            }
            #[cfg(unix)]
            (None, ListenAddress::Unix(path)) => {
                let stream = std::os::unix::net::UnixStream::connect(path)
                    .with_context(|| format!("no answer from {}", self.listen))?;
                return exchange(stream, "localhost", READYZ);
            }
            #[cfg(not(unix))]
            (None, ListenAddress::Unix(_)) => bail!("this system has no Unix sockets"),
        };
        self.ask_over_tcp(&host, &path, is_tls)
            .with_context(|| format!("no answer from {host}"))
    }

    fn ask_over_tcp(&self, host: &str, path: &str, is_tls: bool) -> anyhow::Result<(u16, String)> {
        let stream = TcpStream::connect(host)?;
        if !is_tls {
            return exchange(stream, host, path);
        }
        let Some(cert) = &self.tls_cert else {
            bail!("an https:// URL needs the certificate of the server (--tls-cert)");
        };
        exchange(pinned::stream(stream, cert)?, host, path)
    }
}

/// The path that is asked unless the URL has one.
const READYZ: &str = "/readyz";

/// The longest answer that is read, in bytes: far more than the server sends.
const ANSWER_MAX_BYTES: u64 = 64 << 10;

/// Sends a request of HTTP/1.0, after whose answer the server closes the connection.
fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    path: &str,
) -> anyhow::Result<(u16, String)> {
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    stream.flush()?;
    let mut answer = Vec::new();
    let read = stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        read?;
        bail!("the answer is not HTTP");
    };
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.context("the answer is not HTTP")?;
    Ok((status, body.to_owned()))
}

/// Returns the host with its port, and the path: `/readyz` unless the URL has one.
fn target(url: &Url) -> (String, String) {
    let host = url.host_str().unwrap_or_default();
    let authority = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
    let path = match url.path() {
        "/" => READYZ.to_owned(),
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
        assert_eq!(ask("https://a").0, "a:443");
        assert!(parse_url("ftp://a").is_err());
    }
}
