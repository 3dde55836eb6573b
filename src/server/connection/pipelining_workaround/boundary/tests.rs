//! Tests with generated requests whose ends are known, and with requests whose end is in doubt.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Boundary, CHUNK_MIN_BYTES, CHUNKS_MAX};

/// Fields that look like those about the body, or are long or unusual.
const FIELDS: [&str; 17] = [
    "host: x",
    "x:",
    "x-content-length: 7",
    "content-lengths: 7",
    "content: length: 7",
    "transfer-encodin: chunked",
    "te: trailers, chunked",
    "upgrade: h2c",
    "upgrade: websockets",
    "upgrade: websocket",
    "Upgrade:WebSocket",
    "UPGRADE:",
    "upgrade:\t ",
    "upgrade: h2c, and something else that is longer than a line of which all is kept",
    "expect: 100-continue",
    "x-long: content-length: 7 content-length: 7 content-length: 7 content-length: 7",
    "x-name-that-is-longer-than-any-that-says-something-of-a-body-would-be: 7",
];

/// Bytes of a body, some of which look like the end of a body or a head.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        Just(b"\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec()),
    ]
}

/// A body with a length, and the field with that length.
fn sized() -> impl Strategy<Value = (Option<String>, Vec<u8>)> {
    let name = select(vec!["content-length", "Content-Length", "CONTENT-LENGTH"]);
    let space = select(vec!["", " ", "\t  "]);
    (name, space.clone(), 0..5_usize, bytes(), space).prop_map(
        |(name, before, zeros, body, behind)| {
            let (zeros, length) = ("0".repeat(zeros), body.len());
            (
                Some(format!("{name}:{before}{zeros}{length}{behind}")),
                body,
            )
        },
    )
}

/// A body in chunks.
fn chunked() -> impl Strategy<Value = (Option<String>, Vec<u8>)> {
    let field = select(vec![
        "transfer-encoding: chunked",
        "Transfer-Encoding:CHUNKED \t",
        "TRANSFER-ENCODING:\t Chunked",
    ]);
    let long = format!(";{}", "x".repeat(100));
    let extension = ["", " ", "\t ;", ";a=\"b\"", ";\u{e9}", &long].map(str::to_owned);
    let chunk = (bytes(), 0..3_usize, select(extension.to_vec()));
    let trailers = select(vec![
        "",
        "content-length: 5\r\n",
        "a: b\r\n\tc\r\n",
        // A line ends at CR and LF here.
        "a: b\n\r\n",
        "\n\r\na\n\nb\r\n",
    ]);
    (field, prop::collection::vec(chunk, 0..4), trailers).prop_map(|(field, chunks, trailers)| {
        let mut body = Vec::new();
        for (bytes, zeros, extension) in chunks.iter().filter(|chunk| !chunk.0.is_empty()) {
            let zeros = "0".repeat(*zeros);
            let size = match zeros.len() {
                1 => format!("{zeros}{:X}{extension}\r\n", bytes.len()),
                _ => format!("{zeros}{:x}{extension}\r\n", bytes.len()),
            };
            body.extend_from_slice(&[size.as_bytes(), bytes, b"\r\n"].concat());
        }
        body.extend_from_slice(format!("00\r\n{trailers}\r\n").as_bytes());
        (Some(field.to_owned()), body)
    })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let end = || select(vec!["\r\n", "\n"]);
    let empty = prop::collection::vec(end(), 0..3).prop_map(|lines| lines.concat());
    let line = select(vec!["GET / HTTP/1.1", "HEAD /CONNECT HTTP/1.0", "P x y"]);
    let fields = prop::collection::vec(select(FIELDS.to_vec()).prop_map(str::to_owned), 0..4);
    let body = prop_oneof![Just((None, Vec::new())), sized(), chunked()];
    (empty, line, fields, body, any::<Index>(), end()).prop_map(
        |(empty, line, mut fields, (framing, body), place, end)| {
            if let Some(framing) = framing {
                fields.insert(place.index(fields.len() + 1), framing);
            }
            let lines = [vec![line.to_owned()], fields, vec![String::new()]].concat();
            let head: String = lines.iter().flat_map(|line| [line, end]).collect();
            [empty.as_bytes(), head.as_bytes(), &body].concat()
        },
    )
}

fn requests() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(request(), 1..5)
}

