//! Workspaces with their enabled endpoints, and the endpoints that are subscribed to a type.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::domain::endpoint::Format;
use crate::domain::event_pattern::EventPattern;
use crate::domain::event_type::{EventType, Subscription};
use crate::storage::EndpointNumber;
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::rows;

/// An enabled endpoint.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) number: EndpointNumber,
    pub(crate) id: Uuid,
    pub(crate) format: Format,
    /// The pattern that a message must match.
    pub(crate) filter: EventPattern,
}

/// A workspace in use, with its enabled endpoints.
#[derive(Debug)]
pub(crate) struct WorkspaceCache {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) subscribers: Vec<Subscriber>,
    subscriptions: Subscriptions,
    /// The subscriptions of the endpoints that have a filter.
    filtered: Arc<Subscriptions>,
}

impl WorkspaceCache {
    /// Reads a workspace from the file; `None` if there is no such workspace, or it was deleted.
    pub(crate) fn load(connection: &Connection, workspace: Uuid) -> rusqlite::Result<Option<Self>> {
        let row = connection
            .prepare_cached("SELECT n, name FROM workspace WHERE id = ?1 AND deleted_at IS NULL")?
            .query_row([workspace], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((number, name)) = row else {
            return Ok(None);
        };
        let mut cache = Self {
            number,
            name,
            subscribers: Vec::new(),
            subscriptions: Subscriptions::default(),
            filtered: Arc::default(),
        };
        let mut filtered = Subscriptions::default();
        let mut endpoints = connection.prepare_cached(
            "SELECT n, id, format, events, filter FROM endpoint
             WHERE workspace = ?1 AND deleted_at IS NULL AND disabled IS NULL ORDER BY n",
        )?;
        let mut endpoints = endpoints.query([number])?;
        while let Some(row) = endpoints.next()? {
            let wanted = endpoint_rows::subscriptions(&row.get::<_, String>(3)?);
            cache.subscriptions.add(&wanted);
            let filter = EventPattern::from_stored(&row.get::<_, String>(4)?);
            if !filter.matches_everything() {
                filtered.add(&wanted);
            }
            cache.subscribers.push(Subscriber {
                number: EndpointNumber(row.get(0)?),
                id: row.get(1)?,
                format: rows::format(row.get(2)?),
                filter,
            });
        }
        cache.filtered = Arc::new(filtered);
        Ok(Some(cache))
    }

    /// Returns the endpoints that are subscribed to `event_type` and that `gets` lets through, in the order in which their
    /// events are numbered.
    ///
    /// The first of each format comes first, so that [`rows::body`] finds the event that has the body.
    pub(crate) fn subscribers_of(
        &self,
        event_type: &EventType,
        mut gets: impl FnMut(&Subscriber) -> bool,
    ) -> Vec<&Subscriber> {
        let subscribed = self.subscriptions.subscribers_of(event_type);
        let subscribers = subscribed.into_iter().map(|at| &self.subscribers[at]);
        let getting = subscribers.filter(|it| gets(it)).collect();
        rendered_first(getting, |it| it.format)
    }

    /// Reports whether an endpoint has a format that shows a summary instead of the data.
    fn shows_summaries(&self) -> bool {
        self.subscribers.iter().any(|it| it.format != Format::Raw)
    }

    /// Returns what callers need to know before they publish.
    pub(crate) fn hint(&self) -> PublishHint {
        PublishHint {
            shows_summaries: self.shows_summaries(),
            filtered: self.filtered.clone(),
        }
    }
}

/// Returns endpoints in the order in which their events are numbered: the first of each format that is rendered, then all
/// others as they came.
pub(crate) fn rendered_first<T>(endpoints: Vec<T>, format: impl Fn(&T) -> Format) -> Vec<T> {
    let mut ordered: Vec<T> = Vec::with_capacity(endpoints.len());
    let mut others = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let own = format(&endpoint);
        if own != Format::Raw && ordered.iter().all(|it| format(it) != own) {
            ordered.push(endpoint);
        } else {
            others.push(endpoint);
        }
    }
    ordered.append(&mut others);
    ordered
}

/// An index of subscriptions. Finding the endpoints of a type takes one look-up for each part of the type's
/// name, however many subscriptions there are.
#[derive(Debug, Default)]
struct Subscriptions {
    endpoints: usize,
    /// Endpoints by the type that they are subscribed to.
    by_name: HashMap<String, Vec<usize>>,
    /// Endpoints by the prefix that they are subscribed to, such as `order.`; the empty text stands for `*`.
    by_start: HashMap<String, Vec<usize>>,
}

impl Subscriptions {
    /// Adds the subscriptions of the next endpoint.
    fn add(&mut self, wanted: &[Subscription]) {
        for subscription in wanted {
            let text = subscription.as_str();
            let (endpoints, text) = match text.strip_suffix('*') {
                Some(start) => (&mut self.by_start, start),
                None => (&mut self.by_name, text),
            };
            let endpoints = endpoints.entry(text.to_owned()).or_default();
            // An endpoint may have the same subscription twice.
            if endpoints.last() != Some(&self.endpoints) {
                endpoints.push(self.endpoints);
            }
        }
        self.endpoints += 1;
    }

    /// Reports whether an endpoint is subscribed to `event_type`.
    fn any_is_subscribed(&self, event_type: &EventType) -> bool {
        self.lists_of(event_type).next().is_some()
    }

