//! Handlers of `/webhooks/endpoints`.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::endpoint_object::SeenEndpoint;
use super::objects::{Rendered, json};
use super::pagination;
use super::route_docs::{RouteDocs, Success};
use super::slices::Read;
use crate::domain::access::Scopes;
use crate::domain::endpoint::Endpoint;
use crate::domain::network_policy::NetworkPolicy;
use crate::server::call::{Call, OF_A_WORKSPACE};
use crate::server::error::{ApiError, ErrorName};
use crate::server::inputs::endpoint_fields::{endpoint_patch, new_endpoint, put_endpoint};
use crate::server::inputs::filters::endpoint_filter;
use crate::server::inputs::secret_rotation::secret_rotation;
use crate::server::validate::read;
use crate::storage::{Paged, Part, PutResult, Row, RowNumber, Store, StoreError};

const TAG: &str = "endpoints";

/// The description of `POST /webhooks/endpoints`.
pub(super) static CREATE: RouteDocs = RouteDocs {
    summary: "Create an endpoint",
    details: "The endpoint gets the messages that are published from now on, unless `enabled` is false.",
    conflicts: &[ErrorName::KeyTaken],
    reads: |input| {
        let _ = new_endpoint(input, &NetworkPolicy::strict(), OF_A_WORKSPACE);
    },
    body: "WebhookEndpointCreate",
    ..RouteDocs::new(
        TAG,
        "endpoints_create",
        Success::object::<SeenEndpoint>(201),
    )
};

/// Handles `POST /webhooks/endpoints`.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let new = new_endpoint(&mut input, &call.state.policy, call.caller.visibility);
    let new = new(&input.finish()?);
    let endpoint = call.state.store.create_endpoint(new).await?;
    Ok(shown(&call, StatusCode::CREATED, endpoint))
}

/// The description of `PUT /webhooks/endpoints/by-key/{key}`.
pub(super) static PUT: RouteDocs = RouteDocs {
    summary: "Create or replace the endpoint with a key",
    details: "Makes the endpoint with this key (201), or changes the one that has it to exactly what the body says (200): a \
              member that is absent or null gets its default, except the secret, which stays. So the request can be repeated \
              safely. One that changes nothing has no effect.",
    reads: |input| {
        let _ = put_endpoint(input, &NetworkPolicy::strict(), OF_A_WORKSPACE);
    },
    body: "WebhookEndpointPut",
    also: Some(Success::object::<SeenEndpoint>(201)),
    ..RouteDocs::new(TAG, "endpoints_put", Success::object::<SeenEndpoint>(200))
};

/// Handles `PUT /webhooks/endpoints/by-key/{key}`.
pub(super) async fn put(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let put = put_endpoint(&mut input, &call.state.policy, call.caller.visibility);
    let put = put(&input.finish()?);
    let PutResult { endpoint, is_new } = call.state.store.put_endpoint(put).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(shown(&call, status, endpoint))
}

/// The description of `GET /webhooks/endpoints`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List endpoints",
    reads: |input| {
        let _ = endpoint_filter(input, OF_A_WORKSPACE);
    },
    ..RouteDocs::new(TAG, "endpoints_list", Success::list::<SeenEndpoint>())
};

/// Handles `GET /webhooks/endpoints`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let filter = endpoint_filter(&mut input, call.caller.visibility);
    let (page, filter) = filter(&input.finish()?);
    let by = call.caller.scopes;
    let list = move |store: &dyn Store, bytes| {
        let paged = store.list_endpoints(&filter, page, bytes)?;
        Ok(Paged {
            rows: seen(paged.rows, by),
            rest: paged.rest,
            total: paged.total,
            searched: paged.searched,
        })
    };
    pagination::stream(&call, page, list, rest_for(by)).await
}

fn seen(rows: Vec<Row<Endpoint>>, by: Scopes) -> Vec<Row<SeenEndpoint>> {
    let seen = |row: Row<Endpoint>| Row {
        item: SeenEndpoint {
            endpoint: row.item,
            by,
        },
        payload: row.payload,
    };
    rows.into_iter().map(seen).collect()
}