/// Returns the ends of requests, if the bytes are read in pieces of these sizes, which repeat.
fn ends(bytes: &[u8], sizes: &[usize]) -> Vec<usize> {
    let (mut found, mut boundary, mut at) = (Vec::new(), Boundary::default(), 0);
    let mut bytes = bytes.to_vec();
    for size in sizes.iter().cycle() {
        let piece_end = bytes.len().min(at + size);
        while at < piece_end {
            at += boundary.follow(&mut bytes[at..piece_end]);
            if boundary.is_over() {
                found.push(at);
                boundary = Boundary::default();
            }
        }
        if at == bytes.len() {
            break;
        }
    }
    found
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), prop::collection::vec(1..120_usize, 1..20)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn ends_of_requests_are_found_in_any_pieces(requests in requests(), sizes in sizes()) {
        let mut at = 0;
        let made: Vec<_> = requests.iter().map(|request| { at += request.len(); at }).collect();
        prop_assert_eq!(ends(&requests.concat(), &sizes), made);
    }

    #[test]
    fn ends_found_in_any_bytes_do_not_depend_on_the_pieces(
        requests in requests(),
        changes in prop::collection::vec(
            (any::<Index>(), 0..3_usize, select(b"\r\n :;0f\0\xff".to_vec())),
            0..8,
        ),
        sizes in sizes(),
    ) {
        let mut bytes = requests.concat();
        for (place, less, more) in changes {
            let at = place.index(bytes.len());
            let end = bytes.len().min(at + less);
            bytes.splice(at..end, [more]);
        }
        prop_assert_eq!(ends(&bytes, &sizes), ends(&bytes, &[bytes.len()]));
    }
}

#[test]
fn a_request_whose_end_is_in_doubt_has_none() {
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    let padded = format!("content-length:{} 0", " ".repeat(64));
    for (head, body) in [
        ("content-length: 0\r\ncontent-length: 0\r\n\r\n", ""),
        (
            "content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n",
            "",
        ),
        ("content-length:\r\n\r\n", ""),
        ("content-length: +0\r\n\r\n", ""),
        ("content-length: 0 0\r\n\r\n", ""),
        ("content-length: 0, 0\r\n\r\n", ""),
        ("content-length: 18446744073709551616\r\n\r\n", ""),
        (&padded, "\r\n\r\n"),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "",
        ),
        ("transfer-encoding: identity\r\n\r\n", ""),
        ("transfer-encoding: gzip, chunked\r\n\r\n", ""),
        (chunked, "\r\n"),
        (chunked, "+0\r\n\r\n"),
        (chunked, " 0\r\n\r\n"),
        (chunked, "0x0\r\n\r\n"),
        (chunked, "10000000000000000\r\n"),
        (chunked, "ffffffffffffffff\r\n"),
        (chunked, "0\n\r\n"),
    ] {
        let request = format!("POST / HTTP/1.1\r\n{head}{body}");
        let bytes = request.repeat(2) + "\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        assert!(ends(bytes.as_bytes(), &[1000]).is_empty(), "{request:?}");
    }
}

#[test]
fn only_after_connect_are_there_no_further_requests() {
    let connect = "CONNECT a:1 HTTP/1.1\r\n\r\n";
    assert!(ends(connect.as_bytes(), &[1000]).is_empty());
    let connect = "CONNECT a:1 HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
    assert!(ends(connect.as_bytes(), &[1000]).is_empty());
    let connect = "CONNECT a:1 HTTP/1.1\r\ncontent-length: 1\r\n\r\n ";
    assert_eq!(ends(connect.as_bytes(), &[1000]), [connect.len()]);
    let other = "CONNECTS / HTTP/1.1\r\n\r\n";
    assert_eq!(ends(other.as_bytes(), &[1000]), [other.len()]);
}

/// Returns the bytes as they are handed on, if they are read in pieces of these sizes, which repeat.
fn handed_on(bytes: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let (mut boundary, mut at) = (Boundary::default(), 0);
    for size in sizes.iter().cycle() {
        let piece_end = bytes.len().min(at + size);
        while at < piece_end {
            if boundary.is_over() {
                boundary = Boundary::default();
            }
            at += boundary.follow(&mut bytes[at..piece_end]);
        }
        if at == bytes.len() {
            return bytes;
        }
    }
    bytes
}

