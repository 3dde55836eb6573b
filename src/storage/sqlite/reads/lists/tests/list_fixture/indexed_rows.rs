//! The entries of rows in the list indexes, and the counters of messages, as the writer leaves them at some moment.

use rand::RngExt;
use rand::rngs::StdRng;
use rusqlite::params;

use super::ListFixture;

impl ListFixture {
    /// Adds all rows up to one of them to the list indexes, and some of those after it, as in the middle of a
    /// batch.
    pub(super) fn add_to_list_indexes(&self, random: &mut StdRng) {
        for kind in ["event", "delivery", "message"] {
            let newest = format!("SELECT coalesce(max(seq), 0) FROM {kind}");
            let newest: i64 = (self.connection)
                .query_row(&newest, [], |row| row.get(0))
                .unwrap();
            let through = match random.random_range(0..4) {
                0 => 0,
                1 => newest,
                _ => random.random_range(0..=newest),
            };
            let of_message = [("of_workspace", "workspace, seq, type")];
            let of_other = [
                ("of_workspace", "workspace, seq"),
                ("of_endpoint", "endpoint, seq, type"),
                ("of_type", "workspace, type, seq"),
            ];
            let indexes = if kind == "message" {
                &of_message[..]
            } else {
                &of_other
            };
            for (index, columns) in indexes {
                self.connection
                    .execute(
                        &format!(
                            "INSERT INTO {kind}_{index} SELECT {columns} FROM {kind}
                             WHERE seq <= ? OR seq % ? = 0"
                        ),
                        params![through, random.random_range(2..9)],
                    )
                    .unwrap();
            }
            self.connection
                .execute(
                    "UPDATE meta SET value = ? WHERE key = ?",
                    params![through, format!("{kind}_indexed")],
                )
                .unwrap();
        }
        for scope in ["-workspace", "0"] {
            let count = format!(
                "INSERT INTO message_count SELECT seq / 32768, {scope}, type, events > 0, count(*)
                 FROM message WHERE seq <= (SELECT value FROM meta WHERE key = 'message_indexed')
                 GROUP BY 1, 2, 3, 4"
            );
            self.connection.execute(&count, []).unwrap();
        }
    }
}
