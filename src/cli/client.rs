//! The parts that the commands which talk to a server share: settings, requests, lists, and what they print.
//!
//! These commands are clients of the HTTP API, like any other program. They know its objects as JSON, and use
//! nothing of the server. A request is repeated when the server says so (429, 503), and a publish or a new job also
//! when no answer came, since its idempotency key makes that safe. Tokens and secrets are in no error.

mod agent;
mod answer;
mod api_error;
mod columns;
mod filters;
mod http;
mod job;
mod job_filter;
mod json_array;
mod json_text;
mod list;
mod objects;
mod print_list;
mod progress;
mod settings;
mod style;
mod time_text;

pub(super) use self::api_error::{ClientError, dotted};
pub(super) use self::columns::{Column, Table, cut, line, shown};
pub(super) use self::filters::{
    CodeFilter, EventFilters, MessageFilters, Moment, RowLimit, TextFilter, add_times, parse_moment,
};
pub(super) use self::http::{Client, Failed, Query};
pub(super) use self::job::{Job, LeftOut};
pub(super) use self::job_filter::job_filter;
pub(super) use self::json_array::JsonArray;
pub(super) use self::json_text::pretty;
pub(super) use self::list::{List, Rows};
pub(super) use self::objects::{Delivery, Endpoint, Event, Identified, Message, parse_id};
pub(super) use self::print_list::print_list;
pub(super) use self::progress::Progress;
pub(super) use self::settings::{OutputSettings, ServerSettings};
pub(super) use self::time_text::short_time;
