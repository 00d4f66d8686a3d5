//! HTTPS for clients: what is spoken, who is noticed to leave, and what becomes of new certificates.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chipp_proxy::emulator::{Options, Outcome};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::raw::{self, Answer, connect, parse};
use crate::support::{PATIENCE, Proxy};
use crate::{question, question_with};

type Connection = rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream>;

/// A certificate for `localhost`, with its files in a folder.
struct Issued {
    der: CertificateDer<'static>,
    cert: String,
    key: String,
}

impl Issued {
    fn new() -> Self {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            der: issued.cert.der().clone(),
            cert: issued.cert.pem(),
            key: issued.signing_key.serialize_pem(),
        }
    }

    fn write(&self, folder: &Path) {
        fs::write(folder.join("cert.pem"), &self.cert).unwrap();
        fs::write(folder.join("key.pem"), &self.key).unwrap();
    }
}

fn proxy(folder: &Path) -> Proxy {
    let folder = folder.display();
    let tls = format!("tls: {{cert: '{folder}/cert.pem', key: '{folder}/key.pem'}}, ");
    Proxy::with_sections(&tls, "", "auth: {mode: open}", Options::default())
}

/// Connects, trusting this certificate alone, and shakes hands.
fn try_connect(proxy: &Proxy, trusted: &Issued, protocols: &[&[u8]]) -> Result<Connection, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = "localhost".try_into().unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = connect(proxy.listen);
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut socket) {
            return Err(match error.downcast::<rustls::Error>() {
                Ok(error) => error,
                Err(error) => panic!("{error}"),
            });
        }
    }
    Ok(rustls::StreamOwned::new(tls, socket))
}

fn ask(connection: &mut Connection, body: &Value) {
    let body = body.to_string();
    write!(
        connection,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
}

/// Reads to the end, which has to be one in good order.
fn answer(mut connection: Connection) -> Answer {
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).unwrap();
    parse(&bytes)
}

#[test]
fn https_is_spoken_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let issued = Issued::new();
    issued.write(folder.path());
    let proxy = proxy(folder.path());

    for (offered, chosen) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut connection = try_connect(&proxy, &issued, offered).unwrap();
        assert_eq!(connection.conn.alpn_protocol(), chosen);
        ask(&mut connection, &question("gpt-4o"));
        let answer = answer(connection);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let only_http_2 = try_connect(&proxy, &issued, &[b"h2"]).unwrap_err();
    assert_eq!(only_http_2, rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol));
    let mut connection = try_connect(&proxy, &issued, &[]).unwrap();
    ask(&mut connection, &question_with("gpt-4o", &json!({"stream": true})));
    let streamed = answer(connection);
    assert!(String::from_utf8(streamed.body).unwrap().ends_with("data: [DONE]\n\n"));

    let stranger = try_connect(&proxy, &Issued::new(), &[]).unwrap_err();
    assert!(matches!(stranger, rustls::Error::InvalidCertificate(_)), "{stranger:?}");
    let mut plain = connect(proxy.listen);
    plain.write_all(b"GET /v1/models HTTP/1.1\r\nhost: proxy\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    // An alert, and the end; or a reset, since not all was read.
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
    // Probes do not need to trust anybody.
    assert_eq!(raw::ask(proxy.admin, "GET", "/readyz", &[], b"").status, 200);
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let issued = Issued::new();
    issued.write(folder.path());
    let proxy = proxy(folder.path());
    proxy.emulator.open("hi");
    let mut connection = try_connect(&proxy, &issued, &[]).unwrap();
    ask(&mut connection, &question_with("gated", &json!({"stream": true})));
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("\"delta\":{\"content\"") {
        let mut buffer = [0; 1024];
        let count = connection.read(&mut buffer).unwrap();
        read.extend_from_slice(&buffer[..count]);
    }
    drop(connection);
    let left = proxy
        .emulator
        .wait_for(|state| state.requests().any(|request| request.outcome == Outcome::ClientLeft), PATIENCE);
    assert!(left, "{:?}", proxy.emulator.requests());
}

/// Waits until the certificate's files were found changed, so many times and with this result.
fn reloaded(proxy: &Proxy, result: &str, times: usize) {
    let line = format!("chipp_proxy_certificate_reloads_total{{result=\"{result}\"}} {times}");
    let asked = Instant::now();
    loop {
        let metrics = proxy.get_url(&format!("http://{}/metrics", proxy.admin), &[]).text;
        if metrics.lines().any(|other| other == line) {
            return;
        }
        assert!(asked.elapsed() < PATIENCE, "no {line} in {metrics}");
        std::thread::yield_now();
    }
}

#[test]
fn a_new_certificate_is_shown_to_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Issued::new(), Issued::new());
    old.write(folder.path());
    let proxy = proxy(folder.path());
    let mut before = try_connect(&proxy, &old, &[]).unwrap();

    fs::write(folder.path().join("key.pem"), "no key").unwrap();
    reloaded(&proxy, "kept", 1);
    try_connect(&proxy, &old, &[]).unwrap();

    new.write(folder.path());
    reloaded(&proxy, "renewed", 1);
    try_connect(&proxy, &new, &[]).unwrap();
    let error = try_connect(&proxy, &old, &[]).unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error:?}");
    // Connections that are open stay so.
    ask(&mut before, &question("gpt-4o"));
    assert_eq!(answer(before).status, 200);
}
