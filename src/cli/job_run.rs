//! Making a job over the API: the count of its events, the question, and the wait for its end.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use ureq::http::Method;
use uuid::Uuid;

use super::client::{Client, ClientError, Job, Progress, Query};
use super::confirm;
use crate::domain::job::JobAction;

/// The most events that filters may choose without a question.
pub(super) const UNASKED_MAX: u64 = 10;

/// The wait before a job is looked at the first time. Small jobs are over by then.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// The longest wait between two looks at a job: 30 requests a minute, far below the rate limit of the API.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// The request for a job.
pub(super) struct JobRequest {
    pub(super) action: JobAction,
    pub(super) filter: Map<String, Value>,
    /// The most events that it lets go in a minute.
    pub(super) rate: Option<u32>,
}

/// The number of events and messages that a job would have.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Matched {
    pub(super) matched: u64,
    /// False if the server had no time to look at all messages: there may be more.
    pub(super) complete: bool,
}

impl Matched {
    /// Reports whether so many need a yes.
    pub(super) const fn are_many(self) -> bool {
        self.matched > UNASKED_MAX || !self.complete
    }

    /// Returns the number in words.
    pub(super) fn in_words(self) -> String {
        let at_least = if self.complete { "" } else { "at least " };
        match self.matched {
            1 => format!("{at_least}1 event matches"),
            matched => format!("{at_least}{matched} events match"),
        }
    }
}

impl JobRequest {
    fn body(&self, dry_run: bool) -> String {
        let mut body = json!({"action": self.action.as_str(), "filter": self.filter});
        if let Some(rate) = self.rate {
            body["rate"] = rate.into();
        }
        if dry_run {
            body["dry_run"] = true.into();
        }
        body.to_string()
    }

    /// Counts the events that the job would have.
    pub(super) fn count(&self, client: &Client) -> Result<Matched, ClientError> {
        client.change(Method::POST, "jobs", self.body(true).as_bytes())
    }

    /// Makes the job. It is sent again if no answer comes, with a key that keeps it from being made twice.
    pub(super) fn make(&self, client: &Client) -> anyhow::Result<Value> {
        let key = Uuid::new_v4().to_string();
        let made = client.create_once("jobs", self.body(false).as_bytes(), &key);
        let made = made.map_err(|failed| {
            let error = anyhow::Error::from(failed.error);
            if failed.unanswered {
                error.context("the job may have been made or not; `hookpost jobs` shows it")
            } else {
                error
            }
        })?;
        Ok(made.body)
    }
}

/// Asks on the terminal whether so many events are to be changed in this way.
///
/// # Errors
/// There is no terminal to ask on.
pub(super) fn is_wanted(found: Matched, action: JobAction) -> anyhow::Result<bool> {
    let verb = action.as_str();
    let matched = found.in_words();
    let question = format!("{}. {} them all?", capitalized(&matched), capitalized(verb));
    confirm::is_confirmed(&question, &format!("{matched}; --yes {verb}s so many"))
}

/// Returns an English text with a capital at its beginning.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Gets a job.
pub(super) fn find(client: &Client, id: Uuid) -> anyhow::Result<Value> {
    let found = client.get(&format!("jobs/{id}"), &Query::new());
    found.map_err(|error| error.about("job", id))
}

/// Returns the progress bar of an action on so many events.
pub(super) fn progress(action: JobAction, total: u64) -> Progress {
    let what = match action {
        JobAction::Redeliver => "redelivering",
        JobAction::Skip => "skipping",
    };
    Progress::new(what, total)
}

/// Returns the error that a disabled endpoint gets nothing.
pub(super) fn endpoint_disabled(id: Uuid) -> anyhow::Error {
    anyhow!("the endpoint is disabled; `hookpost endpoint enable {id}` comes first")
}

/// Waits until a job is over, with a progress bar, and returns it. `expected` is the number of its events, as far as
/// it is known.
pub(super) fn wait(
    client: &Client,
    id: Uuid,
    action: JobAction,
    expected: u64,
) -> anyhow::Result<Value> {
    let mut progress = progress(action, expected);
    let mut pause = FIRST_LOOK;
    loop {
        let found = find(client, id)
            .with_context(|| format!("the job goes on; `hookpost job {id} --wait` waits for it"))?;
        let job = read(&found)?;
        if !job.is_running() {
            return Ok(found);
        }
        progress.reach(job.seen());
        std::thread::sleep(pause);
        pause = (pause * 2).min(LOOK_MAX);
    }
}

/// Reads a job of an answer.
pub(super) fn read(found: &Value) -> anyhow::Result<Job> {
    Job::deserialize(found).context("the answer is no job of the API")
}

/// Reports what kept a job from doing its action on all events as an error. Those that had changed meanwhile are none.
///
/// # Errors
/// The job was cancelled, or some events could not be delivered.
pub(super) fn check_ended(job: &Job, action: JobAction) -> anyhow::Result<()> {
    if job.state == "cancelled" {
        bail!("the job {} was cancelled", job.id);
    }
    let past = past(action);
    match job.left_out.undeliverable() {
        0 => Ok(()),
        some => bail!(
            "{some} of {} not {past}: {}",
            job.seen(),
            job.left_out.in_words()
        ),
    }
}

/// Returns the word for events on which the action was done.
pub(super) const fn past(action: JobAction) -> &'static str {
    match action {
        JobAction::Redeliver => "redelivered",
        JobAction::Skip => "skipped",
    }
}
