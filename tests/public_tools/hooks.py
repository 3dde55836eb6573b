"""The hooks of the Schemathesis run: real ids for the requests, and every exception with its reason.

The variables of this run, which `run` sets:
    HOOKPOST_TOKENS   a JSON file: the tokens, and the ids of what exists before the run
    HOOKPOST_COUNTS   the JSON file to which the counts of answers are written at the end
"""

from __future__ import annotations

import atexit
import json
import os
import re
import uuid
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import schemathesis

GIVEN = json.loads(Path(os.environ["HOOKPOST_TOKENS"]).read_text())
WORKSPACE = GIVEN["workspace"]
# What the run needs until its end: it is read and listed, but not deleted or changed.
PROTECTED = {WORKSPACE, *GIVEN["token_ids"]}

# The limits of the server, and the longest name of a host in bytes.
MAX_URL_BYTES = 2083
FILTER_TEXT_MAX = 2048
WORKSPACE_NAME_MAX = 64
HEAD_MAX_BYTES = 128 << 10
MAX_HOST_BYTES = 253

# The operations that make or change an endpoint.
ENDPOINT_WRITES = (
    "POST /api/webhooks/endpoints",
    "PATCH /api/webhooks/endpoints/{id}",
    "PUT /api/webhooks/endpoints/by-key/{key}",
)

# The spellings of booleans that the server takes in any field; see `accepted_boolean`.
SPELT_BOOLEANS = {"1", "on", "t", "true", "y", "yes", "0", "off", "f", "false", "n", "no"}


# --- Access -----------------------------------------------------------------------------------------------


def needs_admin(operation) -> bool:
    """Returns whether the operation needs an admin token, or shows what an admin token made.

    The document says of some that they do. The other operations on workspaces get one as well, since a workspace
    token does not see a workspace that the run has just made.
    """
    return operation.path.startswith("/api/workspaces")


@schemathesis.auth(refresh_interval=None)
class Token:
    """The token of a request: the workspace's, or an admin token for the operations on workspaces."""

    def get(self, case, context):
        return GIVEN["admin_token" if needs_admin(context.operation) else "workspace_token"]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


# --- Requests that can succeed ----------------------------------------------------------------------------


# The events that the run published, newest last.
EVENTS: list[str] = []


def is_id(value) -> bool:
    """Returns whether the server takes the value as an id."""
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
    return isinstance(value, str) and re.fullmatch(pattern, value, re.IGNORECASE) is not None


