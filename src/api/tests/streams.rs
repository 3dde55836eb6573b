//! Tests of responses that are rendered while the client reads them: whole and in order, or visibly cut off.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::super::slices::{READ_BYTES, Rows, SLICE_BYTES, Slices};
use super::socket::Served;
use super::{TestApi, bearer, get};
use crate::domain::access::Token;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::event::Event;
use crate::server::connection::ConnectionLimits;
use crate::server::listen::LIMITS;
use crate::storage::{EventFilter, Page, Row, Store};

const PATIENCE: Duration = Duration::from_secs(20);
const LIST: &str = "/api/webhooks/events?limit=100";

/// Returns an API with an event for each of these data.
fn with_events(data: &[String]) -> TestApi {
    let api = TestApi::new();
    let endpoint = json!({"url": "https://a.example/", "format": "raw", "events": ["*"]});
    let made = api.post("/api/webhooks/endpoints", endpoint.to_string());
    assert_eq!(made.status, 201);
    for data in data {
        let message = json!({"type": "a", "data": data}).to_string();
        assert_eq!(api.post("/api/webhooks/events", message).status, 202);
    }
    api
}

/// Returns an API with so many payloads of 200 kB.
fn large(rows: usize) -> TestApi {
    with_events(&vec!["x".repeat(200_000); rows])
}

/// Returns the page as the store has it, with memory for all of it.
fn page(store: &dyn Store) -> Vec<Event> {
    let listed = store
        .list_events(&EventFilter::ALL, Page::FIRST, usize::MAX)
        .unwrap();
    assert_eq!(listed.rest, []);
    listed.rows.into_iter().map(|row| row.item).collect()
}

fn request(method: &str, path: &str, token: &str, version: &str) -> Vec<u8> {
    format!("{method} {path} {version}\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n").into()
}

/// Returns a connection with a small receive buffer.
fn connect(address: SocketAddr) -> TcpStream {
    connect_with_room(address, 16 * 1024)
}

fn connect_with_room(address: SocketAddr, bytes: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(bytes).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads the head of a response.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Reads a body in chunks; `None` if it is cut off.
fn chunks(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (mut size, mut byte) = (Vec::new(), [0]);
        while !size.ends_with(b"\r\n") {
            stream.read_exact(&mut byte).ok()?;
            size.push(byte[0]);
        }
        let size = std::str::from_utf8(&size).unwrap().trim();
        let size = usize::from_str_radix(size, 16).unwrap();
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).ok()?;
        assert!(chunk.ends_with(b"\r\n"));
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return Some(body);
        }
    }
}

#[test]
fn slices_are_bounded_and_make_up_the_whole_response() {
    // Payloads that double in JSON, some of them longer than what is read at a time.
    let quotes = |bytes: usize| "\"\\".repeat(bytes / 8);
    let mut data: Vec<String> = (0..30).map(|at| quotes(1000 * at)).collect();
    data.extend([quotes(260_000), "ä€😀".repeat(25_000), String::new()]);
    let api = with_events(&data);
    let listed = api
        .store
        .list_events(&EventFilter::ALL, Page::FIRST, READ_BYTES);
    let mut rows = Rows::list(listed.unwrap(), &json!(7), |store, numbers, bytes| {
        store.read_events(numbers, bytes)
    });
    let (mut whole, mut slices) = (Vec::new(), 0);
    while !rows.is_over() {
        let slice = rows.next(&*api.store).unwrap();
        assert!(slice.len() <= SLICE_BYTES, "{}", slice.len());
        whole.extend(slice);
        slices += 1;
    }
    assert!(slices > 5, "{slices}");
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["meta"], 7);
    let shown: Vec<_> = whole["data"].as_array().unwrap().iter().collect();
    let events = page(&*api.store);
    assert_eq!(shown.len(), events.len());
    for (shown, event) in shown.into_iter().zip(&events) {
        assert_eq!(shown["id"], event.id.to_string());
        assert_eq!(shown["payload"].as_str(), event.payload.as_deref());
        assert_eq!(shown["is_archived"], false);
        // The route of a single event shows the same.
        let path = format!("/api/webhooks/events/{}", event.id);
        assert_eq!(api.one(get(&path, &api.own)).json(), *shown);
    }
}

