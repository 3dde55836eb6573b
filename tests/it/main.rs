//! Behaviour of the whole application, started in-process on a free port, or as the real binary.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod addresses;
mod authorization;
mod callers;
mod circles;
mod cli;
mod crash;
mod deleting;
mod deliveries;
mod dev;
mod fixture;
mod keys;
mod layers;
mod lifecycle;
mod lists;
mod printing;
mod problems;
mod publishing;
mod receiver;
mod receivers;
mod schedule;
mod secrets;
mod tokens;
