//! Tests of the gate: which bytes it admits, and when.

use super::{CHUNK_COST_BYTES, PipelineGate};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const EXPECTING: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 100.\r\n\r\n";

fn admit(gate: &mut PipelineGate, bytes: &[u8]) -> usize {
    gate.admit(&mut bytes.to_vec())
}

/// Admits bytes until some have to wait.
fn hand_over(gate: &mut PipelineGate, bytes: &[u8]) -> usize {
    let admitted = admit(gate, bytes);
    gate.hold(&bytes[admitted..]);
    admitted
}

/// Reports whether the next request may come after a complete request and a response in these pieces, each
/// flushed.
fn next_may_come(pieces: &[&[u8]]) -> bool {
    let mut gate = PipelineGate::default();
    assert_eq!(hand_over(&mut gate, &GET.repeat(2)), GET.len());
    for piece in pieces {
        assert!(gate.held(100).is_empty(), "too early: {pieces:?}");
        gate.wrote(piece);
        gate.flushed();
    }
    !gate.held(100).is_empty()
}

#[test]
fn the_next_request_waits_for_the_answer() {
    let mut gate = PipelineGate::default();
    assert_eq!(hand_over(&mut gate, &GET.repeat(3)), GET.len());
    for left in [1, 0] {
        assert!(gate.holds() && gate.held(100).is_empty());
        gate.wrote(&ANSWER[..10]);
        gate.wrote(&ANSWER[10..]);
        assert!(gate.held(100).is_empty(), "it is not all out");
        assert!(gate.flushed());
        assert!(!gate.flushed(), "once is enough");
        // However little is taken at a time.
        assert_eq!(gate.held(5), &GET[..5]);
        assert_eq!(gate.held(100), &GET[5..]);
        assert_eq!(gate.holds(), left > 0);
    }
}

#[test]
fn an_interim_response_does_not_admit_the_next_request() {
    assert!(!next_may_come(&[]));
    assert!(!next_may_come(&[CONTINUE]));
    assert!(!next_may_come(&[&CONTINUE[..7], &CONTINUE[7..]]));
    assert!(next_may_come(&[ANSWER]));
    assert!(next_may_come(&[CONTINUE, ANSWER]));
    assert!(next_may_come(&[&[CONTINUE, ANSWER].concat()]));
    assert!(next_may_come(&[CONTINUE, CONTINUE]), "there is one of them");
}

#[test]
fn bytes_written_before_a_head_is_complete_are_no_response_to_it() {
    let mut gate = PipelineGate::default();
    assert_eq!(admit(&mut gate, &GET[..9]), 9);
    gate.wrote(ANSWER);
    gate.flushed();
    let rest = [&GET[9..], GET].concat();
    assert_eq!(admit(&mut gate, &rest), GET.len() - 9);
}

#[test]
fn the_request_behind_a_refused_body_does_not_wait() {
    let mut gate = PipelineGate::default();
    assert_eq!(admit(&mut gate, CHUNKED), CHUNKED.len());
    gate.wrote(ANSWER);
    gate.flushed();
    let rest = [b"2\r\n{}\r\n0\r\n\r\n", GET, GET].concat();
    // The connection stays open, and the gate waits for the response to the next request again.
    assert_eq!(hand_over(&mut gate, &rest), rest.len() - GET.len());
    gate.wrote(ANSWER);
    assert!(gate.flushed());
    assert_eq!(gate.held(100), GET);
}

#[test]
fn a_response_that_is_not_flushed_when_the_body_ends_is_waited_for() {
    let mut gate = PipelineGate::default();
    admit(&mut gate, CHUNKED);
    gate.wrote(ANSWER);
    let rest = [b"0\r\n\r\n", GET].concat();
    assert_eq!(hand_over(&mut gate, &rest), 5);
    assert!(gate.flushed());
    assert_eq!(gate.held(100), GET);
}

#[test]
fn after_a_refused_body_with_a_length_all_bytes_are_admitted() {
    let mut gate = PipelineGate::default();
    admit(&mut gate, EXPECTING);
    gate.wrote(CONTINUE);
    gate.flushed();
    assert_eq!(admit(&mut gate, b"{"), 1);
    gate.wrote(ANSWER);
    gate.flushed();
    let rest = [b"}", GET, GET, GET].concat();
    assert_eq!(admit(&mut gate, &rest), rest.len());
}

#[test]
fn nothing_is_admitted_or_held_behind_too_many_chunks() {
    let body = [CHUNKED, &b"1\r\nx\r\n".repeat(1500), GET].concat();
    // The same if the bytes were held back.
    for ahead in [&b""[..], GET] {
        let mut gate = PipelineGate::default();
        let bytes = [ahead, &body].concat();
        let mut admitted = hand_over(&mut gate, &bytes);
        if !ahead.is_empty() {
            assert_eq!(admitted, GET.len());
            gate.wrote(ANSWER);
            gate.flushed();
            admitted = gate.held(bytes.len()).len();
        }
        assert!(gate.has_too_many_chunks());
        assert!(admitted > CHUNKED.len() + 6 * 1000 && admitted < CHUNKED.len() + 6 * 1100);
        assert!(!gate.holds());
        gate.wrote(ANSWER);
        assert!(!gate.flushed());
        assert!(gate.is_draining());
        assert_eq!(admit(&mut gate, GET), 0);
    }
}

#[test]
fn each_chunk_costs_something_besides_its_bytes_once() {
    let mut gate = PipelineGate::default();
    admit(&mut gate, CHUNKED);
    assert_eq!(gate.take_chunk_cost(), 0);
    admit(&mut gate, b"1\r\nx\r\n2\r\ny");
    assert_eq!(gate.take_chunk_cost(), 2 * CHUNK_COST_BYTES);
    admit(&mut gate, b"z\r\n0\r\n\r\n");
    assert_eq!(gate.take_chunk_cost(), 0);
}
