//! The delivery engine.

pub mod http_client;
pub mod resolver;
