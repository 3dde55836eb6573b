//! The integration tests: the whole application, started in-process on a free port, or as the real binary.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod addresses;
mod authorization;
mod browser;
mod circles;
mod cli;
mod contract;
mod crash;
mod dashboard;
mod deleting;
mod deliveries;
mod dev;
mod documents;
mod egress_proxy;
mod endpoint_settings;
mod fixture;
mod hostile_clients;
mod hostile_receivers;
mod jobs;
mod keys;
mod layers;
mod lifecycle;
mod lists;
mod logs;
mod messages;
mod metrics;
mod openapi;
mod operational_events;
mod printing;
mod publishing;
mod receiver;
mod reference;
mod resting;
mod retention;
mod rotation;
mod samples;
mod schedule;
mod secrets;
mod test_sends;
mod tokens;
mod traces;
mod validation;
mod view_scope;
