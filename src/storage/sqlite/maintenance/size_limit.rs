//! Room in a database that has come near its largest size.
//!
//! Payloads go first, since they are most of the data, but not those of the last day: they are what people want to
//! redeliver. Then the oldest finished events go. If that is not enough, the last day has its turn: payloads, then
//! finished events. Pending events stay, and when the limit is reached, the server refuses to publish.

use std::time::Duration;

use super::retention::delete_oldest;
use super::work::Work;
use crate::domain::clock::{Clock, Timestamp};
use crate::storage::StoreError;
use crate::storage::sqlite::writer::size_limit::SizeLimit;
use crate::storage::sqlite::writes::archive::{ArchivePass, archive};

/// The age from which data goes first.
const KEPT_LONGEST: Duration = Duration::from_hours(24);

/// Makes room until the database is well below its limit, or nothing more may go.
pub(super) fn make_room(
    work: &Work<'_>,
    limit: &SizeLimit,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let now = clock.now();
    for before in [now.before(KEPT_LONGEST), now] {
        archive_oldest(work, limit, before)?;
        if limit.has_room() {
            break;
        }
        let deleted = delete_oldest(work, before, &|| limit.has_room())?;
        if deleted > 0 {
            tracing::info!(
                rows = deleted,
                limit_bytes = limit.bytes(),
                "deleted the oldest finished events to keep the database within its limit"
            );
        }
        if limit.has_room() {
            break;
        }
    }
    Ok(())
}

/// Drops the oldest payloads until there is room.
fn archive_oldest(work: &Work<'_>, limit: &SizeLimit, before: Timestamp) -> Result<(), StoreError> {
    let mut pass = ArchivePass::default();
    while !work.is_stopping() && !limit.has_room() {
        match work.step(move |context| archive(context, before, pass))? {
            Some(further) => pass = further,
            None => break,
        }
    }
    Ok(())
}
