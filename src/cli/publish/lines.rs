//! Publishing the messages of a file, in batches.

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use super::message_lines::{Defaults, MessageLine, MessageLines};
use crate::cli::client::{Client, ClientError, Failed, JsonArray, dotted, line, shown};
use crate::cli::output;
use crate::domain::message::BATCH_MAX;

/// The bytes of a batch: so many that a server takes it that was not told otherwise (`--max-body-bytes`). A server that
/// takes less gets smaller ones.
const BATCH_BYTES: usize = 250_000;

/// The most lines whose problems are told.
const PROBLEMS_MAX: usize = 10;

/// The outcome of publishing a file.
#[derive(Default)]
struct Outcome {
    messages: u64,
    replayed: u64,
    events: u64,
    batches: u64,
    /// The messages, if they are printed.
    printed: JsonArray,
}

/// Publishes the messages of a file, and prints how many there were, or the messages.
///
/// # Errors
/// The file cannot be read, or the server refuses a message. The messages before it are published then.
pub(super) fn publish(
    client: &Client,
    file: &str,
    defaults: &Defaults,
    is_json: bool,
) -> anyhow::Result<()> {
    let mut lines = MessageLines::open(file, defaults)?;
    let mut outcome = Outcome::default();
    let published = publish_all(client, &mut lines, &mut outcome, is_json);
    if is_json {
        output::remark(&format!("Idempotency key: {}", defaults.key));
        outcome.printed.end()?;
    } else {
        let rows = [
            ("messages", outcome.messages.to_string()),
            ("replayed", outcome.replayed.to_string()),
            ("events", outcome.events.to_string()),
            ("batches", outcome.batches.to_string()),
            ("key", defaults.key.clone()),
        ];
        output::listing(&rows.map(|(name, value)| line(name, &value)).concat())?;
    }
    published.with_context(|| {
        format!(
            "stopped after {} messages; --key {} goes on with the same file",
            outcome.messages, defaults.key
        )
    })
}

fn publish_all(
    client: &Client,
    lines: &mut MessageLines<'_>,
    outcome: &mut Outcome,
    is_json: bool,
) -> anyhow::Result<()> {
    let mut waiting = None;
    loop {
        let batch = next_batch(lines, &mut waiting);
        let (batch, end) = match batch {
            Ok(batch) => (batch, None),
            Err((batch, error)) => (batch, Some(error)),
        };
        if !batch.is_empty() {
            send(client, &batch, outcome, is_json)?;
        }
        match end {
            Some(error) => return Err(error),
            None if batch.is_empty() => return Ok(()),
            None => {}
        }
    }
}

/// Returns the messages of the next batch; with an error, those before it. `waiting` is a message that did not fit.
fn next_batch(
    lines: &mut MessageLines<'_>,
    waiting: &mut Option<MessageLine>,
) -> Result<Vec<MessageLine>, (Vec<MessageLine>, anyhow::Error)> {
    let mut batch: Vec<MessageLine> = waiting.take().into_iter().collect();
    let mut bytes: usize = batch.iter().map(|it| it.json.len() + 1).sum();
    while batch.len() < BATCH_MAX {
        let message = match lines.next() {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(error) => return Err((batch, error.into())),
        };
        bytes += message.json.len() + 1;
        if bytes > BATCH_BYTES && !batch.is_empty() {
            *waiting = Some(message);
            break;
        }
        batch.push(message);
    }
    Ok(batch)
}

/// Sends a batch; if it is too large for the server, in parts.
fn send(
    client: &Client,
    batch: &[MessageLine],
    outcome: &mut Outcome,
    is_json: bool,
) -> anyhow::Result<()> {
    let messages: Vec<&str> = batch.iter().map(|it| it.json.as_str()).collect();
    let body = format!("{{\"messages\":[{}]}}", messages.join(","));
    let failed = match client.create_each_once("events/batch", body.as_bytes()) {
        Ok(answer) => return outcome.add(&answer, is_json),
        Err(failed) => failed,
    };
    match fitting(&failed.error, batch.len()) {
        Some(fitting) => batch
            .chunks(fitting)
            .try_for_each(|part| send(client, part, outcome, is_json)),
        None => Err(error_of(failed, batch)),
    }
}

impl Outcome {
    fn add(&mut self, answer: &Value, is_json: bool) -> anyhow::Result<()> {
        let messages = answer["data"].as_array();
        let messages = messages.context("the answer has no messages")?;
        for message in messages {
            self.messages += 1;
            self.replayed += u64::from(message["replayed"] == true);
            self.events += message["events"].as_array().map_or(0, Vec::len) as u64;
        }
        self.batches += 1;
        if is_json {
            self.printed.print(messages)?;
        }
        Ok(())
    }
}

/// Returns the number of messages that the server takes together, if it refused a batch because it is too large.
fn fitting(error: &ClientError, sent: usize) -> Option<usize> {
    let ClientError::Api(error) = error else {
        return None;
    };
    let fitting = match error.problems.as_slice() {
        _ if error.code == 413 => sent / 2,
        [problem]
            if problem["type"] == "too_long" && problem["loc"] == json!(["body", "messages"]) =>
        {
            let most = problem["ctx"]["max_length"].as_u64()?;
            usize::try_from(most).ok()?
        }
        _ => return None,
    };
    (1..sent).contains(&fitting).then_some(fitting)
}

/// Returns the error of a batch: the problems of a 422 with the lines that have them.
fn error_of(failed: Failed, batch: &[MessageLine]) -> anyhow::Error {
    let of_lines = match &failed.error {
        ClientError::Api(error) => {
            let problems = error.problems.iter();
            let named: Option<Vec<_>> = problems.map(|it| of_line(it, batch)).collect();
            named.filter(|named| !named.is_empty())
        }
        _ => None,
    };
    let Some(mut problems) = of_lines else {
        let error = anyhow::Error::from(failed.error);
        let (first, last) = (batch.first(), batch.last());
        return match first.zip(last) {
            Some((first, last)) => {
                error.context(format!("lines {} to {}", first.number, last.number))
            }
            None => error,
        };
    };
    let others = problems.len().saturating_sub(PROBLEMS_MAX);
    problems.truncate(PROBLEMS_MAX);
    if others > 0 {
        problems.push(format!("and {others} more"));
    }
    anyhow!("{}", problems.join("; "))
}

/// Returns a problem with the number of its line, such as `line 7: type: Field required`; `None` if it is of no line.
fn of_line(problem: &Value, batch: &[MessageLine]) -> Option<String> {
    let loc = problem["loc"].as_array()?;
    let [_, list, place, field @ ..] = loc.as_slice() else {
        return None;
    };
    if list != "messages" {
        return None;
    }
    let number = batch.get(usize::try_from(place.as_u64()?).ok()?)?.number;
    let mut text = format!("line {number}: ");
    if !field.is_empty() {
        text += &(dotted(field) + ": ");
    }
    text += problem["msg"].as_str()?;
    Some(shown(&text))
}
