//! Charts, overviews and facts of a store in memory. Each looks at every row.

use std::time::Duration;

use uuid::Uuid;

use super::tables::{DeliveryRow, Tables};
use crate::domain::access::Visibility;
use crate::domain::chart::{
    AttemptCounts, Chart, ChartRange, ChartScope, ChartSum, ChartedAttempt,
};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::DisabledReason;
use crate::domain::event::{Event, EventStatus};
use crate::domain::overview::{
    CappedCount, EndpointCounts, EndpointSummary, EventCounts, HourCounts, LastDelivery,
    MessageSummary, Overview, SUMMARIES_MAX, SUMMARY_HOURS, TROUBLED_MAX, TroubledEndpoint,
};
use crate::domain::retention::KeepFor;
use crate::storage::{FileSizes, Row, RowCounts, StoreError, StoreFacts, Verdict};

/// A quarter of an hour, in microseconds.
const QUARTER_US: i64 = 15 * 60 * 1_000_000;

impl Tables {
    pub(super) fn find_message(
        &self,
        visibility: Visibility,
        id: Uuid,
    ) -> Result<Row<MessageSummary>, StoreError> {
        let mut messages = self.messages.iter();
        let found =
            messages.find(|it| it.message.id == id && visibility.includes(it.message.workspace_id));
        let row = found.ok_or(StoreError::NotFound)?;
        let mut counts = EventCounts::default();
        for (seq, event) in &self.events {
            if event.message_id == id {
                counts.count(self.event(*seq, row.created_at).status);
            }
        }
        let item = MessageSummary {
            message: row.stored(),
            payload: Some(String::from_utf8_lossy(row.body.bytes()).into_owned()),
            counts,
        };
        Ok(Row {
            item,
            payload: None,
        })
    }

