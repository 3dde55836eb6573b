//! The form of an endpoint's URL that requests use: that of RFC 3986.
//!
//! An endpoint's URL is in the form of browsers (WHATWG), which leaves characters in path and query that RFC
//! 3986 forbids, such as `|` and braces. Tomcat and the JDK's server answer 400 to a request that has one. So
//! requests percent-encode these characters, which servers decode.

use std::borrow::Cow;
use std::fmt::Write;

/// Reports whether RFC 3986 allows a visible ASCII character nowhere in a path or a query. What else it forbids
/// does not occur in a normalised URL.
const fn is_forbidden(character: char) -> bool {
    matches!(
        character,
        '"' | '<' | '>' | '[' | '\\' | ']' | '^' | '`' | '{' | '|' | '}'
    )
}

/// Returns a normalised URL with the characters percent-encoded that RFC 3986 forbids in path and query. All
/// others stay as they are, even a `%` that begins no encoding, because a receiver may compare bytes.
#[must_use]
pub fn request_form(url: &str) -> Cow<'_, str> {
    let host = url.find("://").map_or(0, |scheme| scheme + "://".len());
    let end_of_host = url[host..].find(['/', '?', '#']);
    let (origin, target) = url.split_at(end_of_host.map_or(url.len(), |length| host + length));
    if !target.bytes().any(|byte| is_forbidden(byte.into())) {
        return Cow::Borrowed(url);
    }
    let mut text = String::with_capacity(url.len() * 2);
    text.push_str(origin);
    for character in target.chars() {
        if is_forbidden(character) {
            write!(text, "%{:02X}", u32::from(character)).expect("a text takes everything");
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn only_forbidden_characters_of_path_and_query_are_encoded() {
        for (url, requested) in [
            ("https://a.example/", None),
            ("https://a.example/%2F%7C%zz%2f+?%7b&%", None),
            (
                "https://a.example/-._~!$&'()*+,;=:@/?-._~!$&'()*+,;=:@/?",
                None,
            ),
            ("https://[::1]:8443/a", None),
            ("https://[::1]:8443/[a]", Some("https://[::1]:8443/%5Ba%5D")),
            ("https://[::1]?[", Some("https://[::1]?%5B")),
            (
                r#"https://a.example/"<>[\]^`{|}"#,
                Some("https://a.example/%22%3C%3E%5B%5C%5D%5E%60%7B%7C%7D"),
            ),
            (
                "https://a.example/%7C|?|=%7C",
                Some("https://a.example/%7C%7C?%7C=%7C"),
            ),
        ] {
            assert_eq!(request_form(url), requested.unwrap_or(url));
        }
    }

    proptest! {
        /// The target of every URL in the form of browsers becomes one of RFC 3986 (but for a `%` that begins no
        /// encoding), and means the same.
        #[test]
        fn targets_are_of_rfc_3986(tail in "[ -~]{0,40}|\\PC{0,20}") {
            if let Ok(url) = Url::parse(&format!("https://a.example/{tail}")) {
                let mut url = url;
                url.set_fragment(None);
                let requested = request_form(url.as_str());
                let target = requested.strip_prefix("https://a.example").expect("the same host");
                prop_assert!(
                    target.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b)),
                    "{}", target
                );
                let encoded: String = (url[url::Position::BeforePath..].chars())
                    .map(|c| if is_forbidden(c) { format!("%{:02X}", u32::from(c)) } else { c.into() })
                    .collect();
                prop_assert_eq!(target, encoded);
            }
        }
    }
}
