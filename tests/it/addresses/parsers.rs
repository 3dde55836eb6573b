//! The tests of the two parsers that read an endpoint's URL: the one that decides if the server accepts it,
//! and the client's. They must see the same host, port and path; otherwise the decision is about another
//! URL.

use hookpost::domain::endpoint_url::{EndpointUrl, MAX_URL_BYTES, request_form};
use hookpost::domain::network_policy::NetworkPolicy;
use proptest::prelude::*;
use ureq::http::Uri;
use url::Url;

fn open() -> NetworkPolicy {
    NetworkPolicy {
        allow_http: true,
        allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
    }
}

/// Compares what both parsers see in what is stored of `input`, if it is accepted; says the host.
fn compare(input: &str) -> Result<Option<String>, String> {
    let Ok(stored) = EndpointUrl::parse(input, &open()) else {
        return Ok(None);
    };
    let text = stored.as_str();
    let url = Url::parse(text).map_err(|error| format!("{text}: {error}"))?;
    let requested = request_form(text);
    let requested_url = Url::parse(&requested).map_err(|error| format!("{requested}: {error}"))?;
    let uri: Uri = requested
        .parse()
        .map_err(|error| format!("accepted, but can't be requested: {text}: {error}"))?;
    let same = uri.scheme_str() == Some(url.scheme())
        && uri.host() == url.host_str()
        && uri.port_u16() == url.port()
        && uri.path() == requested_url.path()
        && uri.query() == requested_url.query()
        && uri.authority().map(ureq::http::uri::Authority::as_str) == Some(url.authority());
    if !same {
        return Err(format!("{text} is {url:?} to one and {uri:?} to the other"));
    }
    if text.len() > MAX_URL_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{text:?} can't stand in a request line"));
    }
    Ok(url.host_str().map(str::to_owned))
}

/// URLs that other parsers misread: the host is the one that a browser sees.
#[test]
fn tricks_lead_where_the_accepted_url_says() {
    for (input, host) in [
        ("https://example.com\\@127.0.0.1/", "example.com"),
        ("https://example.com\\.127.0.0.1/", "example.com"),
        ("https://example.com/@127.0.0.1/", "example.com"),
        ("https://example.com#@127.0.0.1/", "example.com"),
        ("https://example.com?@127.0.0.1/", "example.com"),
        ("https://example.com#\\@127.0.0.1/", "example.com"),
        ("https://example.com:443#@127.0.0.1:8443/", "example.com"),
        ("https://example.com/..//127.0.0.1/", "example.com"),
        ("https://example.com//127.0.0.1/", "example.com"),
        ("https:example.com", "example.com"),
        ("https:\\\\example.com", "example.com"),
        ("https:////example.com", "example.com"),
        ("https://EXAMPLE.com/", "example.com"),
        ("https://ｅxample.com/", "example.com"),
        ("https://example。com/", "example.com"),
        ("https://ex\tam\nple.com/", "example.com"),
        ("https://example.com./", "example.com."),
        ("https://127.0.0.1.example.com/", "127.0.0.1.example.com"),
        ("https://127-0-0-1.example.com/", "127-0-0-1.example.com"),
        ("https://0x7f.1.example.com/", "0x7f.1.example.com"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("https://faß.example/", "xn--fa-hia.example"),
        ("https://my_container/", "my_container"),
        ("https://localhost/", "localhost"),
        ("https://[2606:4700:0:0::1]:8443/", "[2606:4700::1]"),
        ("https://[::ffff:8.8.8.8]/", "[::ffff:808:808]"),
        ("https://0x8080808/", "8.8.8.8"),
    ] {
        assert_eq!(compare(input), Ok(Some(host.to_owned())), "{input}");
    }
}

/// Every ASCII character, and some others, in each part of a URL.
#[test]
fn each_character_in_each_place_is_read_alike_or_refused() {
    let characters = (0..=127u8)
        .map(char::from)
        .chain("\u{80}\u{ad}\u{200b}\u{2028}\u{202e}\u{feff}\u{fffd}äß。．／：＠％⁄⒈①".chars());
    for c in characters {
        for place in [
            format!("{c}https://example.com/"),
            format!("https{c}://example.com/"),
            format!("https:{c}//example.com/"),
            format!("https:/{c}/example.com/"),
            format!("https://{c}example.com/"),
            format!("https://exa{c}mple.com/"),
            format!("https://example.com{c}"),
            format!("https://example.com{c}/"),
            format!("https://example.com{c}127.0.0.1/"),
            format!("https://example.com{c}@127.0.0.1/"),
            format!("https://example.com:{c}8443/"),
            format!("https://example.com:84{c}43/"),
            format!("https://example.com:8443{c}/"),
            format!("https://1.1.1.1{c}/"),
            format!("https://1.1{c}1.1/"),
            format!("https://[2606:4700::1{c}]/"),
            format!("https://[2606:4700::1]{c}/"),
            format!("https://example.com/{c}"),
            format!("https://example.com/a{c}b/c"),
            format!("https://example.com/?{c}"),
            format!("https://example.com/?a{c}b=c"),
            format!("https://example.com/#{c}"),
            format!("https://example.com/a?b#c{c}d"),
        ] {
            if let Err(difference) = compare(&place) {
                panic!("{place:?}: {difference}");
            }
        }
    }
}

/// Texts that are nearly URLs, so that many are accepted.
fn nearly_urls() -> impl Strategy<Value = String> {
    let scheme = "(https?|HTTPS|ftp|):?[/\\\\]{0,4}";
    let userinfo = "([a-z%:\\\\#?]{0,3}@)?";
    let host = "([a-z0-9._~!$&'()*+,;=\"`{}|^%-]{0,12}|[0-9a-fx.]{1,12}|\\[[0-9a-f:.%]{0,20}\\]|\\PC{1,6}|xn--[a-z0-9-]{1,8})";
    let port = "(:[0-9]{0,6}|:[a-z+-]?[0-9]{1,3})?";
    let rest = "([/\\\\?#;@]?[a-z0-9/\\\\?#%@:;&=+ \\[\\]{}|^`<>\"'\\x00-\\x20äß\u{202e}]{0,16})";
    (scheme, userinfo, host, port, rest).prop_map(|(scheme, userinfo, host, port, rest)| {
        format!("{scheme}{userinfo}{host}{port}{rest}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn what_is_accepted_is_read_alike(input in nearly_urls()) {
        let compared = compare(&input);
        prop_assert!(compared.is_ok(), "{:?}: {:?}", input, compared);
    }
}
