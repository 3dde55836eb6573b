//! The pages, one module each: it reads the store, and fills a template.

pub(super) mod deliveries;
pub(super) mod endpoint;
pub(super) mod endpoint_actions;
mod endpoint_facts;
pub(super) mod endpoint_form;
pub(super) mod endpoint_secret;
pub(super) mod endpoints;
pub(super) mod erase;
pub(super) mod event;
mod event_list;
pub(super) mod job_form;
pub(super) mod jobs;
pub(super) mod message;
pub(super) mod messages;
pub(super) mod overview;
pub(super) mod publish;
pub(super) mod redeliveries;
pub(super) mod session;
pub(super) mod skip;
pub(super) mod system;
pub(super) mod test_send;
pub(super) mod tokens;
pub(super) mod welcome;
pub(super) mod workspaces;