/// Returns the function that reads the rest of a list for a caller with these scopes.
fn rest_for(by: Scopes) -> Read<SeenEndpoint> {
    fn rest(
        store: &dyn Store,
        numbers: &[RowNumber],
        bytes: usize,
        by: Scopes,
    ) -> Result<Part<SeenEndpoint>, StoreError> {
        let part = store.read_endpoints(numbers, bytes)?;
        Ok(Part {
            rows: seen(part.rows, by),
            done: part.done,
        })
    }
    if by.see_secrets() {
        |store, numbers, bytes| rest(store, numbers, bytes, Scopes::all())
    } else {
        |store, numbers, bytes| rest(store, numbers, bytes, Scopes::default())
    }
}

/// Returns the response with an endpoint, as the caller sees it.
fn shown(call: &Call, status: StatusCode, endpoint: Endpoint) -> HttpResponse {
    let by = call.caller.scopes;
    json(status, &Rendered(&SeenEndpoint { endpoint, by }))
}

/// The description of `GET /webhooks/endpoints/{id}`.
pub(super) static GET: RouteDocs = RouteDocs {
    summary: "Get an endpoint",
    reads: |input| {
        let _ = input.path(read::id);
    },
    ..RouteDocs::new(TAG, "endpoints_get", Success::object::<SeenEndpoint>(200))
};

/// Handles `GET /webhooks/endpoints/{id}`.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let visibility = call.caller.visibility;
    let endpoint = call
        .read(move |store| store.find_endpoint(visibility, id))
        .await?;
    Ok(shown(&call, StatusCode::OK, endpoint))
}

/// The description of `PATCH /webhooks/endpoints/{id}`.
pub(super) static UPDATE: RouteDocs = RouteDocs {
    summary: "Change an endpoint",
    details: "Absent and null members stay as they are. A new `url` or `secret` applies to every attempt that \
              starts afterwards, a new `secret` without overlap; new `events` and a new `format` apply to messages published afterwards. \
              `metadata`, `headers` and `policy` replace what was there as a whole. Disabling skips the pending events; \
              while the endpoint is paused, they wait.",
    conflicts: &[ErrorName::KeyTaken],
    reads: |input| {
        let _ = endpoint_patch(input, &NetworkPolicy::strict());
    },
    body: "WebhookEndpointUpdate",
    ..RouteDocs::new(
        TAG,
        "endpoints_update",
        Success::object::<SeenEndpoint>(200),
    )
};

/// Handles `PATCH /webhooks/endpoints/{id}`.
pub(super) async fn update(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let patch = endpoint_patch(&mut input, &call.state.policy);
    let ((id, patch), visibility) = (patch(&input.finish()?), call.caller.visibility);
    let endpoint = call
        .state
        .store
        .update_endpoint(visibility, id, patch)
        .await?;
    Ok(shown(&call, StatusCode::OK, endpoint))
}

/// The description of `DELETE /webhooks/endpoints/{id}`.
pub(super) static DELETE: RouteDocs = RouteDocs {
    summary: "Delete an endpoint",
    details: "Skips its pending events; its events and deliveries stay listed.",
    reads: |input| {
        let _ = input.path(read::id);
    },
    ..RouteDocs::new(TAG, "endpoints_delete", Success::empty())
};

/// Handles `DELETE /webhooks/endpoints/{id}`.
pub(super) async fn delete(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    call.state
        .store
        .delete_endpoint(call.caller.visibility, id)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The description of `PATCH /webhooks/endpoints/{id}/secret`.
pub(super) static ROTATE_SECRET: RouteDocs = RouteDocs {
    summary: "Rotate the secret of an endpoint",
    details: "The new secret is random, unless the body brings one. For the time of `overlap`, attempts are signed with \
              the old secret, too, so that a receiver has time to change over. At most two old secrets sign; the \
              oldest one gives way at once. The secret that the endpoint has rotates nothing, and with an `overlap` \
              ends the old ones earlier.",
    reads: |input| {
        let _ = secret_rotation(input, Duration::ZERO);
    },
    body: "WebhookEndpointRotate",
    is_body_optional: true,
    // The name of the method in clients that were generated from earlier documents.
    ..RouteDocs::new(
        TAG,
        "endpoints_replace_secret",
        Success::object::<SeenEndpoint>(200),
    )
};

/// Handles `PATCH /webhooks/endpoints/{id}/secret`.
pub(super) async fn rotate_secret(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.optional_json(body.text()?);
    let rotation = secret_rotation(&mut input, call.state.settings.secret_overlap);
    let ((id, rotation), visibility) = (rotation(&input.finish()?), call.caller.visibility);
    let endpoint = call
        .state
        .store
        .rotate_secret(visibility, id, rotation)
        .await?;
    Ok(shown(&call, StatusCode::OK, endpoint))
}
