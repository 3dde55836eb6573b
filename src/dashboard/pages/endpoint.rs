//! STUB

use actix_web::HttpResponse;

use crate::dashboard::visit::Visit;
use crate::server::error::ApiError;

/// STUB
pub(crate) async fn show(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn enable(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn disable(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn delete(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}

/// STUB
pub(crate) async fn replace_secret(_visit: Visit) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath)
}