def unreachable(url: str) -> str:
    """Returns the URL with a host name that does not exist (RFC 2606), so that nothing leaves the machine.

    The document's example is example.com, and generated names could exist. The rest of the URL stays, and so
    does a URL that the server refuses or cannot look up: one that is too long, or not `https:`.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return url
    if parts.scheme.lower() != "https" or len(url.encode()) > MAX_URL_BYTES or len(host) > MAX_HOST_BYTES:
        return url
    port = parts.netloc.rpartition(":")[2] if re.search(r":\d*$", parts.netloc) else None
    user = parts.netloc.rpartition("@")[0]
    netloc = (f"{user}@" if user else "") + "receiver.invalid" + (f":{port}" if port is not None else "")
    start = url.index("//") + 2
    return (url[:start] + netloc + url[start + len(parts.netloc) :])[:MAX_URL_BYTES]


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict):
        # A workspace token acts for its own workspace only, and no schema can say which one that is.
        messages = body.get("messages")
        for owned in (body, *(messages if isinstance(messages, list) else ())):
            if isinstance(owned, dict) and is_id(owned.get("workspace_id")):
                owned["workspace_id"] = WORKSPACE
        if isinstance(body.get("url"), str):
            body["url"] = unreachable(body["url"])
    path = case.path_parameters or {}
    # Ids of events occur in lists only, which Schemathesis does not follow: every second request gets a real one.
    if case.operation.path == "/api/webhooks/events/{id}" and is_id(path.get("id")) and EVENTS:
        COUNTS["operations"][case.operation.label] % 2 or path.update(id=EVENTS[-1])
    # The run would end its own access, or delete what it works on.
    if case.method in ("DELETE", "PATCH") and str(path.get("id")).lower() in PROTECTED:
        path["id"] = str(uuid.uuid4())


# --- Exceptions: failures that are neither the server's nor the document's ---------------------------------


def problems(answer) -> list[dict]:
    """Returns the problems that a 422 lists."""
    detail = answer.get("detail")
    return detail if isinstance(detail, list) else []


def reused_key(case, answer) -> bool:
    """An `Idempotency-Key` that an earlier publish had, with another body.

    The refusal is the purpose of the key. A schema sees one request, not an earlier one.
    """
    takes_keys = case.operation.label in ("POST /api/webhooks/events", "POST /api/webhooks/jobs")
    if case.operation.label == "POST /api/webhooks/events/batch":
        found = problems(answer)
        return bool(found) and all(it["type"] == "idempotency_key_reused" for it in found)
    return takes_keys and answer.get("error") == "idempotency_key_reused"


def unknown_endpoint(case, answer) -> bool:
    """An id in `endpoint_ids` that is of no endpoint of the workspace.

    A schema cannot know which endpoints there are.
    """
    found = problems(answer)
    return bool(found) and all(
        "endpoint_ids" in it["loc"] and "the workspace has no such endpoint" in it["msg"] for it in found
    )


def long_once_normalised(case, answer) -> bool:
    """A URL that has at most the greatest length as sent, but more in its normal form.

    The limit holds for both, since the normal form is stored and requested. Normalising adds the slash of an
    empty path, and escapes characters. `maxLength` can only speak of the text that was sent.
    """
    found = problems(answer)
    return (
        case.operation.label in ENDPOINT_WRITES
        and bool(found)
        and all(it["type"] == "url_too_long" and it["loc"] == ["body", "url"] for it in found)
        and len(case.body["url"].encode()) <= MAX_URL_BYTES
    )


def number_in_another_form(case, answer) -> bool:
    """A Unix time that is written with an exponent, or that is a date in digits alone, such as 20260131.

    Only numbers below a ten-thousandth are written with an exponent, and no client means them. The digits of a
    date are refused since they would silently be a time in 1970. `minimum` and `maximum` cannot say this.
    """
    found = problems(answer)
    return bool(found) and all(
        it["loc"] in (["query", "start_timestamp"], ["query", "end_timestamp"])
        and re.fullmatch(r"-?[0-9.]+e-[0-9]+|(19|20)[0-9]{2}([0-9]{2}){0,5}", it["input"])
        for it in found
    )


def other_invisible(case, answer) -> bool:
    """An invisible character that is no control character, in a name, a comment or a description.

    The patterns of the document exclude control characters. A list of all others says nothing to a reader, and
    regular expressions have no common spelling of those beyond U+FFFF.
    """
    found = problems(answer)
    code = r"characters that cannot be seen, such as U\+([0-9A-F]{4,5})$"
    codes = [re.search(code, it["msg"]) for it in found]
    is_control = lambda code: code < 0x20 or 0x7F <= code < 0xA0
    return bool(found) and all(it and not is_control(int(it[1], 16)) for it in codes)


def offset_too_far(case, answer) -> bool:
    """A producer's time that is more than 18 hours off UTC.

    RFC 3339 has offsets up to 23:59, but many receivers cannot read those beyond 18:00, and no zone has one
    beyond 14:00. `date-time` cannot say this.
    """
    found = problems(answer)
    return bool(found) and all(
        it["loc"][-1:] == ["timestamp"] and it["msg"].endswith("the offset from UTC must be at most 18:00")
        for it in found
    )


def members_that_exclude_each_other(case, answer) -> bool:
    """Members of a body each of which is valid, but not beside the other.

    The statuses that a job selects depend on its action, `missing` needs an endpoint and a time, and a filter needs
    a member. A secret that is sent has the type of its prefix. A preview needs an endpoint or its id. A schema of all that would be longer than the text.
    """
    locs = {
        "POST /api/webhooks/jobs": ["body", "filter"],
        "PATCH /api/webhooks/endpoints/{id}/secret": ["body", "secret_type"],
        "POST /api/webhooks/preview": ["body", "endpoint"],
        "POST /api/webhooks/endpoints": ["body", "secret_type"],
        "PUT /api/webhooks/endpoints/by-key/{key}": ["body", "secret_type"],
    }
    loc = locs.get(case.operation.label)
    found = problems(answer)
    return loc is not None and bool(found) and all(
        it["loc"] == loc or (it["loc"][:3] == ["body", "filter", "status"] and it["type"] == "enum") for it in found
    )


def reserved_type(case, answer) -> bool:
    """A type that begins with `hookpost.`, which only the server publishes.

    Schemathesis takes the type of a test, which is one of them, from its answer. A pattern without look-ahead cannot
    exclude a beginning.
    """
    found = problems(answer)
    return bool(found) and all(
        it["loc"][-1:] == ["type"] and str(it["input"]).startswith("hookpost.") for it in found
    )


def null_body(case, failure) -> bool:
    """A body that is `null`, where a body may be absent: many clients send a null if they have none to send."""
    return (
        case.operation.label in ("PATCH /api/webhooks/endpoints/{id}/secret", "POST /api/webhooks/endpoints/{id}/test")
        and case.body is None
        and "in body - incorrect type" in failure.message
    )


def trimmed(case, failure) -> bool:
    """A filter, or the name of a workspace, that is too long only with the white space around it.

    The server drops the white space first. `maxLength` can only speak of the text that was sent.
    """
    filter_ = re.search(r"parameter `(url|query|event_type)` in query - violates `maxLength`", failure.message)
    if filter_:
        texts = (case.query or {}).get(filter_[1])
        texts = texts if isinstance(texts, list) else [texts]
        return all(isinstance(text, str) and len(text.strip()) <= FILTER_TEXT_MAX for text in texts)
    if case.operation.label not in ("POST /api/workspaces", "PATCH /api/workspaces/{id}"):
        return False
    name = case.body.get("name") if isinstance(case.body, dict) else None
    forms = ("in body - name: String larger than maxLength", "in body - violates `maxLength` at /properties/name")
    is_long = any(form in failure.message for form in forms)
    return is_long and isinstance(name, str) and len(name.strip()) <= WORKSPACE_NAME_MAX


def beyond_the_schema_of_a_filter(case, answer) -> bool:
    """A filter that is an object, but no event pattern.

    Patterns are a language of their own, which API.md describes. A schema of it would be recursive, and longer than the
    rest of the document.
    """
    found = problems(answer)
    return bool(found) and all(it["type"] == "filter_syntax" for it in found)


def too_many_events(case, answer) -> bool:
    """A batch whose messages make more events than one transaction has.

    How many these are depends on the endpoints that the workspace has.
    """
    found = problems(answer)
    return (
        case.operation.label == "POST /api/webhooks/events/batch"
        and bool(found)
        and all(it["type"] == "too_long" and "may make at most" in it["msg"] for it in found)
    )


def message_id(case, failure, answer) -> bool:
    """The id of a message where the id of an event belongs.

    Publishing makes a message, whose id is in the answer, and events of that message. Schemathesis takes the
    first id for the id of the event, since both have the same path.
    """
    return case.operation.path.startswith("/api/webhooks/events/{id}") and answer.get("detail", "").startswith(
        "Not found: this is the id of a message"
    )


def accepted_boolean(case, failure) -> bool:
    """`enabled`, `paused` or `dry_run` as 0, 1 or a word such as `"yes"`, which the server reads as a boolean.

    The API that this one is compatible with reads them so, too. New clients should not send them, so the
    document has booleans only.
    """
    members = ("enabled", "paused") if case.operation.label in ENDPOINT_WRITES else ()
    if case.operation.label == "POST /api/webhooks/jobs":
        members = ("dry_run",)
    named = [member for member in members if f"in body - {member}: Incorrect type" in failure.message]
    values = [case.body.get(member) for member in named] if isinstance(case.body, dict) else []
    return bool(values) and all(
        (isinstance(value, (int, float)) and value in (0, 1))
        or (isinstance(value, str) and value.lower() in SPELT_BOOLEANS)
        for value in values
    )


def head_without_body(failure, response) -> bool:
    """A 431 without a body.

    A request whose head is over 128 KiB is refused before it is read, and has no id and no body. The description
    of the response says so. OpenAPI has no word for a body that may be missing.
    """
    is_about_the_body = failure.code in ("ST104", "ST109")
    head = len(response.request.url) + sum(len(name) + len(value) for name, value in response.request.headers.items())
    return is_about_the_body and not response.content and head > HEAD_MAX_BYTES


REFUSED = (reused_key, unknown_endpoint, long_once_normalised, number_in_another_form, other_invisible, offset_too_far,
           members_that_exclude_each_other, reserved_type, beyond_the_schema_of_a_filter, too_many_events)
ACCEPTED = (accepted_boolean, trimmed, null_body)


@schemathesis.hook
def filter_failure(context, failure, case, response) -> bool:
    """Returns whether the failure counts."""
    code = failure.code
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    if code == "ST202" and response.status_code == 422:
        # Each problem has an exception of its own.
        parts = [{**answer, "detail": [it]} for it in problems(answer)] or [answer]
        rules = [[rule for rule in REFUSED if rule(case, part)] for part in parts]
        exceptions = [rule for of_part in rules for rule in of_part] if all(rules) else []
    elif code == "ST201" and response.status_code in (200, 201):
        exceptions = [rule for rule in ACCEPTED if rule(case, failure)]
    elif response.status_code == 431:
        exceptions = [head_without_body] if head_without_body(failure, response) else []
    elif code == "ST302" and response.status_code == 404:
        exceptions = [message_id] if message_id(case, failure, answer) else []
    else:
        exceptions = []
    for rule in exceptions:
        COUNTS["exceptions"][rule.__name__] += 1
    return not exceptions


# --- Counts -----------------------------------------------------------------------------------------------

COUNTS = {"answers": 0, "successes": Counter(), "operations": Counter(), "exceptions": Counter()}


@schemathesis.hook
def after_call(context, case, response):
    COUNTS["answers"] += 1
    label = case.operation.label
    COUNTS["operations"][label] += 1
    # Other methods and paths are tried under the name of an operation, too.
    if case.method.upper() == case.operation.method.upper() and response.status_code < 300:
        COUNTS["successes"][label] += 1
        if label == "POST /api/webhooks/events":
            EVENTS.extend(event["id"] for event in response.json()["events"])


@atexit.register
def write_counts():
    Path(os.environ["HOOKPOST_COUNTS"]).write_text(json.dumps(COUNTS, indent=1, sort_keys=True))
