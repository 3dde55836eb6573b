//! The scope of a filter: its ids, resolved to the numbers of the database.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::scan::{Index, Scan};
use super::statement::{Table, prepare};
use super::time_range::SeqRange;
use crate::domain::access::Visibility;
use crate::storage::EndpointNumber;
use crate::storage::sqlite::writer::counters::CountScope;

/// The indexes of all rows of a table.
pub(crate) struct Indexes {
    /// The table itself.
    pub(crate) all: Index,
    /// By workspace. This one and the next two are list indexes.
    pub(crate) of_workspace: Index,
    /// By workspace and type.
    pub(crate) of_type: Index,
    /// By endpoint. Few endpoints have so many rows, or so many types, that an index by endpoint and type
    /// would be worth its cost.
    pub(crate) of_endpoint: Index,
}

/// The workspaces, endpoints and types to which a list is limited. No field is an empty list or names
/// anything twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `None`: all.
    pub(crate) workspaces: Option<Vec<i64>>,
    /// Endpoints of `workspaces`; `None`: all of them.
    pub(crate) endpoints: Option<Vec<i64>>,
    /// `None`: all.
    pub(crate) types: Option<Vec<i64>>,
}

impl Scope {
    /// Looks up the ids and names of a filter; `None` if nothing can match. Ignores ids and names that do not
    /// exist. Deleted workspaces and endpoints count: their events and deliveries stay listed.
    pub(crate) fn resolve(
        connection: &Connection,
        visibility: Visibility,
        workspaces: &[Uuid],
        endpoints: &[Uuid],
        types: &[String],
    ) -> rusqlite::Result<Option<Self>> {
        let Some(workspaces) = resolve_workspaces(connection, visibility, workspaces)? else {
            return Ok(None);
        };
        let endpoints = resolve_endpoints(connection, workspaces.as_deref(), endpoints)?;
        let types = resolve_types(connection, types)?;
        let matches_nothing = |list: &Option<Vec<i64>>| list.as_ref().is_some_and(Vec::is_empty);
        if matches_nothing(&endpoints) || matches_nothing(&types) {
            return Ok(None);
        }
        Ok(Some(Self {
            workspaces,
            endpoints,
            types,
        }))
    }

    /// Returns the scope of one endpoint and some types, of all types if none are named; `None` if nothing can match.
    pub(crate) fn of_endpoint(
        connection: &Connection,
        endpoint: i64,
        types: &[String],
    ) -> rusqlite::Result<Option<Self>> {
        let types = resolve_types(connection, types)?;
        let matches_nothing = types.as_ref().is_some_and(Vec::is_empty);
        Ok((!matches_nothing).then(|| Self {
            workspaces: None,
            endpoints: Some(vec![endpoint]),
            types,
        }))
    }

    /// Reports whether rows of a workspace can be in the scope.
    pub(crate) fn includes_workspace(&self, workspace: i64) -> bool {
        let workspaces = self.workspaces.as_ref();
        workspaces.is_none_or(|workspaces| workspaces.contains(&workspace))
    }

    /// Reports whether a row is in the scope.
    pub(crate) fn includes(&self, workspace: i64, endpoint: i64, event_type: i64) -> bool {
        let any_of =
            |list: &Option<Vec<i64>>, n| list.as_ref().is_none_or(|list| list.contains(&n));
        self.includes_workspace(workspace)
            && any_of(&self.endpoints, endpoint)
            && any_of(&self.types, event_type)
    }

