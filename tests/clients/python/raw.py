"""Requests as bytes on the wire, for what an SDK would never send or never show."""

import http.client
import json
import socket
import urllib.parse
from dataclasses import dataclass

import strict

SECONDS = 20
JSON = {"content-type": "application/json", "authorization": "Bearer sk-sandbox-0123456789"}


@dataclass
class Reply:
    """An answer; header names in lower case."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        """The body, parsed strictly."""
        return strict.parse(self.body)

    def error(self, status, code=..., param=..., kind=...):
        """The error object, after checking the status, the shape, the headers and what else is given."""
        assert self.status == status, (self.status, self.body[:500])
        strict.headers(self.headers, status)
        error = strict.error(self.body)
        for key, expected in (("code", code), ("param", param), ("type", kind)):
            assert expected is ... or error[key] == expected, (key, error)
        return error


def request(base, method, path, body=None, headers=None, seconds=SECONDS):
    """One request on a connection of its own. `path` replaces the base's `/v1` when it starts with two slashes."""
    url = urllib.parse.urlsplit(base)
    target = path[1:] if path.startswith("//") else url.path + path
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=seconds)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, fields, response.read())
    finally:
        connection.close()


def post(base, body, headers=None, path="/chat/completions", seconds=SECONDS):
    """POSTs a chat request: a value, or bytes to be sent as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(base, "POST", path, data, JSON | (headers or {}), seconds)


def message(text="Hello", **more):
    """The smallest chat request."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]} | more


def answer(base, body, headers=None):
    """A plain answer that has passed every check, and its headers."""
    reply = post(base, body, headers)
    assert reply.status == 200, (reply.status, reply.body[:500])
    assert reply.headers["content-type"] == "application/json"
    strict.headers(reply.headers)
    value = strict.completion(reply.body)
    assert len(value["choices"]) == (body.get("n") or 1)
    return value, reply.headers


def streamed(base, body, headers=None):
    """A streamed answer that has passed every check, and its headers."""
    reply = post(base, body | {"stream": True}, headers)
    assert reply.status == 200, (reply.status, reply.body[:500])
    strict.headers(reply.headers)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["cache-control"] == "no-cache"
    assert "content-length" not in reply.headers and "content-encoding" not in reply.headers
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return strict.stream(reply.body, usage, body.get("n") or 1), reply.headers


def exchange(base, data, seconds=SECONDS):
    """Sends bytes, reads until the proxy closes."""
    url = urllib.parse.urlsplit(base)
    with socket.create_connection((url.hostname, url.port), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received
