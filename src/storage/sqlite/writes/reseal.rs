//! Encrypting stored secrets anew, some endpoints in each transaction.

use rusqlite::{Connection, params};

use crate::domain::keyring::KeyId;
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::sealing::{SEALED, SealedColumn, sealed};

/// The endpoints of a step: some milliseconds of the writer.
const STEP: i64 = 500;

/// The form that values are to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealedAs {
    /// Sealed with any key: only plain values change.
    AnyKey,
    /// Sealed with this key, which must be the first one of the settings.
    Key(KeyId),
    /// Plain.
    Plain,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The values that got another form.
    pub(crate) changed: u64,
    /// The number of the last endpoint of the step; `None` if none was left.
    pub(crate) through: Option<i64>,
}

/// Gives the secrets of the next endpoints after the number `after` another form, inside a transaction.
pub(crate) fn step(connection: &Connection, form: SealedAs, after: i64) -> rusqlite::Result<Step> {
    let through: Option<i64> = connection
        .prepare_cached(
            "SELECT max(n) FROM (SELECT n FROM endpoint WHERE n > ?1 ORDER BY n LIMIT ?2)",
        )?
        .query_row([after, STEP], |row| row.get(0))?;
    let Some(last) = through else {
        return Ok(Step {
            changed: 0,
            through,
        });
    };
    let mut changed = 0;
    for column in SEALED {
        let (expected, key) = expected(column, form);
        let SealedColumn {
            table,
            column: name,
            number,
            id,
        } = column;
        let opened = format!("opened({name}, {id}, '{table}.{name}')");
        let new = match form {
            SealedAs::Plain => opened,
            SealedAs::AnyKey | SealedAs::Key(_) => sealed(&opened, id, table, name),
        };
        let sql = format!(
            "UPDATE {table} SET {name} = {new}
             WHERE {number} > ?1 AND {number} <= ?2 AND ({expected}) AND ?3 IS NOT NULL"
        );
        let rows = connection
            .prepare_cached(&sql)?
            .execute(params![after, last, key])?;
        changed += rows as u64;
    }
    hit(FailPoint::Resealing);
    Ok(Step { changed, through })
}

/// Returns the condition on values that do not have a form yet, and the value of its `?3`.
fn expected(SealedColumn { column, .. }: SealedColumn, form: SealedAs) -> (String, Vec<u8>) {
    let plain = format!("typeof({column}) = 'text' AND {column} <> ''");
    match form {
        SealedAs::AnyKey => (plain, Vec::new()),
        SealedAs::Plain => (format!("typeof({column}) = 'blob'"), Vec::new()),
        SealedAs::Key(id) => {
            let other = format!("typeof({column}) = 'blob' AND substr({column}, 2, 8) <> ?3");
            (format!("{plain} OR {other}"), id.0.to_vec())
        }
    }
}
