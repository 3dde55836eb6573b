//! The rows of a store in memory, and the writes that change them.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::delivery::simulation::store::{self, index_of};
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::{Endpoint, EndpointPatch, EndpointSettings, NewEndpoint};
use crate::domain::endpoint_health::EndpointHealth;
use crate::domain::event_state::EventState;
use crate::domain::event_type::EventType;
use crate::domain::id::new_id;
use crate::domain::message::{Idempotency, Message, StoredMessage};
use crate::domain::workspace::{NewWorkspace, Workspace, WorkspaceName, WorkspacePatch};
use crate::storage::conformance::Settings;
use crate::storage::{
    AttemptRecord, EndpointChange, EventBody, Notice, Seq, StoreError, WorkspaceNumber,
};

/// The result of a write, and its notices. A write that fails has changed nothing.
pub(super) type Written<T> = Result<(T, Vec<Notice>), StoreError>;

/// A workspace's row; its number is its place in the table, from 1 on.
pub(super) struct WorkspaceRow {
    pub(super) workspace: Workspace,
    pub(super) is_deleted: bool,
}

/// A message's row.
pub(super) struct MessageRow {
    pub(super) message: Message,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) created_at: Timestamp,
    pub(super) body: EventBody,
}

impl MessageRow {
    /// Returns the message as it is listed.
    pub(super) fn stored(&self) -> StoredMessage {
        StoredMessage {
            id: self.message.id,
            workspace_id: self.message.workspace_id,
            event_type: self.message.event_type.clone(),
            timestamp: self.message.timestamp.clone(),
            created_at: self.created_at,
            tags: self.message.tags.clone(),
            is_archived: false,
            events: self.message.events.len() as u64,
        }
    }
}

/// The part of an event's row that the queue does not have.
pub(super) struct EventRow {
    pub(super) id: Uuid,
    pub(super) message_id: Uuid,
    pub(super) event_type: EventType,
    pub(super) created_at: Timestamp,
    pub(super) modified_at: Option<Timestamp>,
    pub(super) last_http_code: Option<u16>,
    pub(super) body: EventBody,
}

/// A delivery's row: the delivery without its event.
pub(super) struct DeliveryRow {
    pub(super) seq: Seq,
    /// The number of the attempt, from 1 over all runs of the event.
    pub(super) attempt: u32,
    pub(super) record: AttemptRecord,
    pub(super) id: Uuid,
    pub(super) created_at: Timestamp,
}

/// All rows.
pub(super) struct Tables {
    pub(super) queue: store::Store,
    max_endpoints: u64,
    pub(super) workspaces: Vec<WorkspaceRow>,
    /// In the order of `queue.endpoints`, which has the rest of each row.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) messages: Vec<MessageRow>,
    pub(super) events: BTreeMap<Seq, EventRow>,
    pub(super) deliveries: Vec<DeliveryRow>,
}

