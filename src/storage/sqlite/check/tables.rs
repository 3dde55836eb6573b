//! The tables that grow, and what is derived from each.

use super::problem::Kind;

/// The columns of the list indexes, in the order of the key.
pub(super) const LISTS: [List; 3] = [
    List {
        end: "of_workspace",
        columns: ["workspace", "seq", "0"],
        key: "workspace = ?1 AND seq = ?2 AND ?3 = 0",
    },
    List {
        end: "of_endpoint",
        columns: ["endpoint", "seq", "type"],
        key: "endpoint = ?1 AND seq = ?2 AND type = ?3",
    },
    List {
        end: "of_type",
        columns: ["workspace", "seq", "type"],
        key: "workspace = ?1 AND type = ?3 AND seq = ?2",
    },
];

/// A list index of a table that grows.
pub(super) struct List {
    /// The end of its name.
    pub(super) end: &'static str,
    /// The columns of an entry: the owner, the row's number, and the type, if it has one.
    pub(super) columns: [&'static str; 3],
    /// The condition that finds an entry by these three.
    pub(super) key: &'static str,
}

impl List {
    /// Returns the statement that adds an entry, which has the same three parameters.
    pub(super) fn insert(&self, table: &str) -> String {
        let [owner, number, event_type] = self.columns;
        let end = self.end;
        if event_type == "type" {
            format!(
                "INSERT OR REPLACE INTO {table}_{end} ({owner}, {number}, type) VALUES (?1, ?2, ?3)"
            )
        } else {
            format!(
                "INSERT OR REPLACE INTO {table}_{end} ({owner}, {number}) SELECT ?1, ?2 WHERE ?3 = 0"
            )
        }
    }
}

/// A table that grows.
#[derive(Debug)]
pub(super) struct GrowingTable {
    pub(super) name: &'static str,
    /// The expression for what is counted: the state of an event, the class of a delivery.
    pub(super) kind: &'static str,
    /// The same in the join of the table's rules, where the table has the alias `row`.
    pub(super) kind_in_rules: &'static str,
    pub(super) row: &'static str,
    pub(super) counters: &'static str,
    /// The column of the counter table for what is counted.
    pub(super) kind_column: &'static str,
    /// The kind of problem of wrong counters.
    pub(super) wrong_counters: Kind,
    /// The key in `meta` of the number up to which the list indexes are complete.
    pub(super) mark: &'static str,
    /// The table of rows that were deleted, but whose entries may be there.
    pub(super) tombstones: &'static str,
}

pub(super) const EVENTS: GrowingTable = GrowingTable {
    name: "event",
    kind: "state",
    kind_in_rules: "e.state",
    row: "e",
    counters: "event_count",
    kind_column: "state",
    wrong_counters: Kind::EventCounters,
    mark: "event_indexed",
    tombstones: "event_tombstone",
};

pub(super) const DELIVERIES: GrowingTable = GrowingTable {
    name: "delivery",
    kind: "coalesce(code, 0) / 100",
    kind_in_rules: "coalesce(d.code, 0) / 100",
    row: "d",
    counters: "delivery_count",
    kind_column: "class",
    wrong_counters: Kind::DeliveryCounters,
    mark: "delivery_indexed",
    tombstones: "delivery_tombstone",
};

/// The table of charts.
pub(super) const CHARTS: &str = "delivery_chart";

/// The tables that are derived from others, and so can be made anew. That of [`CHARTS`] can be made as an empty one:
/// a database without its charts is better than a backup, which lacks messages.
pub(super) const DERIVED: [&str; 11] = [
    "event_of_workspace",
    "event_of_endpoint",
    "event_of_type",
    "delivery_of_workspace",
    "delivery_of_endpoint",
    "delivery_of_type",
    "message_of_workspace",
    "message_count",
    "event_count",
    "delivery_count",
    CHARTS,
];
