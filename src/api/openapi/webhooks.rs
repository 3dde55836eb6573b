//! The requests that receivers get, in the document.

use serde_json::Value;
use serde_json::value::RawValue;

use super::shared::{traceparent, tracestate};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Format;
use crate::domain::event_type::EventType;
use crate::domain::format::{Summary, render};
use crate::domain::message::raw_body;
use crate::domain::trace_context::{TRACEPARENT, TRACESTATE};
use crate::server::schema::{Definition, Described, Node, Property, Schema, node};

const DATA: &str = r#"{"id":"ord_1001","amount":4200,"currency":"EUR"}"#;
const TIMESTAMP: &str = "2026-01-31T12:00:00.000000Z";

/// Returns the requests that receivers get.
pub(super) fn webhooks() -> Node {
    let bodies = bodies();
    let schemas = bodies.iter().map(Schema::reference).collect();
    let examples = Format::ALL.map(|format| {
        let value = example(format);
        (format.as_str().to_owned(), node! { "value" => value })
    });
    let answer = |description: &str| node! { "description" => description };
    let request = node! {
        "tags" => [Node::from("events")],
        "operationId" => "event_received",
        "summary" => "An event is sent to an endpoint",
        "description" =>
            "Signed as [Standard Webhooks](https://www.standardwebhooks.com) says, in every format. The body of an \
             event never changes. Handle each `webhook-id` once: an event can come more than once.",
        "security" => Node::List(Vec::new()),
        "parameters" => parameters(),
        "requestBody" => node! {
            "required" => true,
            "content" => node! {
                "application/json" => node! {
                    "schema" => Schema::any_of(schemas),
                    "examples" => Node::Object(examples.into()),
                },
            },
        },
        "responses" => node! {
            "2XX" => answer("The event is delivered."),
            "410" => answer("The receiver is gone for good: the endpoint is disabled."),
            "429" => answer("Try again later; `Retry-After` is respected."),
            "503" => answer("Try again later; `Retry-After` is respected."),
            "default" => answer("The attempt failed, and is made again by the retry schedule."),
        },
    };
    node! { "event" => node! { "post" => request } }
}

