//! URLs of endpoints (placeholder until the parser lands).
/// A URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointUrl(String);
impl EndpointUrl {
    /// Trusted.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
    /// Text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
