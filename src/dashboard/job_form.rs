//! The form of a job: its filter, as the URL of a page has it and as the API reads it.

use serde_json::{Map, Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use super::form::FormProblems;
use super::query::Fields;
use super::time_field;
use crate::domain::access::Visibility;
use crate::domain::event::EventStatus;
use crate::domain::job::{JobAction, NewJob, SelectedStatus};
use crate::server::inputs::jobs::new_job;
use crate::server::validate::{FILTER_VALUES_MAX, Input};

/// The field with the action. A form that publishes has a field `action` of its own.
const ACTION: &str = "job";

/// The member of the filter with the workspace.
const WORKSPACE: &str = "workspace_id";

/// The members of the filter that are lists.
const LISTS: [&str; 3] = ["endpoint_id", "event_type", "status"];

/// The members of the filter that are times.
const TIMES: [&str; 2] = ["start_timestamp", "end_timestamp"];

/// The other members of the filter.
const OTHERS: [&str; 2] = ["http_code_class", WORKSPACE];

/// The filters of a list of events that a job cannot have.
const ONLY_OF_LISTS: [&str; 2] = ["message_id", "query"];

/// The most values of one field that are read: one more than the API takes, so that it says that there are too many.
const VALUES_MAX: usize = FILTER_VALUES_MAX + 1;

/// The fields of the form.
pub(super) struct JobForm(Fields);

impl JobForm {
    /// Makes the form from the fields of a query or a form. Those that it does not have are left out.
    pub(super) fn new(fields: Fields) -> Self {
        let is_known = |name: &str| {
            [ACTION, "rate"].contains(&name)
                || LISTS.contains(&name)
                || TIMES.contains(&name)
                || OTHERS.contains(&name)
        };
        Self(fields.only(is_known))
    }

    /// Returns the form with this workspace, unless it has one or no field is set.
    pub(super) fn in_workspace(self, id: Uuid) -> Self {
        if self.is_empty() || self.0.get(WORKSPACE).is_some() {
            return self;
        }
        Self(self.0.with(WORKSPACE, &id.to_string()))
    }

    /// Reports whether no field is set.
    pub(super) fn is_empty(&self) -> bool {
        self.0.given().next().is_none()
    }

    /// Returns the action.
    pub(super) fn action(&self) -> JobAction {
        let name = self.value(ACTION);
        JobAction::parse(name).unwrap_or(JobAction::Redeliver)
    }

    /// Reports whether it skips events.
    pub(super) fn is_skip(&self) -> bool {
        self.action() == JobAction::Skip
    }

    /// Returns the first value of a field; empty if it is not set.
    pub(super) fn value(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_default()
    }

    /// Reports whether a field has this value among others.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.0.all(name).any(|it| it.trim() == value)
    }

    /// Reports whether the box of a status is checked. Without any, the default ones are.
    pub(super) fn selects(&self, status: &str) -> bool {
        if self.0.get("status").is_some() {
            return self.has("status", status);
        }
        let default = self.action().default_statuses();
        default.iter().any(|it| it.as_str() == status)
    }

    /// Returns a time as a field for times shows it.
    pub(super) fn time(&self, name: &str) -> &str {
        time_field::without_zone(self.value(name))
    }

    /// Returns the type of the field for a time.
    pub(super) fn time_type(&self, name: &str) -> &'static str {
        time_field::field_type(self.value(name))
    }

    /// Returns the endpoints, as far as their ids can be read.
    pub(super) fn endpoints(&self) -> Vec<Uuid> {
        let ids = self.0.all("endpoint_id").take(VALUES_MAX);
        ids.filter_map(|id| Uuid::parse_str(id.trim()).ok())
            .collect()
    }

    /// Returns all fields that are set, for a form that passes them on.
    pub(super) fn given(&self) -> Vec<(&str, &str)> {
        self.0.given().collect()
    }

    /// Returns the fields that the form shows no field for, and the second and further values of those that show only
    /// one.
    pub(super) fn hidden(&self) -> Vec<(&str, &str)> {
        let mut seen = Vec::new();
        let mut hidden = Vec::new();
        for (name, value) in self.0.given() {
            let is_further = seen.contains(&name) && ["endpoint_id", "event_type"].contains(&name);
            seen.push(name);
            if is_further || name == WORKSPACE {
                hidden.push((name, value));
            }
        }
        hidden
    }

    /// Reads the job as the API reads it.
    ///
    /// # Errors
    /// The problems of the fields.
    pub(super) fn read(&self, visibility: Visibility) -> Result<NewJob, FormProblems> {
        let body = self.body().to_string();
        let mut input = Input::new("", "");
        input.json(&body);
        let new = new_job(&mut input, visibility);
        let ok = input
            .finish()
            .map_err(|problems| FormProblems::of(&problems))?;
        Ok(new(&ok).0)
    }

    /// Returns the form as the body of a request of the API.
    fn body(&self) -> Value {
        let mut filter = Map::new();
        for name in LISTS {
            let values = self.0.all(name).map(str::trim);
            let values: Vec<_> = values
                .filter(|value| !value.is_empty())
                .take(VALUES_MAX)
                .collect();
            // A job that skips selects what is pending.
            let is_ignored = name == "status" && self.is_skip();
            if !values.is_empty() && !is_ignored {
                filter.insert(name.to_owned(), values.into());
            }
        }
        for name in TIMES {
            if let Some(time) = self.0.get(name) {
                filter.insert(name.to_owned(), time_field::with_zone(time).into());
            }
        }
        for name in OTHERS {
            if let Some(value) = self.0.get(name) {
                filter.insert(name.to_owned(), value.into());
            }
        }
        let mut body = json!({"action": self.action().as_str(), "filter": filter});
        if let Some(rate) = self.0.get("rate") {
            body["rate"] = rate.into();
        }
        body
    }
}

