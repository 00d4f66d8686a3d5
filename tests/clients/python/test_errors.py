"""Every exception class of the SDK that can be reached, and the object that it carries."""

import hashlib
import socket

import openai
import pytest

import proxy
import raw
import strict

HELLO = [{"role": "user", "content": "Hello"}]

# What the app of this name does upstream, and what the client is to see.
UPSTREAM = [
    ("plan-401", openai.PermissionDeniedError, 403, "insufficient_quota", "plan_required"),
    ("credits-402", openai.RateLimitError, 429, "insufficient_quota", "insufficient_quota"),
    ("rate-429", openai.RateLimitError, 429, "rate_limit_exceeded", "rate_limit_exceeded"),
    ("key-401", openai.InternalServerError, 502, "api_error", "upstream_auth_failed"),
    ("html-502", openai.InternalServerError, 502, "api_error", "upstream_error"),
    ("error-500", openai.InternalServerError, 502, "api_error", "upstream_error"),
    ("text-524", openai.InternalServerError, 502, "api_error", "upstream_error"),
    ("error-under-200", openai.InternalServerError, 502, "api_error", "upstream_error"),
    ("html-for-stream", openai.InternalServerError, 502, "api_error", "upstream_error"),
    ("reset-before", openai.InternalServerError, 502, "api_error", "upstream_error"),
]


@pytest.mark.parametrize(("model", "kind", "status", "type_", "code"), UPSTREAM)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_upstream_failure_is_the_right_exception(client, base, model, kind, status, type_, code, stream):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=model, messages=HELLO, stream=stream)
    assert (caught.value.status_code, caught.value.type, caught.value.code) == (status, type_, code)
    assert caught.value.request_id
    assert "<" not in caught.value.message, "no HTML of the upstream's"
    raw.post(base, raw.message(model=model, stream=stream)).error(status, code, kind=type_)


def test_retry_after_of_the_upstream_is_passed_on(base):
    reply = raw.post(base, raw.message(model="rate-429"))
    assert int(reply.headers["retry-after"]) >= 1


def test_no_retry_where_it_cannot_help(base):
    assert raw.post(base, raw.message(model="credits-402")).headers["x-should-retry"] == "false"


def test_bad_request(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[])
    assert (caught.value.code, caught.value.param) == ("empty_array", "messages")


def test_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="gpt-4o", input="x")
    assert caught.value.code == "unsupported_endpoint"


def test_timeout_of_the_client(client):
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(model="silent", messages=HELLO)


def test_stall_in_mid_stream_is_the_clients_timeout(client):
    stream = client.with_options(timeout=0.5).chat.completions.create(model="stall", messages=HELLO, stream=True)
    with pytest.raises(openai.APITimeoutError):
        for chunk in stream:
            assert all(choice.finish_reason is None for choice in chunk.choices)


def test_connection_refused():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{free.getsockname()[1]}/v1", api_key="x", max_retries=0)
        with pytest.raises(openai.APIConnectionError):
            client.models.list()


@pytest.mark.parametrize("model", ["cut-a", "cut-b", "cut-c", "stream-error-a", "stream-error-b", "stream-error-c"])
def test_broken_stream_ends_in_an_error_event(base, model):
    reply = raw.post(base, raw.message(model=model, stream=True))
    assert reply.status == 200
    result = strict.stream(reply.body)
    assert result.text and result.error and not result.done
    assert (result.error["type"], result.error["code"]) == ("api_error", "upstream_error")


def test_key_is_asked_for(keyed):
    with pytest.raises(openai.AuthenticationError) as caught:
        openai.OpenAI(base_url=keyed.base, api_key="sk-wrong-0123456789", max_retries=0).models.list()
    assert caught.value.code == "invalid_api_key"
    assert "0123456" not in caught.value.message, "a wrong key is masked: it may be a typing slip of a right one"

    reply = raw.request(keyed.base, "POST", "/chat/completions", b"{}", {"content-type": "application/json"})
    error = reply.error(401, None, None, "invalid_request_error")
    assert "key" in error["message"].lower()
    for value in ("Bearer", "Bearer ", "Basic eDp5", keyed.key, f"Token {keyed.key}"):
        raw.post(keyed.base, raw.message(), {"authorization": value}).error(401, kind="invalid_request_error")
    for path in ("/models", "/models/gpt-4o"):
        raw.request(keyed.base, "GET", path).error(401, None)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_key_is_good(keyed, scheme):
    body, headers = raw.answer(keyed.base, raw.message(), {"authorization": f"{scheme} {keyed.key}"})
    assert body["model"] == "gpt-4o"
    assert headers["x-chipp-session"] == "new"


def test_key_for_one_model_sees_only_that(keyed):
    client = openai.OpenAI(base_url=keyed.base, api_key=keyed.narrow, max_retries=0)
    assert [model.id for model in client.models.list()] == ["other"]
    assert client.chat.completions.create(model="other", messages=HELLO).choices[0].message.content
    for ask in (lambda: client.models.retrieve("gpt-4o"), lambda: client.chat.completions.create(model="gpt-4o", messages=HELLO)):
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.code == "model_not_found"


def test_limit(keyed):
    headers = {"authorization": f"Bearer {keyed.limited}"}
    left = []
    for _ in range(3):
        _, answered = raw.answer(keyed.base, raw.message(), headers)
        assert answered["x-ratelimit-limit-requests"] == "3"
        left.append(int(answered["x-ratelimit-remaining-requests"]))
    assert left == [2, 1, 0]
    reply = raw.post(keyed.base, raw.message(), headers)
    reply.error(429, "rate_limit_exceeded", None, "requests")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert reply.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError):
        openai.OpenAI(base_url=keyed.base, api_key=keyed.limited, max_retries=0).chat.completions.create(
            model="gpt-4o", messages=HELLO
        )
    raw.answer(keyed.base, raw.message(), {"authorization": f"Bearer {keyed.key}"})


def test_one_keys_session_is_not_anothers(keyed):
    first = {"authorization": f"Bearer {keyed.key}"}
    body, _ = raw.answer(keyed.base, raw.message("secret 4711", model="other"), first)
    history = [
        {"role": "user", "content": "secret 4711"},
        {"role": "assistant", "content": body["choices"][0]["message"]["content"]},
        {"role": "user", "content": "go on"},
    ]
    request = raw.message(model="other", messages=history)
    _, headers = raw.answer(keyed.base, request, {"authorization": f"Bearer {keyed.narrow}"})
    assert headers["x-chipp-session"] == "replayed"
    _, headers = raw.answer(keyed.base, request, first)
    assert headers["x-chipp-session"] == "continued"


def test_upstream_that_is_not_there(tmp_path):
    """Nobody listens where Chipp should be: a clean 502 or 503, plain and streamed, and soon."""
    key = "sk-all-0123456789abcdef"
    text = f"""  api_key: live_x
models: {{gpt-4o: emu-gpt-4o-1}}
auth: {{mode: keys, keys: [{{name: all, sha256: [{hashlib.sha256(key.encode()).hexdigest()}]}}]}}
"""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with proxy.serve(tmp_path, f"http://127.0.0.1:{free.getsockname()[1]}/api/v1", text) as process:
            for stream in (False, True):
                reply = raw.post(process.url, raw.message(stream=stream), {"authorization": f"Bearer {key}"})
                error = reply.error(reply.status, kind="api_error")
                assert reply.status in (502, 503)
                assert "127.0.0.1" not in error["message"]
