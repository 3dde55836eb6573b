//! The sizes of the buffers and of an answer.

/// The most bytes that are read of an answer's body. After a longer body the connection is closed; the
/// attempt counts all the same.
pub(super) const MAX_BODY_BYTES: usize = 64 * 1024;
/// The most bytes of an answer that are in memory at a time; a larger one is read in parts. The head of an
/// answer has to fit, and the largest head that common proxies let pass does.
pub(super) const INPUT_BYTES: usize = 16 * 1024;
/// The size of the output buffer. The head and a usual webhook fit together; a larger one is sent in parts.
pub(super) const OUTPUT_BYTES: usize = 8 * 1024;
/// The most bytes that are received of an answer, with everything in it: interim answers (1xx), head, body,
/// the framing of chunks, trailers. A body in very small chunks reaches this limit before that of the body.
pub(super) const MAX_ANSWER_BYTES: usize = INPUT_BYTES + MAX_BODY_BYTES;
