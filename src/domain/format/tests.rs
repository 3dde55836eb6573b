use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::summary::KEPT_MAX;
use super::text::{BLANK, Escape, fit, iso8601, utf16};
use super::*;

const TIME: &str = "2023-11-14T22:13:20Z";

fn rendered(format: Format, workspace: &str, data: &str) -> Value {
    let data = RawValue::from_string(data.to_owned()).unwrap();
    let kind = EventType::parse("order.line_added").unwrap();
    let summary = Summary::of(&data);
    let body = render(format, &kind, TIME, workspace, &summary).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Returns the name and the value of each field.
fn discord_fields(message: &Value) -> Vec<(&str, &str)> {
    let fields = message["embeds"][0]["fields"].as_array().unwrap();
    fields
        .iter()
        .map(|f| (f["name"].as_str().unwrap(), f["value"].as_str().unwrap()))
        .collect()
}

fn length(value: &Value) -> usize {
    utf16(value.as_str().unwrap())
}

#[test]
fn a_discord_message_shows_the_type_the_workspace_and_scalars_with_the_id_first() {
    let message = rendered(
        Format::Discord,
        "shop",
        r#"{"total":1e400,"nested":{"x":1},"id":"o_1","paid":true,"note":null,"price":1.50,"id":"o_2"}"#,
    );
    assert_eq!(message["content"], r"order.line\_added");
    let embed = &message["embeds"][0];
    assert_eq!(embed["title"], r"order.line\_added");
    assert_eq!(
        embed["description"],
        "5 of 6 members of the data are shown."
    );
    assert_eq!(embed["timestamp"], "2023-11-14T22:13:20.000000Z");
    assert_eq!(embed["author"]["name"], "Hookpost");
    assert_eq!(embed["footer"]["text"], "Sent by Hookpost");
    assert!(embed["color"].is_u64());
    assert_eq!(message["allowed_mentions"]["parse"], serde_json::json!([]));
    assert_eq!(
        discord_fields(&message),
        [
            ("workspace", "shop"),
            ("id", r"o\_2"),
            ("total", "1e400"),
            ("paid", "true"),
            ("note", "null"),
            ("price", "1.50"),
        ]
    );
}

#[test]
fn a_slack_message_is_a_section_with_fields_and_a_context() {
    let message = rendered(
        Format::Slack,
        "R&D",
        r#"{"id":-0.0,"a<b":"<!channel> & co"}"#,
    );
    assert_eq!(message["text"], "order.line_added");
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0]["type"], "section");
    assert_eq!(blocks[0]["text"]["text"], "*order.line_added*");
    let fields: Vec<_> = blocks[0]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["text"])
        .collect();
    assert_eq!(
        fields,
        [
            "*workspace*\nR&amp;D",
            "*id*\n-0.0",
            "*a&lt;b*\n&lt;!channel&gt; &amp; co",
        ]
    );
    assert_eq!(blocks[1]["type"], "context");
    assert_eq!(
        blocks[1]["elements"][0]["text"],
        "Sent by Hookpost · 2023-11-14T22:13:20.000000Z · All of the data is shown."
    );
}

#[test]
fn markdown_and_mentions_lose_their_meaning_in_discord() {
    let shown = |text: &str| {
        let data = serde_json::json!({ "t": text }).to_string();
        discord_fields(&rendered(Format::Discord, "w", &data))[1]
            .1
            .to_owned()
    };
    assert_eq!(
        shown("@everyone @here a@b.c"),
        "@\u{200b}everyone @\u{200b}here a@b.c"
    );
    assert_eq!(shown("<@1> [x](y)"), r"\<@1\> \[x\](y)");
    assert_eq!(
        shown("**b** `c` ~~s~~ ||p||"),
        r"\*\*b\*\* \`c\` \~\~s\~\~ \|\|p\|\|"
    );
    assert_eq!(
        shown("# h\n- l\n-# s\n2-1 #1"),
        "\\# h\n\\- l\n\\-# s\n2-1 #1"
    );
    assert_eq!(shown("a\u{0}b\u{7}"), "a\u{fffd}b\u{fffd}");
    assert_eq!(shown("  "), BLANK);
}

