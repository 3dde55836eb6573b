//! The vocabulary and the rules of Hookpost: pure types and functions.
//!
//! Promises: no code here does I/O or knows SQL or HTTP, and only [`clock`] reads a clock. Input is parsed
//! once, into types that cannot hold a bad value; no other code validates it again.

pub mod access;
pub mod attempt_failure;
pub mod attempt_rate;
pub mod chart;
pub mod clock;
pub mod clock_guard;
pub mod custom_headers;
pub mod delivery;
pub mod disabling;
pub mod eligibility;
pub mod endpoint;
pub mod endpoint_health;
pub mod endpoint_key;
pub mod endpoint_policy;
pub mod endpoint_url;
pub mod event;
pub mod event_pattern;
pub mod event_state;
pub mod event_type;
pub mod format;
pub mod growth;
pub mod health;
pub mod id;
pub mod invisible;
pub mod job;
pub mod job_decision;
pub(crate) mod json;
pub mod keyring;
pub mod latency;
pub mod message;
pub mod metadata;
pub mod network_policy;
pub mod operational_event;
pub mod overview;
pub mod owner;
pub mod rate_limit;
pub mod rest;
pub mod retention;
pub mod retry;
pub mod retry_after;
pub mod secret;
pub mod signature;
pub mod signing_secrets;
pub mod tags;
pub mod trace_context;
pub(crate) mod words;
pub mod workspace;
