//! `hookpost dev`: all of Hookpost on one machine, to try it and to develop receivers.
//!
//! The command makes a server, a receiver, a workspace, a token and an endpoint. It sends one message through
//! the HTTP API and the delivery engine to the receiver, which checks the signature. Then it prints the
//! commands to go on with. Everything listens on loopback only, because plain HTTP and private addresses are
//! allowed here.

mod command;
mod demo_data;
mod demonstration;
mod guide;
mod inbox;
mod page;
mod received;
mod temp_dir;

pub(super) use self::command::Dev;
