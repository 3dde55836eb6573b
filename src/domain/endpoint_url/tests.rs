use proptest::prelude::*;

use super::{EndpointUrl, MAX_URL_BYTES, UrlProblem};
use crate::domain::network_policy::NetworkPolicy;

fn strict(input: &str) -> Result<String, UrlProblem> {
    EndpointUrl::parse(input, &NetworkPolicy::strict()).map(|url| url.as_str().to_owned())
}

fn open() -> NetworkPolicy {
    NetworkPolicy {
        allow_http: true,
        allow: vec!["127.0.0.0/8".parse().expect("a network")],
    }
}

#[test]
fn stored_normalised() {
    for (sent, stored) in [
        ("https://example.com", "https://example.com/"),
        (" \t\r\nhttps://example.com/a \n", "https://example.com/a"),
        (
            "HTTPS://EXAMPLE.com:443/a/../b?q=1",
            "https://example.com/b?q=1",
        ),
        ("https:example.com", "https://example.com/"),
        (
            "https://bücher.example/ä",
            "https://xn--bcher-kva.example/%C3%A4",
        ),
        (
            "https://example.com/a b\tc\r\nd",
            "https://example.com/a%20bcd",
        ),
        ("https://example.com/#part", "https://example.com/#part"),
        ("https://0x8.0x8.8.8/", "https://8.8.8.8/"),
        (
            "https://[2606:4700:4700:0::1111]/",
            "https://[2606:4700:4700::1111]/",
        ),
        ("https://localhost.example/", "https://localhost.example/"),
        ("https://my_container/hook", "https://my_container/hook"),
    ] {
        assert_eq!(strict(sent).as_deref(), Ok(stored), "{sent:?}");
    }
}

#[test]
fn unusable_urls_say_why() {
    for (sent, why) in [
        ("", "input is empty"),
        (" \t\n", "input is empty"),
        ("example.com/hook", "relative URL without a base"),
        ("/hook", "relative URL without a base"),
        ("//example.com", "relative URL without a base"),
        ("https://", "empty host"),
        ("https://:443/", "empty host"),
        ("https://example.com:99999/", "invalid port number"),
        ("https://example.com:port/", "invalid port number"),
        ("https://256.1.1.1/", "invalid IPv4 address"),
        ("https://1.2.3.4.5/", "invalid IPv4 address"),
        ("https://[::g]/", "invalid IPv6 address"),
        ("https://[::1/", "invalid IPv6 address"),
        ("https://xn--a/", "invalid international domain name"),
        ("https://exa mple.com/", "invalid international domain name"),
        (
            "https://\"example.com/",
            "invalid international domain name",
        ),
        (
            "https://{example}.com/",
            "invalid international domain name",
        ),
        ("https://exa*mple.com/", "invalid international domain name"),
    ] {
        assert_eq!(strict(sent), Err(UrlProblem::Parsing(why)), "{sent:?}");
    }
}

#[test]
fn only_allowed_schemes() {
    for sent in [
        "http://example.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "file:///etc",
    ] {
        let problem = strict(sent).expect_err(sent);
        let scheme = UrlProblem::Scheme {
            http_allowed: false,
            is_http: sent.starts_with("http:"),
        };
        assert_eq!(problem, scheme, "{sent}");
    }
    assert_eq!(
        EndpointUrl::parse("http://example.com", &open()).map(|url| url.to_string()),
        Ok("http://example.com/".to_owned())
    );
    assert_eq!(
        EndpointUrl::parse("ws://example.com", &open()).expect_err("a websocket"),
        UrlProblem::Scheme {
            http_allowed: true,
            is_http: false,
        }
    );
}

#[test]
fn length_counts_as_sent_and_as_normalised() {
    let of_length = |bytes: usize| {
        let start = "https://example.com/";
        format!("{start}{}", "a".repeat(bytes - start.len()))
    };
    assert!(strict(&of_length(MAX_URL_BYTES)).is_ok());
    assert_eq!(
        strict(&of_length(MAX_URL_BYTES + 1)),
        Err(UrlProblem::TooLong)
    );
    // Each umlaut is two bytes as sent, and six as normalised.
    let umlauts = format!("https://example.com/{}", "ä".repeat(500));
    assert_eq!(strict(&umlauts), Err(UrlProblem::TooLong));
}

#[test]
fn no_userinfo() {
    for sent in [
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://:password@example.com/",
    ] {
        assert_eq!(strict(sent), Err(UrlProblem::Userinfo), "{sent}");
    }
}

#[test]
fn forbidden_literals_in_any_spelling() {
    for sent in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://127.0.0.1./",
        "https://１２７.0.0.1/",
        "https://169.254.169.254/latest/",
        "https://[::1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[fd00:ec2::254]/",
    ] {
        assert!(
            matches!(strict(sent), Err(UrlProblem::ForbiddenAddress(_))),
            "{sent}: {:?}",
            strict(sent)
        );
    }
    assert!(EndpointUrl::parse("https://127.1:8443/", &open()).is_ok());
}

#[test]
fn parts_of_a_stored_url() {
    let url = EndpointUrl::from_stored("https://example.com:8443/a".to_owned());
    assert_eq!(url.url().and_then(|url| url.port()), Some(8443));
    assert_eq!(EndpointUrl::from_stored("nonsense".to_owned()).url(), None);
}

proptest! {
    /// A stored URL, parsed again, stays the same, and no input panics.
    #[test]
    fn normalising_is_idempotent(input in "(https://[a-z0-9.:\\[\\]@%/?# ä\u{202e}]{0,40}|.{0,40})") {
        if let Ok(url) = EndpointUrl::parse(&input, &open()) {
            prop_assert_eq!(EndpointUrl::parse(url.as_str(), &open()), Ok(url));
        }
    }

    /// Nothing in a stored URL can end a line of a request.
    #[test]
    fn stored_urls_are_visible_ascii(tail in "\\PC{0,30}|[\\x00-\\x20]{0,10}") {
        if let Ok(url) = EndpointUrl::parse(&format!("https://example.com/{tail}"), &open()) {
            prop_assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{}", url);
        }
    }
}

#[test]
fn localhost_is_refused_like_its_addresses() {
    for sent in [
        "https://localhost/",
        "https://LOCALHOST:8443/hook",
        "https://localhost./",
        "https://a.localhost/",
        "https://a.b.localhost.:1/",
        "https://ⓛocalhost/",
        "https://loc\u{ad}alhost/",
    ] {
        let refused = NetworkPolicy::strict().check_addr([127, 0, 0, 1].into());
        let expected = Err(UrlProblem::ForbiddenAddress(refused.unwrap_err()));
        assert_eq!(strict(sent), expected, "{sent}");
        for allowed in ["127.0.0.0/8", "127.0.0.1/32", "::1/128"] {
            let policy = NetworkPolicy {
                allow_http: false,
                allow: vec![allowed.parse().unwrap()],
            };
            assert!(
                EndpointUrl::parse(sent, &policy).is_ok(),
                "{sent} {allowed}"
            );
        }
    }
    for sent in [
        "https://localhost.example/",
        "https://notlocalhost/",
        "https://local-host/",
        "https://localhost.localdomain/",
    ] {
        assert!(strict(sent).is_ok(), "{sent}");
    }
}
