//! The output of a list of events or deliveries: a table or JSON, printed page by page.

use std::io::{self, IsTerminal};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::columns::Table;
use super::http::{Client, Query};
use super::json_array::JsonArray;
use super::list::Rows;
use super::objects::Dated;
use super::progress::Progress;
use crate::cli::output;

/// The progress of a list. On a terminal the rows themselves show it.
struct ListProgress(Option<Progress>);

impl ListProgress {
    fn reach(&mut self, printed: u64, total: u64) {
        if !io::stdout().is_terminal() {
            let progress = self
                .0
                .get_or_insert_with(|| Progress::new("listing", total));
            progress.reach(printed);
        }
    }
}

/// Prints the rows of a list. If there are more than `rows`, a remark says so.
pub(in crate::cli) fn print_list<T: DeserializeOwned + Dated, const N: usize>(
    client: &Client,
    path: &str,
    query: &Query,
    rows: Rows,
    json: bool,
    table: &Table<N>,
    row: impl Fn(&T) -> String,
) -> anyhow::Result<()> {
    let mut progress = ListProgress(None);
    let (mut printed, mut of) = (0, 0);
    let mut count = |rows: usize, total: u64| {
        printed += rows as u64;
        of = total;
        progress.reach(printed, total);
    };
    if json {
        let mut array = JsonArray::default();
        client.walk(path, query, rows, |page: Vec<Value>, total| {
            array.print(&page)?;
            count(page.len(), total);
            Ok(())
        })?;
        array.end()?;
    } else {
        let mut heading = Some(table.headings());
        client.walk(path, query, rows, |page: Vec<T>, total| {
            let lines: String = page.iter().map(&row).collect();
            output::listing(&(heading.take().unwrap_or_default() + &lines))?;
            count(page.len(), total);
            Ok(())
        })?;
    }
    drop(progress);
    if printed < of && matches!(rows, Rows::First(_)) {
        output::remark(&format!("{printed} of {of} {path}; --all lists them all."));
    }
    Ok(())
}
