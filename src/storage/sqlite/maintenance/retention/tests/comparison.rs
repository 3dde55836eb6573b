//! The comparison of lists and totals with the model.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::history::{History, ModelEvent};
use crate::domain::access::Visibility;
use crate::storage::{DeliveryFilter, EventFilter, Page, Store};

impl History {
    /// Compares lists and totals with the model.
    pub(super) fn assert_is_as_modelled(&self, seed: u64) {
        let visible = Visibility::All;
        let mut filters = vec![(None, None)];
        for endpoint in &self.endpoints {
            filters.push((Some(endpoint.id), None));
        }
        for (at, workspace) in self.workspaces.iter().enumerate() {
            filters.push((None, Some((at, *workspace))));
        }
        for (endpoint, workspace) in filters {
            let of_filter = |event: &&ModelEvent| {
                endpoint.is_none_or(|id| event.endpoint == id)
                    && workspace.is_none_or(|(at, _)| event.workspace == at)
            };
            let expected: Vec<&ModelEvent> = self.events.values().filter(of_filter).collect();
            let events = EventFilter {
                visibility: visible,
                workspaces: workspace.iter().map(|(_, id)| *id).collect(),
                endpoints: endpoint.into_iter().collect(),
                messages: Vec::new(),
                event_types: Vec::new(),
                statuses: Vec::new(),
                after: None,
                before: None,
                code_class: None,
                query: None,
            };
            let mut listed = BTreeSet::new();
            for number in 1.. {
                let page = Page { number, limit: 100 };
                let found = self.store().list_events(&events, page, 1 << 30).unwrap();
                assert_eq!(found.total, expected.len() as u64, "{seed}");
                listed.extend(found.rows.iter().map(|row| row.item.id));
                if found.rows.len() < 100 {
                    break;
                }
            }
            let ids: BTreeSet<Uuid> = expected.iter().map(|event| event.queued.id).collect();
            assert_eq!(listed, ids, "{seed}");
            let deliveries = DeliveryFilter {
                visibility: visible,
                workspaces: events.workspaces.clone(),
                endpoints: events.endpoints.clone(),
                event: None,
                messages: Vec::new(),
                event_types: Vec::new(),
                after: None,
                before: None,
                succeeded: None,
                code_class: None,
                query: None,
            };
            let page = Page {
                number: 1,
                limit: 10,
            };
            let found = self.store().list_deliveries(&deliveries, page, 1 << 20);
            let attempts: u64 = expected.iter().map(|event| event.attempts).sum();
            assert_eq!(found.unwrap().total, attempts, "{seed}");
        }
        let messages: BTreeSet<Uuid> = self.messages.keys().copied().collect();
        assert_eq!(self.stored_messages(), messages, "{seed}");
        for (id, event) in &self.events {
            assert_eq!(
                self.is_archived(*id),
                event.is_archived,
                "{seed}: {event:?}"
            );
        }
    }
}
