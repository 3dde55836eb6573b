//! Custom headers of an endpoint: sent with every attempt, for gateways that want a credential of their own. The values
//! are secrets: nothing shows them again.

use std::fmt;

use thiserror::Error;

/// The most custom headers of an endpoint.
pub const HEADERS_MAX: usize = 20;
/// The longest name, in bytes.
pub const HEADER_NAME_MAX: usize = 64;
/// The longest value, in bytes.
pub const HEADER_VALUE_MAX: usize = 4096;
/// The most bytes of all names and values of an endpoint: servers refuse heads that are much larger.
pub const HEADERS_MAX_BYTES: usize = 8 << 10;
/// The text that stands for a value in answers. In a request it keeps the value that is stored.
pub const HIDDEN_VALUE: &str = "***";

/// Names that nobody may set: they frame the request, say who sends it, or belong to the delivery.
const FORBIDDEN: [&str; 14] = [
    "accept-encoding",
    "connection",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    // Open the metadata service of a cloud, as those of the prefixes do.
    "metadata",
    "metadata-flavor",
];

/// Beginnings of names that nobody may set.
const FORBIDDEN_PREFIXES: [&str; 11] = [
    "ce-",
    "content-",
    "proxy-",
    "webhook-",
    "x-amz-",
    "x-aws-",
    "x-forwarded-",
    "x-goog",
    "x-metadata-",
    // Carry the trace of the message.
    "traceparent",
    "tracestate",
];

/// The reason why a text is no name of a custom header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderNameProblem {
    /// It is empty or too long.
    #[error("a header name has 1 to {HEADER_NAME_MAX} characters")]
    Length,
    /// It has a character that is not in the token of RFC 9110, section 5.6.2.
    #[error("a header name has letters, digits and !#$%&'*+-.^_`|~ alone")]
    Character,
    /// Hookpost sets it, or it could do harm.
    #[error(
        "this header cannot be set: it frames the request, or belongs to the delivery or to a cloud's services"
    )]
    Forbidden,
}

/// The reason why a text is no value of a custom header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderValueProblem {
    /// It is too long.
    #[error("a header value has at most {HEADER_VALUE_MAX} characters")]
    Length,
    /// It has another character than visible ASCII and spaces, or a space at an end.
    #[error(
        "a header value has visible ASCII characters and spaces alone, and no space at its ends"
    )]
    Character,
}

