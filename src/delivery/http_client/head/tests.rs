//! Tests of heads on their own; `http_client/tests/heads.rs` has those of whole answers.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Hands over an answer in pieces that end at these positions. Returns the answer as ureq sees it, and how
/// many bytes of it were shown.
fn in_pieces(answer: &[u8], ends: &[usize]) -> (Vec<u8>, usize) {
    let mut head = Head::default();
    let mut input = Vec::new();
    for &end in ends.iter().chain([&answer.len()]) {
        if end > input.len() {
            input.extend_from_slice(&answer[input.len()..end]);
            head.advance(&mut input);
        }
    }
    (input, head.shown())
}

/// Returns a head as ureq sees it, with white space at the ends of lines removed. All of it must be shown.
fn regular(head: &str) -> String {
    let (seen, shown) = in_pieces(head.as_bytes(), &[]);
    assert_eq!(shown, head.len(), "{head:?}");
    let seen = String::from_utf8(seen).expect("text");
    let lines: Vec<&str> = seen.split("\r\n").map(str::trim_end).collect();
    lines.join("\r\n")
}

/// Returns what is left of these header lines, between a good status line and the end of the head.
fn fields(lines: &str) -> String {
    let seen = regular(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
    let seen = seen.strip_prefix("HTTP/1.1 200 OK\r\n");
    let seen = seen.and_then(|seen| seen.strip_suffix("\r\n"));
    seen.expect("status and end stay as they are").to_owned()
}

#[test]
fn a_folded_header_becomes_one_line() {
    for (folded, line) in [
        ("a: b\r\n c\r\n", "a: b   c\r\n"),
        ("a: b\r\n\tc\r\n", "a: b  \tc\r\n"),
        ("a:\r\n b\r\n  c;\r\nd: e\r\n", "a:   b    c;\r\nd: e\r\n"),
        ("a: b\n c\n\td\r\n", "a: b  c \td\r\n"),
        ("a: b\r\n \r\nc: d\r\n", "a: b\r\nc: d\r\n"),
        (
            "access-control-expose-headers: a,\r\n content-length,\r\n connection\r\n",
            "access-control-expose-headers: a,   content-length,   connection\r\n",
        ),
    ] {
        assert_eq!(fields(folded), line, "{folded:?}");
    }
}

#[test]
fn a_malformed_header_is_dropped() {
    for malformed in [
        "no colon\r\n",
        "a : b\r\n",
        "a\t: b\r\n",
        ": b\r\n",
        "a b: c\r\n",
        "ä: b\r\n",
        "a: b\u{1}c\r\n",
        "a: b\u{7f}\r\n",
        "a: b\r\n c\u{1}\r\n",
        "no colon\r\n c: d\r\n",
        "x-connection-id : 5\r\n",
        "<!-- content length -->\r\n",
        "a : content-length: 5\r\n",
    ] {
        let (before, after) = ("content-length: 2\r\n", "b: c\r\n");
        assert_eq!(fields(malformed), "", "{malformed:?}");
        let all = fields(&format!("{before}{malformed}{malformed}{after}{malformed}"));
        assert_eq!(all, format!("{before}{after}"), "{malformed:?}");
    }
    assert_eq!(fields(" indented: a\r\n b\r\nc: d\r\n"), "c: d\r\n");
}

#[test]
fn what_may_concern_the_framing_is_not_touched() {
    for doubtful in [
        "content-length: 1\r\n 0\r\n",
        "Content-Length:\r\n 10\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        "Connection: a,\r\n close\r\n",
        "Transfer-Encoding : chunked\r\n",
        "content-length\t: 5\r\n",
        "content-length 5\r\n",
        "content-length\r\n",
        "content-length\r\n : 5\r\n",
        "content-length: 5\u{1}\r\n",
        "\u{1}content-length: 5\r\n",
        " content-length: 5\r\n",
        "a: b\r\n content-length: 5\r\n",
        "a : b\r\n\t Transfer-Encoding : chunked\r\n",
        "a: b\0c\r\n",
        "a: b\r\n c\0\r\n",
        "no colon\0\r\n",
        "a: b\rc: d\r\n",
        "a: b\r\r\n",
        "no colon\rb\r\n",
        "\rb: c\r\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{doubtful}b: c\r\n\r\n");
        let (seen, shown) = in_pieces(head.as_bytes(), &[]);
        assert_eq!(String::from_utf8_lossy(&seen), head);
        assert_eq!(shown, head.len());
    }
}

