"""Every alias of the sandbox, plain and streamed: a valid answer or a proper exception of the SDK's, and no hang."""

import concurrent.futures

import openai
import pytest

import proxy
import raw
import strict

AT_A_TIME = 8
HELLO = [{"role": "user", "content": "Hello"}]

# These keep a client waiting on purpose; what has to be seen of them is seen elsewhere.
WAITING = ("stall", "silent", "gated", "rounds-gated")

# What becomes of the apps that fail, by their aliases; every other one has to answer.
FAILS = {
    "plan-401": 403, "credits-402": 429, "rate-429": 429, "rate-429-bare": 429, "rate-429-hour": 429,
    "rate-429-class": 429, "credits-402-class": 429, "takeover": 409,
    "image-unsupported-400": 400, "zod-400": 400, "validation-400": 400,
} | dict.fromkeys(
    ["cut-plain", "unframed", "reset-before", "reset-after-store", "html-for-stream", "error-under-200",
     "empty-200", "redirect-302", "key-401", "route-404", "error-500", "error-500-after-store", "empty-500", "error-object",
     "upper-code", "html-502", "unavailable-503", "text-524", "external-502-class", "conflict-409", "coded-unknown",
     "interrupted", "network-error-word"], 502,
)  # fmt: skip
BREAKS_WHEN_STREAMED = {
    "stream-error-a", "stream-error-b", "stream-error-c", "error-first", "abort",
    "cut-a", "cut-b", "cut-c", "cut-after-store", "cut-chunk", "interrupted", "network-error-word", "big-text",
    "unknown-word-open", "unknown-types", "tool-error-first", "reset-step",
}  # fmt: skip
# Failing at the first request and answering the second: what a client sees depends on who tries again.
EITHER = {"flaky-503", "once-429", "once-500", "once-503", "once-reset"}


@pytest.fixture(scope="module")
def aliases(base):
    """What the sandbox offers."""
    listed = strict.models(raw.request(base, "GET", "/models", headers=raw.JSON).body)
    names = [model["id"] for model in listed["data"]]
    assert set(FAILS) | BREAKS_WHEN_STREAMED | EITHER | set(WAITING) <= set(names), "an alias of this suite is gone"
    return [name for name in names if name not in WAITING]


def each(check, names):
    """Checks all, some at a time, since some apps are slow; every complaint is told, not only the first."""
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        futures = {name: pool.submit(check, name) for name in names}
    complaints = {name: future.exception() for name, future in futures.items() if future.exception()}
    assert not complaints, "\n".join(f"{name}: {complaint!r}"[:600] for name, complaint in complaints.items())


def test_every_alias_through_the_sdk(aliases, client):
    def check(name):
        for stream in (False, True):
            try:
                answer = client.chat.completions.create(model=name, messages=HELLO, stream=stream)
                if stream:
                    reasons = [choice.finish_reason for chunk in answer for choice in chunk.choices]
                    assert reasons[-1] is not None and reasons.count(None) == len(reasons) - 1, reasons
                else:
                    assert answer.choices[0].message.content is not None
            except openai.APIError as error:
                # A timeout would be a hang, and a connection error a crash: only what the proxy says counts.
                assert not isinstance(error, openai.APIConnectionError), (stream, error)
                assert isinstance(error.body, dict) and error.body["message"], (stream, error)

    each(check, aliases)


def test_every_alias_is_strict_on_the_wire(aliases, base):
    def check(name):
        plain = raw.post(base, raw.message(model=name))
        streamed = raw.post(base, raw.message(model=name, stream=True, stream_options={"include_usage": True}))
        for reply in (plain, streamed):
            strict.headers(reply.headers, reply.status)
            if reply.status != 200:
                strict.error(reply.body)
        if plain.status == 200:
            assert strict.completion(plain.body)["model"] == name
        ended = streamed.status
        if ended == 200:
            result = strict.stream(streamed.body, include_usage=True)
            assert result.chunks[0]["model"] == name
            ended = 200 if result.done else "broken"
        if name in EITHER:
            return
        expected = FAILS.get(name, 200)
        assert plain.status == expected
        # A stream that breaks before its first text may still say so with a status.
        assert ended in ("broken", 502) if name in BREAKS_WHEN_STREAMED else ended == expected, ended

    each(check, aliases)


def test_second_turn_works_on_every_alias_that_answers(aliases, base):
    def check(name):
        first = raw.post(base, raw.message(model=name))
        if first.status != 200:
            return
        message = first.json()["choices"][0]["message"]
        history = [*HELLO, message, {"role": "user", "content": "And on"}]
        value, headers = raw.answer(base, raw.message(model=name, messages=history))
        assert headers["x-chipp-session"] in ("continued", "replayed")
        assert value["model"] == name

    each(check, aliases)


@pytest.mark.parametrize("name", WAITING)
def test_proxy_lives_on_while_a_client_waits(base, client, name):
    for stream in (False, True):
        with pytest.raises(openai.APITimeoutError):
            answer = client.with_options(timeout=0.3).chat.completions.create(model=name, messages=HELLO, stream=stream)
            if stream:
                list(answer)
    assert client.chat.completions.create(model="gpt-4o", messages=HELLO).choices[0].message.content


def test_sandbox_stops_when_it_is_told():
    process = proxy.Process("sandbox", "--listen", "127.0.0.1:0")
    assert raw.request(process.url, "GET", "/models", headers=raw.JSON).status == 200
    assert process.stop() == 0
