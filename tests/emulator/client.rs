//! A client that shows what is on the wire: raw HTTP over a blocking socket.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything here takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The head of a reply.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

/// A whole reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// The size of each chunk, if it was chunked.
    pub(crate) chunks: Vec<usize>,
    /// The body ended as its framing says.
    pub(crate) complete: bool,
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

pub(crate) struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, raw: impl AsRef<[u8]>) {
        self.socket.write_all(raw.as_ref()).unwrap();
    }

    /// Sends a chat request and reads the whole reply.
    pub(crate) fn chat(&mut self, body: &str) -> io::Result<Reply> {
        self.send(chat_request(body, ""));
        self.reply()
    }

    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        let mut head = self.head()?;
        while head.status < 200 {
            head = self.head()?;
        }
        let mut reply = Reply { head, body: Vec::new(), chunks: Vec::new(), complete: false };
        if reply.head.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk()? {
                reply.complete = chunk.is_empty();
                if reply.complete {
                    break;
                }
                reply.chunks.push(chunk.len());
                reply.body.extend(chunk);
            }
        } else if let Some(length) = reply.head.header("content-length") {
            let length: usize = length.parse().unwrap();
            while self.buffer.len() < length && self.fill()? {}
            reply.complete = self.buffer.len() >= length;
            reply.body = self.buffer.drain(..length.min(self.buffer.len())).collect();
        } else {
            while self.fill()? {}
            reply.complete = true;
            reply.body = std::mem::take(&mut self.buffer);
        }
        Ok(reply)
    }

    pub(crate) fn head(&mut self) -> io::Result<Head> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = response.parse(&self.buffer).unwrap() {
                let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
                let headers = response.headers.iter();
                let head = Head {
                    status: response.code.unwrap(),
                    headers: headers.map(|header| (header.name.to_owned(), text(header.value))).collect(),
                };
                self.buffer.drain(..length);
                return Ok(head);
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next chunk, the last one empty; `None` if the connection ends before its end.
    pub(crate) fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(&self.buffer) {
                let end = line + usize::try_from(size).unwrap();
                if self.buffer.len() >= end + 2 {
                    assert_eq!(&self.buffer[end..end + 2], b"\r\n");
                    let chunk = self.buffer[line..end].to_vec();
                    self.buffer.drain(..end + 2);
                    return Ok(Some(chunk));
                }
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// True at the end of the connection, when nothing is left unread.
    pub(crate) fn at_end(&mut self) -> bool {
        self.buffer.is_empty() && matches!(self.fill(), Ok(false))
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4096];
        let length = self.socket.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..length]);
        Ok(length > 0)
    }
}

/// A chat request with a good key and these header lines besides.
pub(crate) fn chat_request(body: &str, headers: &str) -> String {
    format!(
        "POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key\r\n\
         content-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The body of a request with one message of the user.
pub(crate) fn says(app: &str, stream: bool, session: Option<&str>, text: &str) -> String {
    let mut body = serde_json::json!({"model": app, "messages": [{"role": "user", "content": text}]});
    if stream {
        body["stream"] = true.into();
    }
    if let Some(session) = session {
        body["chatSessionId"] = session.into();
    }
    body.to_string()
}
