//! The values that each kind of field of a body refuses, and the problem that it reports.

mod filters;
mod jobs;
mod message;

use serde_json::json;

pub(super) use self::filters::{draft, filter, previewed_id, tags};
pub(super) use self::jobs::{job_action, job_filter, rate};
pub(super) use self::message::{data, endpoint_ids, event_type, timestamp};
use super::*;

/// The JSON of a field, the problem that it has, and the index of the item if the problem is that of an
/// item of a list.
pub(super) type Row = (String, Violation, Option<usize>);

/// A kind of field: what it refuses.
pub(super) type Field = fn() -> Vec<Row>;

pub(super) fn row(json: &str, violation: Violation) -> Row {
    (json.to_owned(), violation, None)
}

pub(super) fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// JSON of other types than the one that is wanted.
pub(super) fn others(of: &[&str], violation: &Violation) -> Vec<Row> {
    of.iter().map(|json| row(json, violation.clone())).collect()
}

pub(super) fn url_parsing(why: &str) -> Violation {
    let msg = format!("Input should be a valid URL, {why}");
    with_ctx("url_parsing", msg, json!({ "error": why }))
}

pub(super) fn url_scheme(expected: &str) -> Violation {
    let msg = format!("URL scheme should be {expected}");
    with_ctx("url_scheme", msg, json!({ "expected_schemes": expected }))
}

pub(super) fn url_too_long() -> Violation {
    with_ctx(
        "url_too_long",
        "URL should have at most 2083 characters".to_owned(),
        json!({ "max_length": 2083 }),
    )
}

