//! The responses to errors of the store.

use actix_web::HttpResponse;
use actix_web::http::header::RETRY_AFTER;
use uuid::Uuid;

use super::name::ErrorName;
use super::reply::{
    self, Plain, forbidden, internal, invalid_token, missing_scope, not_found, with_header,
};
use crate::server::validate::{Loc, MASKED, Problem, Section, Violation};
use crate::storage::{MessageFault, StoreError, Unavailable};

/// Returns the response to an error of the store.
pub(super) fn from_store(error: StoreError, request_id: &str) -> HttpResponse {
    let conflict = |name, detail: &'static str| Plain(name, detail.into()).response();
    match error {
        StoreError::NotFound => not_found().response(),
        StoreError::NameTaken => conflict(ErrorName::NameTaken, "Another workspace has this name"),
        StoreError::EventArchived => conflict(
            ErrorName::EventArchived,
            "The event is archived: its payload is gone, so it cannot be sent again",
        ),
        StoreError::EndpointDisabled => conflict(
            ErrorName::EndpointDisabled,
            "The endpoint is disabled: enable it with PATCH, then redeliver",
        ),
        StoreError::NotPending => conflict(
            ErrorName::NotPending,
            "The event is not pending: there is no attempt to skip",
        ),
        StoreError::TooManyJobs(max) => {
            let detail = format!(
                "{max} jobs of the workspace run already: wait until one has finished, or cancel one"
            );
            Plain(ErrorName::TooManyJobs, detail.into()).response()
        }
        StoreError::IdempotencyKeyReused => Plain(
            ErrorName::IdempotencyKeyReused,
            "The Idempotency-Key was used with another body: use a new one".into(),
        )
        .response(),
        StoreError::UnknownWorkspace(id) => {
            let loc = Loc::field(Section::Body, "workspace_id");
            reply::invalid(&[unknown_workspace(loc, id)])
        }
        StoreError::UnknownEndpoints(unknown) => {
            let fault = MessageFault::UnknownEndpoints(unknown);
            reply::invalid(&of_message(None, fault))
        }
        StoreError::InvalidMessages(faults) => {
            let of_each = faults
                .into_iter()
                .flat_map(|(place, fault)| of_message(Some(("messages", place)), fault));
            reply::invalid(&Problem::limited(of_each.collect()))
        }
        StoreError::TooManyEvents { fitting, sent } => {
            let loc = Loc::field(Section::Body, "messages");
            let violation = Violation::TooManyEvents(fitting, sent);
            reply::invalid(&[Problem::found_later(loc, violation, None)])
        }
        StoreError::OtherPublicKey => {
            let what = "the public key is not that of the endpoint, and nothing can sign with a public key: send \
                        the key pair (whsk_), or no secret to get a new one";
            let loc = Loc::field(Section::Body, "secret");
            // As every value of this field is shown.
            invalid(loc, what, Some(MASKED))
        }
        StoreError::KeyTaken => conflict(
            ErrorName::KeyTaken,
            "Another endpoint of the workspace has this key; a PUT to the path by-key changes that one",
        ),
        StoreError::NoSuchHeader(name) => {
            let what = "no value is stored for this header: send one in place of ***";
            let loc = Loc::field(Section::Body, "headers").of_member(name);
            invalid(loc, what, Some(MASKED))
        }
        StoreError::TooManyEndpoints(max) => {
            let what = format!("a workspace can have at most {max} endpoints: delete one first");
            invalid(Loc::body(), &what, None)
        }
        StoreError::TooManyTokens(max) => {
            let what =
                format!("a workspace can have at most {max} access tokens: revoke one first");
            invalid(Loc::body(), &what, None)
        }
        StoreError::CallerEnded => invalid_token(),
        StoreError::MissingScopes(scopes) => missing_scope(scopes.iter()),
        StoreError::TokenRule(rule) => forbidden(&rule.to_string()),
        StoreError::Unavailable(why) => {
            tracing::warn!(request_id, %why, "request refused");
            unavailable(why)
        }
        StoreError::Internal(text) => {
            tracing::error!(request_id, error = text, "request failed");
            internal().response()
        }
    }
}

/// Returns the problem of an id in this place of the body that no workspace has.
pub(super) fn unknown_workspace(loc: Loc, id: Uuid) -> Problem {
    let what = "there is no such workspace: send the id of one";
    Problem::found_later(loc, Violation::Value(what.into()), Some(&id.to_string()))
}

/// Returns the problems of a message in which the store found a fault: of the body, or of an item of a list in it.
fn of_message(item: Option<(&'static str, usize)>, fault: MessageFault) -> Vec<Problem> {
    let field = |name| Loc::field(Section::Body, name).of_item(item);
    match fault {
        MessageFault::UnknownWorkspace(id) => vec![unknown_workspace(field("workspace_id"), id)],
        MessageFault::UnknownEndpoints(unknown) => {
            let problem = |(place, id): (usize, Uuid)| {
                let what = "the workspace has no such endpoint: send the id of one";
                let violation = Violation::Value(what.into());
                let loc = field("endpoint_ids").at(place);
                Problem::found_later(loc, violation, Some(&id.to_string()))
            };
            unknown.into_iter().map(problem).collect()
        }
        MessageFault::KeyReused(key) => {
            let violation = Violation::IdempotencyKeyReused;
            let loc = field("idempotency_key");
            vec![Problem::found_later(loc, violation, Some(&key))]
        }
    }
}

/// Returns a 422 for what only the store could find. `input` is the value that it concerns, if it may be shown.
fn invalid(loc: Loc, what: &str, input: Option<&str>) -> HttpResponse {
    let violation = Violation::Value(what.to_owned().into());
    reply::invalid(&[Problem::found_later(loc, violation, input)])
}

/// Returns the response to a write or read that the store cannot do at the moment.
pub(crate) fn unavailable(why: Unavailable) -> HttpResponse {
    let name = match why {
        Unavailable::SizeLimit => ErrorName::InsufficientStorage,
        _ => ErrorName::Unavailable,
    };
    let plain = Plain(name, format!("{why}; nothing was stored").into());
    with_header(
        plain.response(),
        RETRY_AFTER,
        &retry_after_s(why).to_string(),
    )
}

/// Returns the `Retry-After` for an unavailable store, in seconds: about as long as the reason usually lasts.
pub(crate) const fn retry_after_s(why: Unavailable) -> u32 {
    match why {
        Unavailable::QueueFull => 1,
        Unavailable::ReadQueueFull
        | Unavailable::Overloaded
        | Unavailable::Locked
        | Unavailable::TooSlow
        | Unavailable::NoThread
        | Unavailable::Stopping => 5,
        Unavailable::DiskFull
        | Unavailable::SizeLimit
        | Unavailable::DiskError
        | Unavailable::DiskStalled
        | Unavailable::Moved => 30,
    }
}
