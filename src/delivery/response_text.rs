//! The text of a delivery's `response`: the receiver's answer, and before it, if the delivery failed, a note
//! that says more than the answer does.
//!
//! Notes explain two mistakes in an endpoint's settings that answers often do not name:
//!
//! - The URL redirects. Redirects are not followed, and the new URL is in a header, which a delivery does not
//!   show. The note has the new URL without user, password, query and fragment: these may be secrets that were
//!   made for this one request. Its path is shown, because many redirects change nothing else.
//! - The format is not that of the service behind the URL. Such services answer in words of their own, such as
//!   `no_text`.

use url::Url;

use super::http_client::{Response, cut};
use crate::domain::endpoint::TargetSettings;
use crate::domain::format::mismatch;

/// The longest note on a redirect, which is as long as the receiver wants it to be. Most of the text is left for
/// the answer.
const MAX_NOTE_CHARS: usize = 512;

/// Returns the text of `response` for an answer to a request with these settings. `None` if it is empty.
pub(super) fn response_text(answer: Response, settings: &TargetSettings) -> Option<String> {
    let notes = notes(&answer, settings).join("\n");
    let body = answer.body;
    let text = match (notes.is_empty(), body.is_empty()) {
        (true, true) => return None,
        (true, false) => body,
        (false, true) => notes,
        (false, false) => format!("{notes}\n\n{body}"),
    };
    Some(cut(text))
}

/// Returns the notes on an answer; none if the delivery succeeded.
fn notes(answer: &Response, settings: &TargetSettings) -> Vec<String> {
    if matches!(answer.code, 200..=299) {
        return Vec::new();
    }
    // The URL of an endpoint always parses; if one did not, there would be no answer.
    let Some(url) = settings.url.url() else {
        return Vec::new();
    };
    let redirect = is_redirect(answer.code).then(|| redirect(answer.location.as_deref(), &url));
    let mismatch = mismatch(settings.format, &url);
    redirect.into_iter().chain(mismatch).collect()
}

/// Reports whether a status asks the client to send its request elsewhere (RFC 9110, section 15.4).
fn is_redirect(code: u16) -> bool {
    matches!(code, 300..=303 | 305 | 307 | 308)
}

/// Returns the note on a redirect. `requested` is the URL of the request.
fn redirect(location: Option<&str>, requested: &Url) -> String {
    let pointed = match location.map(|location| requested.join(location)) {
        None => "this one has no Location".to_owned(),
        Some(Err(_)) => "the Location of this one is not a URL".to_owned(),
        Some(Ok(url)) => match url.host_str() {
            Some(_) => format!("this one points to {}", shown(&url)),
            None => format!("this one points to a {}: URL", url.scheme()),
        },
    };
    let mut note = format!("redirects are not followed; {pointed}");
    if let Some((end, _)) = note.char_indices().nth(MAX_NOTE_CHARS) {
        note.truncate(end);
        note.push('…');
    }
    note
}

/// Returns the origin and the path of a URL.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // These fail only for URLs without a host, which cannot have a user.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::endpoint::Format;
    use crate::domain::endpoint_url::EndpointUrl;
    use crate::domain::retry_after::RetryHeaders;

    const URL: &str = "https://a.example/hook?token=t";

    fn text(code: u16, location: Option<&str>, body: &str, format: Format) -> Option<String> {
        let answer = Response {
            code,
            body: body.to_owned(),
            retry: RetryHeaders::default(),
            location: location.map(str::to_owned),
        };
        let settings = TargetSettings::new(EndpointUrl::from_stored(URL.to_owned()), format);
        response_text(answer, &settings)
    }

    fn pointed(location: &str) -> String {
        let note = text(308, Some(location), "", Format::Raw).expect("a note");
        let note = note.strip_prefix("redirects are not followed; ");
        note.expect("a note on redirects").to_owned()
    }

    #[test]
    fn an_answer_without_a_mistake_to_explain_is_its_body() {
        for code in [200, 204, 304, 400, 404, 500] {
            assert_eq!(text(code, Some("/x"), "", Format::Raw), None);
            let shown = text(code, Some("/x"), "body", Format::Raw);
            assert_eq!(shown.as_deref(), Some("body"), "{code}");
        }
    }

    #[test]
    fn a_redirect_says_where_it_points() {
        for (location, shown) in [
            ("https://b.example/new", "https://b.example/new"),
            ("http://b.example:8080", "http://b.example:8080/"),
            ("//b.example/x/../y", "https://b.example/y"),
            ("/hook/", "https://a.example/hook/"),
            ("next", "https://a.example/next"),
            ("", "https://a.example/hook"),
            (
                "https://bücher.example/ä b",
                "https://xn--bcher-kva.example/%C3%A4%20b",
            ),
            ("https://[::1]:80/x", "https://[::1]:80/x"),
        ] {
            assert_eq!(
                pointed(location),
                format!("this one points to {shown}"),
                "{location}"
            );
        }
        assert_eq!(
            pointed("http://[::"),
            "the Location of this one is not a URL"
        );
        assert_eq!(
            pointed("mailto:me@b.example"),
            "this one points to a mailto: URL"
        );
        assert_eq!(
            pointed("file:///etc/passwd"),
            "this one points to a file: URL"
        );
        assert_eq!(
            text(302, None, "", Format::Raw).as_deref(),
            Some("redirects are not followed; this one has no Location")
        );
    }

    #[test]
    fn a_redirect_shows_no_secrets() {
        let shown = pointed("https://user:password@b.example/path?token=t#code");
        assert_eq!(shown, "this one points to https://b.example/path");
    }

    #[test]
    fn the_body_comes_after_the_notes_as_far_as_it_fits() {
        let both = text(307, Some("/new"), "moved", Format::Slack).expect("a text");
        let lines: Vec<&str> = both.lines().collect();
        assert_eq!(lines.len(), 4, "{both}");
        assert_eq!(
            lines[0],
            "redirects are not followed; this one points to https://a.example/new"
        );
        assert!(
            lines[1].starts_with("the endpoint's format is slack"),
            "{both}"
        );
        assert_eq!(lines[2..], ["", "moved"]);
        let long = format!("/{}", "x".repeat(9000));
        let cut = text(307, Some(&long), &"ä".repeat(2048), Format::Raw).expect("a text");
        assert_eq!(cut.chars().count(), 2048);
        let (note, body) = cut.split_once("\n\n").expect("a note and a body");
        assert!(note.ends_with("xxx…"), "{note}");
        assert_eq!(note.chars().count(), MAX_NOTE_CHARS + 1);
        assert!(body.chars().all(|character| character == 'ä'));
    }

    #[test]
    fn a_success_has_no_notes() {
        assert_eq!(text(200, None, "", Format::Slack), None);
        assert_eq!(
            text(201, None, "ok", Format::Discord).as_deref(),
            Some("ok")
        );
        assert!(
            text(400, None, "no_text", Format::Slack)
                .is_some_and(|text| text.ends_with("\n\nno_text"))
        );
    }
}
