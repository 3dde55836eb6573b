//! The path of a request, in its normal form.

use std::borrow::Cow;

/// The base path and its alias. Every route of [`Access::AnyOf`](super::access::Access::AnyOf) and
/// [`Access::Admin`](super::access::Access::Admin) is under both.
pub const BASES: [&str; 2] = ["/api", "/v1"];

/// Returns a path without needless percent-encoding: letters, digits and `-._~` mean the same encoded and not
/// encoded (RFC 3986, section 2.3), and some clients and proxies encode them. Most clients encode the `:` that the key of
/// an endpoint may have; in a path it means nothing else. All else stays as it is, because an encoded `/` is not a
/// separator.
pub(crate) fn decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('%') {
        decoded.push_str(before);
        if let Some(character) = needless(behind) {
            decoded.push(character);
            rest = &behind[2..];
        } else {
            decoded.push('%');
            rest = behind;
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Returns the character that the first two hexadecimal digits of a text encode, if they need not.
fn needless(digits: &str) -> Option<char> {
    let digits = digits.get(..2)?;
    // The parser would also take a sign.
    let value = u8::from_str_radix(digits, 16)
        .ok()
        .filter(|_| !digits.starts_with('+'))?;
    let is_needless = value.is_ascii_alphanumeric() || b"-._~:".contains(&value);
    is_needless.then_some(char::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_and_colons_are_decoded() {
        for (path, expected) in [
            ("/api/web%68ooks", "/api/webhooks"),
            ("/%61%70%69/x%2Dy%2d%5F%7e%2E", "/api/x-y-_~."),
            ("/a%2Fb%20c%25d%00", "/a%2Fb%20c%25d%00"),
            ("/a%2561", "/a%2561"),
            ("/by-key/a%3Ab%3a", "/by-key/a:b:"),
            ("/a%", "/a%"),
            ("/a%6", "/a%6"),
            ("/a%zz%+1%61", "/a%zz%+1a"),
            ("/%é1%c3%a9", "/%é1%c3%a9"),
            ("/plain", "/plain"),
        ] {
            assert_eq!(decoded(path), expected, "{path}");
        }
    }
}
