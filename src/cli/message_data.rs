//! The data of a message, from the command line, a file or stdin. It is checked before anything is sent.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use serde_json::value::RawValue;

use crate::cli::output::UsageError;

/// The most bytes of data: as many as a server can be set to accept (`--max-body-bytes`).
const DATA_MAX: u64 = 4 << 20;

/// An example for those who gave no data.
const EXAMPLE: &str = r#"for example: hookpost publish order.paid '{"id": "order_1"}'"#;

/// Returns the data that the command line names.
///
/// # Errors
/// [`UsageError`] if there is none, or if it is no JSON; another error if it cannot be read.
pub(in crate::cli) fn read(named: Option<&str>) -> anyhow::Result<Box<RawValue>> {
    let stdin = || read_all(io::stdin().lock(), "on stdin");
    match named {
        None if io::stdin().is_terminal() => Err(usage(format!("there is no data; {EXAMPLE}"))),
        None | Some("-") => parse(stdin()?, "on stdin"),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => {
                let place = format!("in {path}");
                let file = File::open(path)
                    .map_err(|error| usage(format!("cannot read the data {place}: {error}")))?;
                parse(read_all(file, &place)?, &place)
            }
            None => parse(text.as_bytes().to_vec(), "on the command line"),
        },
    }
}

fn usage(text: String) -> anyhow::Error {
    UsageError(text).into()
}

fn read_all(from: impl Read, place: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(DATA_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| usage(format!("cannot read the data {place}: {error}")))?;
    if bytes.len() as u64 > DATA_MAX {
        let why = "is larger than 4 MiB, which no server accepts";
        return Err(usage(format!("the data {place} {why}")));
    }
    Ok(bytes)
}

/// Checks that the data is JSON. The error says where it is not, and quotes nothing.
fn parse(bytes: Vec<u8>, place: &str) -> anyhow::Result<Box<RawValue>> {
    let text = String::from_utf8(bytes)
        .map_err(|_| usage(format!("the data {place} is no text in UTF-8")))?;
    if text.trim().is_empty() {
        return Err(usage(format!("the data {place} is empty; {EXAMPLE}")));
    }
    RawValue::from_string(text)
        .map_err(|error| usage(format!("the data {place} is no JSON: {error}; {EXAMPLE}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_keeps_its_spelling_and_must_be_json() {
        let same = r#"{"b": 1.50, "a": "\u00e9"}"#;
        assert_eq!(read(Some(same)).unwrap().get(), same);
        for (bytes, says) in [
            (&b"\xff\xfe"[..], "no text in UTF-8"),
            (b" \n", "is empty"),
            (b"{\"a\": }", "no JSON: expected value at line 1 column 7"),
            (b"1 2", "no JSON: trailing characters"),
            (b"\0\x01", "no JSON"),
        ] {
            let error = parse(bytes.to_vec(), "x").unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let long = io::repeat(b' ').take(DATA_MAX + 1);
        let error = read_all(long, "x").unwrap_err().to_string();
        assert!(error.contains("larger than 4 MiB"), "{error}");
    }
}
