//! A body that was to be a plain reply, and may be a stream all the same.

use crate::chipp::stream::{Decoder, Dialect};
use crate::chipp::{Event, Failure, FinishReason, Reply, json};

/// Reads the body of a 200 that is there as a whole: a plain reply, or a stream in its place.
///
/// # Errors
/// As [`Reply::parse`], and as the stream's own failure. Bare text is [`Failure::Malformed`].
pub fn whole(body: &[u8]) -> Result<Reply, Failure> {
    if matches!(json::trimmed(body).first(), None | Some(b'{' | b'<')) {
        return Reply::parse(body);
    }
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    decoder.push(body, &mut events);
    decoder.finish(&mut events);
    match decoder.dialect() {
        Some(Dialect::OpenAiChunk | Dialect::DataStream | Dialect::UiMessage) => {}
        _ => return Err(Failure::Malformed),
    }
    let mut reply = Reply {
        session: None,
        text: String::new(),
        finish: FinishReason::Stop,
        usage: None,
        unknown_words: decoder.unknown_words().clone(),
        has_acted: decoder.has_called_tools(),
    };
    for event in events {
        match event {
            Event::Text(text) => reply.text.push_str(&text),
            Event::Withdrawn(bytes) => reply.text.truncate(reply.text.len().saturating_sub(bytes)),
            Event::Session(session) => reply.session = Some(session),
            Event::Usage(usage) => reply.usage = Some(usage),
            Event::Finish(finish) => reply.finish = finish,
            Event::Failure(failure) => return Err(failure),
        }
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_in_the_place_of_a_plain_reply_is_read() {
        for body in [
            "data: {\"type\":\"start\",\"sessionId\":\"s\"}\n\ndata: {\"type\":\"text-delta\",\"delta\":\"a\"}\n\ndata: [DONE]\n\n",
            "2:[{\"chatSessionId\":\"s\"}]\n0:\"a\"\nd:{\"finishReason\":\"stop\"}\n",
            "data: {\"chatSessionId\":\"s\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n",
        ] {
            let reply = whole(body.as_bytes()).unwrap();
            assert_eq!(reply.text, "a", "{body}");
            assert_eq!(reply.session.unwrap().as_str(), "s", "{body}");
            let cut = body.get(..body.len() - 16).unwrap();
            assert!(whole(cut.as_bytes()).is_err(), "{cut}");
        }
        assert_eq!(whole(b"hello"), Err(Failure::Malformed));
        assert_eq!(whole(b""), Err(Failure::Empty));
    }

    #[test]
    fn what_a_step_took_back_is_not_in_it() {
        let body = "data: {\"type\":\"text-delta\",\"delta\":\"void\"}\n\ndata: {\"type\":\"reset-step\"}\n\n\
            data: {\"type\":\"text-delta\",\"delta\":\"a\"}\n\ndata: [DONE]\n\n";
        assert_eq!(whole(body.as_bytes()).unwrap().text, "a");
    }
}
