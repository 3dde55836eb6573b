//! Bodies of answers, read in bounded memory: a server may be another one than it should be.

use std::io::Read;

use serde::de::DeserializeOwned;

use super::api_error::ClientError;

/// The longest answer that is read, in bytes. The longest object is an event whose payload is as long as the
/// server takes, and a text in JSON may take twice the length; a list that is longer is asked for in smaller pages.
pub(super) const ANSWER_MAX_BYTES: usize = 64 << 20;

/// The most values of an answer, with its lists and objects. Each takes up to some hundred bytes of memory however
/// short its text is, so that an answer of zeros would take thirty times its length. A page of 100 rows has a few
/// thousand; the answer to a publish has five for each endpoint.
const VALUES_MAX: usize = 1 << 19;

/// Returns the whole text of an answer of `server`.
pub(super) fn text(body: impl Read, server: &str) -> Result<Vec<u8>, ClientError> {
    let mut text = Vec::new();
    let read = body
        .take(ANSWER_MAX_BYTES as u64 + 1)
        .read_to_end(&mut text);
    if read.is_err() {
        return Err(ClientError::broken_off(server));
    }
    if text.len() > ANSWER_MAX_BYTES {
        let server = server.to_owned();
        return Err(ClientError::TooLong { server });
    }
    Ok(text)
}

/// Returns the object that a text is.
pub(super) fn object<T: DeserializeOwned>(text: &[u8], server: &str) -> Result<T, ClientError> {
    if values(text) > VALUES_MAX {
        let server = server.to_owned();
        return Err(ClientError::TooLong { server });
    }
    serde_json::from_slice(text).map_err(|error| ClientError::from_json(&error, server))
}

/// Counts the commas, colons and opening brackets of a text in JSON: no value is without one, but the outermost.
fn values(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'"' => in_string = !in_string,
            b'\\' => is_escaped = in_string,
            b',' | b':' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_texts_do_not_count() {
        for (text, count) in [
            ("1", 0),
            ("[0,0]", 2),
            (r#"{"a":[1,{"b":2}]}"#, 6),
            (r#"["[,:\\\"{[",1]"#, 2),
            (r#"["\\",1]"#, 2),
        ] {
            assert_eq!(values(text.as_bytes()), count, "{text}");
        }
    }
}
