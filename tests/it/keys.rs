//! The keys of objects, in the order in which the API writes them.

/// The keys of an endpoint.
pub(crate) const ENDPOINT: [&str; 20] = [
    "created_at",
    "modified_at",
    "id",
    "url",
    "format",
    "secret",
    "secret_type",
    "secret_overlap_ends_at",
    "workspace_id",
    "events",
    "enabled",
    "disabled_reason",
    "name",
    "description",
    "state",
    "resting_until",
    "held_until",
    "failures_in_a_row",
    "last_success_at",
    "last_failure_at",
];
