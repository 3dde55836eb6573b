//! Secrets at rest: encrypted in their columns, opened and sealed by functions of SQL.
//!
//! The columns of [`SEALED`] hold a text, which is plain, or a BLOB, which a key of the [`Keyring`] sealed for this
//! column and this endpoint. Both may stand side by side. Statements read such a column with `opened(value, id,
//! 'table.column')` and write it with `sealed(value, id, 'table.column')`, where `id` is that of the endpoint. Without a
//! key, `sealed` leaves a text as it is. An empty text, which is what a deleted endpoint has, is never sealed.
//! The custom headers of an endpoint are one text, so their names are sealed as well.
//!
//! The functions are installed on the connections of a store, with the keys of its settings. Tools that read no secret
//! need none, and neither do backups, checks and repairs, which take the values as they are.

use std::sync::Arc;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error};
use uuid::Uuid;

use crate::domain::keyring::{KeyId, Keyring, Place, key_id};

/// A column whose values are sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealedColumn {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    /// The column with the number of the endpoint.
    pub(super) number: &'static str,
    /// An expression for the id of the endpoint, within a statement on the table.
    pub(super) id: &'static str,
}

/// All sealed columns. A value of another column that is to be sealed needs a line here, and both functions where it is
/// read and written.
pub(super) const SEALED: [SealedColumn; 3] = [
    SealedColumn {
        table: "endpoint",
        column: "secret",
        number: "n",
        id: "id",
    },
    SealedColumn {
        table: "endpoint",
        column: "headers",
        number: "n",
        id: "id",
    },
    SealedColumn {
        table: "old_secret",
        column: "secret",
        number: "endpoint",
        id: "(SELECT e.id FROM endpoint e WHERE e.n = old_secret.endpoint)",
    },
];

/// Reports whether a column is sealed.
pub(super) fn is_sealed(table: &str, column: &str) -> bool {
    SEALED
        .iter()
        .any(|sealed| (sealed.table, sealed.column) == (table, column))
}

/// Reads a sealed column: the value `$prefix` + `$column` of the table `$table`, of the endpoint with the id `$id`.
macro_rules! opened {
    ($prefix:literal, $table:literal, $column:literal, $id:expr) => {
        concat!(
            "opened(", $prefix, $column, ", ", $id, ", '", $table, ".", $column, "')"
        )
    };
}
pub(super) use opened;

/// Returns the expression that seals `value` for a column of an endpoint.
pub(super) fn sealed(value: &str, id: &str, table: &str, column: &str) -> String {
    format!("sealed({value}, {id}, '{table}.{column}')")
}

/// Installs the functions on a connection.
pub(super) fn install(connection: &Connection, keys: &Arc<Keyring>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    let ring = Arc::clone(keys);
    connection.create_scalar_function("opened", 3, flags, move |context| open(&ring, context))?;
    let ring = Arc::clone(keys);
    connection.create_scalar_function("sealed", 3, flags, move |context| seal(&ring, context))
}

fn open(keys: &Keyring, context: &Context<'_>) -> rusqlite::Result<Option<String>> {
    let failed = |error| Error::UserFunctionError(Box::new(error));
    match context.get_raw(0) {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(sealed) => with_place(context, |place| keys.open(sealed, place))?
            .map(Some)
            .map_err(failed),
        _ => context.get(0).map(Some),
    }
}

fn seal(keys: &Keyring, context: &Context<'_>) -> rusqlite::Result<Value> {
    match context.get_raw(0) {
        ValueRef::Text(text) if !text.is_empty() => {
            let text: String = context.get(0)?;
            let sealed = with_place(context, |place| keys.seal(&text, place))?;
            Ok(sealed.map_or(Value::Text(text), Value::Blob))
        }
        _ => context.get(0),
    }
}

fn with_place<T>(context: &Context<'_>, work: impl FnOnce(Place<'_>) -> T) -> rusqlite::Result<T> {
    let (endpoint, column): (Uuid, String) = (context.get(1)?, context.get(2)?);
    Ok(work(Place {
        column: &column,
        endpoint,
    }))
}

/// Returns the id of a key that sealed a value and that `keys` lacks; `None` if all values can be opened.
pub(super) fn missing_key(
    connection: &Connection,
    keys: &Keyring,
) -> rusqlite::Result<Option<KeyId>> {
    for SealedColumn { table, column, .. } in SEALED {
        // A value of each key; few are different.
        let sql = format!(
            "SELECT min({column}) FROM {table} WHERE typeof({column}) = 'blob'
             GROUP BY substr({column}, 2, 8)"
        );
        let mut select = connection.prepare(&sql)?;
        let values = select.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        for value in values {
            let id = key_id(&value?).unwrap_or_default();
            if !keys.has(id) {
                return Ok(Some(id));
            }
        }
    }
    Ok(None)
}
