//! stub
use super::{endpoint::Format, event_type::EventType};
/// stub
#[must_use]
pub fn render(
    _: Format,
    _: &EventType,
    _: &str,
    _: &str,
    _: &serde_json::value::RawValue,
) -> Vec<u8> {
    Vec::new()
}