#[test]
fn a_long_payload_is_inserted_in_its_own_field_only() {
    let api = large(1);
    let found = api
        .store
        .list_events(&EventFilter::ALL, Page::FIRST, 1)
        .unwrap();
    let Row { item, payload } = found.rows.into_iter().next().unwrap();
    assert!(payload.is_some());
    // A receiver may know the mark of an empty payload, and respond with it.
    let response = "\"payload\":\"\"".to_owned();
    let delivery = Delivery {
        id: item.id,
        endpoint_id: item.endpoint_id,
        event: item,
        attempt: 1,
        succeeded: true,
        http_code: Some(200),
        error: None,
        response: Some(response.clone()),
        duration_ms: 1,
        created_at: Timestamp::from_micros(0),
    };
    let mut rows = Rows::one(Row {
        item: delivery,
        payload,
    });
    let mut whole = Vec::new();
    while !rows.is_over() {
        whole.extend(rows.next(&*api.store).unwrap());
    }
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["response"], response);
    let expected = page(&*api.store).remove(0).payload;
    assert_eq!(
        whole["webhook_event"]["payload"].as_str(),
        expected.as_deref()
    );
}

#[test]
fn long_responses_are_chunked_and_small_ones_have_a_length() {
    let api = large(5);
    let served = Served::within(&api, LIMITS);
    let mut stream = connect(served.address);
    // Pipelined: each has to wait until the response before it is complete.
    for (method, path) in [
        ("GET", LIST),
        ("HEAD", LIST),
        ("GET", "/api/webhooks/events?limit=1"),
        ("GET", "/healthz"),
    ] {
        let bytes = request(method, path, &api.own, "HTTP/1.1");
        stream.write_all(&bytes).unwrap();
    }
    let chunked = "transfer-encoding: chunked";
    let long = head(&mut stream);
    assert!(
        long.contains(chunked) && !long.contains("content-length"),
        "{long}"
    );
    let body: Value = serde_json::from_slice(&chunks(&mut stream).unwrap()).unwrap();
    let payloads = body["data"].as_array().unwrap().iter();
    let payloads: Vec<_> = payloads.map(|row| row["payload"].as_str()).collect();
    let events = page(&*api.store);
    let expected: Vec<_> = events
        .iter()
        .map(|event| event.payload.as_deref())
        .collect();
    assert_eq!(payloads, expected);
    assert_eq!(body["meta"]["total"], 5);
    assert!(
        head(&mut stream).contains(chunked),
        "of the HEAD, without a body"
    );
    head(&mut stream);
    chunks(&mut stream).unwrap();
    let small = head(&mut stream);
    assert!(
        small.contains("content-length: 15") && !small.contains(chunked),
        "{small}"
    );
}

#[test]
fn before_http_1_1_the_connection_ends_with_the_response() {
    let api = large(5);
    let served = Served::within(&api, LIMITS);
    let mut stream = connect(served.address);
    let bytes = request("GET", LIST, &api.own, "HTTP/1.0");
    stream.write_all(&bytes).unwrap();
    let head = head(&mut stream);
    assert!(
        !head.contains("chunked") && !head.contains("keep-alive"),
        "{head}"
    );
    let mut body = Vec::new();
    stream.read_to_end(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 5);
}

/// Requests a list that is far too long for the buffers of the sockets, and reads its head.
fn begin(served: &Served, token: &str) -> TcpStream {
    begin_on(connect(served.address), token)
}