fn parameters() -> Node {
    let header = |is_required: bool, (name, about, schema): (&str, &str, Schema)| {
        node! {
            "name" => name,
            "in" => "header",
            "required" => is_required,
            "description" => about,
            "schema" => schema,
        }
    };
    let headers = [
        (
            "webhook-id",
            "The id of the event, the same on every attempt.",
            uuid::Uuid::schema(),
        ),
        (
            "webhook-timestamp",
            "The time of this attempt, in seconds since 1970.",
            Schema::integer(0, 1_769_860_800),
        ),
        (
            "webhook-signature",
            "`v1,` and base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`; several are separated by a space, and one \
             that fits is enough.",
            Schema::text("v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
        ),
        (
            "user-agent",
            "The sender.",
            Schema::text(concat!("Hookpost/", env!("CARGO_PKG_VERSION"))),
        ),
    ];
    let optional = [
        (
            TRACEPARENT,
            "The trace that the producer sent with the message, or one of the message's own if the server exports \
             traces, and the id of this attempt.",
            traceparent(),
        ),
        (
            TRACESTATE,
            "What the producer sent with its trace, if it sent that.",
            tracestate(),
        ),
    ];
    let headers = headers.into_iter().map(|of| header(true, of));
    let optional = optional.into_iter().map(|of| header(false, of));
    Node::List(headers.chain(optional).collect())
}

/// Returns the body of an example in a format, as a receiver gets it.
fn example(format: Format) -> Value {
    let event_type = EventType::parse("order.created").expect("this is an event type");
    let data = RawValue::from_string(DATA.to_owned()).expect("this is JSON");
    let body = render(format, &event_type, TIMESTAMP, "shop", &Summary::of(&data));
    let body = body.unwrap_or_else(|| raw_body(&event_type, TIMESTAMP, &data));
    serde_json::from_slice(&body).unwrap_or_default()
}

/// Returns the definitions of the objects in the bodies.
pub(super) fn parts() -> [Definition; 4] {
    [
        discord_embed(),
        discord_field(),
        slack_block(),
        slack_text(),
    ]
}

/// Returns the definitions of the bodies, in the order of [`Format::ALL`].
pub(super) fn bodies() -> [Definition; 3] {
    [
        ("RawWebhook".to_owned(), raw()),
        ("DiscordWebhook".to_owned(), discord()),
        ("SlackWebhook".to_owned(), slack()),
    ]
}

fn required(name: &str, schema: Schema) -> Property {
    (name.to_owned(), schema, true)
}

fn list_of(definition: &Definition) -> Schema {
    Schema::list(Schema::reference(definition))
}

fn raw() -> Schema {
    let data =
        Schema::any(node! { "id" => "ord_1001" }).about("What the producer sent, byte for byte.");
    let time = Timestamp::schema().about("The producer's time, or the server's.");
    let properties = vec![
        required(
            "type",
            Schema::text("order.created").about("The type of the message."),
        ),
        required("timestamp", time),
        required("data", data),
    ];
    Schema::object("The body in the format `raw`.", properties)
}

fn discord_field() -> Definition {
    let properties = vec![
        required("name", Schema::text("id")),
        required("value", Schema::text("ord_1001")),
        required("inline", Schema::boolean()),
    ];
    let field = Schema::object("A member of `data`.", properties);
    ("DiscordField".to_owned(), field)
}

fn discord_embed() -> Definition {
    let author = vec![required("name", Schema::text("Hookpost"))];
    let footer = vec![required("text", Schema::text("Sent by Hookpost"))];
    let properties = vec![
        required(
            "title",
            Schema::text("order.created").about("The type of the message."),
        ),
        required("description", Schema::text("")),
        required("color", Schema::integer(0, 0x2F_6F_EB)),
        required("fields", list_of(&discord_field())),
        required("author", Schema::object("The sender.", author)),
        required("footer", Schema::object("The footer.", footer)),
        ("timestamp".to_owned(), Timestamp::schema(), false),
    ];
    let embed = Schema::object("The message.", properties);
    ("DiscordEmbed".to_owned(), embed)
}

fn discord() -> Schema {
    let mentions = vec![required(
        "parse",
        Schema::list(Schema::text("")).like(Vec::new()),
    )];
    let properties = vec![
        required("content", Schema::text("")),
        required("embeds", list_of(&discord_embed())),
        required(
            "allowed_mentions",
            Schema::object("Nobody is notified.", mentions),
        ),
    ];
    Schema::object(
        "The body in the format `discord`: a message for an incoming webhook.",
        properties,
    )
}

fn slack_text() -> Definition {
    let properties = vec![
        required("type", Schema::open_words(&["mrkdwn"])),
        required("text", Schema::text("*order.created*")),
        required("verbatim", Schema::boolean()),
    ];
    let text = Schema::object("A text in Slack's markup.", properties);
    ("SlackText".to_owned(), text)
}

fn slack_block() -> Definition {
    let optional = |name: &str, schema: Schema| (name.to_owned(), schema, false);
    let block = Schema::object(
        "A section with the type and the members of `data`, or a line of context.",
        vec![
            required("type", Schema::open_words(&["section", "context"])),
            optional("text", Schema::reference(&slack_text())),
            optional("fields", list_of(&slack_text())),
            optional("elements", list_of(&slack_text())),
        ],
    );
    ("SlackBlock".to_owned(), block)
}

fn slack() -> Schema {
    let properties = vec![
        required(
            "text",
            Schema::text("order.created").about("The text of notifications."),
        ),
        required("blocks", list_of(&slack_block())),
    ];
    Schema::object(
        "The body in the format `slack`: a message for an incoming webhook.",
        properties,
    )
}
