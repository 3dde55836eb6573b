//! The page of an inbox: plain HTML, without scripts and without parts from other hosts.

use std::fmt::Write as _;

use super::received::Received;

/// The content security policy: the browser may use the style in the page, and load nothing.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1a1a1a;background:#fff}\
article{border:1px solid #bbb;border-radius:6px;padding:.75rem 1rem;margin:1rem 0}\
pre{overflow-x:auto;background:#f4f4f4;padding:.75rem;white-space:pre-wrap;\
overflow-wrap:anywhere}dt{font-weight:600}dd{margin:0 0 .25rem;overflow-wrap:anywhere}\
.good{color:#0a6b2d}.bad{color:#a11212}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}pre{background:#242424}\
.good{color:#6fd08c}.bad{color:#ff8f8f}}";

/// Returns the page of the inbox `name`; `received` is newest first.
pub(super) fn render(name: &str, received: &[Received]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"5\">\
         <title>Inbox {name}</title><style>{STYLE}</style></head><body><main>\
         <h1>Inbox {name}</h1><p>{} kept, newest first. This page reloads by itself; \
         as <a href=\"/inbox/{name}.json\">JSON</a>.</p>",
        match received.len() {
            1 => "One request".to_owned(),
            count => format!("{count} requests"),
        },
        name = escape(name),
    );
    for request in received {
        let (class, verdict) = if request.verified {
            ("good", "Signature verified")
        } else {
            ("bad", "Signature not verified")
        };
        // Writing to a string does not fail.
        let _ = write!(
            page,
            "<article><h2>{}</h2><p class=\"{class}\">{verdict}</p><dl>\
             <dt>webhook-id</dt><dd>{}</dd><dt>webhook-timestamp</dt><dd>{}</dd>\
             <dt>webhook-signature</dt><dd>{}</dd></dl><pre>{}</pre></article>",
            request.at,
            escape(&request.id),
            escape(&request.timestamp),
            escape(&request.signature),
            escape(&request.body),
        );
    }
    page.push_str("</main></body></html>\n");
    page
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
    use crate::domain::clock::Timestamp;

    #[test]
    fn nothing_that_came_is_markup() {
        let hostile = "</pre><script>alert('1')</script>\"&";
        let page = render(
            "demo",
            &[Received {
                at: Timestamp::default(),
                id: hostile.to_owned(),
                verified: false,
                timestamp: hostile.to_owned(),
                signature: hostile.to_owned(),
                body: hostile.to_owned(),
            }],
        );
        assert!(!page.contains("<script"));
        assert!(!page.contains("alert('"));
        assert_eq!(page.matches("&lt;script&gt;").count(), 4);
    }
}
