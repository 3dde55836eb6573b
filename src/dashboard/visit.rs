//! A request for a page, with who is signed in.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, LOCATION, ORIGIN};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::form::{FORM_MAX, FORM_TOKEN, Form};
use super::query::Fields;
use super::sessions::{Notice, Session, SessionKey};
use super::state::Dashboard;
use crate::domain::access::{Actor, Caller, Scope, Scopes, Visibility};
use crate::domain::clock::Timestamp;
use crate::server::access::SEEING_WEBHOOKS;
use crate::server::body;
use crate::server::connection::RequestHandle;
use crate::server::error::ApiError;
use crate::server::readers::Lane;
use crate::server::validate::{FieldContext, Input, InputValue, read};
use crate::storage::{Store, StoreError};

/// A request for a page.
pub(super) struct Visit {
    pub(super) dashboard: Arc<Dashboard>,
    pub(super) request: HttpRequest,
    pub(super) payload: Option<Payload>,
    /// The `{id}` of the path.
    pub(super) id: String,
    pub(super) key: SessionKey,
    pub(super) session: Session,
    /// The caller, as of this request.
    pub(super) caller: Caller,
    /// The author of changes to tokens.
    pub(super) actor: Actor,
}

impl Visit {
    /// Reports whether the signed-in token has a scope.
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.caller.scopes.contains(scope)
    }

    /// Reports whether an admin is signed in.
    pub(super) fn is_admin(&self) -> bool {
        self.caller.visibility == Visibility::All
    }

    /// Checks that the signed-in token has one of these scopes.
    ///
    /// # Errors
    /// [`ApiError::MissingScope`]
    pub(super) fn require(&self, scopes: &[Scope]) -> Result<(), ApiError> {
        if scopes.iter().any(|scope| self.may(*scope)) {
            Ok(())
        } else {
            Err(ApiError::MissingScope(scopes.to_vec()))
        }
    }

    /// Reports whether the caller may see endpoints and what is sent to them.
    pub(super) fn sees_webhooks(&self) -> bool {
        SEEING_WEBHOOKS.iter().any(|scope| self.may(*scope))
    }

    /// Returns the scopes of the caller.
    pub(super) const fn scopes(&self) -> Scopes {
        self.caller.scopes
    }

    /// Checks that an admin is signed in.
    ///
    /// # Errors
    /// [`ApiError::AdminOnly`]
    pub(super) fn require_admin(&self) -> Result<(), ApiError> {
        if self.is_admin() {
            Ok(())
        } else {
            Err(ApiError::AdminOnly)
        }
    }

    /// Returns the objects that a page of one object may show. An admin follows links into every workspace.
    pub(super) fn visibility(&self) -> Visibility {
        self.caller.visibility
    }

    /// Returns the objects that lists show: those of the workspace that an admin has chosen, if any.
    pub(super) fn listed(&self) -> Visibility {
        match (self.caller.visibility, self.session.workspace) {
            (Visibility::All, Some(chosen)) => Visibility::Workspace(chosen),
            (own, _) => own,
        }
    }

    /// Returns the workspace in which objects are made; `None` for an admin who has chosen none.
    pub(super) fn workspace(&self) -> Option<Uuid> {
        self.listed().workspace()
    }

    /// Reports whether a person will see the answer. The script of an open page takes a part of it, and a browser
    /// that loads a page in advance may never show it.
    pub(super) fn is_seen(&self) -> bool {
        self.request.method() != Method::HEAD
            && !is_live(&self.request)
            && !is_prefetch(self.request.headers())
    }

    /// Returns the time of the server's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.dashboard.server.clock.now()
    }

    /// Returns the time for which an old secret signs after a rotation, if the form does not say.
    pub(super) fn default_overlap(&self) -> Duration {
        self.dashboard.server.settings.secret_overlap
    }

    /// Returns the store, for writes.
    pub(super) fn store(&self) -> &dyn Store {
        &*self.dashboard.server.store
    }

    /// Runs a read of the store off the asynchronous threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let server = &self.dashboard.server;
        let lane = Lane::Caller(self.caller.owner());
        server.readers.read(lane, &server.store, read).await
    }

    /// Returns the parameters of the URL.
    pub(super) fn query(&self) -> Fields {
        Fields::parse(self.request.query_string().as_bytes())
    }

    /// Returns the input of the URL, for the readers that the API uses as well.
    pub(super) fn input(&self) -> Input<'_> {
        Input::new(&self.id, self.request.query_string())
    }

    /// Reads the `{id}` of the path.
    ///
    /// # Errors
    /// [`ApiError::UnknownPath`] if it is none: such a link leads nowhere.
    pub(super) fn path_id(&self) -> Result<Uuid, ApiError> {
        self.path(read::id)
    }

    /// Reads the `{id}` of the path with this reader.
    ///
    /// # Errors
    /// [`ApiError::UnknownPath`] if the reader refuses it.
    pub(super) fn path<T>(
        &self,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Result<T, ApiError> {
        let mut input = Input::new(&self.id, "");
        let id = input.path(read);
        let ok = input.finish().map_err(|_| ApiError::UnknownPath)?;
        Ok(id.take(&ok))
    }

    /// Receives the form of a request, and checks that a page of this session made it.
    ///
    /// # Errors
    /// [`ApiError::ForeignOrigin`] if another page made it; those of receiving a body.
    pub(super) async fn form(&mut self) -> Result<Form, ApiError> {
        self.form_of(FORM_MAX).await
    }

    /// Does the same as [`Visit::form`], with a limit of the size in bytes.
    pub(super) async fn form_of(&mut self, limit: usize) -> Result<Form, ApiError> {
        let fields = receive_form(&self.request, self.payload.take(), limit).await?;
        if fields.raw(FORM_TOKEN) != self.session.form_token {
            return Err(ApiError::ForeignOrigin(
                "the form is from an earlier session: go back, load the page again, and send it once more",
            ));
        }
        Ok(Form { fields })
    }

    /// Keeps a notice for the next page.
    pub(super) fn notify(&self, text: impl Into<String>) {
        self.keep_notice(text.into(), "", false);
    }

    /// Keeps a notice with a secret, which the next page shows once.
    pub(super) fn notify_secret(&self, text: impl Into<String>, secret: &str) {
        self.keep_notice(text.into(), secret, false);
    }

    /// Keeps a notice about something that did not work for the next page.
    pub(super) fn notify_error(&self, text: impl Into<String>) {
        self.keep_notice(text.into(), "", true);
    }

    fn keep_notice(&self, text: String, secret: &str, is_error: bool) {
        let notice = Notice {
            text,
            secret: secret.to_owned(),
            is_error,
        };
        self.dashboard.sessions.notify(self.key, notice);
    }
}

