//! The pages of the inboxes: plain HTML, without scripts and without parts from other hosts.

use std::fmt::Write as _;

use serde::de::IgnoredAny;

use super::received::Received;

/// The content security policy: the browser may use the style in the page, and load nothing.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1a1a1a;background:#fff}\
article{border:1px solid #bbb;border-radius:6px;padding:.75rem 1rem;margin:1rem 0}\
pre{overflow-x:auto;background:#f4f4f4;padding:.75rem;white-space:pre-wrap;\
overflow-wrap:anywhere}dt{font-weight:600}dd{margin:0 0 .25rem;overflow-wrap:anywhere}\
.good{color:#0a6b2d}.bad{color:#a11212}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}pre{background:#242424}\
.good{color:#6fd08c}.bad{color:#ff8f8f}}";

/// An inbox in the list of all.
pub(super) struct Summary {
    pub(super) name: String,
    pub(super) count: usize,
    pub(super) newest: Option<Received>,
}

/// Returns the page with all inboxes.
pub(super) fn list(inboxes: &[Summary]) -> String {
    let mut page = head("Inboxes");
    page.push_str("<h1>Inboxes</h1><p>Each name is an inbox: /inbox/NAME. This page reloads by itself.</p><ul>");
    for inbox in inboxes {
        let newest = inbox.newest.as_ref().map_or_else(String::new, |newest| {
            format!(", the newest at {}: {}", newest.at, escape(heading(newest)))
        });
        let _ = write!(
            page,
            "<li><a href=\"/inbox/{name}\">{name}</a>: {}{newest}</li>",
            requests(inbox.count),
            name = escape(&inbox.name),
        );
    }
    page.push_str("</ul></main></body></html>\n");
    page
}

/// Returns the page of the inbox `name`; `received` is newest first.
pub(super) fn inbox(name: &str, received: &[Received]) -> String {
    let name = escape(name);
    let mut page = head(&format!("Inbox {name}"));
    // Writing to a string does not fail.
    let _ = write!(
        page,
        "<p><a href=\"/\">All inboxes</a></p><h1>Inbox {name}</h1><p>{} kept, newest first. \
         This page reloads by itself; as <a href=\"/inbox/{name}.json\">JSON</a>.</p>\
         <form method=\"post\" action=\"/inbox/{name}/clear\"><button>Clear</button></form>",
        requests(received.len()),
    );
    for request in received {
        article(&mut page, request);
    }
    page.push_str("</main></body></html>\n");
    page
}

fn article(page: &mut String, request: &Received) {
    let (class, verdict) = if request.verified {
        ("good", "signature verified")
    } else {
        ("bad", "signature not verified")
    };
    let answered = if (200..300).contains(&request.status) {
        "good"
    } else {
        "bad"
    };
    let _ = write!(
        page,
        "<article><h2>{}</h2><p>{}, <span class=\"{class}\">{verdict}</span>, \
         answered <span class=\"{answered}\">{}</span></p><pre>{}</pre>\
         <details><summary>Headers</summary><dl>",
        escape(heading(request)),
        request.at,
        request.status,
        escape(&pretty(&request.body)),
    );
    for (name, value) in &request.headers {
        let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    page.push_str("</dl></details></article>");
}

/// Returns what a request is about: its type, or, without one, its id.
fn heading(request: &Received) -> &str {
    match &request.event_type {
        Some(event_type) => event_type,
        None if request.id.is_empty() => "no webhook-id",
        None => &request.id,
    }
}

fn requests(count: usize) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"5\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>"
    )
}

/// Returns JSON with a line for each member, with its spelling and order as they are. A text that is no JSON
/// stays as it is: bodies are also cut, and may be anything.
fn pretty(text: &str) -> String {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(2 * text.len());
    let mut depth = 0;
    let (mut in_text, mut escaped) = (false, false);
    let mut letters = text.chars().filter(|c| !c.is_control()).peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            in_text = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            ' ' => {}
            '{' | '[' => {
                out.push(letter);
                while letters.next_if_eq(&' ').is_some() {}
                let is_empty = letters.peek().is_some_and(|next| ['}', ']'].contains(next));
                depth += 1;
                if !is_empty {
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = usize::saturating_sub(depth, 1);
                if !out.ends_with(['{', '[']) {
                    new_line(&mut out, depth);
                }
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => {
                in_text = other == '"';
                out.push(other);
            }
        }
    }
    out
}

/// The deepest indentation that is shown; more of it would only fill the memory.
const DEPTH_MAX: usize = 32;

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth.min(DEPTH_MAX) {
        out.push_str("  ");
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for next in text.chars() {
        match next {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(next),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_came_is_markup() {
        let hostile = "</pre><script>alert('1')</script>\"&";
        let hostile = || hostile.to_owned();
        let received = Received {
            id: hostile(),
            event_type: Some(hostile()),
            headers: [(hostile(), hostile())].into(),
            body: hostile(),
            ..Received::default()
        };
        let newest = Some(received.clone());
        let all = [Summary {
            name: hostile(),
            count: 1,
            newest,
        }];
        for (page, count) in [(inbox("demo", &[received]), 4), (list(&all), 3)] {
            assert!(!page.contains("<script"));
            assert!(!page.contains("alert('"));
            assert_eq!(page.matches("&lt;script&gt;").count(), count);
        }
    }

    #[test]
    fn json_is_laid_out_and_not_changed() {
        let text = r#"{"b":[1.50,{},[ ] ,"a\"{,:"],"a": {"x":null}}"#;
        let shown = "{\n  \"b\": [\n    1.50,\n    {},\n    [],\n    \"a\\\"{,:\"\n  ],\n  \"a\": {\n    \"x\": null\n  }\n}";
        assert_eq!(pretty(text), shown);
        for same in ["", "{", "no json", "\"a, b\"", "17"] {
            assert_eq!(pretty(same), same);
        }
    }
}
