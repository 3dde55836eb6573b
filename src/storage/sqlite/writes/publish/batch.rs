//! Publishing several messages together: all of them or none.
//!
//! The writer has no savepoints, so an operation must be refused before it writes anything. Therefore all messages of a
//! batch are examined before the first is stored.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Accepted, Examined, examine, store};
use crate::domain::message::{BATCH_EVENTS_MAX, NewMessage};
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{MessageFault, Published, StoreError, Unavailable};

/// The way to the result of a message.
enum Step {
    /// It is stored.
    Store(Accepted),
    /// It was published before.
    Replay(Published),
    /// It is the message at this earlier place of the batch once more.
    Repeat(usize),
}

/// Stores the messages and their events, in their order.
pub(crate) fn publish_batch(
    context: &mut WriteContext<'_>,
    messages: &[NewMessage],
) -> Result<Vec<Published>, OperationError> {
    let steps = examine_all(context, messages)?;
    let accepted = steps.iter().filter_map(|step| match step {
        Step::Store(accepted) => Some(accepted.recipients.len()),
        _ => None,
    });
    let events: Vec<usize> = accepted.collect();
    if context.is_size_limit_reached && !events.is_empty() {
        return Err(StoreError::Unavailable(Unavailable::SizeLimit).into());
    }
    check_events(&steps, events.iter().sum())?;
    let mut published: Vec<Published> = Vec::with_capacity(messages.len());
    for (step, new) in steps.into_iter().zip(messages) {
        let one = match step {
            Step::Store(accepted) => {
                let message = store(context, &accepted, new)?;
                hit(FailPoint::BatchMessage);
                Published {
                    message,
                    replayed: false,
                }
            }
            Step::Replay(earlier) => earlier,
            Step::Repeat(place) => Published {
                message: published[place].message.clone(),
                replayed: true,
            },
        };
        published.push(one);
    }
    Ok(published)
}

/// Finds the way to the result of each message; an error names the faults of all of them.
fn examine_all(
    context: &mut WriteContext<'_>,
    messages: &[NewMessage],
) -> Result<Vec<Step>, OperationError> {
    let mut steps = Vec::with_capacity(messages.len());
    let mut faults = Vec::new();
    let mut first_uses: HashMap<(Uuid, &str), usize> = HashMap::new();
    for (place, new) in messages.iter().enumerate() {
        let first_use = match &new.idempotency {
            Some(own) => {
                let key = (new.workspace_id, own.key.as_str());
                let first = *first_uses.entry(key).or_insert(place);
                (first < place).then_some((first, own))
            }
            None => None,
        };
        let examined = match first_use {
            Some((first, own)) if messages[first].idempotency.as_ref() == Some(own) => {
                Ok(Step::Repeat(first))
            }
            Some((_, own)) => Err(MessageFault::KeyReused(own.key.clone())),
            None => examine(context, new)?.map(|examined| match examined {
                Examined::Accepted(accepted) => Step::Store(accepted),
                Examined::Replayed(earlier) => Step::Replay(earlier),
            }),
        };
        match examined {
            Ok(step) => steps.push(step),
            Err(fault) => faults.push((place, fault)),
        }
    }
    if faults.is_empty() {
        Ok(steps)
    } else {
        Err(StoreError::InvalidMessages(faults).into())
    }
}

/// Checks that the messages make few enough events. A single message may make any number, as in a single publish.
fn check_events(steps: &[Step], events: usize) -> Result<(), StoreError> {
    if events <= BATCH_EVENTS_MAX || steps.len() == 1 {
        return Ok(());
    }
    let mut sum = 0;
    let fitting = steps.iter().take_while(|step| {
        if let Step::Store(accepted) = step {
            sum += accepted.recipients.len();
        }
        sum <= BATCH_EVENTS_MAX
    });
    Err(StoreError::TooManyEvents {
        fitting: fitting.count().max(1),
        sent: steps.len(),
    })
}