fn begin_on(mut stream: TcpStream, token: &str) -> TcpStream {
    // With `connection: close`, the test sees the end of the connection in any case.
    let head_of = request("GET", LIST, token, "HTTP/1.1");
    let (last, fields) = (b"connection: close\r\n\r\n", &head_of[..head_of.len() - 2]);
    stream.write_all(&[fields, last].concat()).unwrap();
    assert!(head(&mut stream).starts_with("HTTP/1.1 200"));
    stream
}

#[test]
fn a_response_whose_rest_cannot_be_read_is_cut_off_visibly() {
    let api = large(30);
    let served = Served::within(&api, LIMITS);
    let mut whole = begin(&served, &api.own);
    let mut cut = begin(&served, &api.own);
    let readers = api.store.take_all_readers();
    assert_eq!(chunks(&mut cut), None);
    drop(readers);
    assert!(chunks(&mut whole).is_none_or(|body| body.ends_with(b"}")));
    let mut again = begin(&served, &api.own);
    assert!(chunks(&mut again).unwrap().ends_with(b"}"));
}

#[test]
fn a_response_is_cut_off_when_its_token_ends() {
    let api = large(30);
    let served = Served::within(&api, LIMITS);
    let mut stream = begin(&served, &api.reader);
    let hash = Token::parse(&api.reader).unwrap().hash();
    let id = api.store.find_caller(&hash).unwrap().unwrap().token_id;
    let path = format!("/api/workspace-access-tokens/{id}");
    let revoke = TestRequest::delete().uri(&path);
    let revoked = api.one(revoke.insert_header(bearer(&api.admin)));
    assert_eq!(revoked.status, 204);
    assert_eq!(chunks(&mut stream), None);
}

/// Limits that no test reaches.
const NONE: ConnectionLimits = ConnectionLimits {
    idle: PATIENCE,
    request: PATIENCE,
    response: PATIENCE,
    taken: 1,
    connections: 1000,
    bytes: usize::MAX,
    period: Duration::from_millis(20),
};

/// Reports whether a response is cut off if its client reads `bytes` every 10 ms for a while, and then the
/// rest.
fn is_cut_off(stream: &mut TcpStream, bytes: usize, slow_for: Duration) -> bool {
    let (mut all, mut piece) = (Vec::new(), vec![0; bytes]);
    let since = Instant::now();
    while since.elapsed() < slow_for {
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => all.extend_from_slice(&piece[..read]),
            _ => break,
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    stream.read_to_end(&mut all).is_err() || !all.ends_with(b"\r\n0\r\n\r\n")
}

#[test]
fn a_client_that_stops_reading_is_disconnected_and_a_slow_one_is_not() {
    let api = large(20);
    let within = |response| ConnectionLimits {
        response,
        taken: 30_000,
        ..NONE
    };
    // With a buffer of a few kilobytes a client cannot take much.
    let begin = |served: &Served, room| begin_on(connect_with_room(served.address, room), &api.own);
    let second = Duration::from_secs(1);
    let served = Served::within(&api, within(second));
    assert!(is_cut_off(&mut begin(&served, 16 << 10), 1, 3 * second));
    // Even on a busy machine, every thread runs within this time, so the client can take enough.
    let served = Served::within(&api, within(5 * second));
    assert!(!is_cut_off(
        &mut begin(&served, 256 << 10),
        5_000,
        6 * second
    ));
}

#[test]
fn unread_responses_hold_no_more_bytes_than_the_limit() {
    let api = large(20);
    let limits = ConnectionLimits {
        bytes: 120_000,
        ..NONE
    };
    let served = Served::within(&api, limits);
    // Too many for each worker, however connections are shared among them.
    let workers = std::thread::available_parallelism().unwrap().get();
    let mut held: Vec<_> = (0..10 * workers)
        .map(|_| begin(&served, &api.own))
        .collect();
    let oldest = &mut held[0];
    assert!(is_cut_off(oldest, 1, Duration::ZERO), "it is still there");
    drop(held);
    assert!(chunks(&mut begin(&served, &api.own)).is_some());
}