#[test]
fn a_head_is_shown_up_to_its_last_complete_header() {
    let answer = "HTTP/1.1 200 OK\r\na: b\r\n c\r\nd: e\r\n\r\nbody";
    for (length, shown) in [
        ("HTTP", "HTTP"),
        ("HTTP/1.1 200 OK\r", "HTTP/1.1 200 OK\r"),
        ("HTTP/1.1 200 OK\r\na: ", "HTTP/1.1 200 OK\r\n"),
        ("HTTP/1.1 200 OK\r\na: b\r\n", "HTTP/1.1 200 OK\r\n"),
        ("HTTP/1.1 200 OK\r\na: b\r\n c\r\n", "HTTP/1.1 200 OK\r\n"),
        (
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\nd",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\nd: e\r\n\r",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\nd: e\r\n",
        ),
        (answer, answer),
    ] {
        let (_, seen) = in_pieces(&answer.as_bytes()[..length.len()], &[]);
        assert_eq!(seen, shown.len(), "{length:?}");
    }
}

#[test]
fn the_body_is_not_touched_and_the_head_after_an_interim_one_is() {
    let body = "b: c\r\n d\r\nno colon\r\n\r\nHTTP/1.1 200 OK\r\n";
    for start in [
        "",
        "\r\n\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nno colon\r\nl: m\r\n n\r\n\r\n",
    ] {
        for status in ["200 OK", "200", "101 Switching Protocols", "500 Oops"] {
            let answer = format!("{start}HTTP/1.1 {status}\r\na: b\r\n c\r\n\r\n{body}");
            let seen = regular(&answer);
            assert!(seen.ends_with(&format!("a: b   c\r\n\r\n{body}")), "{seen}");
            assert!(!seen.contains("l: m\r\n"), "{seen}");
        }
    }
}

#[test]
fn positions_follow_what_is_consumed() {
    let interim = b"HTTP/1.1 102 Processing\r\nno colon\r\n\r\n";
    let last = b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n";
    let mut head = Head::default();
    let mut input = [&interim[..], &last[..25]].concat();
    head.advance(&mut input);
    assert_eq!(head.shown(), interim.len() + 17);
    head.consumed(interim.len());
    let mut input = input.split_off(interim.len());
    assert_eq!(head.shown(), 17);
    input.extend_from_slice(&last[25..]);
    head.advance(&mut input);
    assert_eq!(input, b"HTTP/1.1 200 OK\r\na: b   c\r\n\r\n");
    assert_eq!(head.shown(), input.len());
    head.consumed(input.len());
    let mut body = b"a\r\n b\r\n".to_vec();
    head.advance(&mut body);
    assert_eq!((head.shown(), &body[..]), (7, &b"a\r\n b\r\n"[..]));
}

/// A regular header, with a name that does not frame an answer.
fn good_header() -> impl Strategy<Value = String> {
    "x-[a-zA-Z0-9!#$%&'*+.^_`|~-]{0,8}: ?[ -~\t\u{e4}]{0,20}"
}

/// A header that frames an answer.
fn framing_header() -> impl Strategy<Value = String> {
    prop_oneof![
        "[Cc]ontent-[Ll]ength: ?[0-9]{1,3}",
        "[Tt]ransfer-[Ee]ncoding: ?(gzip, )?chunked",
        "[Cc]onnection: ?(close|keep-alive)",
    ]
}

