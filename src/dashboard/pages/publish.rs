//! STUB

use actix_web::HttpResponse;

use crate::dashboard::visit::Visit;
use crate::server::error::ApiError;

/// STUB
pub(crate) async fn compose(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn send(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}
