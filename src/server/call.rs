//! A request with its caller, as a handler sees it.

use std::future::Future;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use actix_web::web::{self, Bytes};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ServerState;
use super::access::{Access, authorize};
use super::auth::Authenticated;
use super::body;
use super::connection::RequestHandle;
use super::error::ApiError;
use super::readers::Lane;
use super::validate::{FieldContext, Input, InputValue, read};
use crate::domain::access::{Caller, Scopes, Visibility};
use crate::storage::{Store, StoreError};

/// A request, whose caller has the access that its route requires.
pub(crate) struct Call {
    /// The state that all requests share.
    pub(crate) state: Arc<ServerState>,
    /// The caller; for a public route, a caller without any scope.
    pub(crate) caller: Caller,
    /// The caller, with what is needed to check its token again; `None` for a public route.
    pub(crate) authenticated: Option<Authenticated>,
    /// The access that the route requires.
    pub(crate) access: Access,
    pub(crate) request: HttpRequest,
    pub(crate) payload: Option<web::Payload>,
    /// The handle to the connection of the request; `None` in tests without a socket.
    pub(crate) handle: Option<RequestHandle>,
    /// The `{id}` of the path, not decoded.
    pub(crate) id: String,
    /// The fields that the route describes; `None` for a page.
    pub(crate) reads: Option<fn(&mut Input<'_>)>,
}

/// The parts of a request that a blocking thread needs besides its body. [`Call::raw_input`] copies them.
pub(crate) struct RawInput {
    /// The workspaces whose objects the caller may see.
    pub(crate) visibility: Visibility,
    id: String,
    query: String,
    reads: Option<fn(&mut Input<'_>)>,
}

impl RawInput {
    /// Begins to read the input.
    pub(crate) fn input(&self) -> Input<'_> {
        Input::new(&self.id, &self.query).of_route(self.reads)
    }
}

/// A complete body.
pub(crate) struct Body(Bytes);

impl Body {
    /// Returns the body as text.
    ///
    /// # Errors
    /// [`ApiError::Encoding`] if it is not UTF-8.
    pub(crate) fn text(&self) -> Result<&str, ApiError> {
        std::str::from_utf8(&self.0)
            .map_err(|_| ApiError::Encoding("The body is not encoded as UTF-8"))
    }

    /// Returns its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the SHA-256 of its bytes.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl Call {
    /// Begins to read the input of the request.
    pub(crate) fn input(&self) -> Input<'_> {
        Input::new(&self.id, self.request.query_string()).of_route(self.reads)
    }

    /// Returns a copy of the request's path and query, since the request cannot be moved to another thread.
    pub(crate) fn raw_input(&self) -> RawInput {
        RawInput {
            visibility: self.caller.visibility,
            id: self.id.clone(),
            query: self.request.query_string().to_owned(),
            reads: self.reads,
        }
    }

    /// Reads the `{id}` of a request without other input.
    pub(crate) fn path_id(&self) -> Result<Uuid, ApiError> {
        self.path(read::id)
    }

    /// Reads the `{id}` of a request without other input, with this reader.
    pub(crate) fn path<T>(
        &self,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Result<T, ApiError> {
        let mut input = self.input();
        let id = input.path(read);
        Ok(id.take(&input.finish()?))
    }

    /// Returns the headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// Runs a read of the store off the asynchronous threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let state = &self.state;
        state.readers.read(self.lane(), &state.store, read).await
    }

    /// Returns the lane of this request's reads: that of its owner, if it has one.
    pub(crate) fn lane(&self) -> Lane {
        match self.authenticated {
            None => Lane::Probe,
            Some(_) => Lane::Caller(self.caller.owner()),
        }
    }

    /// Receives the body. Refuses it with 415, 413, 503 or 400, in this order; with 503 if the caller's other
    /// requests use up its share of the memory. If the caller's token ended or lost its scope before all of
    /// the body came, refuses it with 401 or 403, like a request that begins now.
    pub(crate) async fn body(&mut self) -> Result<Body, ApiError> {
        let headers = self.request.headers();
        if !is_json(headers) {
            return Err(ApiError::MediaType);
        }
        let limit = usize::try_from(self.state.settings.max_body_bytes).unwrap_or(usize::MAX);
        let announced = body::announced(headers, limit)?;
        let encoded = headers
            .get_all(CONTENT_ENCODING)
            .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
        let Some(payload) = self.payload.take() else {
            return Ok(Body(Bytes::new()));
        };
        let body = body::receive(payload, self.handle.as_ref(), announced, limit).await?;
        self.reauthenticate().await?;
        if encoded {
            return Err(ApiError::Encoding(
                "The body must be sent without a content-encoding",
            ));
        }
        Ok(Body(body))
    }

    /// Runs `work`, which stores nothing, until the server gives the request up.
    ///
    /// # Errors
    /// [`ApiError::TooMuchUnanswered`] or [`ApiError::TooManyChunks`] if the server does so.
    pub(crate) async fn unless_given_up<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, ApiError> {
        match &self.handle {
            Some(handle) => Ok(handle.unless_given_up(work).await?),
            None => Ok(work.await),
        }
    }

    async fn reauthenticate(&mut self) -> Result<(), ApiError> {
        let state = &self.state;
        let now = state.clock.now();
        let outdated = |known: &Authenticated| state.auth.is_outdated(known, now);
        let Some(known) = self.authenticated.filter(outdated) else {
            return Ok(());
        };
        let renewed = state
            .auth
            .reauthenticate(&known, &state.store, &state.readers, now)
            .await?;
        authorize(self.access, &renewed.caller)?;
        self.caller = renewed.caller;
        self.authenticated = Some(renewed);
        Ok(())
    }
}

/// The visibility for which the document describes requests: that of the token of some workspace.
pub(crate) const OF_A_WORKSPACE: Visibility = Visibility::Workspace(Uuid::nil());

/// The caller of a route that needs no token.
pub(crate) const NOBODY: Caller = Caller {
    token_id: Uuid::nil(),
    visibility: OF_A_WORKSPACE,
    scopes: Scopes::from_bits(0),
    expires_at: None,
};

/// Reports whether the content type is absent or JSON: `application/json` or any `+json` (RFC 6839, section
/// 3.1), with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value.as_bytes().split(|&b| b == b';').next();
    let essence = essence
        .unwrap_or_default()
        .trim_ascii()
        .to_ascii_lowercase();
    essence.is_empty()
        || essence == b"application/json"
        || (essence.starts_with(b"application/") && essence.ends_with(b"+json"))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn several_content_types_count_as_json() {
        let labelled = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            is_json(&headers)
        };
        assert!(is_json(&HeaderMap::new()));
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.api+json",
            "",
        ] {
            assert!(labelled(good), "{good}");
        }
        for bad in ["text/plain", "application/jsonx", "text/json+x", "json"] {
            assert!(!labelled(bad), "{bad}");
        }
    }
}
