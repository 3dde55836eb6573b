//! The dashboard: pages in a browser that show and steer all webhooks.
//!
//! Pages are rendered on the server, from the same store methods as the API, and work without a script. The
//! script adds live updates, copy buttons and keyboard shortcuts. Everything comes from the binary; the
//! browser may load nothing from elsewhere ([`assets`]).
//!
//! The path of a request: [`routes`] finds the page; [`sessions`] finds who is signed in; the page reads its
//! parameters through [`validate`](crate::server::validate), calls the store, and renders a template with a
//! [`layout`]. Forms carry a token of their session ([`form`]), and what the signed-in token may not do is
//! neither offered nor done ([`visit`]).
//!
//! This layer must not know SQL, how a store is made, how deliveries are sent, or the API beside it.

mod advice;
mod assets;
mod attempts;
mod chart;
mod codes;
mod composition;
mod endpoint_form;
mod endpoint_names;
mod failure;
mod field_problem;
mod filter_links;
mod form;
mod job_form;
mod job_view;
mod json_syntax;
mod json_text;
mod layout;
mod list_filters;
mod lists;
mod next_attempt;
mod pager;
mod pages;
mod query;
mod request_view;
mod routes;
mod secret_form;
mod sessions;
mod settings_form;
mod shell;
mod sign_in;
mod snippets;
mod sparkline;
mod state;
mod tag_text;
mod time_field;
mod trouble;
mod type_suggestions;
mod url_text;
mod view;
mod visit;

pub use self::routes::{PageInfo, configure, table};
pub use self::state::{Dashboard, Setting, SystemFacts};