#[test]
fn eleven_fields_take_two_slack_sections() {
    let data: Vec<String> = (0..30).map(|n| format!("\"k{n}\":{n}")).collect();
    let message = rendered(Format::Slack, "w", &format!("{{{}}}", data.join(",")));
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks[0]["fields"].as_array().unwrap().len(), 10);
    assert_eq!(blocks[1]["fields"].as_array().unwrap().len(), 1);
    assert_eq!(blocks[2]["type"], "context");
}

#[test]
fn data_without_members_is_shown_too() {
    for (data, expected) in [
        ("12e0", vec![("workspace", "w"), ("data", "12e0")]),
        (
            r#""\ud800x""#,
            vec![("workspace", "w"), ("data", "\u{fffd}\u{fffd}\u{fffd}x")],
        ),
        ("null", vec![("workspace", "w"), ("data", "null")]),
        ("[1,2]", vec![("workspace", "w")]),
        ("{}", vec![("workspace", "w")]),
        (
            r#"{"\ud800":1,"":""}"#,
            vec![
                ("workspace", "w"),
                ("\u{fffd}\u{fffd}\u{fffd}", "1"),
                (BLANK, BLANK),
            ],
        ),
    ] {
        let message = rendered(Format::Discord, "w", data);
        assert_eq!(discord_fields(&message), expected, "{data}");
    }
}

#[test]
fn a_text_is_cut_between_characters_and_never_inside_an_escape() {
    let plain: Escape = |next, _, _, out| out.push(next);
    assert_eq!(fit("abc", 3, plain), "abc");
    assert_eq!(fit("abcd", 3, plain), "ab…");
    assert_eq!(fit("a😀😀", 4, plain), "a😀…");
    let escaped: Escape = |_, _, _, out| out.push_str("&amp;");
    assert_eq!(fit("&&", 9, escaped), "&amp;…");
    assert_eq!(fit("&&", 4, escaped), "…");
}

#[test]
fn a_time_outside_what_services_read_is_left_out() {
    assert!(iso8601("0000-01-01T00:00:00+10:00").is_none());
    assert!(iso8601("9999-12-31T23:59:59-10:00").is_none());
    assert!(iso8601("garbage").is_none());
}

#[test]
fn the_largest_and_deepest_data_is_rendered() {
    let long = format!("{{\"a\":\"{}\"}}", "*".repeat(256 * 1024));
    let number = format!("{{\"n\":{}}}", "9".repeat(256 * 1024));
    let deep = format!("{{\"d\":{}1{}}}", "[".repeat(127), "]".repeat(127));
    let many: Vec<String> = (0..40_000).map(|n| format!("\"{n}\":0")).collect();
    for data in [long, number, deep, format!("{{{}}}", many.join(","))] {
        for format in [Format::Discord, Format::Slack] {
            rendered(format, "w", &data);
        }
    }
}

