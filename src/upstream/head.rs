//! The head of a request, prepared once; and what the head of an answer says.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use actix_http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, HttpDate, RETRY_AFTER, TRANSFER_ENCODING, USER_AGENT,
};
use actix_http::{
    ConnectionType, Method, RequestHead, RequestHeadType, ResponseHead, StatusCode, Uri, Version,
};
use bytes::{BufMut as _, BytesMut};

use super::client::{Accept, Call};
use super::{BuildError, Framing, SendErrorKind};
use crate::ids::ChatSessionId;
use crate::secret::Secret;

static SESSION: HeaderName = HeaderName::from_static("x-chat-session-id");
static CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
const AGENT: &str = concat!("chipp-proxy/", env!("CARGO_PKG_VERSION"));

/// The authority under which awc's pool keeps the connections, in place of the true one, which the dialler knows:
/// awc hashes it letter by letter, twice a request.
const POOL: &str = "chipp";

/// Where requests go.
pub(super) struct Endpoint {
    /// The path is that of the request; for the rest see [`super::pool::Pool::new`] and [`POOL`].
    pub(super) uri: Uri,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) https: bool,
    host_header: HeaderValue,
    /// The path of the API, without a slash at its end.
    base_path: String,
}

impl Endpoint {
    pub(super) fn parse(base_url: &str) -> Result<Self, BuildError> {
        let base: Uri = base_url.parse().map_err(|_| BuildError::BaseUrl)?;
        let https = match base.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BuildError::BaseUrl),
        };
        let (Some(host), None) = (base.host(), base.query()) else {
            return Err(BuildError::BaseUrl);
        };
        let default_port = if https { 443 } else { 80 };
        let port = base.port_u16().unwrap_or(default_port);
        let host_header = if port == default_port { host.to_owned() } else { format!("{host}:{port}") };
        let path = base.path().trim_end_matches('/');
        Ok(Self {
            uri: pooled(&format!("{path}/chat/completions")).ok_or(BuildError::BaseUrl)?,
            base_path: path.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            https,
            host_header: HeaderValue::try_from(host_header).map_err(|_| BuildError::BaseUrl)?,
        })
    }
}

/// The address of a path under which awc's pool finds the connections.
fn pooled(path: &str) -> Option<Uri> {
    Uri::builder().scheme("http").authority(POOL).path_and_query(path).build().ok()
}

/// What all requests share, so that only three or four headers are made for each.
///
/// awc adds `content-length` and `date`, nothing else. `accept-encoding` is ours: without one, any coding would
/// be welcome by the letter of HTTP, and there is no decoder here.
pub(super) struct Heads {
    json: Rc<RequestHead>,
    stream: Rc<RequestHead>,
    /// Of what is asked rarely: everything but the path.
    get: RequestHead,
    base_path: String,
}

impl Heads {
    pub(super) fn new(endpoint: &Endpoint, connection: ConnectionType) -> Self {
        let head = |method, accept| {
            let mut head = RequestHead::default();
            head.method = method;
            head.uri = endpoint.uri.clone();
            head.set_connection_type(connection);
            let headers = head.headers_mut();
            headers.insert(HOST, endpoint.host_header.clone());
            headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            head
        };
        let post = |accept| {
            let mut head = head(Method::POST, accept);
            head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Rc::new(head)
        };
        Self {
            json: post("application/json"),
            stream: post("text/event-stream"),
            get: head(Method::GET, "application/json"),
            base_path: endpoint.base_path.clone(),
        }
    }

    /// The head of a request for a session's transcript; `None` if something in it does not fit.
    pub(super) fn transcript(
        &self,
        key: &Secret,
        session: &ChatSessionId,
        correlation_id: &str,
    ) -> Option<RequestHeadType> {
        let mut head = self.get.clone();
        head.uri = pooled(&format!("{}/chat/transcript/{}", self.base_path, session.as_path_segment()?))?;
        head.headers_mut().insert(AUTHORIZATION, bearer(key.expose())?);
        head.headers_mut().insert(CORRELATION.clone(), HeaderValue::from_str(correlation_id).ok()?);
        Some(RequestHeadType::Owned(head))
    }

    /// `None` if the key or the correlation id does not fit into a header.
    pub(super) fn of(&self, call: &Call<'_>) -> Option<RequestHeadType> {
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(AUTHORIZATION, bearer(call.key.expose())?);
        headers.insert(CORRELATION.clone(), HeaderValue::from_str(call.correlation_id).ok()?);
        if let Some(session) = call.session {
            let mut value = HeaderValue::from_str(session.as_str()).ok()?;
            value.set_sensitive(true);
            headers.insert(SESSION.clone(), value);
        }
        let shared = match call.accept {
            Accept::Json => &self.json,
            Accept::Stream => &self.stream,
        };
        Some(RequestHeadType::Rc(Rc::clone(shared), Some(headers)))
    }
}

