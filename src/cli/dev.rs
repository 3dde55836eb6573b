//! `hookpost dev`: a server and a receiver on one machine, to try Hookpost and to develop receivers.
//!
//! The command starts a server and a receiver, and makes a workspace, a token and an endpoint. It publishes
//! one message over the HTTP API; the delivery engine sends it to the receiver, which checks the signature.
//! Then the command prints further commands to try, and a line for each attempt. Everything listens on loopback only, because `dev`
//! delivers to loopback addresses over plain HTTP.

mod attempts;
mod command;
mod demo_data;
mod demonstration;
mod guide;
mod inbox;
mod page;
mod received;
mod temp_dir;

pub(super) use self::command::Dev;
