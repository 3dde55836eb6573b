//! Behaviour of the whole application, started in-process on a free port, or as the real binary.

mod authorization;
mod cli;
mod fixture;
mod receiver;