    /// Returns the lists of the endpoints that are subscribed to `event_type`; none is empty.
    fn lists_of<'a>(&'a self, event_type: &'a EventType) -> impl Iterator<Item = &'a Vec<usize>> {
        let name = event_type.as_str();
        let starts = name.match_indices('.').map(|(at, dot)| at + dot.len());
        std::iter::once(0)
            .chain(starts)
            .filter_map(|end| self.by_start.get(&name[..end]))
            .chain(self.by_name.get(name))
    }

    /// Returns the endpoints that are subscribed to `event_type`, each once, in the order in which they were
    /// added.
    fn subscribers_of(&self, event_type: &EventType) -> Vec<usize> {
        let mut lists = self.lists_of(event_type);
        let Some(first) = lists.next() else {
            return Vec::new();
        };
        let mut marks = Vec::new();
        for list in lists {
            if marks.is_empty() {
                marks = vec![false; self.endpoints];
                mark(&mut marks, first);
            }
            mark(&mut marks, list);
        }
        if marks.is_empty() {
            return first.clone();
        }
        let mut marked = Vec::with_capacity(marks.len());
        marked.extend((0..marks.len()).filter(|at| marks[*at]));
        marked
    }
}

fn mark(marks: &mut [bool], places: &[usize]) {
    for place in places {
        marks[*place] = true;
    }
}

/// The needs of a workspace's endpoints: the parts of a message that must be read for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublishHint {
    /// Set if one has a format that shows a summary of the data.
    shows_summaries: bool,
    /// The subscriptions of those that have a filter.
    filtered: Arc<Subscriptions>,
}

/// The hints of the workspaces in the cache of which there are any: for them, callers read the data of a message before
/// it reaches the writer.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublishHints(Arc<RwLock<HashMap<Uuid, PublishHint>>>);

impl PublishHints {
    /// Reports whether an endpoint of the workspace is shown a summary.
    pub(crate) fn shows_summaries(&self, workspace: Uuid) -> bool {
        self.find(workspace)
            .is_some_and(|hint| hint.shows_summaries)
    }

    /// Reports whether an endpoint of the workspace that is subscribed to the type has a filter.
    pub(crate) fn filters(&self, workspace: Uuid, event_type: &EventType) -> bool {
        let hint = self.find(workspace);
        hint.is_some_and(|hint| hint.filtered.any_is_subscribed(event_type))
    }

    fn find(&self, workspace: Uuid) -> Option<PublishHint> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&workspace).cloned()
    }

    /// Sets the hint of a workspace.
    pub(crate) fn set(&self, workspace: Uuid, hint: PublishHint) {
        let is_needed = hint.shows_summaries || hint.filtered.endpoints > 0;
        if !is_needed && self.find(workspace).is_none() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_needed {
            known.insert(workspace, hint);
        } else {
            known.remove(&workspace);
        }
    }

    pub(crate) fn clear(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Makes names of few different parts, so that types and subscriptions match often.
    fn name() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{1,2}", 1..4).prop_map(|parts| parts.join("."))
    }

    fn subscription() -> impl Strategy<Value = Subscription> {
        let text = prop_oneof![
            1 => Just("*".to_owned()),
            3 => name(),
            3 => name().prop_map(|prefix| format!("{prefix}.*")),
        ];
        text.prop_map(|text| Subscription::parse(&text).unwrap())
    }

    proptest! {
        #[test]
        fn a_look_up_finds_what_matches(
            endpoints in prop::collection::vec(prop::collection::vec(subscription(), 0..5), 0..8),
            types in prop::collection::vec(name(), 1..10),
        ) {
            let mut subscriptions = Subscriptions::default();
            for wanted in &endpoints {
                subscriptions.add(wanted);
            }
            for event_type in types {
                let event_type = EventType::parse(&event_type).unwrap();
                let wants = |wanted: &Vec<Subscription>| wanted.iter().any(|it| it.matches(&event_type));
                let expected: Vec<usize> =
                    (0..endpoints.len()).filter(|at| wants(&endpoints[*at])).collect();
                prop_assert_eq!(subscriptions.any_is_subscribed(&event_type), !expected.is_empty());
                prop_assert_eq!(subscriptions.subscribers_of(&event_type), expected);
            }
        }

        #[test]
        fn the_first_of_each_format_comes_first_and_nobody_is_left_out(
            formats in prop::collection::vec(0_usize..3, 0..12), left_out in 0_usize..4,
        ) {
            let mut cache = WorkspaceCache {
                number: 1,
                name: String::new(),
                subscribers: Vec::new(),
                subscriptions: Subscriptions::default(),
                filtered: Arc::default(),
            };
            for (number, format) in formats.iter().enumerate() {
                cache.subscriptions.add(&[Subscription::parse("*").unwrap()]);
                cache.subscribers.push(Subscriber {
                    number: EndpointNumber(i64::try_from(number).unwrap()),
                    id: Uuid::nil(),
                    format: Format::ALL[*format],
                    filter: EventPattern::default(),
                });
            }
            let gets = |subscriber: &Subscriber| usize::try_from(subscriber.number.0).unwrap() >= left_out;
            let ordered = cache.subscribers_of(&EventType::parse("a").unwrap(), gets);
            for format in [Format::Discord, Format::Slack] {
                let place = ordered.iter().position(|it| it.format == format);
                prop_assert!(place.is_none_or(|place| place < rows::RENDERED_FORMATS));
            }
            let mut numbers: Vec<i64> = ordered.iter().map(|it| it.number.0).collect();
            numbers.sort_unstable();
            let all: Vec<i64> = (0..).take(formats.len()).skip(left_out).collect();
            prop_assert_eq!(numbers, all);
        }
    }
}
