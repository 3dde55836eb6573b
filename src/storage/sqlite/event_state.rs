//! The numbers that the column `event.state` holds, and the conditions of SQL that name them.
//!
//! Nothing else in the program knows these numbers. Statements get a state as a parameter where they can.
//! `SQLite` uses a partial index only for a statement that has the index's condition word for word, so
//! those conditions are texts; a test compares them with the indexes in `schema.sql`.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use crate::domain::event_state::EventState;

/// The condition, as a literal of SQL, that a row of `event` has one of some states:
///
/// - `fresh`: the events of the index `event_fresh`.
/// - `retry`: those of `event_retry` and `event_waiting`.
/// - `redelivery`: those of `event_redelivery`, which wait for the first attempt of a redelivery by hand.
/// - `let_go`: those of `event_job`, which a job let go and which wait for their first attempt since.
/// - `succeeded`: those that were delivered. No index has this condition.
/// - `unsuccessful`: those of `event_unhappy` and `event_unhappy_endpoint`, which failed or were skipped.
/// - `pending`: those that [`EventState::is_pending`] is true of. No index has this condition.
/// - `unknown`: those with a number that stands for no state. No event has one, unless the file is damaged.
macro_rules! state_is {
    (fresh) => {
        "state = 0"
    };
    (retry) => {
        "state = 1"
    };
    (redelivery) => {
        "state = 1 AND run_attempt = 0 AND job IS NULL"
    };
    (let_go) => {
        "state = 1 AND job IS NOT NULL"
    };
    (succeeded) => {
        "state = 2"
    };
    (unsuccessful) => {
        "state IN (3, 4)"
    };
    (pending) => {
        "state IN (0, 1)"
    };
    (unknown) => {
        "state NOT IN (0, 1, 2, 3, 4)"
    };
}
pub(crate) use state_is;

/// Returns the number that stands for a state.
pub(crate) const fn number(state: EventState) -> i64 {
    match state {
        EventState::Fresh => 0,
        EventState::Retry => 1,
        EventState::Succeeded => 2,
        EventState::Failed => 3,
        EventState::Skipped => 4,
    }
}

impl ToSql for EventState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(number(*self).into())
    }
}

impl FromSql for EventState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let stored = value.as_i64()?;
        Self::ALL
            .into_iter()
            .find(|state| number(*state) == stored)
            .ok_or_else(|| FromSqlError::Other(format!("{stored} stands for no state").into()))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params};

    use super::*;

    #[test]
    fn the_numbers_are_those_that_readers_of_the_file_know() {
        let numbers = EventState::ALL.map(number);
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        let words = "-- 0 fresh 1 retry 2 succeeded 3 failed 4 skipped";
        assert!(include_str!("../../../schema.sql").contains(words));
    }

    #[test]
    fn a_state_is_read_as_it_was_written_and_another_number_is_an_error() {
        let connection = Connection::open_in_memory().unwrap();
        let echo = |value: &dyn ToSql| -> rusqlite::Result<EventState> {
            connection.query_row("SELECT ?1", [value], |row| row.get(0))
        };
        for state in EventState::ALL {
            assert_eq!(echo(&state), Ok(state));
        }
        assert!(echo(&5).is_err());
        assert!(echo(&-1).is_err());
    }

    #[test]
    fn each_condition_is_true_of_the_states_that_it_names() {
        let connection = Connection::open_in_memory().unwrap();
        let holds =
            |condition: &str, state: EventState, run_attempt: u32, job: Option<i64>| -> bool {
                let sql = format!(
                    "SELECT {condition} FROM (SELECT ?1 AS state, ?2 AS run_attempt, ?3 AS job)"
                );
                connection
                    .query_row(&sql, params![state, run_attempt, job], |row| row.get(0))
                    .unwrap()
            };
        for state in EventState::ALL {
            for (run_attempt, job) in [(0, None), (1, None), (0, Some(7))] {
                let holds = |condition| holds(condition, state, run_attempt, job);
                let is_retry = state == EventState::Retry;
                assert_eq!(holds(state_is!(fresh)), state == EventState::Fresh);
                assert_eq!(holds(state_is!(retry)), is_retry);
                assert_eq!(holds(state_is!(let_go)), is_retry && job.is_some());
                assert_eq!(
                    holds(state_is!(redelivery)),
                    is_retry && run_attempt == 0 && job.is_none()
                );
                assert_eq!(holds(state_is!(succeeded)), state == EventState::Succeeded);
                assert_eq!(
                    holds(state_is!(unsuccessful)),
                    matches!(state, EventState::Failed | EventState::Skipped)
                );
                assert_eq!(holds(state_is!(pending)), state.is_pending());
                assert!(!holds(state_is!(unknown)));
            }
        }
    }

    #[test]
    fn each_partial_index_has_its_condition_word_for_word() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../schema.sql"))
            .unwrap();
        let mut found: Vec<(String, String)> = connection
            .prepare(
                "SELECT name, substr(sql, instr(sql, ' WHERE ') + 7) FROM sqlite_master
                 WHERE type = 'index' AND tbl_name = 'event' AND sql LIKE '% WHERE %'",
            )
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        found.sort();
        let expected = [
            ("event_fresh", state_is!(fresh)),
            ("event_job", state_is!(let_go)),
            ("event_redelivery", state_is!(redelivery)),
            ("event_retry", state_is!(retry)),
            ("event_unhappy", state_is!(unsuccessful)),
            ("event_unhappy_endpoint", state_is!(unsuccessful)),
            ("event_waiting", state_is!(retry)),
        ];
        let expected = expected.map(|(name, condition)| (name.to_owned(), condition.to_owned()));
        assert_eq!(found, expected);
    }
}
