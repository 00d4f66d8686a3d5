//! A reader of replies in all their forms, only as good as this test needs it.

use chipp_proxy::emulator::Ends;
use serde_json::Value;

use crate::client::Reply;

/// What a reply said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) session: Option<String>,
    /// It ended as its form says that replies end.
    pub(crate) ended: bool,
    pub(crate) failed: bool,
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
        Heard { text, .. } if text.is_empty() => Ends::Empty,
        _ => Ends::Answer,
    }
}

pub(crate) fn listen(reply: &Reply) -> Heard {
    let mut heard =
        Heard { session: reply.head.header("x-chat-session-id").map(str::to_owned), ..Heard::default() };
    let body = String::from_utf8_lossy(&reply.body);
    let kind = reply.head.header("content-type").unwrap_or_default();
    if kind.starts_with("application/json") {
        heard.plain(&body);
    } else if reply.head.header("x-vercel-ai-data-stream").is_some() {
        body.lines().for_each(|line| heard.data_line(line));
    } else if kind.starts_with("text/event-stream") {
        body.lines().for_each(|line| heard.sse_line(line));
    } else if kind.starts_with("text/plain") {
        heard.text = body.into_owned();
        heard.ended = true;
    }
    heard
}

impl Heard {
    fn plain(&mut self, body: &str) {
        let Ok(reply) = serde_json::from_str::<Value>(body) else {
            return;
        };
        let content = &reply["choices"][0]["message"]["content"];
        let content = [content, &reply["message"], &reply["response"]].into_iter().find_map(Value::as_str);
        self.name(&reply);
        self.failed = reply.get("error").is_some();
        self.ended = content.is_some() || reply["choices"].is_array();
        self.text.push_str(content.unwrap_or_default());
    }

    fn data_line(&mut self, line: &str) {
        let (code, json) = line.split_once(':').expect("a code and a colon");
        let value: Value = serde_json::from_str(json).expect("JSON");
        match code {
            "0" => self.text.push_str(value.as_str().unwrap()),
            "2" => self.name(&value[0]),
            "3" => self.failed = true,
            "d" => self.ended = value["finishReason"].is_string() && value["usage"]["promptTokens"].is_u64(),
            _ => {}
        }
    }

    fn sse_line(&mut self, line: &str) {
        let Some(data) = line.strip_prefix("data:").map(str::trim) else {
            return;
        };
        if data == "[DONE]" {
            self.ended = true;
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            return;
        };
        self.name(&event);
        match event["type"].as_str() {
            Some("text-delta") => self.text.push_str(event["delta"].as_str().unwrap()),
            Some("error" | "abort") => self.failed = true,
            _ => {
                self.failed |= event.get("error").is_some();
                self.text.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
            }
        }
    }

    fn name(&mut self, event: &Value) {
        if let Some(id) = event["chatSessionId"].as_str() {
            self.session = Some(id.to_owned());
        }
    }
}
