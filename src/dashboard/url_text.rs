//! The URL of an endpoint, as pages show it.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;

use super::view::Escaped;
use crate::domain::endpoint_url::EndpointUrl;

/// A URL whose host stands out: it is what tells one endpoint from another.
pub(super) struct UrlText<'a>(pub(super) &'a EndpointUrl);

impl HtmlSafe for UrlText<'_> {}

impl Display for UrlText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (scheme, host, path) = parts(self.0.as_str());
        write!(
            f,
            "<span class=\"url\">{}<b>{}</b>{}</span>",
            Escaped(scheme),
            Escaped(host),
            Escaped(path)
        )
    }
}

/// Returns a URL in three parts: up to the host, the host with its port, and the rest. URLs of endpoints have no user
/// name.
pub(super) fn parts(url: &str) -> (&str, &str, &str) {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(host_at);
    let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(path_at);
    (scheme, host, path)
}

/// Returns a short name for an endpoint: its own, or the URL without its scheme.
pub(super) fn short_name(name: &str, url: &EndpointUrl) -> String {
    if name.is_empty() {
        let (_, host, path) = parts(url.as_str());
        let path = if path == "/" { "" } else { path };
        format!("{host}{path}")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EndpointUrl {
        EndpointUrl::from_stored(text.to_owned())
    }

    #[test]
    fn the_host_stands_out() {
        assert_eq!(
            parts("https://[::1]:8443/a?b=c://d"),
            ("https://", "[::1]:8443", "/a?b=c://d")
        );
        assert_eq!(parts("no url"), ("", "no url", ""));
        assert_eq!(
            UrlText(&url("https://a.example/<b>")).to_string(),
            "<span class=\"url\">https://<b>a.example</b>/&lt;b&gt;</span>"
        );
    }

    #[test]
    fn an_endpoint_without_a_name_is_called_by_its_url() {
        assert_eq!(short_name("Shop", &url("https://a.example/")), "Shop");
        assert_eq!(short_name("", &url("https://a.example/")), "a.example");
        assert_eq!(short_name("", &url("https://a.example/x")), "a.example/x");
    }
}
