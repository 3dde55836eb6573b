//! The filter of a job, from the filters of a list: both have the same names.

use serde_json::{Map, Value};

use super::http::Query;
use crate::cli::output::UsageError;

/// The members that are lists. The others have one value.
const LISTS: [&str; 3] = ["endpoint_id", "event_type", "status"];

/// Returns the filter of a job with these parameters of a list.
///
/// # Errors
/// A member with one value, such as the workspace, is given twice.
pub(in crate::cli) fn job_filter(query: &Query) -> Result<Map<String, Value>, UsageError> {
    let mut filter = Map::new();
    for (name, value) in query {
        let value = Value::from(value.as_str());
        if !LISTS.contains(name) {
            if filter.insert((*name).to_owned(), value).is_some() {
                let flag = name.replace('_', "-");
                return Err(UsageError(format!("one --{flag} at a time, please")));
            }
            continue;
        }
        let list = filter
            .entry(*name)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = list {
            values.push(value);
        }
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_lists_and_other_members_have_one_value() {
        let query = [
            ("endpoint_id", "a"),
            ("status", "failed"),
            ("status", "skipped"),
            ("workspace_id", "w"),
        ];
        let mut query: Query = query.map(|(name, value)| (name, value.to_owned())).into();
        let expected = json!({
            "endpoint_id": ["a"], "status": ["failed", "skipped"], "workspace_id": "w",
        });
        let filter = job_filter(&query).map(Value::Object);
        assert_eq!(filter.unwrap(), expected);
        query.push(("workspace_id", "v".to_owned()));
        assert!(job_filter(&query).is_err());
    }
}