impl Tables {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            queue: store::Store::new(settings.disable_after),
            max_endpoints: settings.max_endpoints,
            workspaces: Vec::new(),
            endpoints: Vec::new(),
            messages: Vec::new(),
            events: BTreeMap::new(),
            deliveries: Vec::new(),
        }
    }

    fn locate_workspace(&self, visibility: Visibility, id: Uuid) -> Result<usize, StoreError> {
        let found = self.workspaces.iter().position(|row| {
            row.workspace.id == id && !row.is_deleted && visibility.includes(row.workspace.id)
        });
        found.ok_or(StoreError::NotFound)
    }

    pub(super) fn find_workspace(
        &self,
        visibility: Visibility,
        id: Uuid,
    ) -> Result<&Workspace, StoreError> {
        let index = self.locate_workspace(visibility, id)?;
        Ok(&self.workspaces[index].workspace)
    }

    pub(super) fn find_workspace_named(&self, name: &str) -> Result<&Workspace, StoreError> {
        let found = self
            .workspaces
            .iter()
            .find(|row| !row.is_deleted && row.workspace.name.as_str() == name);
        found.map(|row| &row.workspace).ok_or(StoreError::NotFound)
    }

    fn refuse_taken(&self, name: &WorkspaceName, except: Option<Uuid>) -> Result<(), StoreError> {
        match self.find_workspace_named(name.as_str()) {
            Ok(holder) if Some(holder.id) != except => Err(StoreError::NameTaken),
            _ => Ok(()),
        }
    }

    pub(super) fn create_workspace(
        &mut self,
        new: NewWorkspace,
        now: Timestamp,
    ) -> Written<Workspace> {
        self.refuse_taken(&new.name, None)?;
        let workspace = Workspace {
            id: new_id(now),
            name: new.name,
            created_at: now,
            modified_at: None,
            retention: new.retention,
            operational_events: new.operational_events,
        };
        self.workspaces.push(WorkspaceRow {
            workspace: workspace.clone(),
            is_deleted: false,
        });
        Ok((workspace, Vec::new()))
    }

    pub(super) fn update_workspace(
        &mut self,
        visibility: Visibility,
        id: Uuid,
        patch: WorkspacePatch,
        now: Timestamp,
    ) -> Written<Workspace> {
        let index = self.locate_workspace(visibility, id)?;
        if let Some(name) = &patch.name {
            self.refuse_taken(name, Some(id))?;
        }
        let workspace = &mut self.workspaces[index].workspace;
        if !patch.is_empty() {
            workspace.modified_at = Some(now);
        }
        patch.apply_to(&mut workspace.retention);
        if let Some(wants) = patch.operational_events {
            workspace.operational_events = wants;
        }
        if let Some(name) = patch.name {
            workspace.name = name;
        }
        Ok((workspace.clone(), Vec::new()))
    }

    pub(super) fn delete_workspace(&mut self, visibility: Visibility, id: Uuid) -> Written<()> {
        let index = self.locate_workspace(visibility, id)?;
        let owned: Vec<usize> = self.endpoints_of(id).collect();
        let notices = owned.into_iter().map(|it| self.queue.delete(it)).collect();
        self.workspaces[index].is_deleted = true;
        Ok(((), notices))
    }

    /// Returns the indexes of a workspace's endpoints that are not deleted.
    pub(super) fn endpoints_of(&self, workspace: Uuid) -> impl Iterator<Item = usize> {
        (0..self.endpoints.len()).filter(move |index| {
            self.endpoints[*index].workspace_id == workspace
                && !self.queue.endpoints[*index].deleted
        })
    }

    pub(super) fn locate_endpoint(
        &self,
        visibility: Visibility,
        id: Uuid,
    ) -> Result<usize, StoreError> {
        let found = (0..self.endpoints.len()).find(|index| {
            let endpoint = &self.endpoints[*index];
            endpoint.id == id
                && !self.queue.endpoints[*index].deleted
                && visibility.includes(endpoint.workspace_id)
        });
        found.ok_or(StoreError::NotFound)
    }

    pub(super) fn create_endpoint(
        &mut self,
        new: NewEndpoint,
        now: Timestamp,
    ) -> Written<Endpoint> {
        let workspace = self.locate_workspace(Visibility::All, new.workspace_id);
        let workspace = workspace.map_err(|_| StoreError::UnknownWorkspace(new.workspace_id))?;
        if self.endpoints_of(new.workspace_id).count() as u64 >= self.max_endpoints {
            return Err(StoreError::TooManyEndpoints(self.max_endpoints));
        }
        self.check_key(new.workspace_id, &new.settings.key, None)?;
        let endpoint = Endpoint {
            id: new_id(now),
            workspace_id: new.workspace_id,
            settings: new.settings,
            disabled_reason: None,
            paused_reason: None,
            health: EndpointHealth::NEW,
            created_at: now,
            modified_at: None,
        };
        let number = i64::try_from(workspace + 1).expect("few workspaces");
        self.queue.create(WorkspaceNumber(number));
        self.endpoints.push(endpoint.clone());
        let index = self.endpoints.len() - 1;
        self.pause(index, Some(new.paused), now);
        if !new.enabled {
            self.queue.disable(index);
        }
        let notice = self.edited(index, EndpointChange::Created);
        Ok((self.endpoint(index, now), notice.into_iter().collect()))
    }

    /// Copies an endpoint's settings into the queue; returns the notice of the change.
    pub(super) fn edited(&mut self, index: usize, change: EndpointChange) -> Option<Notice> {
        let endpoint = &self.endpoints[index];
        let target = &mut self.queue.endpoints[index].target;
        target.id = endpoint.id;
        target.settings = endpoint.settings.target.clone();
        self.queue.edit(index, change)
    }

    pub(super) fn update_endpoint(
        &mut self,
        visibility: Visibility,
        id: Uuid,
        patch: EndpointPatch,
        now: Timestamp,
    ) -> Written<Endpoint> {
        let index = self.locate_endpoint(visibility, id)?;
        if patch.is_empty() {
            return Ok((self.endpoint(index, now), Vec::new()));
        }
        let switches = EndpointPatch {
            enabled: patch.enabled,
            paused: patch.paused,
            ..EndpointPatch::default()
        };
        let mut settings = self.endpoints[index].settings.clone();
        patch.apply(&mut settings)?;
        let workspace = self.endpoints[index].workspace_id;
        self.check_key(workspace, &settings.key, Some(index))?;
        Ok(self.change_endpoint(index, settings, &switches, now))
    }

    /// Gives an endpoint other settings, and what of `switches` is set.
    pub(super) fn change_endpoint(
        &mut self,
        index: usize,
        settings: EndpointSettings,
        switches: &EndpointPatch,
        now: Timestamp,
    ) -> (Endpoint, Vec<Notice>) {
        let endpoint = &mut self.endpoints[index];
        let before = endpoint.settings.target.url.clone();
        endpoint.settings = settings;
        endpoint.modified_at = Some(now);
        let enabled = switches.enabled;
        let change = match enabled {
            Some(false) => EndpointChange::Disabled,
            Some(true) => EndpointChange::Enabled,
            None if endpoint.settings.target.url != before => EndpointChange::Moved,
            None => EndpointChange::Edited,
        };
        self.pause(index, switches.paused, now);
        match enabled {
            Some(true) => drop(self.queue.enable(index)),
            Some(false) if self.queue.endpoints[index].disabled.is_none() => {
                drop(self.queue.disable(index));
            }
            _ => {}
        }
        let notices = self.edited(index, change).into_iter().collect();
        (self.endpoint(index, now), notices)
    }

    pub(super) fn delete_endpoint(&mut self, visibility: Visibility, id: Uuid) -> Written<()> {
        let index = self.locate_endpoint(visibility, id)?;
        Ok(((), vec![self.queue.delete(index)]))
    }

    pub(super) fn has_message(&self, visibility: Visibility, id: Uuid) -> bool {
        let mut messages = self.messages.iter().map(|row| &row.message);
        messages.any(|it| it.id == id && visibility.includes(it.workspace_id))
    }

    pub(super) fn redeliver(
        &mut self,
        visibility: Visibility,
        id: Uuid,
        now: Timestamp,
    ) -> Written<()> {
        let seq = self.locate_event(visibility, id)?;
        if self.queue.endpoints[self.queue.row(seq).endpoint].deleted {
            return Err(StoreError::NotFound);
        }
        let notice = self.queue.redeliver(seq.0, now);
        let notice = notice.ok_or(StoreError::EndpointDisabled)?;
        self.events
            .get_mut(&seq)
            .expect("it was located")
            .modified_at = Some(now);
        Ok(((), vec![notice]))
    }

    pub(super) fn skip(&mut self, visibility: Visibility, id: Uuid, now: Timestamp) -> Written<()> {
        let seq = self.locate_event(visibility, id)?;
        let notice = self.queue.skip(seq.0).ok_or(StoreError::NotPending)?;
        let row = self.events.get_mut(&seq).expect("it was located");
        row.modified_at = Some(now);
        Ok(((), vec![notice]))
    }

    pub(super) fn record(&mut self, record: &AttemptRecord, now: Timestamp) -> Vec<Notice> {
        let seq = record.event.seq;
        let row = self.events.get_mut(&seq).expect("it was handed out");
        // An event that succeeded meanwhile keeps the code of its success.
        if self.queue.row(seq).state != EventState::Succeeded {
            row.last_http_code = record.code;
        }
        row.modified_at = Some(now);
        self.deliveries.push(DeliveryRow {
            seq,
            attempt: self.queue.row(seq).attempts + 1,
            record: record.clone(),
            id: new_id(now),
            created_at: now,
        });
        let notices = self.queue.record(record, now);
        let changed = |notice: &Notice| matches!(notice, Notice::Endpoint(..));
        if notices.iter().any(changed) {
            self.endpoints[index_of(record.event.endpoint)].modified_at = Some(now);
        }
        notices
    }
}
