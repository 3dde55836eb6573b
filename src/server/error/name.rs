//! The names of errors, on which clients match.

use actix_web::http::StatusCode;

use crate::domain::words::words;

words! {
    /// The name of an error: the `error` of its body. The OpenAPI document lists these names, and says which
    /// routes have them, so a new name does not compile before it is described there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum ErrorName {
        BadRequest = "BadRequest",
        Unauthorized = "Unauthorized",
        /// As in RFC 6750.
        InvalidToken = "invalid_token",
        /// As in RFC 6750.
        InsufficientScope = "insufficient_scope",
        Forbidden = "Forbidden",
        ResourceNotFound = "ResourceNotFound",
        MethodNotAllowed = "MethodNotAllowed",
        RequestTimeout = "RequestTimeout",
        NameTaken = "NameTaken",
        KeyTaken = "KeyTaken",
        EventArchived = "EventArchived",
        EndpointDisabled = "EndpointDisabled",
        NotPending = "NotPending",
        TooManyJobs = "TooManyJobs",
        PayloadTooLarge = "PayloadTooLarge",
        UnsupportedMediaType = "UnsupportedMediaType",
        RequestValidationError = "RequestValidationError",
        IdempotencyKeyInvalid = "idempotency_key_invalid",
        IdempotencyKeyReused = "idempotency_key_reused",
        TooManyRequests = "TooManyRequests",
        RequestHeaderFieldsTooLarge = "RequestHeaderFieldsTooLarge",
        InternalServerError = "InternalServerError",
        Unavailable = "Unavailable",
        InsufficientStorage = "InsufficientStorage",
    }
}

/// The form of the body of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `error` and a `detail` in words.
    Plain,
    /// `error` and `error_description`, as in RFC 6750.
    Authentication,
    /// `error` and a `detail` that lists problems.
    Validation,
}

impl ErrorName {
    /// Returns the status of all errors with this name.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::ResourceNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::NameTaken
            | Self::KeyTaken
            | Self::EventArchived
            | Self::EndpointDisabled
            | Self::NotPending
            | Self::TooManyJobs => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RequestValidationError
            | Self::IdempotencyKeyInvalid
            | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::RequestHeaderFieldsTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::InsufficientStorage => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// Returns the form of the body of all errors with this name.
    pub(crate) const fn shape(self) -> Shape {
        match self {
            Self::InvalidToken | Self::InsufficientScope => Shape::Authentication,
            Self::RequestValidationError => Shape::Validation,
            _ => Shape::Plain,
        }
    }

    /// Returns the name of an error that actix-web made, by its status. RFC 9110 (section 15) treats a status
    /// that a client does not know as the first of its class.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::ResourceNotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PayloadTooLarge,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::RequestHeaderFieldsTooLarge,
            status if status.is_server_error() => Self::InternalServerError,
            _ => Self::BadRequest,
        }
    }
}
