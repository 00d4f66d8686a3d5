"""The policy for repeats, by the official SDK at its default settings: how many requests reach the upstream.

The SDK repeats 408, 409, 429 and 5xx twice by itself. What an app may have carried out must not be sent again.
"""

import contextlib
import functools
import json
import socket
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest

import proxy
import stub

TABLE = json.loads((Path(__file__).parents[1] / "repeats.json").read_text())
ANSWERS = TABLE["answers"]
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "point", "strict": True, "schema": SCHEMA}}
SAID = "Here I am."

# The first request opens the circuit breaker.
OPEN = {"name": "breaker", "settings": "breaker", "upstream": ["500", "good"], "stream": [False, True]}

MODES = {False: "plain", True: "streamed"}


def cases(rows):
    """Each row, plain and streamed as it says."""
    return [pytest.param(row, stream, id=f"{row['name']}-{MODES[stream]}") for row in rows for stream in row["stream"]]


def app(row, stream):
    """Each case has an app of its own, and so a circuit breaker, a counter, and an alias of the same name."""
    return f"{row['name']}-{MODES[stream]}-1"


def config(settings, apps):
    """What comes after `upstream.base_url`."""
    aliases = "".join(f"  {app}: {app}\n" for app in apps)
    return f"  api_key: live_0123456789\n  {TABLE['settings'][settings]}\nmodels:\n{aliases}auth: {{mode: open}}\n"


@pytest.fixture(scope="module")
def chipp():
    rows = [*TABLE["rows"], OPEN]
    plans = {app(row, stream): [ANSWERS[name] for name in row["upstream"]] for row in rows for stream in row["stream"]}
    with stub.Stub(plans) as chipp:
        yield chipp


@pytest.fixture(scope="module")
def serve(chipp, tmp_path_factory):
    """The base URL of a proxy with these settings, started when it is first asked for."""
    with contextlib.ExitStack() as running:

        @functools.cache
        def serve(settings):
            folder = tmp_path_factory.mktemp(settings)
            return running.enter_context(proxy.serve(folder, chipp.url, config(settings, chipp.plans))).url

        yield serve


def ask(base, model, stream, seen=lambda _: None, **more):
    """One request by the SDK as it is: its text or its exception, and the responses that the SDK got."""
    responses = []
    hooks = {"response": [responses.append, seen]}
    result = SimpleNamespace(text=None, error=None, responses=responses)
    with openai.OpenAI(base_url=base, api_key="x", http_client=openai.DefaultHttpxClient(event_hooks=hooks)) as client:
        assert client.max_retries == openai.DEFAULT_MAX_RETRIES == 2
        try:
            messages = [{"role": "user", "content": "Send the mail."}]
            answer = client.chat.completions.create(model=model, messages=messages, stream=stream, **more)
            if stream:
                result.text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
            else:
                result.text = answer.choices[0].message.content
        except openai.APIError as error:
            result.error = error
    return result


def header(responses):
    """`x-should-retry` of each failed response."""
    return [response.headers.get("x-should-retry") for response in responses if response.status_code != 200]


def check(result, row):
    """What the caller of the SDK gets, and what the SDK was told."""
    if "raises" not in row:
        assert (result.text, result.error) == (SAID, None)
    else:
        assert type(result.error) is getattr(openai, row["raises"]), result
        assert (getattr(result.error, "status_code", None), result.error.code) == (row["status"], row["code"])
    if "x_should_retry" in row:
        assert set(header(result.responses)) <= {row["x_should_retry"]}
    assert len(result.responses) == row.get("attempts", 1)


@pytest.mark.parametrize(("row", "stream"), cases(TABLE["rows"]))
def test_calls_of_the_upstream(chipp, serve, row, stream):
    model = app(row, stream)
    base = serve(row.get("settings", "default"))
    more = {"response_format": FORMAT} if row.get("json") else {}
    if row.get("second_turn"):
        more["extra_headers"] = {"X-Conversation-ID": model}
        assert ask(base, model, stream, **more).text == SAID
    before = chipp.calls[model]
    result = ask(base, model, stream, **more)
    assert chipp.calls[model] - before == row["calls"], (result.error, header(result.responses))
    check(result, row)


@pytest.mark.parametrize("stream", MODES, ids=MODES.values())
def test_an_open_circuit_breaker_may_be_repeated(chipp, serve, stream):
    model = app(OPEN, stream)
    base = serve(OPEN["settings"])
    opened = ask(base, model, stream)
    assert header(opened.responses) == ["false"] and chipp.calls[model] == 1
    calls = []
    result = ask(base, model, stream, seen=lambda response: calls.append((response.status_code, chipp.calls[model])))
    # None while it is open; the repeat comes when the SDK was told to, and is the probe.
    assert calls == [(503, 1), (200, 2)]
    assert result.text == SAID
    assert header(result.responses) == [None]
    denied = result.responses[0]
    assert 0 < int(denied.headers["retry-after-ms"]) <= 2000


# The proxy's own retry is the only one: with it the SDK is told not to repeat, without it the SDK does.
@pytest.mark.parametrize(("settings", "expected"), [("default", ["false"]), ("no_retries", [None, None, None])])
def test_no_connection(tmp_path, settings, expected):
    with socket.socket() as closed:
        # Bound, and not listening: a connection is refused, and nobody else gets the port.
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/api/v1"
        with proxy.serve(tmp_path, url, config(settings, ["app-1"])) as process:
            result = ask(process.url, "app-1", False)
    assert type(result.error) is openai.InternalServerError
    assert (result.error.status_code, result.error.code) == (502, "upstream_error")
    assert header(result.responses) == expected