    /// Returns the endpoints one by one, deleted ones too, since their events stay listed.
    pub(crate) fn each_endpoint(
        &self,
        connection: &Connection,
    ) -> rusqlite::Result<Vec<EndpointNumber>> {
        let named = |endpoints: &Vec<i64>| endpoints.iter().copied().map(EndpointNumber).collect();
        if let Some(endpoints) = &self.endpoints {
            return Ok(named(endpoints));
        }
        let mut statement = prepare(connection, "SELECT n, workspace FROM endpoint ORDER BY n")?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if self.includes_workspace(row.get(1)?) {
                found.push(EndpointNumber(row.get(0)?));
            }
        }
        Ok(found)
    }

    /// Returns the types one by one; a single `None` for all of them.
    pub(crate) fn each_type(&self) -> Vec<Option<i64>> {
        match &self.types {
            None => vec![None],
            Some(types) => types.iter().copied().map(Some).collect(),
        }
    }

    /// Returns the workspaces one by one, those of the whole server if none are named.
    pub(crate) fn each_workspace(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        match &self.workspaces {
            Some(workspaces) => Ok(workspaces.clone()),
            None => prepare(connection, "SELECT n FROM workspace")?
                .query_map([], |row| row.get(0))?
                .collect(),
        }
    }

    /// Returns the scans of all rows in scope.
    pub(crate) fn all_scans(
        &self,
        connection: &Connection,
        indexes: &Indexes,
    ) -> rusqlite::Result<Vec<Scan>> {
        if self.workspaces.is_none() && self.endpoints.is_none() && self.types.is_none() {
            return Ok(vec![Scan::of(indexes.all)]);
        }
        let of_workspace = match self.types {
            None => indexes.of_workspace,
            Some(_) => indexes.of_type,
        };
        let indexed = indexed_through(connection, indexes.all.table)?;
        let older = SeqRange {
            below: indexed + 1,
            ..SeqRange::ALL
        };
        let newer = SeqRange {
            above: indexed,
            ..SeqRange::ALL
        };
        let has_tombstones = has_tombstones(connection, indexes.all.table)?;
        let older_only = |scan: Scan| {
            let scan = scan.within(older);
            if has_tombstones {
                scan.without_tombstones()
            } else {
                scan
            }
        };
        let scans = self.scans_on(connection, of_workspace, indexes.of_endpoint)?;
        let mut scans: Vec<Scan> = scans.into_iter().map(older_only).collect();
        scans.push(self.in_table(indexes).within(newer));
        Ok(scans)
    }

    /// Returns one scan of the whole table for all rows in scope. It is meant for a scope that most of the
    /// table is in.
    pub(crate) fn in_table(&self, indexes: &Indexes) -> Scan {
        let named = [
            ("workspace", &self.workspaces),
            ("endpoint", &self.endpoints),
            ("type", &self.types),
        ];
        let mut scan = Scan::of(indexes.all);
        for (column, numbers) in named {
            if let Some(numbers) = numbers {
                scan = scan.among(column, numbers);
            }
        }
        scan
    }

    /// Returns scans of the rows in scope: on `by_endpoint` one for each endpoint and type, or, if no
    /// endpoints are named, on `by_workspace` one for each workspace and type.
    pub(crate) fn scans_on(
        &self,
        connection: &Connection,
        by_workspace: Index,
        by_endpoint: Index,
    ) -> rusqlite::Result<Vec<Scan>> {
        Ok(if let Some(endpoints) = &self.endpoints {
            self.each_of(by_endpoint, "endpoint = ?", endpoints)
        } else {
            let workspaces = self.each_workspace(connection)?;
            self.each_of(by_workspace, "workspace = ?", &workspaces)
        })
    }

    fn each_of(&self, index: Index, condition: &'static str, numbers: &[i64]) -> Vec<Scan> {
        let types = self.each_type();
        let scan = |n| Scan::of(index).and(condition, n);
        let pairs = numbers
            .iter()
            .flat_map(|n| types.iter().map(|event_type| (*n, *event_type)));
        pairs
            .map(|(n, event_type)| scan(n).and_if("type = ?", event_type))
            .collect()
    }

    /// Returns the scopes of the counters that add up to this one.
    pub(crate) fn count_scopes(&self) -> Vec<CountScope> {
        match (&self.endpoints, &self.workspaces) {
            (Some(endpoints), _) => endpoints
                .iter()
                .copied()
                .map(CountScope::endpoint)
                .collect(),
            (None, Some(workspaces)) => workspaces
                .iter()
                .copied()
                .map(CountScope::workspace)
                .collect(),
            (None, None) => vec![CountScope::SERVER],
        }
    }
}

