"""Answers, plain and streamed, through the official SDK and by their bytes."""

import asyncio

import openai
import pytest

import raw

HELLO = [{"role": "user", "content": "Hello"}]


def test_create(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert answer.model == "gpt-4o"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_stream(client):
    with client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_several_choices(client, base):
    plain, _ = raw.answer(base, raw.message(n=3))
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)
    assert [choice.index for choice in answer.choices] == [choice["index"] for choice in plain["choices"]] == [0, 1, 2]
    raw.streamed(base, raw.message(n=3, stream_options={"include_usage": True}))
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, n=3) as stream:
        final = stream.get_final_completion()
    for choice in final.choices:
        assert choice.finish_reason == "stop"
        history = [*HELLO, {"role": "assistant", "content": choice.message.content}]
        go_on = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=[*history, {"role": "user", "content": "And now?"}]
        )
        assert go_on.headers["x-chipp-session"] == "continued"


def test_stream_helper_builds_the_same_answer(client):
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert final.choices[0].message.content == text


def test_async(run_async):
    async def story(client):
        answer = await client.chat.completions.create(model="gpt-4o", messages=HELLO)
        pieces = []
        async for chunk in await client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True):
            pieces.append(chunk.choices[0].delta.content or "")
        return answer.choices[0].message.content, "".join(pieces)

    plain, streamed = run_async(story)
    assert plain == streamed != ""


def test_plain_and_streamed_say_the_same(base):
    plain, _ = raw.answer(base, raw.message())
    streamed, _ = raw.streamed(base, raw.message())
    assert streamed.text == plain["choices"][0]["message"]["content"]
    assert streamed.finish_reason == plain["choices"][0]["finish_reason"] == "stop"


def test_headers_through_the_sdk(client):
    response = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=HELLO, extra_headers={"x-request-id": "my-own-id-42"}
    )
    assert response.headers["x-request-id"] == "my-own-id-42"
    assert response.headers["openai-version"] == "2020-10-01"
    assert int(response.headers["openai-processing-ms"]) >= 0
    assert response.headers["x-chipp-session"] == "new"
    assert "x-chat-session-id" not in response.headers
    answer = response.parse()
    assert answer._request_id == "my-own-id-42"
    assert answer.choices[0].message.content


def test_streaming_response_has_the_headers_before_the_text(client):
    with client.chat.completions.with_streaming_response.create(
        model="gpt-4o", messages=HELLO, stream=True
    ) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-request-id"]
        assert response.headers["x-chipp-session"] == "new"


def test_request_id_of_ones_own_is_new_each_time(base):
    ids = {raw.answer(base, raw.message())[1]["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("bad", ["x" * 600, "two words", "ä".encode("latin-1").decode("latin-1")])
def test_insane_request_id_is_replaced(base, bad):
    _, headers = raw.answer(base, raw.message(), {"x-request-id": bad})
    assert headers["x-request-id"] != bad
    assert headers["x-request-id"].isascii() and len(headers["x-request-id"]) < 200


def test_include_usage(client, base):
    stream = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])
    result, _ = raw.streamed(base, raw.message(stream_options={"include_usage": True}))
    assert result.usage["total_tokens"] > 0


def test_include_usage_false_is_like_none(base):
    raw.streamed(base, raw.message(stream_options={"include_usage": False}))
    raw.streamed(base, raw.message(stream_options={}))


def test_upstreams_usage_is_told_from_an_estimate(base):
    _, headers = raw.answer(base, raw.message())
    assert headers["x-chipp-usage"] in ("upstream", "estimated")
    _, headers = raw.answer(base, raw.message(model="null-usage"))
    assert headers["x-chipp-usage"] == "estimated"


def test_closing_a_stream_midway_leaves_the_proxy_well(client):
    stream = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "count to 500"}], stream=True
    )
    seen = [next(stream) for _ in range(5)]
    stream.close()
    assert len({chunk.id for chunk in seen}) == 1
    assert client.chat.completions.create(model="gpt-4o", messages=HELLO).choices[0].message.content


@pytest.mark.parametrize(
    "model", ["cut-a", "cut-b", "cut-c", "cut-chunk", "stream-error-a", "stream-error-b", "stream-error-c", "abort"]
)
def test_broken_stream_raises_and_never_ends_well(client, model):
    pieces = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
            pieces.append(chunk)
    assert caught.value.body["message"]
    assert pieces, "what came before the break is not withheld"
    assert all(choice.finish_reason is None for chunk in pieces for choice in chunk.choices)


def test_hundred_streams_at_once(run_async):
    """More than a client pool's usual limit: none may wait for another's end."""
    async def story(client):
        async def one(number):
            text = f"I am number {number}"
            stream = await client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": text}], stream=True
            )
            return number, "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        return await asyncio.gather(*(one(number) for number in range(120)))

    answers = run_async(story)
    assert len(answers) == 120
    for number, text in answers:
        assert f"I am number {number}" in text
