//! The delivery engine: takes events from the queue and sends them to their endpoints.
//!
//! The dispatcher has all scheduling state. Each of its rounds takes the messages that came in
//! ([`mailbox`]), tells the pure [`scheduler`] of them and carries out what the scheduler decides ([`round`],
//! [`dispatcher`]). Sender threads make the attempts ([`sender`]), and the rounds that follow them, and never touch the
//! database; a reader thread reads the queue for the dispatcher ([`reader`]). Threads that send a message never wait for
//! the dispatcher. All use of ureq is in this folder, except for the requests of the command line and those to a
//! collector of traces. Nothing here knows of the API.

mod attempt;
mod attempt_log;
mod attempt_metrics;
mod attempt_trace;
mod dispatcher;
mod endpoint_queue;
mod engine;
pub mod http_client;
mod limits;
mod log_limit;
mod mailbox;
mod protocol;
mod reader;
pub mod resolver;
mod response_text;
mod ring;
mod round;
mod scheduler;
mod sender;
#[cfg(test)]
pub(crate) mod simulation;
mod take_rate;
mod target;
mod test_attempts;
#[cfg(test)]
mod tests;

pub use self::attempt::Transport;
pub use self::engine::{Engine, EngineError, EngineSettings};
pub use self::test_attempts::{TestAttempt, TestAttempts, TestResult, TooManyTests};
