//! The settings of every command that talks to a server.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::BoolishValueParser;
use url::Url;

use super::agent;
use super::http::{Client, Credential};
use crate::cli::configuration::Setting;
use crate::cli::output::UsageError;
use crate::config::parse_duration;
use crate::domain::access::Token;

/// The address of a server that has no settings.
const SERVER: &str = "http://127.0.0.1:8080";

/// The most bytes of a file with a token: many times the length of one. More is another file.
const TOKEN_FILE_MAX: usize = 4096;

/// The server, and the right to use it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(in crate::cli) struct ServerSettings {
    /// The URL of the server.
    ///
    /// It begins with `http://` or `https://`, and may have a path.
    #[arg(long, env = "HOOKPOST_SERVER", value_name = "URL", default_value = SERVER,
          value_parser = parse_server)]
    server: Url,

    /// The access token, as `hookpost token create` prints it.
    ///
    /// Other users of the machine can read command lines, so the variable or a file is safer than the flag.
    #[arg(long, env = "HOOKPOST_TOKEN", value_name = "TOKEN", hide_env_values = true,
          value_parser = parse_token)]
    token: Option<Token>,

    /// A file with the access token.
    ///
    /// A flag wins over a variable; otherwise, there must be only one of token and file.
    #[arg(long, env = "HOOKPOST_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// A file of certificates (PEM) to trust for an `https://` server, in place of the public authorities.
    #[arg(long, env = "HOOKPOST_SERVER_CA_FILE", value_name = "PEM")]
    ca_file: Option<PathBuf>,

    /// The longest time of one request, with the waits and repetitions that it needs.
    #[arg(long, env = "HOOKPOST_TIMEOUT", value_name = "TIME", default_value = "30s",
          value_parser = parse_timeout)]
    timeout: Duration,
}

/// The form of the output.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct OutputSettings {
    /// Print JSON, as the API has it; a list is an array with one object per line.
    #[arg(long, env = "HOOKPOST_JSON", value_parser = BoolishValueParser::new())]
    pub(in crate::cli) json: bool,
}

/// Reads the URL of a server. The path of the API at its end does not count, since guides show it.
fn parse_server(text: &str) -> Result<Url, String> {
    let bad = || format!("expected the URL of a server, such as {SERVER}");
    let mut url = Url::parse(text.trim()).map_err(|_| bad())?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_plain {
        return Err(bad());
    }
    let path = url.path().trim_end_matches('/');
    let path = ["/api", "/v1"]
        .iter()
        .find_map(|api| path.strip_suffix(api))
        .unwrap_or(path);
    let path = path.to_owned();
    url.set_path(&path);
    Ok(url)
}

fn parse_token(text: &str) -> Result<Token, String> {
    Token::parse(text.trim())
        .ok_or_else(|| "expected a token as `hookpost token create` prints it".to_owned())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    if timeout.is_zero() {
        return Err("must be more than 0".to_owned());
    }
    Ok(timeout)
}

impl ServerSettings {
    /// Returns a client with these settings; `settings` say where their values come from. Makes no connection
    /// yet.
    ///
    /// # Errors
    /// There is no token, or a file cannot be read or holds something else.
    pub(in crate::cli) fn client(self, settings: &[Setting]) -> anyhow::Result<Client> {
        let place = |name: &str| {
            let setting = settings.iter().find(|setting| setting.name == name);
            setting.map(Setting::place).unwrap_or_default()
        };
        let credential = credential(
            self.token.map(|token| (token, place("token"))),
            self.token_file.map(|file| (file, place("token-file"))),
        )?;
        let tls = match &self.ca_file {
            None => agent::Roots::Public,
            Some(path) => {
                let place = place("ca-file");
                let pem = std::fs::read(path)
                    .with_context(|| format!("cannot read {} ({place})", path.display()))?;
                agent::Roots::file(&pem).with_context(|| format!("{} ({place})", path.display()))?
            }
        };
        let base = self.server.as_str().trim_end_matches('/').to_owned();
        Ok(Client::new(base, credential, &tls, self.timeout))
    }
}

/// Chooses the token. Both settings come with their places.
fn credential(
    token: Option<(Token, String)>,
    file: Option<(PathBuf, String)>,
) -> anyhow::Result<Credential> {
    let is_flag = |place: &str| place.starts_with("--");
    match (token, file) {
        (None, None) => Err(UsageError(
            "there is no token: set HOOKPOST_TOKEN, or give --token-file; \
             `hookpost token create --workspace default` makes one"
                .to_owned(),
        )
        .into()),
        (Some((_, place)), Some((_, other))) if is_flag(&place) == is_flag(&other) => {
            bail!("both {place} and {other} are given; one will do")
        }
        (Some((token, place)), None) => Ok(Credential { token, place }),
        (Some((token, place)), Some(_)) if is_flag(&place) => Ok(Credential { token, place }),
        (_, Some((path, place))) => {
            let place = format!("{} ({place})", path.display());
            let read = std::fs::read(&path).with_context(|| format!("cannot read {place}"))?;
            let text = std::str::from_utf8(&read).ok();
            let text = text.filter(|text| text.len() <= TOKEN_FILE_MAX);
            match text.and_then(|text| Token::parse(text.trim())) {
                Some(token) => Ok(Credential { token, place }),
                None => bail!("{place} holds no token as `hookpost token create` prints it"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::TokenKind;

    #[test]
    fn a_server_is_a_plain_url_and_the_path_of_the_api_does_not_count() {
        for (text, url) in [
            ("http://127.0.0.1:8080/api", "http://127.0.0.1:8080/"),
            ("https://a.example/hooks/", "https://a.example/hooks"),
            (" http://[::1]:9/v1/ ", "http://[::1]:9/"),
        ] {
            assert_eq!(parse_server(text).unwrap().as_str(), url);
        }
        for bad in [
            "localhost:8080",
            "127.0.0.1:8080",
            "ftp://a",
            "http://u:p@a",
            "http://a?b",
            "",
        ] {
            assert!(parse_server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_two_of_a_kind_are_refused() {
        let token = || Token::generate(TokenKind::Workspace);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let in_file = token();
        std::fs::write(&file, format!("{}\n", in_file.reveal())).unwrap();
        let from = |token_at: &str, file_at: &str| {
            credential(
                Some((token(), token_at.to_owned())),
                Some((file.clone(), file_at.to_owned())),
            )
        };
        let chosen = from("HOOKPOST_TOKEN", "--token-file").unwrap();
        assert_eq!(chosen.token.reveal(), in_file.reveal());
        let chosen = from("--token", "HOOKPOST_TOKEN_FILE").unwrap();
        assert_eq!(chosen.place, "--token");
        let both = from("HOOKPOST_TOKEN", "HOOKPOST_TOKEN_FILE").unwrap_err();
        assert_eq!(
            both.to_string(),
            "both HOOKPOST_TOKEN and HOOKPOST_TOKEN_FILE are given; one will do"
        );
    }
}
