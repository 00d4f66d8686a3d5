"""The SDK as everybody has it, with its own retries: it waits for as long as a 429 says, and gets through."""

import time

import openai
import pytest

import proxy

# Each alias answers one request in a second and a half.
CONFIG = """  api_key: live_0123456789
models:
  plain: &limited {app: emu-gpt-4o-1, limits: {requests_per_minute: 40, burst: 1}}
  streamed: *limited
auth: {mode: open}
"""


@pytest.fixture(scope="module")
def limited(emulator, tmp_path_factory):
    with proxy.serve(tmp_path_factory.mktemp("limited"), emulator, CONFIG) as process:
        yield process.url


@pytest.mark.parametrize("model", ["plain", "streamed"])
def test_a_denied_request_waits_and_gets_through(limited, model):
    sent, answered = [], []
    watch = {
        "request": [lambda _: sent.append(time.monotonic())],
        "response": [lambda response: answered.append((time.monotonic(), response))],
    }
    ask = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    with openai.OpenAI(base_url=limited, api_key="x", http_client=openai.DefaultHttpxClient(event_hooks=watch)) as client:
        # The one that there is room for.
        client.chat.completions.create(**ask)
        if model == "streamed":
            chunks = list(client.chat.completions.create(**ask, stream=True))
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        else:
            assert client.chat.completions.create(**ask).choices[0].message.content
    assert [response.status_code for _, response in answered] == [200, 429, 200]
    denied_at, denied = answered[1]
    asked = int(denied.headers["retry-after-ms"]) / 1000
    assert 0 < asked <= 1.5
    assert sent[2] - denied_at >= asked
