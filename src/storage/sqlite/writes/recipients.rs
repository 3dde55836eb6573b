//! The endpoints that get a message.

use crate::domain::event_pattern::{MatchBudget, Subject};
use crate::domain::json::Tree;
use crate::domain::message::NewMessage;
use crate::storage::EndpointNumber;
use crate::storage::sqlite::writer::operation::WriteContext;
use crate::storage::sqlite::writer::workspace_cache::{Subscriber, WorkspaceCache};

/// Returns the endpoints of a workspace that are subscribed to the type of a message, and whose filter matches it, but for
/// `except`. The time that the filters take counts as writing.
///
/// The data is read once, and only if there is a filter; mostly the caller has read it.
pub(super) fn recipients<'w>(
    context: &mut WriteContext<'_>,
    workspace: &'w WorkspaceCache,
    new: &NewMessage,
    timestamp: &str,
    except: Option<EndpointNumber>,
) -> Vec<&'w Subscriber> {
    let mut made = None;
    let budget = MatchBudget::default();
    let recipients = workspace.subscribers_of(&new.event_type, |subscriber| {
        if Some(subscriber.number) == except {
            return false;
        }
        if subscriber.filter.matches_everything() {
            return true;
        }
        let tree = match &new.tree {
            Some(tree) => tree,
            None => &*made.get_or_insert_with(|| Tree::of(new.data.get())),
        };
        let subject = Subject {
            event_type: &new.event_type,
            timestamp,
            data: &new.data,
            tree,
            tags: &new.tags,
        };
        subscriber.filter.matches(&subject, &budget)
    });
    // A step takes about as long as writing a byte.
    context.weight += budget.steps();
    if budget.is_spent() {
        tracing::warn!(
            workspace = %new.workspace_id,
            "the filters of the endpoints take too long for a message; those that were not matched count as matching"
        );
    }
    recipients
}
