//! STUB

use actix_web::HttpResponse;

use crate::dashboard::visit::Visit;
use crate::server::error::ApiError;

/// STUB
pub(crate) async fn list(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn redeliver(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}
