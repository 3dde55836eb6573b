//! The batches of a repair: rows that are corrected together in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, params_from_iter};

use super::problem::Kind;
use super::rows::parameters;
use super::rules::{Rule, RuledTable};
use crate::fail_point::{FailPoint, hit};

/// The rows that are corrected in one transaction.
pub(super) const BATCH: usize = 5000;

/// The number of rows that were corrected, by kind.
#[derive(Debug, Default)]
pub(super) struct Corrected(BTreeMap<Kind, u64>);

impl Corrected {
    pub(super) fn add(&mut self, kind: Kind, count: u64) {
        if count > 0 {
            *self.0.entry(kind).or_default() += count;
        }
    }

    /// Returns what was corrected, in words.
    pub(super) fn in_words(&self) -> Vec<(&'static str, u64)> {
        let words = self.0.iter().map(|(kind, count)| (kind.text(), *count));
        words.collect()
    }
}

/// Makes the changes of `work` a transaction. A crash before its end leaves the file as it was.
pub(super) fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.unchecked_transaction()?;
    let done = work()?;
    hit(FailPoint::Repairing);
    transaction.commit()?;
    Ok(done)
}

/// Returns the first rows after number `after` that break a rule, in their order: a batch at most.
pub(super) fn breaking(
    connection: &Connection,
    table: &RuledTable,
    rule: &Rule,
    after: i64,
) -> rusqlite::Result<Vec<i64>> {
    let (number, from, broken) = (table.number, table.from, &rule.broken);
    let sql = format!(
        "SELECT {number} FROM {from} WHERE {number} > {after} AND ({broken})
         ORDER BY {number} LIMIT {BATCH}"
    );
    let mut select = connection.prepare(&sql)?;
    let parameters = parameters(connection, &sql)?;
    let rows = select.query_map(params_from_iter(parameters), |row| row.get(0))?;
    rows.collect()
}
