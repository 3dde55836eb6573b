//! Handlers of the probes: `/healthz` (the process runs) and `/readyz` (it can do its work).

use std::io;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde_json::ser::Formatter;

use super::objects;
use super::route_docs::{RouteDocs, Success};
use crate::server::call::Call;
use crate::server::error::{ApiError, ErrorName, retry_after_s};
use crate::server::schema::{Schema, object};
use crate::server::state::ReadyCheck;
use crate::storage::{StoreError, Unavailable};

object! {
    /// The answer of a server whose process runs.
    pub(crate) struct HealthJson = "Health" {
        /// Always `ok`.
        status: &'static str = Schema::open_words(&["ok"]),
    }
}

object! {
    /// The answer of a server that can store and deliver.
    pub(crate) struct ReadyJson = "Readiness" {
        /// Always `ok`.
        status: &'static str = Schema::open_words(&["ok"]),
        /// The checks that were made.
        checks: Vec<CheckJson>,
    }
}

object! {
    /// The answer of a server that cannot store or deliver, or is stopping.
    pub(crate) struct NotReadyJson = "NotReady" {
        /// The name of the error, as of other answers with this status.
        error: &'static str = Schema::open_words(&[ErrorName::Unavailable.as_str()]),
        /// The reason of the first check that failed.
        detail: String = Schema::text("The server is stopping"),
        /// The checks that were made.
        checks: Vec<CheckJson>,
    }
}

object! {
    /// A check of whether a server can do its work.
    pub(crate) struct CheckJson = "Check" {
        /// The part that was checked. A newer server may check more.
        name: &'static str = Schema::open_words(&["server", "engine", "backlog", "database"]),
        /// True if nothing is wrong.
        ok: bool,
        /// The reason in words, if it failed.
        reason: Option<String> = Schema::text("The server is stopping").or_null(),
    }
}

const TAG: &str = "probes";

/// The description of `GET /healthz`.
pub(super) static LIVE: RouteDocs = RouteDocs {
    summary: "Ask whether the server runs",
    ..RouteDocs::new(TAG, "healthz_get", Success::json::<HealthJson>(200))
};

/// The description of `GET /readyz`.
pub(super) static READY: RouteDocs = RouteDocs {
    summary: "Ask whether the server can store and deliver",
    unavailable: Some(|| {
        let example = not_ready(vec![
            ("server", Err(Unavailable::Stopping.to_string())),
            ("engine", Ok(())),
        ]);
        (
            Schema::reference(&NotReadyJson::definition()),
            serde_json::to_value(example).unwrap_or_default(),
        )
    }),
    ..RouteDocs::new(TAG, "readyz_get", Success::json::<ReadyJson>(200))
};

/// Handles `GET /healthz`: any response means that the process runs.
pub(super) async fn live(_call: Call) -> Result<HttpResponse, ApiError> {
    Ok(objects::json(StatusCode::OK, &HealthJson { status: "ok" }))
}

/// Handles `GET /readyz`: 200 if the store can read and write, every part of the application runs, and the
/// server is not stopping; else 503. Every check is made, and is a line of the body.
pub(super) async fn ready(call: Call) -> Result<HttpResponse, ApiError> {
    let stopping = if call.state.is_stopping() {
        Err(Unavailable::Stopping.to_string())
    } else {
        Ok(())
    };
    let mut checks = vec![("server", stopping)];
    // The engine of a server that stops has ended, which is no fault.
    if !call.state.is_stopping() {
        checks.extend((call.state.readiness)());
    }
    let database = match call.read(|store| store.check()).await {
        Err(ApiError::Store(error)) => Err(cause(error)),
        checked => checked.map(Ok)?,
    };
    let retry_after = database
        .as_ref()
        .map_or_else(|why| retry_after_s(*why), |()| RETRY_AFTER_S);
    checks.push(("database", database.map_err(|why| why.to_string())));
    Ok(response(checks, retry_after))
}

/// The seconds after which a client should ask again, unless the cause has a time of its own.
const RETRY_AFTER_S: u32 = 5;

/// Returns what is wrong with the store. A fault of the disk may pass.
fn cause(error: StoreError) -> Unavailable {
    match error {
        StoreError::Unavailable(why) => why,
        error => {
            tracing::error!(%error, "the store is not ready");
            Unavailable::DiskError
        }
    }
}

fn response(checks: Vec<ReadyCheck>, retry_after_s: u32) -> HttpResponse {
    if checks.iter().all(|(_, result)| result.is_ok()) {
        let (status, checks) = ("ok", rendered(checks));
        return lines(StatusCode::OK, &ReadyJson { status, checks });
    }
    let mut response = lines(StatusCode::SERVICE_UNAVAILABLE, &not_ready(checks));
    // The fault may pass, and load balancers look for this status.
    let seconds = HeaderValue::from(retry_after_s);
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}

fn not_ready(checks: Vec<ReadyCheck>) -> NotReadyJson {
    let failed = checks.iter().find_map(|(_, result)| result.clone().err());
    NotReadyJson {
        error: ErrorName::Unavailable.as_str(),
        detail: failed.unwrap_or_default(),
        checks: rendered(checks),
    }
}

fn rendered(checks: Vec<ReadyCheck>) -> Vec<CheckJson> {
    let checks = checks.into_iter().map(|(name, result)| CheckJson {
        name,
        ok: result.is_ok(),
        reason: result.err(),
    });
    checks.collect()
}

/// Returns a response with JSON in which each item of a list is a line, for people who look with curl.
fn lines(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, ItemPerLine);
    body.serialize(&mut serializer)
        .expect("texts and lists of them are JSON");
    text.push(b'\n');
    let mut response = objects::json(status, &());
    response = response.set_body(BoxBody::new(text));
    response
}

struct ItemPerLine;

impl Formatter for ItemPerLine {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        out.write_all(if first { b"\n  " } else { b",\n  " })
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n]")
    }
}