    pub(super) fn event_types(
        &self,
        visibility: Visibility,
        workspace: Uuid,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.find_workspace(visibility, workspace)?;
        let own = (self.messages.iter()).filter(|row| row.message.workspace_id == workspace);
        let mut names: Vec<_> = own
            .map(|row| row.message.event_type.as_str().to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(limit);
        Ok(names)
    }

    /// Returns the index of the endpoint that a delivery went to.
    fn endpoint_of(&self, row: &DeliveryRow) -> usize {
        self.queue.row(row.seq).endpoint
    }

    pub(super) fn chart(
        &self,
        visibility: Visibility,
        scope: ChartScope,
        range: ChartRange,
        now: Timestamp,
    ) -> Result<Chart, StoreError> {
        match (scope, visibility) {
            (ChartScope::All, Visibility::All) => {}
            (ChartScope::All, Visibility::Workspace(id)) | (ChartScope::Workspace(id), _) => {
                self.find_workspace(visibility, id)?;
            }
            (ChartScope::Endpoint(id), _) => {
                self.locate_endpoint(visibility, id)?;
            }
        }
        let mut sum = ChartSum::new(range, now);
        for row in &self.deliveries {
            let endpoint = &self.endpoints[self.endpoint_of(row)];
            let is_in_scope = match scope {
                ChartScope::All => true,
                ChartScope::Workspace(id) => endpoint.workspace_id == id,
                ChartScope::Endpoint(id) => endpoint.id == id,
            };
            if is_in_scope && visibility.includes(endpoint.workspace_id) {
                let record = &row.record;
                let succeeded = record.verdict == Verdict::Succeeded;
                let mut counts = AttemptCounts::default();
                counts.record(ChartedAttempt::new(
                    succeeded,
                    row.attempt,
                    record.error,
                    record.duration_ms,
                ));
                sum.add(row.created_at, &counts);
            }
        }
        Ok(sum.finish())
    }

    /// Returns an endpoint's pending events.
    fn pending(&self, index: usize, now: Timestamp) -> Vec<Event> {
        let own = self.events.keys();
        own.filter(|seq| self.queue.row(**seq).endpoint == index)
            .map(|seq| self.event(*seq, now))
            .filter(|event| event.status == EventStatus::Pending)
            .collect()
    }

    fn summary(&self, index: usize, now: Timestamp) -> EndpointSummary {
        let quarter = now.micros() - now.micros().rem_euclid(QUARTER_US) + QUARTER_US;
        let start = Timestamp::from_micros(quarter).before(Duration::from_hours(24));
        let mut hours = [HourCounts::default(); SUMMARY_HOURS];
        let mut last = None;
        for row in &self.deliveries {
            if self.endpoint_of(row) != index {
                continue;
            }
            let delivery = self.delivery(row, now);
            let hour = delivery.created_at.since(start).as_secs() / 3600;
            if delivery.created_at >= start
                && let Some(hour) = usize::try_from(hour).ok().and_then(|at| hours.get_mut(at))
            {
                hour.succeeded += u64::from(delivery.succeeded);
                hour.failed += u64::from(!delivery.succeeded);
            }
            last = Some(LastDelivery {
                id: delivery.id,
                created_at: delivery.created_at,
                succeeded: delivery.succeeded,
                http_code: delivery.http_code,
                error: delivery.error,
                duration_ms: delivery.duration_ms,
            });
        }
        let pending = self.pending(index, now);
        EndpointSummary {
            id: self.endpoints[index].id,
            hours,
            last_delivery: last,
            pending: CappedCount {
                count: pending.len() as u64,
                is_more: false,
            },
            oldest_pending: pending.first().map(|event| event.created_at),
            failures: self.queue.endpoints[index].failures,
        }
    }

    pub(super) fn endpoint_summaries(
        &self,
        visibility: Visibility,
        ids: &[Uuid],
        now: Timestamp,
    ) -> Vec<EndpointSummary> {
        ids.iter()
            .take(SUMMARIES_MAX)
            .filter_map(|id| self.locate_endpoint(visibility, *id).ok())
            .map(|index| self.summary(index, now))
            .collect()
    }

    pub(super) fn overview(
        &self,
        visibility: Visibility,
        workspace: Option<Uuid>,
        now: Timestamp,
    ) -> Result<Overview, StoreError> {
        let workspace = workspace.or(visibility.workspace());
        if let Some(id) = workspace {
            self.find_workspace(visibility, id)?;
        }
        let mut overview = Overview {
            pending: 0,
            oldest_pending: None,
            endpoints: EndpointCounts::default(),
            troubled: Vec::new(),
        };
        let mut ranked = Vec::new();
        for index in 0..self.endpoints.len() {
            let endpoint = self.endpoint(index, now);
            if self.queue.endpoints[index].deleted
                || workspace.is_some_and(|id| id != endpoint.workspace_id)
            {
                continue;
            }
            overview.endpoints.count(endpoint.disabled_reason);
            let summary = self.summary(index, now);
            let pending = self.pending(index, now);
            overview.pending += pending.len() as u64;
            let oldest = overview
                .oldest_pending
                .into_iter()
                .chain(summary.oldest_pending);
            overview.oldest_pending = oldest.min();
            let waits = pending.iter().any(|event| event.attempts > 0);
            let has_failed = summary.last_delivery.is_some_and(|last| !last.succeeded);
            let rank = match endpoint.disabled_reason {
                Some(DisabledReason::Manual) => continue,
                Some(_) => (0, -endpoint.modified_at.map_or(0, Timestamp::micros)),
                None if summary.failures > 0 => (1, -i64::from(summary.failures)),
                None if waits && has_failed => (2, 0),
                None => continue,
            };
            ranked.push((rank, TroubledEndpoint { endpoint, summary }));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.truncate(TROUBLED_MAX);
        overview.troubled = ranked.into_iter().map(|(_, endpoint)| endpoint).collect();
        Ok(overview)
    }

    pub(super) fn facts(&self) -> StoreFacts {
        let mut endpoints = EndpointCounts::default();
        for endpoint in self.queue.endpoints.iter().filter(|it| !it.deleted) {
            endpoints.count(endpoint.disabled);
        }
        let workspaces = self.workspaces.iter().filter(|row| !row.is_deleted);
        StoreFacts {
            files: FileSizes::default(),
            limit: None,
            kept_for: KeepFor::default(),
            rows: Some(RowCounts {
                workspaces: workspaces.count() as u64,
                endpoints,
                events: self.events.len() as u64,
                deliveries: self.deliveries.len() as u64,
            }),
            growth: None,
        }
    }
}