/// Text in which heads of all kinds are likely, and so are broken ones.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"HTTP/1.1 103 Hints\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\0".to_vec()),
        Just(b" ".to_vec()),
        Just(b"\t".to_vec()),
        Just(b": ".to_vec()),
        Just(b"\x01".to_vec()),
        Just(b"content-length".to_vec()),
        good_header().prop_map(String::into_bytes),
        framing_header().prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(parts, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    /// Heads in one piece and in pieces of any size give the same.
    #[test]
    fn pieces_make_no_difference(answer in anything(), ends in proptest::collection::vec(any::<Index>(), 0..30)) {
        let mut ends: Vec<usize> = ends.iter().map(|end| end.index(answer.len() + 1)).collect();
        ends.sort_unstable();
        let every_byte: Vec<usize> = (0..answer.len()).collect();
        let whole = in_pieces(&answer, &[]);
        prop_assert_eq!(&in_pieces(&answer, &ends), &whole);
        prop_assert_eq!(in_pieces(&answer, &every_byte), whole);
    }

    /// Bytes that were shown once change only at their end: the line end before a dropped line becomes white space.
    #[test]
    fn what_is_shown_grows(answer in anything(), cut in any::<Index>()) {
        let cut = cut.index(answer.len() + 1);
        let (start, shown) = in_pieces(&answer[..cut], &[]);
        let (whole, all) = in_pieces(&answer, &[]);
        prop_assert!(shown <= all);
        let content = start[..shown].trim_ascii_end();
        prop_assert_eq!(&whole[..content.len()], content);
    }

    /// Only spaces are written, and nothing is changed a second time.
    #[test]
    fn changes_are_spaces_and_final(answer in anything()) {
        let (once, shown) = in_pieces(&answer, &[]);
        prop_assert_eq!(once.len(), answer.len());
        prop_assert!(once.iter().zip(&answer).all(|(new, old)| new == old || *new == b' '));
        prop_assert_eq!(in_pieces(&once, &[]), (once, shown));
    }

    /// A regular head stays byte for byte.
    #[test]
    fn regular_heads_stay(
        status in "HTTP/1\\.[01] [1-9][0-9]{2}( [ -~]{0,10})?",
        fields in proptest::collection::vec(prop_oneof![good_header(), framing_header()], 0..8),
        line_end in prop_oneof![Just("\r\n"), Just("\n")],
        body in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let lines: Vec<String> = std::iter::once(status).chain(fields).collect();
        let head = lines.join(line_end) + line_end + line_end;
        let answer = [head.as_bytes(), &body].concat();
        let (seen, shown) = in_pieces(&answer, &[]);
        prop_assert_eq!(String::from_utf8_lossy(&seen[..head.len()]), head.as_str());
        prop_assert!(shown >= head.len());
    }

    /// Malformed headers disappear, folded ones become lines, and the others stay, in any mixture.
    #[test]
    fn the_framing_stays_among_any_other_headers(
        fields in proptest::collection::vec(
            prop_oneof![
                (good_header(), Just(true)),
                (framing_header(), Just(true)),
                ("x-[a-z]{1,4}:( [a-z]{0,3})?(\r\n[ \t]{1,2}[a-z;]{1,5}){1,3}", Just(true)),
                ("[a-z ]{1,8}", Just(false)),
                ("[a-z]{1,8} : [ -~]{0,8}", Just(false)),
                ("[a-z]{1,8}: [ -~]{0,8}[\x01-\x08\x7f](\r\n [a-z]{1,5})?", Just(false)),
            ],
            0..10,
        ),
    ) {
        // A line that begins with a space continues the one before it.
        let fields: Vec<_> = (fields.into_iter())
            .map(|(field, stays)| if field.starts_with(' ') { (format!("x{field}"), stays) } else { (field, stays) })
            .collect();
        let text = |stays: fn(bool) -> bool, end: &str| -> String {
            fields.iter().filter(|(_, it)| stays(*it)).map(|(field, _)| field.clone() + end).collect()
        };
        let expected: Vec<Vec<&str>> = (fields.iter())
            .filter(|(_, stays)| *stays)
            .map(|(field, _)| field.split_ascii_whitespace().collect())
            .collect();
        let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", text(|_| true, "\r\n"));
        let (seen, shown) = in_pieces(head.as_bytes(), &[]);
        prop_assert_eq!(shown, head.len());
        let seen = String::from_utf8(seen).expect("text");
        let seen: Vec<Vec<&str>> = (seen.split("\r\n").skip(1))
            .map(|line| line.split_ascii_whitespace().collect::<Vec<&str>>())
            .collect();
        prop_assert_eq!(&seen[..seen.len() - 2], expected);
    }
}
