//! The notes on a request: its id, and what its line in the log says besides.
//!
//! The middleware begins them, the route and its handler add to them, and the middleware logs them. Nothing of
//! them comes from a body, a query or a header, except for the id.

use std::cell::Cell;
use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{HttpMessage, HttpRequest};
use rand::RngExt;
use uuid::Uuid;

use crate::domain::access::TokenKind;
use crate::domain::secret::{WHSEC_PREFIX, WHSK_PREFIX};

/// The header with the id of a request, for clients that report a problem or have ids of their own.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client: enough for two UUIDs and a name.
pub(crate) const REQUEST_ID_MAX: usize = 128;

/// The characters of an id besides letters and digits, as a part of a regular expression's class: those that
/// ids have in practice. None needs a quote or an escape in a line of the log.
pub(crate) const REQUEST_ID_MARKS: &str = "._:=+/@-";

/// The prefixes of credentials.
pub(crate) const CREDENTIAL_PREFIXES: [&str; 4] = [
    WHSEC_PREFIX,
    WHSK_PREFIX,
    TokenKind::Workspace.prefix(),
    TokenKind::Admin.prefix(),
];

/// The notes on a request.
pub(crate) struct RequestNotes {
    id: Arc<str>,
    facts: Cell<Facts>,
}

/// The facts of a request.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts {
    /// The base and the pattern of its route.
    pub(crate) route: Option<(&'static str, &'static str)>,
    /// True if it had a valid token.
    pub(crate) is_authenticated: bool,
    /// True if it only asks whether the server runs.
    pub(crate) is_probe: bool,
    /// The workspace of its token, or the one that it published in.
    pub(crate) workspace_id: Option<Uuid>,
    /// The message that it published, and the number of its events.
    pub(crate) published: Option<(Uuid, usize)>,
    /// The number of messages of the batch that it published, and that of their events.
    pub(crate) batch: Option<(usize, usize)>,
}

impl RequestNotes {
    /// Begins the notes on a request with these headers.
    pub(crate) fn begin(headers: &HeaderMap) -> Self {
        let id = given_id(headers).map_or_else(
            || format!("{:016x}", rand::rng().random::<u64>()).into(),
            Arc::from,
        );
        Self {
            id,
            facts: Cell::default(),
        }
    }

    /// Returns the id of the request.
    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Returns what is known of the request.
    pub(crate) fn facts(&self) -> Facts {
        self.facts.get()
    }
}

/// Returns the id of a request; `-` in a test without the middleware.
pub(crate) fn id_of(request: &HttpRequest) -> Arc<str> {
    let extensions = request.extensions();
    extensions
        .get()
        .map_or_else(|| "-".into(), |notes: &RequestNotes| notes.id.clone())
}

/// Adds to the notes on a request.
pub(crate) fn note(request: &HttpRequest, add: impl FnOnce(&mut Facts)) {
    if let Some(notes) = request.extensions().get::<RequestNotes>() {
        let mut facts = notes.facts.get();
        add(&mut facts);
        notes.facts.set(facts);
    }
}

/// Returns the id that the client gave the request, if it can be logged: one header of 1 to
/// [`REQUEST_ID_MAX`] letters, digits and [`REQUEST_ID_MARKS`], and no credential, put there by mistake.
fn given_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(&X_REQUEST_ID);
    let id = values.next()?.to_str().ok()?;
    let is_safe = |c: char| c.is_ascii_alphanumeric() || REQUEST_ID_MARKS.contains(c);
    let is_taken = (1..=REQUEST_ID_MAX).contains(&id.len())
        && id.chars().all(is_safe)
        && !CREDENTIAL_PREFIXES.iter().any(|prefix| id.contains(prefix))
        && values.next().is_none();
    is_taken.then_some(id)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn given(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        }
        given_id(&headers).map(str::to_owned)
    }

    #[test]
    fn ids_of_clients_are_taken_if_they_can_be_logged() {
        let uuid = "0190a2b4-0000-4000-8000-000000000001";
        for good in [
            uuid,
            "a",
            "Root=1-67891233-abcdef012345678912345678",
            "x/y+z=:._@-",
        ] {
            assert_eq!(given(&[good.as_bytes()]).as_deref(), Some(good));
        }
        assert!(given(&[&[b'k'; REQUEST_ID_MAX]]).is_some());
        for bad in [
            &b""[..],
            &[b'k'; REQUEST_ID_MAX + 1],
            b"a b",
            b"a\tb",
            b"a\"b",
            b"a\\b",
            b"a;b",
            b"<a>",
            b"\xe9",
            b"whsec_abc",
            b"whsk_abc",
            b"x-hookpost_wat_abc",
            b"hookpost_adm_abc",
        ] {
            assert_eq!(given(&[bad]), None, "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(given(&[b"a", b"a"]), None);
        assert_eq!(given(&[]), None);
    }

    #[test]
    fn a_made_id_is_sixteen_digits_and_new() {
        let made = || RequestNotes::begin(&HeaderMap::new()).id().to_string();
        let (one, other) = (made(), made());
        assert_ne!(one, other);
        assert_eq!(one.len(), 16);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