fn bearer(key: &str) -> Option<HeaderValue> {
    const SCHEME: &[u8] = b"Bearer ";
    let mut text = BytesMut::with_capacity(SCHEME.len() + key.len());
    text.put_slice(SCHEME);
    text.put_slice(key.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(text.freeze()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether an answer names the request that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    None,
    Same,
    Other,
}

/// Looks for the correlation id in an answer.
pub(super) fn echo(head: &ResponseHead, correlation_id: &str) -> Echo {
    match head.headers.get(&CORRELATION) {
        None => Echo::None,
        Some(echo) if echo.as_bytes() == correlation_id.as_bytes() => Echo::Same,
        Some(_) => Echo::Other,
    }
}

/// How the body of this answer ends; or why the answer cannot be used.
pub(super) fn framing(head: &ResponseHead) -> Result<Framing, SendErrorKind> {
    if head.status.is_informational() {
        return Err(SendErrorKind::Interim);
    }
    let headers = &head.headers;
    if head.version >= Version::HTTP_11 && is_chunked(headers) {
        return Ok(Framing::Chunked);
    }
    // awc has refused what is not a number, and more than one of them.
    if let Some(length) = headers.get(CONTENT_LENGTH).and_then(text).and_then(|length| length.parse().ok()) {
        return Ok(Framing::Length(length));
    }
    if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Framing::Length(0));
    }
    if head.version < Version::HTTP_11 {
        return Ok(Framing::UntilClose);
    }
    // An error's status says enough without the body, which awc does not read.
    if head.status.is_success() { Err(SendErrorKind::Unframed) } else { Ok(Framing::Unframed) }
}

fn is_chunked(headers: &HeaderMap) -> bool {
    headers.get(TRANSFER_ENCODING).and_then(text).is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(str::trim)
}

/// The session that the answer names in its head, if it is a sane one.
pub(super) fn session(headers: &HeaderMap) -> Option<ChatSessionId> {
    ChatSessionId::parse(headers.get(&SESSION).and_then(text)?)
}

/// How long the answer asks to wait: `Retry-After`, as seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER).and_then(text)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date: HttpDate = value.parse().ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let cases = [
            ("https://app.chipp.ai/api/v1", "/api/v1/chat/completions", "app.chipp.ai", "app.chipp.ai", 443),
            ("https://chipp.test:8443/", "/chat/completions", "chipp.test", "chipp.test:8443", 8443),
            ("http://chipp.test:443", "/chat/completions", "chipp.test", "chipp.test:443", 443),
            ("http://[::1]:80/v1", "/v1/chat/completions", "::1", "[::1]", 80),
        ];
        for (base_url, path, host, header, port) in cases {
            let endpoint = Endpoint::parse(base_url).unwrap();
            assert_eq!(endpoint.uri.path(), path, "{base_url}");
            assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port), "{base_url}");
            assert_eq!(endpoint.host_header, header, "{base_url}");
            assert_eq!(endpoint.https, base_url.starts_with("https:"), "{base_url}");
            assert_eq!(endpoint.uri.scheme_str(), Some("http"), "else awc would speak TLS itself");
        }
        for bad in
            ["", "chipp.test", "ftp://chipp.test", "/api/v1", "https://", "https://chipp.test/v1?key=1"]
        {
            assert!(Endpoint::parse(bad).is_err(), "{bad:?}");
        }
    }

    fn answer(status: u16, version: Version, headers: &[(&'static str, &'static str)]) -> ResponseHead {
        let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        head.version = version;
        for (name, value) in headers {
            head.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    fn framings() {
        const NEW: Version = Version::HTTP_11;
        const OLD: Version = Version::HTTP_10;
        let chunked = ("transfer-encoding", "Chunked");
        let cases: [(ResponseHead, Result<Framing, SendErrorKind>); 14] = [
            (answer(200, NEW, &[("content-length", "5")]), Ok(Framing::Length(5))),
            (answer(200, NEW, &[("content-length", "0")]), Ok(Framing::Length(0))),
            (answer(200, NEW, &[chunked]), Ok(Framing::Chunked)),
            (answer(200, NEW, &[("content-length", "5"), chunked]), Ok(Framing::Chunked)),
            (answer(200, OLD, &[("content-length", "5"), chunked]), Ok(Framing::Length(5))),
            (answer(200, OLD, &[]), Ok(Framing::UntilClose)),
            (answer(200, NEW, &[]), Err(SendErrorKind::Unframed)),
            (answer(200, NEW, &[("transfer-encoding", "identity")]), Err(SendErrorKind::Unframed)),
            (answer(204, NEW, &[]), Ok(Framing::Length(0))),
            (answer(502, NEW, &[]), Ok(Framing::Unframed)),
            (answer(502, NEW, &[("content-length", "0")]), Ok(Framing::Length(0))),
            (answer(302, NEW, &[("content-length", "0")]), Ok(Framing::Length(0))),
            (answer(103, NEW, &[]), Err(SendErrorKind::Interim)),
            (answer(100, NEW, &[("content-length", "0")]), Err(SendErrorKind::Interim)),
        ];
        for (head, expected) in cases {
            assert_eq!(framing(&head), expected, "{head:?}");
        }
    }

    #[test]
    fn an_answer_to_another_request_is_seen() {
        let head =
            |echo| answer(200, Version::HTTP_11, &[("content-length", "0"), ("x-correlation-id", echo)]);
        assert_eq!(echo(&head("req-1"), "req-1"), Echo::Same);
        assert_eq!(echo(&head("req-2"), "req-1"), Echo::Other);
    }

    #[test]
    fn waiting_times() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ];
        for (value, seconds) in cases {
            let head = answer(429, Version::HTTP_11, &[("retry-after", value)]);
            assert_eq!(retry_after(&head.headers, now), seconds.map(Duration::from_secs), "{value:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn sessions_are_taken_if_they_are_sane() {
        let of = |value| session(&answer(200, Version::HTTP_11, &[("x-chat-session-id", value)]).headers);
        assert_eq!(of("0192-abc"), ChatSessionId::parse("0192-abc"));
        assert_eq!(of(""), None);
        assert_eq!(of("two words"), None);
    }

    #[test]
    fn the_key_is_not_shown() {
        let value = bearer("chipp_secret").unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer chipp_secret");
        assert!(!format!("{value:?}").contains("secret"));
        assert!(bearer("two\r\nlines").is_none());
    }
}