#[test]
fn requests_for_another_protocol_are_changed_and_nothing_else() {
    let request = |upgrade: &str| {
        format!(
            "POST /upgrade: HTTP/1.1\r\nx-upgrade: websocket\r\n{upgrade}\r\nx: upgrade: a\r\n\
             content-length: 18\r\n\r\nupgrade: websocketGET / HTTP/1.1\r\n\r\n"
        )
    };
    for (upgrade, changed) in [
        ("upgrade: websocket", "upgrade:xwebsocket"),
        ("Upgrade:WebSocket", "Upgrade:xebSocket"),
        ("UPGRADE:  \twebsocket", "UPGRADE:x \twebsocket"),
        ("upgrade:", "upgrade:"),
        ("upgrade : websocket", "upgrade : websocket"),
        ("upgrades: websocket", "upgrades: websocket"),
        ("connection: upgrade", "connection: upgradx"),
        (
            "Connection:uUpgrade, keep-alive,UPGRADE,up, upgrad, close",
            "Connection:uUpgradx, keep-alive,UPGRADx,up, upgrad, close",
        ),
        ("connection: close", "connection: close"),
        ("x-connection: upgrade", "x-connection: upgrade"),
        (
            "upgrade: h2c\r\nupgrade: websocket",
            "upgrade:xh2c\r\nupgrade:xwebsocket",
        ),
    ] {
        let (sent, expected) = (request(upgrade), request(changed));
        for size in 1..sent.len() {
            let handed_on = handed_on(sent.as_bytes(), &[size]);
            assert_eq!(String::from_utf8(handed_on).unwrap(), expected, "{size}");
        }
    }
    let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
                   12\r\nupgrade: websocket\r\n0\r\nupgrade: websocket\r\n\r\n";
    for size in 1..chunked.len() {
        let handed_on = handed_on(chunked.as_bytes(), &[size]);
        assert_eq!(handed_on, chunked.as_bytes());
    }
}

const CHUNKED: &str = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";

/// Returns a body with chunks of these sizes, which has no end.
fn chunks(sizes: impl IntoIterator<Item = usize>) -> String {
    let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "x".repeat(size));
    CHUNKED.to_owned() + &sizes.into_iter().map(chunk).collect::<String>()
}

/// Returns how many bytes belong to a request in pieces of these sizes, which repeat, and whether it has too many
/// chunks.
fn followed(bytes: &str, sizes: &[usize]) -> (usize, bool) {
    let (mut boundary, mut at) = (Boundary::default(), 0);
    let mut bytes = bytes.to_owned().into_bytes();
    for size in sizes.iter().cycle() {
        let end = bytes.len().min(at + size);
        let followed = boundary.follow(&mut bytes[at..end]);
        at += followed;
        if at < end || at == bytes.len() {
            break;
        }
    }
    (at, boundary.has_too_many_chunks())
}

#[test]
fn a_body_may_have_a_thousand_chunks_and_one_more_for_each_64_bytes() {
    let max = usize::try_from(CHUNKS_MAX).unwrap();
    let per = usize::try_from(CHUNK_MIN_BYTES).unwrap();
    // Each 64 chunks of a byte allow one more, and so does that one with 63 others.
    let small = max + max / (per - 1);
    for (sizes, is_too_many) in [
        (vec![1; small], false),
        (vec![1; small + 1], true),
        (vec![per - 1; 100 * max], true),
        (vec![per; 100 * max], false),
        ([vec![100 * per], vec![1; max + 100]].concat(), false),
        ([vec![100 * per], vec![1; max + 150]].concat(), true),
    ] {
        let bytes = chunks(sizes);
        assert_eq!(followed(&bytes, &[bytes.len()]).1, is_too_many);
    }
}

#[test]
fn the_sizes_of_lines_and_trailers_do_not_count() {
    let mut bytes = chunks([1; 1000]);
    bytes.push_str("0\r\n");
    bytes.push_str(&"1\r\n".repeat(5000));
    assert_eq!(followed(&bytes, &[bytes.len()]), (bytes.len(), false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_surplus_chunk_does_not_depend_on_the_pieces(
        own in prop::collection::vec(1..200_usize, 0..50),
        pieces in sizes(),
    ) {
        let bytes = chunks(own.into_iter().chain([1; 1500]));
        let (at, is_too_many) = followed(&bytes, &[bytes.len()]);
        prop_assert!(is_too_many);
        // The line of the size of the surplus chunk is the last that is followed.
        prop_assert!(bytes[..at].ends_with("\n1\r\n"));
        prop_assert_eq!(followed(&bytes, &pieces), (at, true));
    }
}