pub(super) fn url() -> Vec<Row> {
    let url_type = plain("url_type", "URL input should be a string or URL");
    let mut rows = others(&["null", "1", "true", "[]", "{}"], &url_type);
    rows.push(row(r#""https://\ud800.example""#, string_unicode()));
    let mut http = url_scheme("'https'");
    http.ctx["setting"] = json!("--allow-http");
    rows.push(row(&quoted("http://a.example"), http));
    for scheme in [
        "ftp://a.example",
        "javascript:alert(1)",
        "file:///x",
        "mailto:a@b.example",
    ] {
        rows.push(row(&quoted(scheme), url_scheme("'https'")));
    }
    for (text, why) in [
        ("", "input is empty"),
        (" \t\n", "input is empty"),
        ("a.example/hook", "relative URL without a base"),
        ("/hook", "relative URL without a base"),
        ("\0", "relative URL without a base"),
        ("https://", "empty host"),
        ("https:///", "empty host"),
        ("https://:443/", "empty host"),
        ("https://a.example:65536/", "invalid port number"),
        ("https://a.example:x/", "invalid port number"),
        ("https://1.2.3.256/", "invalid IPv4 address"),
        ("https://[::1", "invalid IPv6 address"),
        ("https://[g::]/", "invalid IPv6 address"),
        ("https://a b.example/", "invalid international domain name"),
        ("https://xn--a/", "invalid international domain name"),
        ("https://a\0.example/", "invalid international domain name"),
    ] {
        rows.push(row(&quoted(text), url_parsing(why)));
    }
    for long in [
        format!("https://a.example/{}", "a".repeat(2083 - 17)), // as sent
        format!("https://a.example/{}", "é".repeat(400)),       // as stored
    ] {
        rows.push(row(&quoted(&long), url_too_long()));
    }
    let userinfo = "URL should not contain a user name or password; for basic auth, set the header `Authorization` in `headers`";
    for text in ["https://u:p@a.example/", "https://u@a.example/"] {
        rows.push(row(&quoted(text), value_error(userinfo)));
    }
    rows
}

/// Addresses that policy forbids, however they are spelt, and as what they are shown.
pub(super) const FORBIDDEN: [(&str, &str); 9] = [
    ("https://127.0.0.1/", "127.0.0.1"),
    ("https://0x7f.1/", "127.0.0.1"),
    ("https://2130706433/", "127.0.0.1"),
    ("https://10.1.2.3/", "10.1.2.3"),
    ("https://169.254.169.254/", "169.254.169.254"),
    ("https://[::1]/", "::1"),
    ("https://localhost/", "127.0.0.1"),
    ("https://a.LocalHost.:8443/", "127.0.0.1"),
    ("https://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1"),
];

/// Texts that are no secret.
fn secret() -> Vec<Row> {
    let mut rows = others(&["null", "1", "false", "[]", "{}"], &string_type());
    rows.push(row(r#""\ud800""#, string_unicode()));
    for short in ["", "short-and-secret", &"é".repeat(31)] {
        rows.push(row(&quoted(short), too_short(32)));
    }
    rows.push(row(&quoted(&"s".repeat(257)), too_long(256)));
    let bad_key =
        value_error("a secret that starts with whsec_ must go on with base64 of 24 to 64 bytes");
    for key in ["!".repeat(40), "A".repeat(28), "A".repeat(88)] {
        rows.push(row(&quoted(&format!("whsec_{key}")), bad_key.clone()));
    }
    let nearly = value_error(
        "a secret of Standard Webhooks starts with whsec_, in lower case and with nothing before \
         it; as it is, no receiver could verify with it",
    );
    for before in ["v1,whsec_", "WHSEC_", " whsec_", "\nwhsec_", "KEY=whsec_"] {
        let text = format!("{before}{}", "A".repeat(32));
        rows.push(row(&quoted(&text), nearly.clone()));
    }
    let bad_pair = value_error(
        "a secret that starts with whsk_ must go on with base64 of an ed25519 key pair (64 bytes: the seed, then the \
         public key) or of its seed (32 bytes)",
    );
    for key in ["!".repeat(40), "A".repeat(42), "A".repeat(84)] {
        rows.push(row(&quoted(&format!("whsk_{key}")), bad_pair.clone()));
    }
    let disagree =
        value_error("the public key in the second half is not that of the seed in the first half");
    let text = format!("whsk_{}", "A".repeat(86));
    rows.push(row(&quoted(&text), disagree));
    let nearly = value_error(
        "an ed25519 key pair of Standard Webhooks starts with whsk_, in lower case and with nothing before it",
    );
    for before in ["WHSK_", " whsk_", "v1a,whpk_"] {
        let text = format!("{before}{}", "A".repeat(43));
        rows.push(row(&quoted(&text), nearly.clone()));
    }
    rows
}

/// The secret of a new endpoint.
pub(super) fn new_secret() -> Vec<Row> {
    let mut rows = secret();
    let public_key = value_error(
        "whpk_ is a public key, and nothing can sign with it: send the key pair (whsk_), or secret_type to get a new \
         one",
    );
    rows.push(row(
        &quoted(&format!("whpk_{}", "A".repeat(43))),
        public_key,
    ));
    rows
}

/// The secret of an endpoint that exists, and has another one.
pub(super) fn given_secret() -> Vec<Row> {
    let mut rows = secret();
    let other = value_error(
        "the public key is not that of the endpoint, and nothing can sign with a public key: send the key pair \
         (whsk_), or no secret to get a new one",
    );
    for key in ["A".repeat(43), "!".repeat(40)] {
        rows.push(row(&quoted(&format!("whpk_{key}")), other.clone()));
    }
    rows
}

pub(super) fn secret_type() -> Vec<Row> {
    let violation = one_of("enum", "'hmac' or 'ed25519'");
    let bad = ["null", "1", "[]", "{}", r#""""#, r#""HMAC""#, r#""v1a""#];
    others(&bad, &violation)
}

pub(super) fn overlap() -> Vec<Row> {
    let mut rows = not_integers();
    let negative = with_ctx(
        "greater_than_equal",
        "Input should be greater than or equal to 0".to_owned(),
        json!({ "ge": 0 }),
    );
    rows.extend(others(&["-1", r#""-5""#, "-86400"], &negative));
    rows.extend(beyond(604_800));
    rows
}

pub(super) fn format() -> Vec<Row> {
    let violation = one_of("enum", "'raw', 'discord' or 'slack'");
    let bad = [
        "null",
        "1",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#""RAW""#,
        r#""raw ""#,
        r#""teams""#,
        r#""\ud800""#,
    ];
    others(&bad, &violation)
}

pub(super) fn events() -> Vec<Row> {
    let list_type = plain("list_type", "Input should be a valid list");
    let mut rows = others(&["null", "1", "true", r#""*""#, "{}"], &list_type);
    let many = format!("[{}\"a\"]", "\"a\",".repeat(100));
    let too_many = value_error("at most 100 of them are allowed, not 101");
    rows.push(row(&many, too_many));
    let mismatch = pattern(r"^(?=.{1,128}$)(\*|[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*(\.\*)?)$");
    let long = "a".repeat(129);
    for (at, bad) in [
        "", " ", ".", "a.", ".a", "a..b", "*.a", "a.*.b", "a*", "**", "a b", "é", "a\n", "a\0",
        &long,
    ]
    .iter()
    .enumerate()
    {
        let before = "\"a.*\",".repeat(at % 3);
        let list = format!("[{before}{}]", quoted(bad));
        rows.push((list, mismatch.clone(), Some(at % 3)));
    }
    for other in ["null", "1", "[]", "{}", "true"] {
        rows.push((format!("[\"*\",{other}]"), string_type(), Some(1)));
    }
    rows.push((r#"["\udfff"]"#.to_owned(), string_unicode(), Some(0)));
    rows
}

pub(super) fn enabled() -> Vec<Row> {
    let bool_type = plain("bool_type", "Input should be a valid boolean");
    let mut rows = others(&["[]", "{}", "0.5", "1e400"], &bool_type);
    let bad = [
        "2",
        "-1",
        r#""""#,
        r#"" true""#,
        r#""maybe""#,
        r#""2""#,
        r#""\u0000""#,
        r#""\ud800""#,
    ];
    rows.extend(others(&bad, &bool_parsing()));
    rows
}

/// Of an admin, who may name any workspace.
pub(super) fn workspace_id() -> Vec<Row> {
    let uuid_type = plain(
        "uuid_type",
        "UUID input should be a string, bytes or UUID object",
    );
    let mut rows = others(&["null", "7", "false", "[]", "{}"], &uuid_type);
    rows.extend(malformed_ids());
    let unknown = value_error("there is no such workspace: send the id of one");
    rows.push(row(&quoted(NOBODY), unknown));
    rows
}

/// Of a workspace token, which has but one.
pub(super) fn own_workspace_id() -> Vec<Row> {
    let mut rows = malformed_ids();
    let foreign = plain(
        "workspace_token",
        "A workspace token acts for its own workspace only: leave workspace_id out",
    );
    rows.push(row(&quoted(NOBODY), foreign));
    rows
}

pub(super) fn malformed_ids() -> Vec<Row> {
    let ids = bad_ids().into_iter();
    let mut rows: Vec<Row> = ids
        .map(|(text, violation)| row(&quoted(text), of_workspace(violation)))
        .collect();
    let empty = uuid_parsing("invalid length: expected length 32 for simple format, found 0");
    rows.push(row(r#""""#, of_workspace(empty)));
    rows.push(row(r#""\ud800""#, string_unicode()));
    rows
}

pub(super) fn name() -> Vec<Row> {
    let mut rows = others(&["null", "1", "true", "[]", "{}"], &string_type());
    rows.push(row(r#""\ud800""#, string_unicode()));
    rows.extend(others(&[r#""""#, r#"" \t ""#], &too_short(1)));
    rows.push(row(&quoted(&"é".repeat(65)), too_long(64)));
    let an_id = value_error("a name must not be a UUID: it would be taken for an id");
    let bare = NOBODY.replace('-', "");
    rows.extend([NOBODY, bare.as_str()].map(|id| row(&quoted(id), an_id.clone())));
    rows.extend(invisible("a name"));
    rows
}

pub(super) fn comment() -> Vec<Row> {
    let mut rows = others(&["null", "1", "true", "[]", "{}"], &string_type());
    rows.push(row(r#""\ud800""#, string_unicode()));
    rows.push(row(&quoted(&"é".repeat(257)), too_long(256)));
    rows.extend(invisible("a comment"));
    rows
}

pub(super) fn endpoint_name() -> Vec<Row> {
    let mut rows = others(&["null", "1", "true", "[]", "{}"], &string_type());
    rows.push(row(r#""\ud800""#, string_unicode()));
    rows.push(row(&quoted(&"é".repeat(129)), too_long(128)));
    rows.extend(invisible("a name"));
    rows
}

pub(super) fn description() -> Vec<Row> {
    let mut rows = others(&["null", "1", "true", "[]", "{}"], &string_type());
    rows.push(row(r#""\ud800""#, string_unicode()));
    rows.push(row(&quoted(&"é".repeat(1025)), too_long(1024)));
    let line_breaks = [quoted("a\nb"), quoted("a\tb")];
    rows.extend(invisible("a description").filter(|row| !line_breaks.contains(&row.0)));
    rows
}

fn invisible(what: &str) -> impl Iterator<Item = Row> {
    let of = |character| {
        let code = u32::from(character);
        value_error(&format!(
            "{what} must not contain characters that cannot be seen, such as U+{code:04X}"
        ))
    };
    let characters = [
        '\0',
        '\n',
        '\u{ad}',
        '\u{200b}',
        '\u{200d}',
        '\u{202e}',
        '\u{2066}',
        '\u{feff}',
        '\u{e0041}',
    ];
    let rows = characters.map(|character| row(&quoted(&format!("a{character}b")), of(character)));
    rows.into_iter()
}

pub(super) fn scopes() -> Vec<Row> {
    let list_type = plain("list_type", "Input should be a valid list");
    let mut rows = others(
        &["null", "1", "true", r#""webhooks:read""#, "{}"],
        &list_type,
    );
    let none = with_ctx(
        "too_short",
        "List should have at least 1 item after validation, not 0".to_owned(),
        json!({ "field_type": "List", "min_length": 1, "actual_length": 0 }),
    );
    rows.push(row("[]", none));
    let many = format!("[{}1]", "1,".repeat(100));
    let too_many = value_error("at most 100 of them are allowed, not 101");
    rows.push(row(&many, too_many));
    let names = "'webhooks:read', 'webhooks:write', 'webhooks:publish', 'workspaces:read', \
                 'workspaces:write', 'workspace_access_tokens:read', \
                 'workspace_access_tokens:write' or 'webhooks:view'";
    for (at, bad) in [
        "null",
        "1",
        "[]",
        "{}",
        r#""""#,
        r#""*""#,
        r#""Webhooks:read""#,
        r#""\ud800""#,
    ]
    .iter()
    .enumerate()
    {
        let before = r#""webhooks:read","#.repeat(at % 3);
        let list = format!("[{before}{bad}]");
        rows.push((list, one_of("enum", names), Some(at % 3)));
    }
    rows
}

pub(super) fn expires_in() -> Vec<Row> {
    let mut rows = not_integers();
    rows.extend(others(
        &["0", "-1", "-0", r#""0""#, r#""-5""#],
        &greater_than_0(),
    ));
    rows.extend(beyond(3_162_240_000));
    rows
}

pub(super) fn archive_after() -> Vec<Row> {
    let mut rows = not_integers();
    let negative = with_ctx(
        "greater_than_equal",
        "Input should be greater than or equal to 0".to_owned(),
        json!({ "ge": 0 }),
    );
    rows.extend(others(&["-1", r#""-5""#, "-86400"], &negative));
    rows.extend(beyond(3_153_600_000));
    rows
}

pub(super) fn delete_after() -> Vec<Row> {
    let mut rows = archive_after();
    let too_short = value_error(
        "0, or at least 86400: with less, a publish that is tried again could be stored a second time",
    );
    rows.extend(others(&["1", "86399", r#""3600""#], &too_short));
    rows
}

fn not_integers() -> Vec<Row> {
    let int_type = plain("int_type", "Input should be a valid integer");
    let mut rows = others(&["true", "[]", "{}"], &int_type);
    rows.extend(others(
        &[r#""""#, r#""soon""#, r#""1.5""#, r#""\ud800""#],
        &int_parsing(),
    ));
    let fraction = plain(
        "int_from_float",
        "Input should be a valid integer, got a number with a fractional part",
    );
    rows.push(row("1.5", fraction));
    rows
}

/// Numbers above the greatest one.
fn beyond(max: u64) -> Vec<Row> {
    let violation = with_ctx(
        "less_than_equal",
        format!("Input should be less than or equal to {max}"),
        json!({ "le": max }),
    );
    let above = (max + 1).to_string();
    others(&[&above, "123456789012345678901234567890"], &violation)
}
