//! The names of endpoints, for lists of what was sent to them.

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::endpoint::Endpoint;
use crate::storage::{EndpointFilter, Page, Store, StoreError};

use super::lists;

/// The most endpoints that a filter offers to choose from. Others are found by their id, or on the page of
/// endpoints.
pub(super) const CHOICES_MAX: u64 = 100;

/// An endpoint, as lists name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EndpointName {
    pub(super) id: Uuid,
    /// The name that its owner chose, or its URL; empty if it was deleted.
    pub(super) name: String,
    /// Its URL; empty if it was deleted.
    pub(super) url: String,
    pub(super) is_enabled: bool,
    pub(super) is_paused: bool,
}

impl EndpointName {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let url = endpoint.settings.target.url.as_str();
        let name = endpoint.settings.name.as_str();
        Self {
            id: endpoint.id,
            name: if name.is_empty() { url } else { name }.to_owned(),
            url: url.to_owned(),
            is_enabled: endpoint.disabled_reason.is_none(),
            is_paused: endpoint.paused_reason.is_some(),
        }
    }

    pub(super) fn deleted(id: Uuid) -> Self {
        Self {
            id,
            name: String::new(),
            url: String::new(),
            is_enabled: false,
            is_paused: false,
        }
    }

    /// Reports whether the endpoint was deleted.
    pub(super) fn is_deleted(&self) -> bool {
        self.url.is_empty()
    }
}

/// The endpoints of a page.
#[derive(Debug, Default)]
pub(super) struct EndpointNames {
    by_id: HashMap<Uuid, EndpointName>,
    /// The newest endpoints, at most [`CHOICES_MAX`].
    pub(super) choices: Vec<EndpointName>,
}

impl EndpointNames {
    /// Reads the newest endpoints among `listed`, and those with these ids among `visible`.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn read(
        store: &dyn Store,
        listed: Visibility,
        visible: Visibility,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> Result<Self, StoreError> {
        let filter = EndpointFilter {
            visibility: listed,
            workspaces: Vec::new(),
            states: Vec::new(),
            keys: Vec::new(),
            url: None,
        };
        let page = Page {
            number: 1,
            limit: CHOICES_MAX,
        };
        let paged = store.list_endpoints(&filter, page, usize::MAX)?;
        let newest = lists::whole(store, paged, |store, numbers, bytes| {
            store.read_endpoints(numbers, bytes)
        })?;
        let choices: Vec<_> = newest.items.iter().map(EndpointName::of).collect();
        let mut names = Self {
            by_id: choices.iter().map(|name| (name.id, name.clone())).collect(),
            choices,
        };
        names.add(store, visible, ids)?;
        Ok(names)
    }

    /// Reads only the endpoints with these ids.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn of_ids(
        store: &dyn Store,
        visible: Visibility,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> Result<Self, StoreError> {
        let mut names = Self::default();
        names.add(store, visible, ids)?;
        Ok(names)
    }

    fn add(
        &mut self,
        store: &dyn Store,
        visible: Visibility,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> Result<(), StoreError> {
        for id in ids {
            if self.by_id.contains_key(&id) {
                continue;
            }
            match store.find_endpoint(visible, id) {
                Ok(endpoint) => self.by_id.insert(id, EndpointName::of(&endpoint)),
                Err(StoreError::NotFound) => self.by_id.insert(id, EndpointName::deleted(id)),
                Err(other) => return Err(other),
            };
        }
        Ok(())
    }

    /// Returns the name of an endpoint that was read.
    pub(super) fn name(&self, id: Uuid) -> EndpointName {
        let found = self.by_id.get(&id).cloned();
        found.unwrap_or_else(|| EndpointName::deleted(id))
    }
}
