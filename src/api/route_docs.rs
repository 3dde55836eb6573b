//! The description of a route of the API, beside its handler. The OpenAPI document consists of these.

use serde_json::Value;

use super::objects::{Render, Rendered};
use super::pagination::list_definition;
use crate::server::error::ErrorName;
use crate::server::schema::{Described, Schema};
use crate::server::validate::Input;

/// The description of a route for clients.
pub(super) struct RouteDocs {
    /// The group of the route.
    pub(super) tag: &'static str,
    /// The name of the method in generated clients.
    pub(super) id: &'static str,
    /// The route in a few words.
    pub(super) summary: &'static str,
    /// All that a client should know besides, in Markdown.
    pub(super) details: &'static str,
    /// The reading of the input, as the handler does it.
    pub(super) reads: fn(&mut Input<'_>),
    /// The name of the object that is sent; empty if no body is read.
    pub(super) body: &'static str,
    /// True if a request may have no body at all.
    pub(super) is_body_optional: bool,
    /// The treatment of members of the body that the route does not have.
    pub(super) other_members: OtherMembers,
    /// The response to a request that succeeds.
    pub(super) success: Success,
    /// Another response to a request that succeeds, with another status. It never has the header of a replay.
    pub(super) also: Option<Success>,
    /// The names of the errors for a conflict, a 409.
    pub(super) conflicts: &'static [ErrorName],
    /// The body of the answer while the server cannot do this, and an example of it, if it is not that of other
    /// errors.
    pub(super) unavailable: Option<fn() -> (Schema, Value)>,
    /// True if the route takes an `Idempotency-Key`.
    pub(super) is_idempotent: bool,
    /// True if the route publishes: it takes a trace, and is refused while the database is too large.
    pub(super) is_publish: bool,
}

impl RouteDocs {
    /// Returns a route without input and conflicts; a description begins with this.
    pub(super) const fn new(tag: &'static str, id: &'static str, success: Success) -> Self {
        Self {
            tag,
            id,
            summary: "",
            details: "",
            reads: |_| {},
            body: "",
            is_body_optional: false,
            other_members: OtherMembers::Ignored,
            success,
            also: None,
            conflicts: &[],
            unavailable: None,
            is_idempotent: false,
            is_publish: false,
        }
    }
}

/// The treatment of members of the body that a route does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherMembers {
    /// They are ignored, so that a client can send an object back as it got it.
    Ignored,
    /// They are refused, because a misspelt one would make the request do more than was meant.
    Refused,
}

/// The response to a request that succeeds.
#[derive(Clone, Copy)]
pub(super) struct Success {
    /// The status.
    pub(super) status: u16,
    /// The schema of the body; `None` without a body.
    pub(super) schema: Option<fn() -> Schema>,
}

impl Success {
    /// Returns a response without a body.
    pub(super) const fn empty() -> Self {
        Self {
            status: 204,
            schema: None,
        }
    }

    /// Returns a response with this JSON.
    pub(super) const fn json<T: Described>(status: u16) -> Self {
        Self {
            status,
            schema: Some(T::schema),
        }
    }

    /// Returns a response with an object.
    pub(super) const fn object<T: Render + 'static>(status: u16) -> Self {
        Self::json::<Rendered<'static, T>>(status)
    }

    /// Returns a response with a page of a list of objects.
    pub(super) const fn list<T: Render>() -> Self {
        Self {
            status: 200,
            schema: Some(|| Schema::reference(&list_definition::<T>())),
        }
    }
}
