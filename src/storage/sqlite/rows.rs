//! The conversion of database rows to domain objects, and back.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

use crate::domain::access::{AccessToken, Scopes};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Format;
use crate::domain::retention::{ArchiveAfter, DeleteAfter, WorkspaceRetention};
use crate::domain::workspace::{Workspace, WorkspaceName};
use crate::storage::Page;

/// Reads a time column.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// Reads a format column. Unknown values do not occur, since an older program refuses newer files.
pub(super) fn format(stored: i64) -> Format {
    position(&Format::ALL, stored).unwrap_or(Format::Raw)
}

/// Returns the stored form of a format.
pub(super) fn format_column(format: Format) -> i64 {
    match format {
        Format::Raw => 0,
        Format::Discord => 1,
        Format::Slack => 2,
    }
}

/// Returns the item of a list that a column names.
pub(super) fn position<T: Copy>(all: &[T], stored: i64) -> Option<T> {
    all.get(usize::try_from(stored).ok()?).copied()
}

/// The number of formats whose bodies are rendered: all but raw.
pub(super) const RENDERED_FORMATS: usize = Format::ALL.len() - 1;
const _: () = assert!(RENDERED_FORMATS == 2, "body! looks at so many events");

/// The body of an event, from `event e JOIN message m`; NULL once archived. A rendered body is stored once
/// for each format, with the first event that has the format, and these events are the first ones of the
/// message. In files of earlier versions each event has it.
macro_rules! body {
    () => {
        "coalesce(e.body, CASE e.format WHEN 0 THEN m.body ELSE (
             SELECT f.body FROM event f
             WHERE f.seq >= m.first_event AND f.seq < m.first_event + min(m.events, 2)
               AND f.format = e.format AND f.body IS NOT NULL) END)"
    };
}
pub(super) use body;

/// The columns of a row, read from left to right.
pub(super) struct Columns<'row, 'statement> {
    row: &'row Row<'statement>,
    next: usize,
}

impl<'row, 'statement> Columns<'row, 'statement> {
    /// Begins at the first column.
    pub(super) const fn of(row: &'row Row<'statement>) -> Self {
        Self { row, next: 0 }
    }

    /// Reads the next column.
    pub(super) fn get<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.next);
        self.next += 1;
        value
    }

    /// Reads the next column, of a text or a BLOB that need not be copied.
    pub(super) fn get_ref(&mut self) -> rusqlite::Result<ValueRef<'row>> {
        let value = self.row.get_ref(self.next);
        self.next += 1;
        value
    }

    /// Reads the next column, a time.
    pub(super) fn time(&mut self) -> rusqlite::Result<Timestamp> {
        self.get().map(time)
    }

    /// Reads the next column, a time that may be NULL.
    pub(super) fn time_or_null(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>()?.map(time))
    }
}

/// The columns of [`workspace`].
pub(super) const WORKSPACE: &str =
    "id, name, created_at, modified_at, archive_after, delete_after, operational_events";

/// Reads a workspace from the columns [`WORKSPACE`].
pub(super) fn workspace(row: &Row<'_>) -> rusqlite::Result<Workspace> {
    let mut columns = Columns::of(row);
    Ok(Workspace {
        id: columns.get()?,
        name: WorkspaceName::from_stored(columns.get()?),
        created_at: columns.time()?,
        modified_at: columns.time_or_null()?,
        retention: WorkspaceRetention {
            archive_after: ArchiveAfter::from_stored(columns.get()?),
            delete_after: DeleteAfter::from_stored(columns.get()?),
        },
        operational_events: columns.get()?,
    })
}

/// A query for the columns of [`token`]. `?2` is true for readers who may see admin tokens: a workspace is
/// not shown which of them is the parent of its tokens.
pub(super) const TOKEN: &str = "
    SELECT t.id, w.id, t.comment, t.scopes, t.expires_at, t.last_used_at, t.created_at, t.modified_at,
           CASE WHEN ?2 OR p.workspace = t.workspace THEN p.id END
    FROM token t LEFT JOIN workspace w ON w.n = t.workspace LEFT JOIN token p ON p.n = t.parent";

/// Reads an access token from the columns [`TOKEN`].
pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<AccessToken> {
    let mut columns = Columns::of(row);
    Ok(AccessToken {
        id: columns.get()?,
        workspace_id: columns.get()?,
        comment: columns.get()?,
        scopes: Scopes::from_bits(columns.get()?),
        expires_at: columns.time_or_null()?,
        last_used_at: columns.time_or_null()?,
        created_at: columns.time()?,
        modified_at: columns.time_or_null()?,
        parent_id: columns.get()?,
    })
}

/// Returns the offset of a page, as `SQLite` takes it.
pub(crate) fn offset(page: Page) -> i64 {
    i64::try_from(page.offset()).unwrap_or(i64::MAX)
}