/// The job on all events of a list.
pub(super) struct JobOfList {
    pub(super) action: JobAction,
    /// The URL of the page that counts its events.
    pub(super) url: String,
    /// Set if the list itself has other events, too: those with other statuses.
    pub(super) is_of_some: bool,
}

/// Returns the job on all events of a list with these filters, of the workspace that an admin has chosen; `None` if no
/// job has such a set.
pub(super) fn job_of_list(filters: &Fields, chosen: Option<Uuid>) -> Option<JobOfList> {
    if ONLY_OF_LISTS.iter().any(|name| filters.get(name).is_some()) {
        return None;
    }
    let given = |name: &'static str| filters.given().filter(move |(own, _)| *own == name);
    let pending = EventStatus::Pending.as_str();
    let statuses: Vec<_> = given("status").map(|(_, status)| status).collect();
    let (action, statuses) = match &statuses[..] {
        [] => {
            let default = JobAction::Redeliver.default_statuses().iter();
            let default = default.map(|it| SelectedStatus::as_str(*it));
            (JobAction::Redeliver, default.collect())
        }
        all if all.iter().all(|it| *it == pending) => (JobAction::Skip, Vec::new()),
        some if some.contains(&pending) => return None,
        _ => (JobAction::Redeliver, statuses.clone()),
    };
    let is_of_some = given("status").next().is_none();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(ACTION, action.as_str());
    let named = given(WORKSPACE).map(|(_, id)| id.to_owned());
    let mut workspaces: Vec<_> = named.chain(chosen.map(|id| id.to_string())).collect();
    workspaces.dedup();
    match &workspaces[..] {
        [] => {}
        [one] => {
            query.append_pair(WORKSPACE, one);
        }
        _ => return None,
    }
    let lists = ["endpoint_id", "event_type", "http_code_class"];
    let lists = lists.into_iter().flat_map(given);
    let times = TIMES.into_iter().flat_map(|name| given(name).take(1));
    let others: Vec<_> = lists.chain(times).collect();
    query.extend_pairs(&others);
    for status in statuses {
        query.append_pair("status", status);
    }
    // A job that skips needs a filter besides the workspace: the events are pending, which says nothing to the API.
    let has_filter = action == JobAction::Redeliver || !others.is_empty();
    has_filter.then(|| JobOfList {
        action,
        url: format!("/jobs/new?{}", query.finish()),
        is_of_some,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::parse(text.as_bytes())
    }

    #[test]
    fn the_api_gets_its_own_members() {
        let form = JobForm::new(fields(
            "job=redeliver&endpoint_id=a&endpoint_id=b&status=failed&start_timestamp=2026-03-01T12:00&rate=60\
             &http_code_class=&next=x&event_type=+",
        ));
        let expected = json!({"action": "redeliver", "rate": "60", "filter": {
            "endpoint_id": ["a", "b"], "status": ["failed"], "start_timestamp": "2026-03-01T12:00Z",
        }});
        assert_eq!(form.body(), expected);
        assert_eq!(form.hidden(), [("endpoint_id", "b")]);
        assert!(form.selects("failed") && !form.selects("skipped"));
        let skip = JobForm::new(fields("job=skip&status=pending&event_type=a"));
        let expected = json!({"action": "skip", "filter": {"event_type": ["a"]}});
        assert_eq!(skip.body(), expected);
    }

    #[test]
    fn a_list_has_a_job_if_a_job_can_have_its_events() {
        let url = |list: &str| job_of_list(&fields(list), None).map(|job| job.url);
        let found = |query: &str| Some(format!("/jobs/new?{query}"));
        assert_eq!(
            url("view=events&endpoint_id=a&status=failed&page=2"),
            found("job=redeliver&endpoint_id=a&status=failed")
        );
        assert_eq!(url(""), found("job=redeliver&status=failed&status=skipped"));
        assert_eq!(
            url("status=pending&event_type=a"),
            found("job=skip&event_type=a")
        );
        for none in [
            "query=a",
            "message_id=a",
            "status=pending",
            "status=pending&status=failed&event_type=a",
            "workspace_id=a&workspace_id=b",
        ] {
            assert_eq!(url(none), None, "{none}");
        }
        let chosen = Uuid::from_u128(7);
        let of_workspace = job_of_list(&fields("status=pending"), Some(chosen));
        assert!(of_workspace.is_none());
        let of_workspace = job_of_list(&fields("status=failed"), Some(chosen)).unwrap();
        assert_eq!(
            of_workspace.url,
            format!("/jobs/new?job=redeliver&workspace_id={chosen}&status=failed")
        );
    }
}
