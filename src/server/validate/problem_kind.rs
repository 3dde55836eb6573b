//! The types of problems, on which clients match.

use crate::domain::words::words;

words! {
    /// The type of a problem with a value of a request, as the OpenAPI document lists it. Most are upstream's.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum ProblemKind {
        Missing = "missing",
        ModelAttributesType = "model_attributes_type",
        JsonInvalid = "json_invalid",
        StringType = "string_type",
        StringUnicode = "string_unicode",
        StringTooShort = "string_too_short",
        StringTooLong = "string_too_long",
        StringPatternMismatch = "string_pattern_mismatch",
        ListType = "list_type",
        TooShort = "too_short",
        TooLong = "too_long",
        BoolType = "bool_type",
        BoolParsing = "bool_parsing",
        IntType = "int_type",
        IntParsing = "int_parsing",
        IntFromFloat = "int_from_float",
        GreaterThan = "greater_than",
        GreaterThanEqual = "greater_than_equal",
        LessThanEqual = "less_than_equal",
        UuidType = "uuid_type",
        UuidParsing = "uuid_parsing",
        UuidVersion = "uuid_version",
        UrlType = "url_type",
        UrlScheme = "url_scheme",
        UrlParsing = "url_parsing",
        UrlTooLong = "url_too_long",
        Enum = "enum",
        LiteralError = "literal_error",
        DatetimeType = "datetime_type",
        DatetimeFromDateParsing = "datetime_from_date_parsing",
        TimezoneAware = "timezone_aware",
        HeaderName = "header_name",
        HeaderValue = "header_value",
        IdempotencyKeyReused = "idempotency_key_reused",
        WorkspaceToken = "workspace_token",
        ValueError = "value_error",
        FilterSyntax = "filter_syntax",
    }
}