/// JSON as a hostile producer may spell it: raw escapes, lone surrogates, absurd numbers, markup.
fn json() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        4 => "[a-z<>&*_@`|~\\-# ]{0,40}",
        2 => "(\\\\ud800|\\\\udfff|\\\\u0000|\\\\n|@everyone|😀|é){0,20}",
        1 => "\\*{200,6000}",
        1 => "(😀){200,3000}",
        1 => "&{200,3000}",
    ]
    .prop_map(|text: String| format!("\"{text}\""));
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?";
    let scalar = prop_oneof![
        text.clone(),
        number,
        Just("true".to_owned()),
        Just("null".to_owned())
    ];
    let value = scalar.prop_recursive(3, 12, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(",")))
    });
    let object = prop::collection::vec((text, value.clone()), 0..16).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(k, v)| format!("{k}:{v}")).collect();
        format!("{{{}}}", members.join(" , "))
    });
    prop_oneof![1 => value, 5 => object]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn messages_stay_within_the_limits_of_discord(data in json(), workspace in "\\PC{1,64}") {
        let message = rendered(Format::Discord, &workspace, &data);
        prop_assert!((1..=2000).contains(&length(&message["content"])));
        let embed = &message["embeds"][0];
        prop_assert!((1..=discord::TITLE_MAX).contains(&length(&embed["title"])));
        let fields = embed["fields"].as_array().unwrap();
        prop_assert!((1..=11).contains(&fields.len()));
        let mut total = length(&embed["title"])
            + length(&embed["description"])
            + length(&embed["author"]["name"])
            + length(&embed["footer"]["text"]);
        for field in fields {
            prop_assert!((1..=discord::NAME_MAX).contains(&length(&field["name"])));
            prop_assert!((1..=discord::VALUE_MAX).contains(&length(&field["value"])));
            total += length(&field["name"]) + length(&field["value"]);
        }
        prop_assert!(total <= discord::EMBED_MAX, "{total}");
        for word in ["@everyone", "@here"] {
            prop_assert!(!message.to_string().contains(word));
        }
    }

    #[test]
    fn messages_stay_within_the_limits_of_slack(data in json(), workspace in "\\PC{1,64}") {
        let message = rendered(Format::Slack, &workspace, &data);
        prop_assert!((1..=4000).contains(&length(&message["text"])));
        for block in message["blocks"].as_array().unwrap() {
            if let Some(text) = block.get("text") {
                prop_assert!(length(&text["text"]) <= slack::TEXT_MAX);
            }
            let Some(fields) = block.get("fields").and_then(Value::as_array) else { continue };
            prop_assert!((1..=slack::FIELDS_MAX).contains(&fields.len()));
            for field in fields {
                let text = field["text"].as_str().unwrap();
                prop_assert!((1..=slack::FIELD_MAX).contains(&utf16(text)));
                prop_assert!(!text.contains(['<', '>']));
                for (at, _) in text.match_indices('&') {
                    let rest = &text[at..];
                    prop_assert!(["&amp;", "&lt;", "&gt;"].iter().any(|e| rest.starts_with(e)), "{rest}");
                }
            }
        }
    }
}

#[test]
fn a_summary_keeps_as_much_as_is_shown_whatever_was_published() {
    for (escaped, long) in [
        ("*", 3000),
        ("\u{1f600}", 3000),
        ("@everyone ", 400),
        ("a\n- ", 900),
    ] {
        // The shorter member is kept whole, so it shows what the services would show without the cut.
        for format in [Format::Discord, Format::Slack] {
            let shown = |count: usize| {
                let value = serde_json::to_string(&escaped.repeat(count)).unwrap();
                rendered(format, "shop", &format!(r#"{{"text":{value}}}"#))
            };
            assert_eq!(shown(long), shown(100 * long), "{escaped:?} {format:?}");
        }
    }
    // The values are as long as the services allow: their limits cut them, not `KEPT_MAX`.
    let data = format!(r#"{{"x":"{}"}}"#, "y".repeat(100_000));
    let slack = rendered(Format::Slack, "shop", &data);
    assert_eq!(
        length(&slack["blocks"][0]["fields"][1]["text"]),
        slack::FIELD_MAX
    );
    let discord = rendered(Format::Discord, "shop", &data);
    assert_eq!(
        length(&discord["embeds"][0]["fields"][1]["value"]),
        discord::VALUE_MAX
    );
    let members: Vec<String> = (0..20_000)
        .map(|n| format!(r#""m{n}":"vvvvvvvvv""#))
        .collect();
    let (id, members) = ("i".repeat(100_000), members.join(","));
    let data = format!(r#"{{"id":"{id}",{members}}}"#);
    let summary = Summary::of(&RawValue::from_string(data).unwrap());
    assert_eq!(summary.total, 20_001);
    let kept = summary.members.iter().map(|m| m.name.len() + m.value.len());
    assert!(kept.sum::<usize>() < 2 * KEPT_MAX);
}
