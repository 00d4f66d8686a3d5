"""The wire itself: paths, methods, content types, bodies in every wrapping, and headers."""

import gzip
import http.client
import json
import socket
import urllib.parse

import pytest

import raw
import strict

GOOD = json.dumps(raw.message()).encode()


def head_of(reply):
    """Status and header lines of a raw answer."""
    head, _, body = reply.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), fields, body


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/nothing", "", "/", "//", "//v1/v1/chat/completions", "//v2/chat/completions", "/chat",
     "//favicon.ico", "//v1/%2e%2e/%2e%2e/etc/passwd"],
)  # fmt: skip
def test_unknown_path(base, method, path):
    reply = raw.request(base, method, path, GOOD if method == "POST" else None, raw.JSON)
    error = reply.error(404, kind="invalid_request_error")
    assert error["code"] == "unknown_url"
    assert method in error["message"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/embeddings", "/images/generations", "/audio/speech", "/files", "/assistants", "/moderations",
     "/chat/completions/x"],
)  # fmt: skip
def test_unsupported_path(base, method, path):
    reply = raw.request(base, method, path, GOOD if method == "POST" else None, raw.JSON)
    error = reply.error(404, kind="invalid_request_error")
    assert error["code"] == "unsupported_endpoint"
    assert method in error["message"] and "Chipp has no" in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/chat/completions", "POST"),
        ("PUT", "/chat/completions", "POST"),
        ("DELETE", "/chat/completions", "POST"),
        ("POST", "/models", "GET"),
        ("DELETE", "/models", "GET"),
        ("POST", "/models/gpt-4o", "GET"),
        ("BREW", "/chat/completions", "POST"),
    ],
)
def test_wrong_method(base, method, path, allowed):
    reply = raw.request(base, method, path, headers=raw.JSON)
    reply.error(405, "method_not_supported", None, "invalid_request_error")
    assert allowed in reply.headers["allow"]


def test_same_without_v1(base):
    assert raw.request(base, "GET", "//models", headers=raw.JSON).status == 200
    assert raw.request(base, "GET", "//models/gpt-4o", headers=raw.JSON).status == 200
    reply = raw.post(base, GOOD, path="//chat/completions")
    assert reply.status == 200
    strict.completion(reply.body)


def test_head(base):
    reply = raw.request(base, "HEAD", "/models", headers=raw.JSON)
    assert (reply.status, reply.body) == (200, b"")
    reply = raw.request(base, "HEAD", "/nothing", headers=raw.JSON)
    assert (reply.status, reply.body) == (404, b"")


@pytest.mark.parametrize("path", ["/chat/completions", "/models"])
def test_options(base, path):
    """Without CORS configured: a clean answer that names the methods, never a hang or an HTML page."""
    reply = raw.request(base, "OPTIONS", path, headers={"origin": "https://example.com"})
    assert reply.status in (200, 204, 405)
    assert reply.headers["allow"]
    if reply.status == 405:
        reply.error(405, "method_not_supported")


@pytest.mark.parametrize(
    "value",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "APPLICATION/JSON;charset=UTF-8",
     "application/json ;  charset=\"utf-8\""],
)  # fmt: skip
def test_content_types_that_mean_json(base, value):
    reply = raw.post(base, GOOD, {"content-type": value})
    assert reply.status == 200, reply.body
    strict.completion(reply.body)


@pytest.mark.parametrize("value", ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"])
def test_other_content_types(base, value):
    error = raw.post(base, GOOD, {"content-type": value}).error(415, "unsupported_media_type", None, "invalid_request_error")
    assert "application/json" in error["message"]


def test_missing_content_type(base):
    headers = {name: value for name, value in raw.JSON.items() if name != "content-type"}
    reply = raw.request(base, "POST", "/chat/completions", GOOD, headers)
    if reply.status != 200:
        reply.error(415, "unsupported_media_type")
    else:
        strict.completion(reply.body)


BROKEN = {
    "empty": b"",
    "spaces": b"  \n",
    "cut": GOOD[:-1],
    "text": b"hello",
    "single quotes": GOOD.replace(b'"', b"'"),
    "two values": GOOD + GOOD,
    "trailing comma": GOOD[:-1] + b",}",
    "not UTF-8": GOOD.replace(b"Hello", b"\xff\xfe"),
    "half a character": GOOD.replace(b"Hello", b"\xf0\x9f\xa6"),
    "NaN": GOOD[:-1] + b',"temperature":NaN}',
    "control character": GOOD.replace(b"Hello", b"a\x01b"),
    "deep": b'{"model":"gpt-4o","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_body_that_is_not_json(base, body):
    raw.post(base, body).error(400, kind="invalid_request_error")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"5", b"true"])
def test_body_that_is_no_object(base, body):
    raw.post(base, body).error(400, kind="invalid_request_error")


