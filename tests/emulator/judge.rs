//! A reader of replies in all their forms, only as good as this test needs it.

use std::borrow::Cow;
use std::io::Read;

use chipp_proxy::emulator::Ends;
use serde_json::Value;

use crate::client::Reply;

/// Longest line of text that this reader holds, in bytes.
const MAX_TEXT: usize = 1024 * 1024;
/// Finish words of an answer that is not complete.
const INCOMPLETE: [&str; 2] = ["interrupted", "network_error"];

/// What a reply said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) session: Option<String>,
    /// It ended as its form says that replies end.
    pub(crate) ended: bool,
    pub(crate) failed: bool,
    /// A person has taken the chat over, or text that had come was declared void.
    pub(crate) special: Option<Ends>,
    /// Some event was of a known type.
    known: bool,
}

/// How a reply ended.
pub(crate) fn ends(reply: &Reply) -> Ends {
    let framed = reply.head.header("content-length").or(reply.head.header("transfer-encoding"));
    if reply.head.status < 200 || framed.is_none() {
        return Ends::Broken;
    }
    if reply.head.status != 200 {
        return Ends::Refused(reply.head.status);
    }
    let heard = listen(reply);
    match heard {
        _ if !reply.complete || heard.failed || !heard.ended => Ends::Broken,
        Heard { special: Some(ends), .. } => ends,
        Heard { text, .. } if text.is_empty() => Ends::Empty,
        _ => Ends::Answer,
    }
}

pub(crate) fn listen(reply: &Reply) -> Heard {
    let mut heard =
        Heard { session: reply.head.header("x-chat-session-id").map(str::to_owned), ..Heard::default() };
    let Some(body) = decoded(reply.head.header("content-encoding"), &reply.body) else {
        heard.failed = true;
        return heard;
    };
    let body = String::from_utf8_lossy(&body);
    let kind = reply.head.header("content-type").unwrap_or_default();
    if kind.starts_with("application/json") {
        heard.plain(&body);
    } else if reply.head.header("x-vercel-ai-data-stream").is_some() {
        body.lines().for_each(|line| heard.data_line(line));
    } else if kind.starts_with("text/event-stream") {
        for event in events(&body) {
            heard.event(&event);
        }
        heard.failed |= !heard.known;
    } else if kind.starts_with("text/plain") {
        heard.text = body.into_owned();
        heard.ended = true;
    }
    heard
}

/// As much of a body as can be decoded; `None` if its encoding is unknown.
pub(crate) fn decoded<'a>(encoding: Option<&str>, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let mut decoder: Box<dyn Read + 'a> = match encoding {
        None => return Some(Cow::Borrowed(body)),
        Some("gzip") => Box::new(flate2::read::GzDecoder::new(body)),
        Some("br") => Box::new(brotli::Decompressor::new(body, 4096)),
        Some("zstd") => Box::new(zstd::stream::read::Decoder::new(body).unwrap()),
        Some(_) => return None,
    };
    let (mut plain, mut piece) = (Vec::new(), [0; 4096]);
    // A body that is still under way ends in an error.
    while let Ok(length @ 1..) = decoder.read(&mut piece) {
        plain.extend_from_slice(&piece[..length]);
    }
    Some(Cow::Owned(plain))
}

/// The data of each event of a server-sent event stream.
pub(crate) fn events(body: &str) -> Vec<String> {
    let (mut events, mut data) = (Vec::new(), None::<String>);
    for line in body.lines() {
        if let Some(more) = line.strip_prefix("data:") {
            let more = more.strip_prefix(' ').unwrap_or(more);
            match &mut data {
                Some(data) => *data = format!("{data}\n{more}"),
                None => data = Some(more.to_owned()),
            }
        } else if line.is_empty() {
            events.extend(data.take());
        }
    }
    // The last line may be unterminated.
    events.extend(data);
    events
}

impl Heard {
    fn plain(&mut self, body: &str) {
        let Ok(reply) = serde_json::from_str::<Value>(body) else {
            return;
        };
        let choice = &reply["choices"][0];
        let contents = [&choice["message"]["content"], &reply["message"], &reply["response"]];
        let content = contents.into_iter().find_map(Value::as_str);
        self.name(&reply);
        self.ended = content.is_some() || reply["choices"].is_array();
        self.finish(choice["finish_reason"].as_str());
        self.text.push_str(content.unwrap_or_default());
    }

    fn data_line(&mut self, line: &str) {
        let (code, json) = line.split_once(':').expect("a code and a colon");
        let value: Value = serde_json::from_str(json).expect("JSON");
        // Whatever comes behind the end of a message shows that it was not the end.
        self.ended &= code == "8" || code == "2";
        match code {
            "0" => self.text.push_str(value.as_str().unwrap()),
            "2" => self.name(&value[0]),
            "3" => self.failed = true,
            "d" => self.ended = value["finishReason"].is_string() && value["usage"]["promptTokens"].is_u64(),
            _ => {}
        }
    }

    fn event(&mut self, data: &str) {
        if data == "[DONE]" {
            self.ended = true;
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            return;
        };
        self.name(&event);
        let kind = event["type"].as_str();
        let choice = &event["choices"][0];
        self.known |= choice.is_object() || kind.is_some_and(is_known);
        match kind {
            Some("text-delta" | "text") if data.len() > MAX_TEXT => self.failed = true,
            Some("text-delta" | "text") => self.text.push_str(event["delta"].as_str().unwrap()),
            Some("error" | "abort") => self.failed = true,
            Some("finish") => self.finish(event["finishReason"].as_str()),
            Some("done") => {
                self.ended = true;
                self.finish(event["finishReason"].as_str());
            }
            Some("start") => {
                if let Some(id) = event["sessionId"].as_str() {
                    self.session = Some(id.to_owned());
                }
            }
            Some("reset-step") => {
                if !std::mem::take(&mut self.text).is_empty() {
                    self.special = Some(Ends::Withdrawn);
                }
            }
            _ => {
                self.failed |= event.get("error").is_some();
                self.finish(choice["finish_reason"].as_str());
                self.text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            }
        }
    }

    fn finish(&mut self, word: Option<&str>) {
        self.failed |= word.is_some_and(|word| INCOMPLETE.contains(&word));
        if word == Some("human_takeover") {
            self.special = Some(Ends::TakenOver);
        }
    }

    fn name(&mut self, event: &Value) {
        if let Some(id) = event["chatSessionId"].as_str() {
            self.session = Some(id.to_owned());
        }
    }
}

fn is_known(kind: &str) -> bool {
    kind == "text"
        || kind == "done"
        || ["start", "text-", "finish", "error"].iter().any(|own| kind.starts_with(own))
}
