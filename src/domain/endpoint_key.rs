//! The key of an endpoint: a name that programs give it, unique in its workspace, so that making an endpoint can be
//! repeated safely.

/// The longest key, in characters.
pub const KEY_MAX: usize = 64;

/// The pattern of a key, for documents.
pub const KEY_PATTERN: &str = "^[A-Za-z0-9_.:-]+$";

/// The pattern of a key or an empty text, for documents.
pub const KEY_OR_NONE_PATTERN: &str = "^[A-Za-z0-9_.:-]*$";

/// The key of an endpoint, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EndpointKey(String);

impl EndpointKey {
    /// Returns the key; `None` if the text is no key: at most [`KEY_MAX`] letters and digits of ASCII, `_`, `.`, `:` and
    /// `-`. An empty text stands for no key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        let fits = text.len() <= KEY_MAX && text.bytes().all(is_valid);
        fits.then(|| Self(text.to_owned()))
    }

    /// Returns a key that was stored.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the text; empty: there is no key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reports whether there is no key.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_few_kinds_of_characters_and_an_end() {
        for text in ["", "a", "shop:42", "A_b.c-D", &"k".repeat(64)] {
            assert_eq!(EndpointKey::parse(text).unwrap().as_str(), text);
        }
        for text in ["a b", "\u{e4}", "a/b", "a\n", &"k".repeat(65)] {
            assert_eq!(EndpointKey::parse(text), None, "{text:?}");
        }
    }
}
