//! Something between the proxy and Chipp: it passes requests on, or answers them itself, or is not there.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use socket2::{Domain, Socket, Type};

/// What words come in.
const DELTA: &[u8] = b"text-delta";

/// A relay. Each connection serves one request.
pub(crate) struct Relay {
    at: SocketAddr,
    to: SocketAddr,
    /// The status to answer with; 0 to pass the request on.
    status: Arc<AtomicU16>,
    /// The next answer is to be cut before its last words.
    cuts: Arc<AtomicBool>,
    /// Keeps the port while nobody listens.
    _holder: Socket,
    listening: Mutex<Option<TcpListener>>,
}

impl Relay {
    pub(crate) fn start(to: SocketAddr) -> Self {
        let holder = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let at = holder.local_addr().unwrap().as_socket().unwrap();
        let relay = Self {
            at,
            to,
            status: Arc::default(),
            cuts: Arc::default(),
            _holder: holder,
            listening: Mutex::default(),
        };
        relay.listen();
        relay
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.at)
    }

    /// From now on, answers with this status instead of asking.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// From now on, passes requests on.
    pub(crate) fn pass(&self) {
        self.status.store(0, Ordering::SeqCst);
    }

    /// Cuts the next answer before its last words, and passes the others on.
    pub(crate) fn cut_one(&self) {
        self.cuts.store(true, Ordering::SeqCst);
    }

    /// From now on, connections are refused.
    pub(crate) fn go(&self) {
        if let Some(listener) = self.listening.lock().unwrap().take() {
            // Not listening any more, for the thread that accepts as well.
            socket2::SockRef::from(&listener).shutdown(std::net::Shutdown::Both).unwrap();
        }
    }

    /// There again.
    pub(crate) fn listen(&self) {
        let socket = bound(self.at);
        socket.listen(64).unwrap();
        let listener = TcpListener::from(socket);
        *self.listening.lock().unwrap() = Some(listener.try_clone().unwrap());
        let (to, status, cuts) = (self.to, Arc::clone(&self.status), Arc::clone(&self.cuts));
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let (status, cut) = (status.load(Ordering::SeqCst), cuts.swap(false, Ordering::SeqCst));
                std::thread::spawn(move || serve(&client, to, status, cut));
            }
        });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.go();
    }
}

/// Bound, so that others may be bound to the same port as long as they do not listen.
fn bound(at: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&at.into()).unwrap();
    socket
}

fn serve(mut client: &TcpStream, to: SocketAddr, status: u16, cut: bool) -> io::Result<()> {
    let (mut head, body) = read(client)?;
    if status > 0 {
        let body = r#"{"error":"No."}"#;
        return write!(
            client,
            "HTTP/1.1 {status} No\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    }
    let line = head.find("\r\n").map_or(0, |at| at + 2);
    head.insert_str(line, "connection: close\r\n");
    let mut server = TcpStream::connect(to)?;
    server.write_all(&[head.as_bytes(), &body].concat())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    let line = answer.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    answer.splice(line..line, *b"connection: close\r\n");
    if cut {
        let last = answer.windows(DELTA.len()).rposition(|window| window == DELTA);
        answer.truncate(last.unwrap());
    }
    client.write_all(&answer)
}

/// A request's head and its body.
fn read(client: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}
