//! The header `Idempotency-Key`, by which a repeated request gets the first answer again.

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::domain::message::is_idempotency_key;
use crate::server::error::ApiError;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header of a response that repeats that of an earlier request with the same key.
pub(super) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Reads the `Idempotency-Key`: at most one header, of 1 to 255 visible ASCII characters.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let fits = is_idempotency_key(value.as_bytes()) && values.next().is_none();
    match value.to_str() {
        Ok(key) if fits => Ok(Some(key.to_owned())),
        _ => Err(ApiError::IdempotencyKeyInvalid),
    }
}

/// Refuses the header on a request that takes keys in its body: it would be one key for several messages.
pub(super) fn refuse_idempotency_key(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return Err(ApiError::IdempotencyKeyOfBatch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn idempotency_keys_are_visible_ascii_and_come_once() {
        let read = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static(IDEMPOTENCY_KEY);
            for value in values {
                headers.append(name.clone(), HeaderValue::from_bytes(value).unwrap());
            }
            idempotency_key(&headers).map_err(|_| ())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"a-1~!"]), Ok(Some("a-1~!".to_owned())));
        assert!(read(&[&[b'k'; 255]]).is_ok());
        for bad in [&[b'k'; 256][..], b"", b"a b", b"a\tb", b"\xe9"] {
            assert_eq!(read(&[bad]), Err(()), "{bad:?}");
        }
        assert_eq!(read(&[b"a", b"a"]), Err(()));
    }
}