/// Reports whether the script of an open page asks for its new content, and not a person.
pub(super) fn is_live(request: &HttpRequest) -> bool {
    request.headers().contains_key("x-live-update")
}

/// Reports whether a browser loads a page in advance.
pub(super) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Returns a response that leads to another page of this server.
pub(super) fn redirect(to: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::SEE_OTHER)
        .insert_header((LOCATION, to))
        .finish()
}

/// Receives a form, and checks that a page of this server sent it.
///
/// # Errors
/// [`ApiError::ForeignOrigin`]; those of receiving a body.
pub(super) async fn receive_form(
    request: &HttpRequest,
    payload: Option<Payload>,
    limit: usize,
) -> Result<Fields, ApiError> {
    check_origin(request)?;
    let announced = body::announced(request.headers(), limit)?;
    let Some(payload) = payload else {
        return Ok(Fields::default());
    };
    let handle = request.conn_data::<RequestHandle>().cloned();
    let text = body::receive(payload, handle.as_ref(), announced, limit).await?;
    Ok(Fields::parse(&text))
}

/// Checks that a form was sent by a page of this server. `Sec-Fetch-Site` is the browser's own verdict. Browsers
/// without it send `Origin`, which must name the host of the request; a proxy may have replaced that.
fn check_origin(request: &HttpRequest) -> Result<(), ApiError> {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin") => return Ok(()),
        Some(_) => {
            return Err(ApiError::ForeignOrigin(
                "a page of another origin sent the form",
            ));
        }
        None => {}
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(()); // No browser that runs today; the form's token is checked as well.
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    let is_own = origin.is_some_and(|(_, host)| {
        let hosts = [text("host"), text("x-forwarded-host")];
        hosts
            .into_iter()
            .flatten()
            .any(|own| own.eq_ignore_ascii_case(host))
    });
    if is_own {
        Ok(())
    } else {
        Err(ApiError::ForeignOrigin(
            "Origin must be the server's own; a proxy must pass the Host header on",
        ))
    }
}
