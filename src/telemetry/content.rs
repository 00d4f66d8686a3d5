//! What was said, for an operator who asks for it: `telemetry.content: true`. Without that, not a word of it is logged.

use crate::ids::RequestId;

/// Logs what the client sent: the body of its request, as it came.
pub fn question(request_id: &RequestId, body: &[u8]) {
    let body = String::from_utf8_lossy(body);
    tracing::info!(target: "chipp_proxy::content", request_id = request_id.as_str(), body = &*body, "question");
}

/// Logs the text of a complete answer, as the client got it.
pub fn answer(request_id: &RequestId, text: &str) {
    tracing::info!(target: "chipp_proxy::content", request_id = request_id.as_str(), text, "answer");
}
