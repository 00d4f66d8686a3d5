//! Over TLS: whom the client trusts, what it speaks, and where a body ends.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use chipp_proxy::upstream::{BodyError, Client, SendErrorKind, Sent};

use crate::scene::{OK, STREAM, client, failure, send, settings, text, worker};

/// A TLS server for one connection: answers one request, closes in good order, and returns the protocol that
/// was agreed on.
struct TlsServer {
    port: u16,
    ca_file: tempfile::NamedTempFile,
    thread: JoinHandle<Option<Vec<u8>>>,
}

impl TlsServer {
    fn start(answer: &'static str) -> Self {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut ca_file = tempfile::NamedTempFile::new().unwrap();
        ca_file.write_all(issued.cert.pem().as_bytes()).unwrap();
        let key = issued.signing_key.serialize_der().try_into().unwrap();
        let mut config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![issued.cert.der().clone()], key)
                .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let thread = std::thread::spawn(move || {
            let mut stream = rustls::StreamOwned::new(connection, listener.accept().unwrap().0);
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n{}") {
                let mut buffer = [0; 1024];
                let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
                request.extend_from_slice(buffer.get(..count)?);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            stream.conn.alpn_protocol().map(<[u8]>::to_vec)
        });
        Self { port, ca_file, thread }
    }

    fn client(&self, ca_file: Option<&Path>) -> Client {
        let mut settings = settings(format!("https://localhost:{}", self.port));
        settings.ca_file = ca_file.map(Path::to_owned);
        client(&settings)
    }
}

#[test]
fn tls_with_a_root_of_ones_own_speaks_http_1_1() {
    let server = TlsServer::start(OK);
    worker(async {
        let client = server.client(Some(server.ca_file.path()));
        assert_eq!(text(send(&client).await).await, "ok");
    });
    assert_eq!(server.thread.join().unwrap().as_deref(), Some(&b"http/1.1"[..]));
}

#[test]
fn tls_with_a_stranger_is_refused_before_the_request() {
    let server = TlsServer::start(OK);
    worker(async {
        let result = send(&server.client(None)).await;
        assert_eq!(failure(result), (SendErrorKind::Tls, Sent::Never));
    });
    assert_eq!(server.thread.join().unwrap(), None, "no request came");
}

#[test]
fn a_body_that_is_cut_by_an_orderly_end_of_tls_is_cut() {
    let server = TlsServer::start(STREAM);
    worker(async {
        let client = server.client(Some(server.ca_file.path()));
        let mut body = send(&client).await.unwrap().body;
        assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"abc"))));
        assert_eq!(body.next().await, Some(Err(BodyError::Cut)));
    });
    server.thread.join().unwrap();
}
