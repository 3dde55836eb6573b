//! STUB

use actix_web::HttpResponse;

use crate::dashboard::visit::Visit;
use crate::server::error::ApiError;

/// STUB
pub(crate) async fn show(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}
