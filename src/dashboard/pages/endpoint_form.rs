//! STUB

use actix_web::HttpResponse;

use crate::dashboard::visit::Visit;
use crate::server::error::ApiError;

/// STUB
pub(crate) async fn new(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn create(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn edit(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn update(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}
