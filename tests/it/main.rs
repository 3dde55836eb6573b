//! Behaviour of the whole application, started in-process on a free port, or as the real binary.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps says what it expects"
)]

mod authorization;
mod cli;
mod deliveries;
mod fixture;
mod layers;
mod lifecycle;
mod lists;
mod publishing;
mod receiver;
mod schedule;
