//! Handlers of `/webhooks/deliveries`.

use actix_web::HttpResponse;

use super::pagination;
use super::route_docs::{RouteDocs, Success};
use crate::domain::delivery::Delivery;
use crate::server::call::{Call, OF_A_WORKSPACE};
use crate::server::error::ApiError;
use crate::server::inputs::filters::delivery_filter;

/// The description of `GET /webhooks/deliveries`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List deliveries",
    details: "Every attempt is a delivery, retries included.",
    reads: |input| {
        let _ = delivery_filter(input, OF_A_WORKSPACE);
    },
    ..RouteDocs::new("deliveries", "deliveries_list", Success::list::<Delivery>())
};

/// Handles `GET /webhooks/deliveries`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let filter = delivery_filter(&mut input, call.caller.visibility);
    let (page, filter) = filter(&input.finish()?);
    pagination::stream(
        &call,
        page,
        move |store, bytes| store.list_deliveries(&filter, page, bytes),
        |store, numbers, bytes| store.read_deliveries(numbers, bytes),
    )
    .await
}
