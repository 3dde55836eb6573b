//! The readers of fields of messages.

use uuid::Uuid;

use super::super::{FieldContext, InputValue, Violation};
use super::{id, list, text};
use crate::domain::message::{IDEMPOTENCY_KEY_MAX, NAMED_ENDPOINTS_MAX, is_idempotency_key};
use crate::server::schema::Schema;

/// The characters of an idempotency key: visible ASCII.
const IDEMPOTENCY_KEY_PATTERN: &str = "^[!-~]{1,255}$";

/// Reads the ids of the endpoints to which a message goes. Returns each once, in the order in which they were sent.
pub(crate) fn endpoint_ids(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<Vec<Uuid>> {
    let mut ids = list(value, context, 1..=NAMED_ENDPOINTS_MAX, id)?;
    let mut seen = Vec::with_capacity(ids.len());
    ids.retain(|id| {
        let is_new = !seen.contains(id);
        seen.push(*id);
        is_new
    });
    Some(ids)
}

/// Reads the idempotency key of an item of a batch.
pub(crate) fn idempotency_key(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<String> {
    context.accepts(|| {
        Schema::text("order-1-paid")
            .with("minLength", 1_usize)
            .with("maxLength", IDEMPOTENCY_KEY_MAX)
            .with("pattern", "^[!-~]+$")
    })?;
    let text = text(value, context)?;
    if is_idempotency_key(text.as_bytes()) {
        Some(text.into_owned())
    } else {
        context.refuse(value, Violation::StringPattern(IDEMPOTENCY_KEY_PATTERN))
    }
}