/// Returns the mark of a table: the number up to which all rows are in its list indexes.
pub(crate) fn indexed_through(connection: &Connection, table: Table) -> rusqlite::Result<i64> {
    let sql = match table {
        Table::Event => "SELECT value FROM meta WHERE key = 'event_indexed'",
        Table::Delivery => "SELECT value FROM meta WHERE key = 'delivery_indexed'",
        Table::Message => "SELECT value FROM meta WHERE key = 'message_indexed'",
    };
    prepare(connection, sql)?.query_row([], |row| row.get(0))
}

/// Reports whether rows of a table were deleted that may still have entries in its list indexes. Mostly there are
/// none, and scans without this condition are faster.
pub(crate) fn has_tombstones(connection: &Connection, table: Table) -> rusqlite::Result<bool> {
    let sql = match table {
        Table::Event => "SELECT min(seq) IS NOT NULL FROM event_tombstone",
        Table::Delivery => "SELECT min(seq) IS NOT NULL FROM delivery_tombstone",
        Table::Message => "SELECT min(seq) IS NOT NULL FROM message_tombstone",
    };
    prepare(connection, sql)?.query_row([], |row| row.get(0))
}

/// Resolves the workspaces. `None`: nothing can match; `Some(None)`: all workspaces.
#[expect(clippy::option_option, reason = "the two have nothing in common")]
fn resolve_workspaces(
    connection: &Connection,
    visibility: Visibility,
    named: &[Uuid],
) -> rusqlite::Result<Option<Option<Vec<i64>>>> {
    let own;
    let wanted = match visibility {
        Visibility::All if named.is_empty() => return Ok(Some(None)),
        Visibility::All => named,
        Visibility::Workspace(id) => {
            own = [id];
            if named.is_empty() || named.contains(&id) {
                &own
            } else {
                return Ok(None);
            }
        }
    };
    let mut statement = prepare(connection, "SELECT n FROM workspace WHERE id = ?")?;
    let mut found = Vec::new();
    for id in wanted {
        found.extend(
            statement
                .query_row([id], |row| row.get::<_, i64>(0))
                .optional()?,
        );
    }
    let found = distinct(found);
    Ok((!found.is_empty()).then_some(Some(found)))
}

fn resolve_endpoints(
    connection: &Connection,
    workspaces: Option<&[i64]>,
    named: &[Uuid],
) -> rusqlite::Result<Option<Vec<i64>>> {
    if named.is_empty() {
        return Ok(None);
    }
    let mut statement = prepare(connection, "SELECT n, workspace FROM endpoint WHERE id = ?")?;
    let mut found = Vec::new();
    for id in named {
        let row: Option<(i64, i64)> = statement
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((n, workspace)) = row
            && workspaces.is_none_or(|workspaces| workspaces.contains(&workspace))
        {
            found.push(n);
        }
    }
    Ok(Some(distinct(found)))
}

fn resolve_types(connection: &Connection, named: &[String]) -> rusqlite::Result<Option<Vec<i64>>> {
    if named.is_empty() {
        return Ok(None);
    }
    let mut statement = prepare(connection, "SELECT n FROM event_type WHERE name = ?")?;
    let mut found = Vec::new();
    for name in named {
        found.extend(
            statement
                .query_row([name], |row| row.get::<_, i64>(0))
                .optional()?,
        );
    }
    Ok(Some(distinct(found)))
}

/// Removes duplicates: a row named twice would be listed and counted twice.
fn distinct(mut list: Vec<i64>) -> Vec<i64> {
    list.sort_unstable();
    list.dedup();
    list
}
