//! A client that writes the bytes of its requests itself, and shows those of the answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::PATIENCE;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Without the chunks' frames.
    pub(crate) body: Vec<u8>,
    /// Null if the body is no JSON.
    pub(crate) json: Value,
    /// Head and body as text.
    pub(crate) whole: String,
}

impl Answer {
    /// A header's value; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    /// Checks the form of an error, and that it is this one: status, type, code, param.
    #[track_caller]
    pub(crate) fn is_error(&self, expected: (u16, &str, Option<&str>, Option<&str>)) {
        let (status, kind, code, param) = expected;
        assert_eq!(self.status, status, "{self:?}");
        check_error_body(&self.json);
        let error = &self.json["error"];
        let got = (error["type"].as_str().unwrap(), error["code"].as_str(), error["param"].as_str());
        assert_eq!(got, (kind, code, param), "{self:?}");
        assert_eq!(self.header("content-type"), "application/json");
        check_own_headers(|name| self.header(name));
    }
}

/// `{"error": {…}}` with its four keys and nothing else.
#[track_caller]
pub(crate) fn check_error_body(body: &Value) {
    let mut keys: Vec<&str> =
        body["error"].as_object().unwrap_or_else(|| panic!("{body}")).keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["code", "message", "param", "type"]);
    assert_eq!(body.as_object().unwrap().len(), 1);
    assert!(!body["error"]["message"].as_str().unwrap().is_empty());
}

/// The headers that every answer has.
#[track_caller]
pub(crate) fn check_own_headers<'a>(header: impl Fn(&str) -> &'a str) {
    assert!(!header("x-request-id").is_empty());
    assert_eq!(header("openai-version"), "2020-10-01");
    header("openai-processing-ms").parse::<u64>().unwrap();
    let timing = header("server-timing");
    let (upstream, proxy) = timing.split_once(", proxy;dur=").unwrap();
    upstream.strip_prefix("upstream;dur=").unwrap().parse::<f64>().unwrap();
    proxy.parse::<f64>().unwrap();
}

/// Sends a request (`connection: close` is added) and reads the answer to its end.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    if !body.is_empty() {
        request.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    request.push_str("\r\n");
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body);
    send(at, &bytes)
}

/// Asks for a chat completion with a body of any bytes.
pub(crate) fn post(at: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    ask(at, "POST", "/v1/chat/completions", &all, body)
}

/// Sends these bytes, and reads until the server closes.
pub(crate) fn send(at: SocketAddr, bytes: &[u8]) -> Answer {
    let mut connection = connect(at);
    connection.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    parse(&answer)
}

/// A connection that gives up after a while.
pub(crate) fn connect(at: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(at).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.set_write_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Reads up to the end of a head (which stays in front of what has been read).
pub(crate) fn read_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Parses a head and all that follows it.
pub(crate) fn parse(bytes: &[u8]) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes);
    let Ok(httparse::Status::Complete(length)) = parsed else {
        panic!("no answer: {parsed:?} {:?}", String::from_utf8_lossy(bytes));
    };
    let headers: Vec<(String, String)> = response
        .headers
        .iter()
        .map(|header| {
            let value = std::str::from_utf8(header.value).unwrap();
            (header.name.to_ascii_lowercase(), value.to_owned())
        })
        .collect();
    let rest = &bytes[length..];
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if is_chunked { unchunk(rest) } else { rest.to_vec() };
    Answer {
        status: response.code.unwrap(),
        headers,
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        body,
        whole: String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((length, size))) = httparse::parse_chunk_size(bytes) else {
            panic!("a broken chunk after {:?}", String::from_utf8_lossy(&body));
        };
        let size = usize::try_from(size).unwrap();
        bytes = &bytes[length..];
        if size == 0 {
            assert_eq!(bytes, b"\r\n");
            return body;
        }
        body.extend_from_slice(&bytes[..size]);
        bytes = &bytes[size + 2..];
    }
}
