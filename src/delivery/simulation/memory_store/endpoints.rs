//! The endpoints with a key, and the pauses.

use uuid::Uuid;

use super::tables::{Tables, Written};
use crate::domain::clock::Timestamp;
use crate::domain::custom_headers::GivenHeaders;
use crate::domain::endpoint::{EndpointPatch, NewEndpoint, PausedReason, PutEndpoint};
use crate::domain::endpoint_key::EndpointKey;
use crate::storage::{PutResult, StoreError};

impl Tables {
    /// Returns the endpoint of a workspace that has this key, if it is one.
    fn find_key(&self, workspace: Uuid, key: &EndpointKey) -> Option<usize> {
        let mut own = self.endpoints_of(workspace);
        own.find(|index| !key.is_none() && self.endpoints[*index].settings.key == *key)
    }

    /// Refuses a key that another endpoint of the workspace has.
    pub(super) fn check_key(
        &self,
        workspace: Uuid,
        key: &EndpointKey,
        own: Option<usize>,
    ) -> Result<(), StoreError> {
        match self.find_key(workspace, key) {
            Some(other) if Some(other) != own => Err(StoreError::KeyTaken),
            _ => Ok(()),
        }
    }

    pub(super) fn put_endpoint(&mut self, put: PutEndpoint, now: Timestamp) -> Written<PutResult> {
        let fields = put.fields;
        let key = fields.key.clone().unwrap_or_default();
        let enabled = fields.enabled.unwrap_or(true);
        let paused = fields.paused.unwrap_or(false);
        let Some(index) = self.find_key(put.workspace_id, &key) else {
            let kept = fields.headers.as_ref().and_then(GivenHeaders::first_kept);
            if let Some(name) = kept {
                return Err(StoreError::NoSuchHeader(name.to_owned()));
            }
            let new = NewEndpoint {
                workspace_id: put.workspace_id,
                settings: fields.into_settings().ok_or(StoreError::OtherPublicKey)?,
                enabled,
                paused,
            };
            let (endpoint, notices) = self.create_endpoint(new, now)?;
            let is_new = true;
            return Ok((PutResult { endpoint, is_new }, notices));
        };
        let before = self.endpoint(index, now);
        let settings = fields.put_over(&before.settings)?;
        let switches = EndpointPatch {
            enabled: Some(enabled).filter(|it| *it != before.disabled_reason.is_none()),
            paused: Some(paused).filter(|it| *it != before.paused_reason.is_some()),
            ..EndpointPatch::default()
        };
        let is_new = false;
        if settings == before.settings && switches.is_empty() {
            let endpoint = before;
            return Ok((PutResult { endpoint, is_new }, Vec::new()));
        }
        let (endpoint, notices) = self.change_endpoint(index, settings, &switches, now);
        Ok((PutResult { endpoint, is_new }, notices))
    }

    /// Begins or ends the pause of an endpoint.
    pub(super) fn pause(&mut self, index: usize, paused: Option<bool>, now: Timestamp) {
        let Some(paused) = paused else {
            return;
        };
        self.queue.pause(index, paused, now);
        self.endpoints[index].paused_reason = paused.then_some(PausedReason::Manual);
    }
}
