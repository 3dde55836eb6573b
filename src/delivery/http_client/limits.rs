//! The sizes of what is sent and received at a time, and of an answer.

/// The most of an answer's body that is read. A longer one costs its connection, no more.
pub(super) const MAX_BODY_BYTES: usize = 64 * 1024;
/// The most of an answer that is held at a time; larger ones pass in several goes. The head of an answer
/// has to fit: it may be as large as the largest that proxies let pass.
pub(super) const INPUT_BYTES: usize = 16 * 1024;
/// For what goes out: the head and a usual webhook together; larger ones pass in several goes.
pub(super) const OUTPUT_BYTES: usize = 8 * 1024;
/// The most of an answer that is received, whatever it consists of: interim answers (1xx), head, body,
/// the framing of chunks, trailers. Of a body in very small chunks less arrives than could be read.
pub(super) const MAX_ANSWER_BYTES: usize = INPUT_BYTES + MAX_BODY_BYTES;
