//! The parts of generated requests: texts that have broken some server before.

use crate::hostile_clients::NOBODY;

/// Stands in a request for a token that the test has.
pub(super) const TOKENS: [&str; 4] = ["OWN", "ADMIN", "none", "hookpost_wat_nonsense"];

/// Stands in a request for the id of something that exists.
pub(super) const ENDPOINT: &str = "ENDPOINT";

pub(super) const VERSIONS: [&str; 6] = [
    "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "",
];

pub(super) const METHODS: [&str; 13] = [
    "GET", "HEAD", "POST", "PATCH", "DELETE", "GET", "OPTIONS", "PUT", "TRACE", "CONNECT", "get",
    "GE T", "M-SEARCH",
];

pub(super) const BASES: [&str; 9] = [
    "/api",
    "/v1",
    "",
    "/API",
    "//api",
    "/api/..",
    "/%61pi",
    "http://other.example/api",
    "https://user@other.example:1/v1",
];

pub(super) const IDS: [&str; 24] = [
    ENDPOINT,
    "ENDPOINT%20",
    NOBODY,
    "0190A000-0000-4000-8000-000000000000",
    "0190a000000040008000000000000000",
    "{0190a000-0000-4000-8000-000000000000}",
    "urn:uuid:0190a000-0000-4000-8000-000000000000",
    "",
    "-1",
    "%2F",
    "..%2f..%2fhealthz",
    "%2e%2e",
    "..",
    "%00",
    "%0d%0aset-cookie:%20a=b",
    "%ff%fe",
    "%",
    "%zz",
    "%25%32%46",
    "'%20OR%201=1--",
    "*",
    "a;b=c",
    "\u{202e}\u{e9}",
    "9223372036854775808",
];

/// Beside the names that are known.
pub(super) const ODD_NAMES: [&str; 4] = ["PAGE", "page[]", "%70age", ""];

pub(super) const TEXTS: [&str; 34] = [
    "",
    "1",
    "0",
    "-1",
    "+1",
    "1.0",
    "1e3",
    "0x1",
    "%EF%BC%91",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775809",
    "NaN",
    "Infinity",
    "true",
    "2xx",
    "pending",
    "%00",
    "a%00b",
    "%ff",
    "%ED%A0%80",
    "%",
    "%25",
    "_",
    "%25_%25%5C",
    "%27%3B%20DROP%20TABLE%20event%3B--",
    "%22%20OR%20%22%22%3D%22",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999-23:59",
    "2026-01-31T12:00:00",
    "a=b=c&&;",
    ENDPOINT,
    NOBODY,
];

/// Fields beside those that a request needs; a line each.
pub(super) const FIELDS: [&str; 35] = [
    "x-long: AAAA",
    "content-type: application/json; charset=utf-16",
    "content-type: application/x-www-form-urlencoded",
    "content-type: multipart/form-data; boundary=x",
    "content-type: text/plain",
    "content-type:",
    "content-encoding: gzip",
    "content-encoding: identity",
    "accept: application/xml;q=0",
    "accept-encoding: gzip, br, *",
    "range: bytes=0-0",
    "if-none-match: *",
    "if-modified-since: Thu, 01 Jan 1970 00:00:00 GMT",
    "expect: 100-continue",
    "expect: something",
    "upgrade: h2c",
    "upgrade: websocket",
    "connection: upgrade",
    "connection: keep-alive, close",
    "connection: authorization, host",
    "idempotency-key: k",
    "idempotency-key: \u{e9}",
    "origin: https://a.example",
    "origin: null",
    "access-control-request-method: \u{1}",
    "x-forwarded-for: 127.0.0.1, '",
    "x-http-method-override: DELETE",
    "x-original-url: /api/workspaces",
    "forwarded: for=\"[::1]\"",
    "cookie: a=b; $Version=1",
    "authorization: Basic eA==",
    "host: second.example",
    " folded: x",
    "spaced : x",
    ": nameless",
];

pub(super) const HOSTS: [&str; 7] = [
    "host: x\r\n",
    "host: \r\n",
    "host: a b\r\n",
    "host: x:99999\r\n",
    "host: user@x/y?z#\r\n",
    "host: \u{e9}\r\n",
    "",
];

/// A body that a server could take for a request.
pub(super) const SMUGGLED: &str = "GET /api/webhooks/endpoints?smuggled=1 HTTP/1.1\r\nhost: x\r\n\
                        authorization: Bearer OWN\r\n\r\n";

pub(super) const BODIES: [&str; 26] = [
    "",
    "{}",
    "null",
    "[]",
    "{",
    "NaN",
    "\u{feff}{}",
    "\0",
    SMUGGLED,
    "0\r\n\r\n",
    "name=x&type=a",
    r#"{"type":"a","data":1}"#,
    r#"{"type":"a","data":{"a":1,"a":2},"type":"b","timestamp":"2026-01-31T12:00:00Z"}"#,
    r#"{"type":"a.*","data":NaN}"#,
    r#"{"type":"a","data":1e400,"timestamp":"x"}"#,
    r#"{"type":"\ud800","data":"\udfff"}"#,
    r#"{"url":"https://a.example/%_'","format":"raw","events":[]}"#,
    r#"{"url":"https://[::1]:99999/","format":"xml","events":["",null,"*.*"],"secret":"\u0000"}"#,
    r#"{"url":"HTTPS://\u0000@A.example\\..//","format":"slack","events":[]}"#,
    r#"{"enabled":"T","secret":"whsec_AAAA"}"#,
    r#"{"enabled":1.0}"#,
    r#"{"name":"'; DROP TABLE workspace; --"}"#,
    r#"{"name":"\u0000"}"#,
    r#"{"comment":"\ud83d","scopes":["webhooks:read","*"],"expires_in":1e999}"#,
    r#"{"comment":"","scopes":["webhooks:read"],"expires_in":9223372036854775808}"#,
    r#"{"workspace_id":"0190a000-0000-4000-8000-000000000000","data":[[[[[[]]]]]],"type":"a"}"#,
];