/// Checks the name of a custom header.
///
/// # Errors
/// [`HeaderNameProblem`] says what is wrong.
pub fn check_name(name: &str) -> Result<(), HeaderNameProblem> {
    if name.is_empty() || name.len() > HEADER_NAME_MAX {
        return Err(HeaderNameProblem::Length);
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.bytes().all(is_token) {
        return Err(HeaderNameProblem::Character);
    }
    // Servers that hand headers on as variables (CGI) cannot tell `_` from `-`.
    let name = name.to_ascii_lowercase().replace('_', "-");
    let is_forbidden = FORBIDDEN.contains(&name.as_str())
        || FORBIDDEN_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
    if is_forbidden {
        return Err(HeaderNameProblem::Forbidden);
    }
    Ok(())
}

/// Checks the value of a custom header, which may be empty.
///
/// # Errors
/// [`HeaderValueProblem`] says what is wrong.
pub fn check_value(value: &str) -> Result<(), HeaderValueProblem> {
    if value.len() > HEADER_VALUE_MAX {
        return Err(HeaderValueProblem::Length);
    }
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if !value.bytes().all(is_visible) || value.starts_with(' ') || value.ends_with(' ') {
        return Err(HeaderValueProblem::Character);
    }
    Ok(())
}

/// The custom headers of an endpoint, in the order in which they were given. `Debug` shows no value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CustomHeaders(Vec<(String, String)>);

impl CustomHeaders {
    /// Returns headers that were stored: each a name and a value.
    #[must_use]
    pub const fn from_stored(headers: Vec<(String, String)>) -> Self {
        Self(headers)
    }

    /// Returns the names and the values. Only for requests to the receiver, and for the store.
    #[must_use]
    pub fn reveal(&self) -> &[(String, String)] {
        &self.0
    }

    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Reports whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn value_of(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for CustomHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The value of a header in a request of a caller.
#[derive(Clone, PartialEq, Eq)]
pub enum GivenValue {
    /// The stored one stays ([`HIDDEN_VALUE`]).
    Kept,
    /// This is the value.
    Is(String),
}

impl GivenValue {
    /// Returns the value that a text stands for.
    #[must_use]
    pub fn of(text: String) -> Self {
        if text == HIDDEN_VALUE {
            Self::Kept
        } else {
            Self::Is(text)
        }
    }
}

/// The custom headers in a request of a caller, whose names and values are checked; no two names differ only in case.
/// `Debug` shows no value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GivenHeaders(Vec<(String, GivenValue)>);

/// No value is stored for a header whose value is to stay.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no value is stored for the header {0}")]
pub struct NoSuchHeader(pub String);

impl GivenHeaders {
    /// Returns headers, each a name and a value.
    #[must_use]
    pub const fn new(headers: Vec<(String, GivenValue)>) -> Self {
        Self(headers)
    }

    /// Returns the name of the first header whose value is to stay.
    #[must_use]
    pub fn first_kept(&self) -> Option<&str> {
        let kept = self.0.iter().find(|(_, value)| *value == GivenValue::Kept);
        kept.map(|(name, _)| name.as_str())
    }

    /// Returns the headers that replace `stored`.
    ///
    /// # Errors
    /// [`NoSuchHeader`] if a value is to stay and there is none.
    pub fn replace(self, stored: &CustomHeaders) -> Result<CustomHeaders, NoSuchHeader> {
        let mut headers = Vec::with_capacity(self.0.len());
        for (name, value) in self.0 {
            let value = match value {
                GivenValue::Is(value) => value,
                GivenValue::Kept => match stored.value_of(&name) {
                    Some(value) => value.to_owned(),
                    None => return Err(NoSuchHeader(name)),
                },
            };
            headers.push((name, value));
        }
        Ok(CustomHeaders(headers))
    }
}

impl fmt::Debug for GivenHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(headers: &[(&str, &str)]) -> GivenHeaders {
        let header = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), GivenValue::of((*value).to_owned()))
        };
        GivenHeaders::new(headers.iter().map(header).collect())
    }

    #[test]
    fn no_header_can_be_set_that_frames_the_request_or_opens_another_service() {
        for name in [
            "Host",
            "connection",
            "Keep-Alive",
            "Proxy-Authorization",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "upgrade",
            "Expect",
            "Content-Type",
            "content-length",
            "Accept-Encoding",
            "User-Agent",
            "Date",
            "Forwarded",
            "X-Forwarded-For",
            "webhook-id",
            "Webhook-Signature",
            "ce-type",
            "Metadata-Flavor",
            "X-Aws-Ec2-Metadata-Token",
            "x-amz-date",
            "X-Goog-Api-Key",
            "x-google-metadata",
            "X-Metadata-Token",
            "traceparent",
            "Tracestate",
        ] {
            assert_eq!(
                check_name(name),
                Err(HeaderNameProblem::Forbidden),
                "{name}"
            );
        }
        for name in ["Authorization", "X-Api-Key", "cookie", "x-good", "hosts"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", &"a".repeat(65)] {
            assert_eq!(check_name(name), Err(HeaderNameProblem::Length), "{name}");
        }
        for name in ["a b", "a:", "ä", "a\r\nb", "a\0"] {
            assert_eq!(
                check_name(name),
                Err(HeaderNameProblem::Character),
                "{name:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_value_cannot_split_the_head(value in "\\PC{0,8}[\r\n\t\0\u{7f}é]\\PC{0,8}") {
            prop_assert_eq!(check_value(&value), Err(HeaderValueProblem::Character));
        }

        #[test]
        fn visible_values_are_taken(value in "[!-~]([ -~]{0,60}[!-~])?") {
            prop_assert_eq!(check_value(&value), Ok(()));
        }
    }

    #[test]
    fn spaces_stand_only_between_and_an_empty_value_is_one() {
        assert_eq!(check_value(""), Ok(()));
        for value in [" a", "a ", " "] {
            assert_eq!(check_value(value), Err(HeaderValueProblem::Character));
        }
        assert_eq!(
            check_value(&"a".repeat(4097)),
            Err(HeaderValueProblem::Length)
        );
    }

    #[test]
    fn what_an_answer_shows_can_be_sent_back() {
        let stored = given(&[("X-Key", "one"), ("X-Other", "two")]);
        let stored = stored.replace(&CustomHeaders::default()).unwrap();
        let back = given(&[("x-key", "***"), ("X-Other", "three")]);
        let replaced = back.replace(&stored).unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            replaced.reveal(),
            [header("x-key", "one"), header("X-Other", "three")]
        );
        let unknown = given(&[("X-New", "***")]).replace(&stored);
        assert_eq!(unknown, Err(NoSuchHeader("X-New".to_owned())));
        assert!(given(&[]).replace(&stored).unwrap().is_empty());
    }

    #[test]
    fn values_are_not_in_the_debug_text() {
        let headers = given(&[("X-Key", "hidden")]);
        let stored = headers.clone().replace(&CustomHeaders::default()).unwrap();
        assert_eq!(format!("{headers:?} {stored:?}"), r#"{"X-Key"} {"X-Key"}"#);
    }
}
