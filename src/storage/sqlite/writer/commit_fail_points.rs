//! The fail points around a commit.

use crate::fail_point::{self, FailPoint, hit};
use crate::storage::Notice;
use crate::storage::sqlite::file::injected_error::hit_or_fail;

pub(super) fn pass_before_commit(operations: usize, notices: &[Notice]) -> rusqlite::Result<()> {
    hit_or_fail(FailPoint::Commit)?;
    if operations > 1 {
        hit_or_fail(FailPoint::CommitGroup)?;
    }
    if fail_point::ENABLED && notices.iter().any(is_published) {
        hit_or_fail(FailPoint::CommitPublish)?;
    }
    if fail_point::ENABLED && notices.iter().any(is_recorded) {
        hit_or_fail(FailPoint::CommitRecord)?;
    }
    hit_or_fail(FailPoint::SyncWal)
}

pub(super) fn pass_after_commit(notices: &[Notice]) {
    if fail_point::ENABLED && notices.iter().any(is_published) {
        hit(FailPoint::CommittedPublish);
    }
    if fail_point::ENABLED && notices.iter().any(is_recorded) {
        hit(FailPoint::CommittedRecord);
    }
}

fn is_published(notice: &Notice) -> bool {
    matches!(notice, Notice::Published(_))
}

fn is_recorded(notice: &Notice) -> bool {
    matches!(notice, Notice::Recorded(_))
}
