//! The vocabulary and the rules of Hookpost: pure types and functions.
//!
//! Promises: nothing here does I/O, reads a clock by itself, or knows of SQL or HTTP. Input is
//! parsed once, into types that cannot hold a bad value, and is not validated again further in.

pub mod delivery_error;
pub mod endpoint_url;
pub mod network_policy;
