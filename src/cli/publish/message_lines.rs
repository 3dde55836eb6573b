//! The messages of a file of lines, one after the other, and what they get unless they have it themselves.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::cli::output::UsageError;

/// The longest line, in bytes: as long as a body that a server can be set to accept.
const LINE_MAX: u64 = 4 << 20;

/// The longest key, so that a line's number has room behind it.
const KEY_MAX: usize = 240;

/// A message, as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MessageLine {
    /// The number of its line, from 1.
    pub(super) number: u64,
    /// The message in JSON.
    pub(super) json: String,
}

/// The members that a message gets if its line does not have them.
pub(super) struct Defaults {
    /// The key of the file; that of a line ends in the line's number.
    pub(super) key: String,
    /// The other members, in JSON, each with a comma before it.
    others: String,
}

impl Defaults {
    /// # Errors
    /// [`UsageError`] if the key is too long.
    pub(super) fn new(
        key: &str,
        workspace_id: Option<Uuid>,
        endpoints: &[Uuid],
    ) -> Result<Self, UsageError> {
        if key.len() > KEY_MAX {
            let what = format!("the key of a file has at most {KEY_MAX} characters");
            return Err(UsageError(what));
        }
        let of_workspace = workspace_id.map(|id| format!(",\"workspace_id\":\"{id}\""));
        let mut others = of_workspace.unwrap_or_default();
        if !endpoints.is_empty() {
            let ids: Vec<_> = endpoints.iter().map(|id| format!("\"{id}\"")).collect();
            others = format!("{others},\"endpoint_ids\":[{}]", ids.join(","));
        }
        Ok(Self {
            key: key.to_owned(),
            others,
        })
    }

    /// Returns an object with these members before its own: of a repeated member, the last one counts. `None` if the
    /// text is no object.
    fn within(&self, object: &str, number: u64) -> Option<String> {
        let own = object.trim().strip_prefix('{')?.trim_start();
        let comma = if own == "}" { "" } else { "," };
        // The key is visible ASCII, of which JSON escapes two characters.
        let key = serde_json::to_string(&format!("{}-{number}", self.key)).ok()?;
        let others = &self.others;
        Some(format!("{{\"idempotency_key\":{key}{others}{comma}{own}"))
    }
}

/// The lines of a file.
pub(super) struct MessageLines<'a> {
    /// The file, in words.
    place: String,
    reader: Box<dyn BufRead>,
    defaults: &'a Defaults,
    number: u64,
}

impl<'a> MessageLines<'a> {
    /// Opens a file; `-` is stdin.
    ///
    /// # Errors
    /// [`UsageError`] if it cannot be opened.
    pub(super) fn open(path: &str, defaults: &'a Defaults) -> Result<Self, UsageError> {
        if path == "-" {
            let stdin = Box::new(BufReader::new(io::stdin()));
            return Ok(Self::new(stdin, "on stdin", defaults));
        }
        let file = File::open(path)
            .map_err(|error| UsageError(format!("cannot read the messages in {path}: {error}")))?;
        let place = format!("in {path}");
        Ok(Self::new(Box::new(BufReader::new(file)), &place, defaults))
    }

    fn new(reader: Box<dyn BufRead>, place: &str, defaults: &'a Defaults) -> Self {
        Self {
            place: place.to_owned(),
            reader,
            defaults,
            number: 0,
        }
    }

    /// Returns the message of the next line that has one; `None` at the end of the file.
    ///
    /// # Errors
    /// [`UsageError`] if the line is no object in JSON, or cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<MessageLine>, UsageError> {
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut self.reader).take(LINE_MAX + 1);
            let read = limited.read_until(b'\n', &mut line);
            self.number += 1;
            let what = match read {
                Ok(0) => return Ok(None),
                Err(error) => return Err(self.error(&error.to_string())),
                Ok(_) if line.len() as u64 > LINE_MAX => "is longer than 4 MiB",
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => match self.message(&line) {
                    Ok(message) => return Ok(Some(message)),
                    Err(what) => return Err(self.error(&what)),
                },
            };
            return Err(self.error(what));
        }
    }

    fn message(&self, line: &[u8]) -> Result<MessageLine, String> {
        let text = std::str::from_utf8(line).map_err(|_| "is no text in UTF-8".to_owned())?;
        let json: &RawValue =
            serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let number = self.number;
        let json = self.defaults.within(json.get(), number);
        let json =
            json.ok_or("is no object: a message is {\"type\": \"order.paid\", \"data\": {}}")?;
        Ok(MessageLine { number, json })
    }

    /// Returns the error of the present line.
    fn error(&self, what: &str) -> UsageError {
        UsageError(format!("line {} {} {what}", self.number, self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static [u8], defaults: &Defaults) -> Result<Vec<(u64, String)>, String> {
        let mut lines = MessageLines::new(Box::new(text), "in x", defaults);
        let mut all = Vec::new();
        while let Some(line) = lines.next().map_err(|error| error.to_string())? {
            all.push((line.number, line.json));
        }
        Ok(all)
    }

    #[test]
    fn lines_get_what_they_do_not_have_and_keep_their_bytes() {
        let defaults = Defaults::new("a\"b", None, &[]).unwrap();
        let text = b"{\"type\":\"a\", \"data\":1.0 }\n\n  { }\r\n{\"idempotency_key\":\"own\"}";
        let expected = [
            (1, r#"{"idempotency_key":"a\"b-1","type":"a", "data":1.0 }"#),
            (3, r#"{"idempotency_key":"a\"b-3"}"#),
            (4, r#"{"idempotency_key":"a\"b-4","idempotency_key":"own"}"#),
        ];
        let expected = expected.map(|(number, json)| (number, json.to_owned()));
        assert_eq!(read(text, &defaults), Ok(expected.to_vec()));
        let id = Uuid::from_u128(7);
        let defaults = Defaults::new("k", Some(id), &[id, id]).unwrap();
        let json = &read(b"{\"type\":\"a\"}", &defaults).unwrap()[0].1;
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(value["workspace_id"], id.to_string());
        assert_eq!(value["endpoint_ids"].as_array().unwrap().len(), 2);
        assert_eq!(value["type"], "a");
    }

    #[test]
    fn a_line_that_is_no_message_is_named() {
        let defaults = Defaults::new("k", None, &[]).unwrap();
        for (text, says) in [
            (&b"{}\n[]"[..], "line 2 in x is no object"),
            (b"\n{\"a\":}", "line 2 in x is no JSON: expected value"),
            (b"\xff", "line 1 in x is no text in UTF-8"),
            (b"{} {}", "line 1 in x is no JSON: trailing characters"),
        ] {
            let error = read(text, &defaults).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
        assert!(Defaults::new(&"k".repeat(241), None, &[]).is_err());
    }
}
