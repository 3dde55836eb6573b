//! The fields of a test of an endpoint.

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::domain::event_type::EventType;
use crate::server::validate::{Checked, Input, read};

/// The data of a test for which its caller sends none.
pub(crate) const TEST_DATA: &str = r#"{"test": true}"#;

/// The message of a test.
pub(crate) struct TestMessage {
    pub(crate) event_type: EventType,
    /// Any JSON, byte for byte as sent.
    pub(crate) data: Box<RawValue>,
}

/// Reads the endpoint of a test, and its message.
pub(crate) fn test_message(
    input: &mut Input<'_>,
) -> impl FnOnce(&Checked) -> (Uuid, TestMessage) + use<> {
    let id = input.path(read::id);
    let event_type = input.optional("type", read::test_type);
    let data = input.optional("data", read::any_json);
    |ok| {
        let message = TestMessage {
            event_type: event_type.take(ok).unwrap_or_else(EventType::test),
            data: data.take(ok).unwrap_or_else(test_data),
        };
        (id.take(ok), message)
    }
}

/// Returns [`TEST_DATA`].
pub(crate) fn test_data() -> Box<RawValue> {
    RawValue::from_string(TEST_DATA.to_owned()).expect("the text is JSON")
}
