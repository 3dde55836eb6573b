//! The words for parameters, and for members of bodies that no object of the API has.

use crate::server::schema::{Definition, Node};

/// The parameters of the path and the query. A name means the same on every route.
const PARAMETERS: [(&str, &str); 22] = [
    ("id", "The id of the object."),
    ("key", "The key of the endpoint."),
    (
        "page",
        "The number of the page, from 1 on. A page after the last one has no data.",
    ),
    (
        "limit",
        "The most objects of the page; more than 100 counts as 100.",
    ),
    ("endpoint_id", "Only those of these endpoints."),
    ("event_id", "Only those of this event."),
    ("message_id", "Only those of these messages."),
    (
        "workspace_id",
        "Only those of these workspaces. A workspace token sees only its own, in any case.",
    ),
    ("event_type", "Only those with these types."),
    ("status", "Only those with these statuses."),
    ("state", "Only those in these states."),
    ("action", "Only those with this action."),
    (
        "url",
        "Only those whose URL contains this text, in any case.",
    ),
    (
        "start_timestamp",
        "Only those made after this time: RFC 3339 with a zone, or a Unix time in seconds or milliseconds.",
    ),
    (
        "end_timestamp",
        "Only those made before this time: RFC 3339 with a zone, or a Unix time in seconds or milliseconds.",
    ),
    (
        "succeeded",
        "Only those that succeeded, or only those that did not.",
    ),
    (
        "http_code_class",
        "Only those that the receiver answered with a status of this class.",
    ),
    (
        "unrouted",
        "Only those that no endpoint wanted, and so have no event; or only those that have one.",
    ),
    (
        "tag",
        "Only those with this tag, written as `name:value`. Of several values of one name any matches; of each name one \
         must. Tags are searched for in the newest 1,000,000 rows that match the other filters.",
    ),
    (
        "missing_for",
        "Only those that this endpoint missed: of its workspace, not archived, of a type that it is subscribed to now, \
         matched by its present filter, and without an event of it.",
    ),
    (
        "query",
        "Only those with this id, or with this text in an id or a status code. Parts are searched for in the \
         newest 1,000,000 rows that match the other filters.",
    ),
    (
        "keep_children",
        "True to revoke only this token: the tokens that it made become those of its parent.",
    ),
];

/// The members of bodies that are no fields of the object, or that have another meaning there.
const MEMBERS: [(&str, &str); 12] = [
    (
        "data",
        "What happened: any JSON, nested at most 128 deep. Receivers get the same bytes.",
    ),
    (
        "endpoint_ids",
        "The endpoints of the workspace to which alone the message goes, whatever their `events` are; 1 to 100. One that is \
         disabled gets a skipped event. Without it, the message goes to every enabled endpoint whose `events` match.",
    ),
    (
        "messages",
        "The messages, 1 to 100: no more than `--publish-rate-limit`, if the server has one. Together they may make 5,000 \
         events.",
    ),
    (
        "idempotency_key",
        "1 to 255 visible ASCII characters, by which the same message is published once, as by the header of a single \
         publish. The same bytes of the object are the same message.",
    ),
    (
        "filter",
        "What the job selects: the members mean what the parameters of `GET /webhooks/events` do. At least one \
         besides `workspace_id` is needed.",
    ),
    (
        "endpoint_id",
        "The endpoint that the preview is made for. Without it: one with the settings in `endpoint`.",
    ),
    (
        "endpoint",
        "Settings that the endpoint has instead of its own; without `endpoint_id`, instead of the defaults.",
    ),
    ("message", "The message, as it is published."),
    (
        "dry_run",
        "True to count only: nothing is stored, and the answer is a `JobDryRun`.",
    ),
    (
        "expires_in",
        "The seconds after which the token ends. Without it, the token ends with the one that makes it.",
    ),
    (
        "overlap",
        "The seconds for which the present secret signs beside the new one. Without it: the server's `--secret-overlap`. \
         0: only the new secret signs from now on. With the present secret in `secret`: the seconds after which no \
         old secret signs any longer; it ends no later than before.",
    ),
    (
        "workspace_id",
        "The workspace. An admin token must send it; a workspace token acts for its own, and may leave it out.",
    ),
];

/// Returns the words for a parameter.
pub(super) fn parameter(name: &str) -> &'static str {
    find(&PARAMETERS, name).expect("every parameter has words: a test makes the whole document")
}

/// Returns the words for a member of the body `body`, which creates or changes the object with the same name
/// but for the last word: those for the same field of the object.
pub(super) fn member(body: &str, name: &str, objects: &[Definition]) -> String {
    if let Some(words) = find(&MEMBERS, name) {
        return words.to_owned();
    }
    let object = body.trim_end_matches(char::is_lowercase);
    let object = &object[..object.len().saturating_sub(1)];
    let found = objects.iter().find(|(own, _)| own == object);
    let field = found.and_then(|(_, schema)| schema.property(name));
    let words = match field.and_then(|field| field.get("description")) {
        Some(Node::Value(words)) => words.as_str(),
        _ => None,
    };
    let words = words.expect("every member has words: a test makes the whole document");
    words.to_owned()
}

fn find(words: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let found = words.iter().find(|(own, _)| *own == name);
    found.map(|(_, text)| *text)
}
