//! The passes of a checkpoint: each moves the frames that no reader needs, and blocks no other connection.

use std::fs::File;
use std::path::Path;

use rusqlite::Connection;

use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::file::connection::write_connection;
use crate::storage::sqlite::file::database_files::{DatabaseFiles, FilesState};
use crate::storage::sqlite::file::failed_sync;
use crate::storage::sqlite::file::failed_sync::end_if_failed_sync;
use crate::storage::sqlite::file::injected_error::sync_or_fail;
use crate::storage::sqlite::file::read_failure::{end_unless_moved, is_read_failure};
use crate::storage::sqlite::file::wal::{Checkpoint, checkpoint};

/// Frames that the writer may move by itself: about a millisecond.
const LAST_FRAMES: i64 = 300;

/// Makes passes and syncs the file until little is left, or no more can be done. Returns the number of frames that are left.
pub(super) fn make_passes(connection: &mut Connection, file: &File, files: &DatabaseFiles) -> i64 {
    let mut before = i64::MAX;
    let mut left = 0;
    let mut read_failed_before = false;
    loop {
        let passed = make_pass(connection, files);
        hit(FailPoint::CheckpointPass);
        match passed {
            Ok(Some(done)) => {
                left = done.left();
                // A reader keeps the rest from being moved: the next try comes with the next signal.
                if left < LAST_FRAMES || left > before / 2 {
                    break;
                }
                before = left;
            }
            Ok(None) => return left,
            Err(error) => {
                tracing::warn!(%error, "a pass of a checkpoint failed");
                if is_read_failure(&error) && std::mem::replace(&mut read_failed_before, true) {
                    end_unless_moved(files, connection, &error);
                    return left;
                }
                match write_connection(files.database()) {
                    Ok(new) => *connection = new,
                    Err(error) => tracing::warn!(%error, "cannot open the database again"),
                }
                if !read_failed_before {
                    break;
                }
            }
        }
        sync(file, files.database());
    }
    sync(file, files.database());
    left
}

/// Makes one passive checkpoint; `None` if the files are not those that were opened. A failed sync ends the
/// process.
pub(super) fn make_pass(
    connection: &Connection,
    files: &DatabaseFiles,
) -> rusqlite::Result<Option<Checkpoint>> {
    if files.state_on(connection)? == FilesState::Disturbed {
        return Ok(None);
    }
    match checkpoint(connection, "PASSIVE") {
        Ok(done) => Ok(Some(done)),
        Err(error) => {
            end_if_failed_sync(&error, files.database());
            Err(error)
        }
    }
}

/// Syncs the database file, or ends the process.
fn sync(file: &File, database: &Path) {
    if let Err(error) = sync_or_fail(FailPoint::SyncDatabase, || file.sync_data()) {
        failed_sync::end(database, &error);
    }
}