@pytest.mark.parametrize(
    "body",
    [b"\xef\xbb\xbf" + GOOD, GOOD + b"\n", b" \r\n\t" + GOOD, GOOD.replace(b"Hello", rb"lone \ud83e half"),
     GOOD.replace(b"Hello", rb"\ud83e\udd80 \u00e9 \/ \b")],
    ids=["byte order mark", "trailing newline", "white space first", "lone surrogate", "escapes"],
)  # fmt: skip
def test_body_that_is_unusual_but_good(base, body):
    reply = raw.post(base, body)
    assert reply.status == 200, reply.body
    strict.completion(reply.body)


def test_chunked_body(base):
    reply = raw.request(base, "POST", "/chat/completions", iter([GOOD[:7], GOOD[7:30], GOOD[30:]]), raw.JSON)
    assert reply.status == 200, reply.body
    strict.completion(reply.body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "nonsense"])
def test_encoded_body_is_decoded_or_cleanly_refused(base, encoding):
    reply = raw.post(base, gzip.compress(GOOD), {"content-encoding": encoding})
    if reply.status == 200:
        assert encoding == "gzip"
        strict.completion(reply.body)
    else:
        reply.error(415, "unsupported_media_type", None, "invalid_request_error")


def test_identity_encoding_is_no_encoding(base):
    assert raw.post(base, GOOD, {"content-encoding": "identity"}).status == 200


def test_expect_continue(base):
    url = urllib.parse.urlsplit(base)
    with socket.create_connection((url.hostname, url.port), timeout=raw.SECONDS) as connection:
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer sk-x\r\nContent-Length: {len(GOOD)}\r\nExpect: 100-continue\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        first = connection.recv(1000)
        assert first.startswith(b"HTTP/1.1 100 "), first
        connection.sendall(GOOD)
        rest = first[first.index(b"\r\n\r\n") + 4 :]
        while piece := connection.recv(65536):
            rest += piece
    status, _, _ = head_of(rest)
    assert status == 200


def test_body_too_large(base):
    body = json.dumps(raw.message("x" * (11 * 1024 * 1024))).encode()
    error = raw.post(base, body).error(413, "request_too_large", None, "invalid_request_error")
    assert any(word in error["message"] for word in ("10", "limit"))


def test_large_body_within_the_limit(base):
    body = json.dumps(raw.message("x" * (9 * 1024 * 1024))).encode()
    reply = raw.post(base, body)
    assert reply.status == 200, reply.body[:300]


def test_too_large_is_refused_from_the_header_alone(base):
    """The client announces a terabyte and sends nothing: the answer comes at once."""
    reply = raw.exchange(
        base,
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer sk-x\r\n"
        b"Content-Length: 1099511627776\r\nConnection: close\r\n\r\n",
    )
    status, fields, body = head_of(reply)
    assert status == 413
    strict.headers(fields, status)
    assert strict.error(body)["code"] == "request_too_large"


@pytest.mark.parametrize(
    "lines",
    [b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET /v1/models\r\n\r\n",
     b"GET /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 300_000 + b"\r\n\r\n"],
    ids=["version", "tls", "no version", "two lengths", "bad chunk", "huge header"],
)  # fmt: skip
def test_what_is_not_http_ends_the_connection(base, lines):
    try:
        reply = raw.exchange(base, lines)
    except ConnectionError:
        reply = b""
    assert not reply or 400 <= head_of(reply)[0] < 600
    assert raw.request(base, "GET", "/models", headers=raw.JSON).status == 200


def test_connection_is_kept_for_the_next_request(base):
    url = urllib.parse.urlsplit(base)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=raw.SECONDS)
    connection.connect()
    local = connection.sock.getsockname()
    for body in (GOOD, b"broken", json.dumps(raw.message(stream=True)).encode(), GOOD):
        connection.request("POST", "/v1/chat/completions", body, raw.JSON)
        connection.getresponse().read()
        assert connection.sock is not None and connection.sock.getsockname() == local
    connection.close()


def test_pipelined_requests_are_answered_in_order(base):
    one = b"GET /v1/models/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-x\r\n%s\r\n"
    reply = raw.exchange(base, one % (b"gpt-4o", b"") + one % (b"gpt-4o-mini", b"Connection: close\r\n"))
    assert reply.count(b"HTTP/1.1 200") == 2
    assert reply.index(b'"gpt-4o"') < reply.index(b'"gpt-4o-mini"')


def test_answer_is_not_compressed(base):
    reply = raw.post(base, json.dumps(raw.message(stream=True)).encode(), {"accept-encoding": "gzip, br, zstd"})
    assert "content-encoding" not in reply.headers
    assert strict.stream(reply.body).done


def test_nothing_of_chipp_shows(base):
    """No app id, no session, no upstream header reaches a client."""
    for stream in (False, True):
        reply = raw.post(base, raw.message(stream=stream))
        words = (b"chatSessionId", b"sessionId", b"persistedMessageId", b"messageMetadata", b"msg_")
        assert not [word for word in words if word in reply.body]
        assert not [name for name in reply.headers if name.startswith("x-chat") or name in ("x-correlation-id", "set-cookie")]
