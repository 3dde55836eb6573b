//! The secrets of endpoints.

use uuid::Uuid;

use super::tables::{Tables, Written};
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Endpoint;
use crate::domain::signing_secrets::SecretRotation;
use crate::storage::EndpointChange;

impl Tables {
    pub(super) fn rotate_secret(
        &mut self,
        visibility: Visibility,
        id: Uuid,
        rotation: &SecretRotation,
        now: Timestamp,
    ) -> Written<Endpoint> {
        let index = self.locate_endpoint(visibility, id)?;
        let endpoint = &mut self.endpoints[index];
        let before = endpoint.settings.target.secrets.clone();
        endpoint.settings.target.secrets.rotate(rotation, now)?;
        if endpoint.settings.target.secrets == before {
            return Ok((self.endpoint(index, now), Vec::new()));
        }
        endpoint.modified_at = Some(now);
        let notice = self.edited(index, EndpointChange::Edited);
        Ok((self.endpoint(index, now), notice.into_iter().collect()))
    }

    /// Drops the old secrets whose time is over, as a store does in what it returns.
    pub(super) fn forget_ended_secrets(&mut self, now: Timestamp) {
        for endpoint in &mut self.endpoints {
            endpoint.settings.target.secrets.forget_ended(now);
        }
    }
}
