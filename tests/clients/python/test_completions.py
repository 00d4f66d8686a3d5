"""The legacy completions of the official SDK."""

import openai
import pytest


def test_plain(client):
    answer = client.completions.create(model="gpt-4o", prompt="tell me", max_tokens=100)
    assert "tell me" in answer.choices[0].text
    assert answer.usage.total_tokens > 0


def test_several_prompts_and_choices(client):
    answer = client.completions.create(model="gpt-4o", prompt=["one", "two"], n=2, echo=True, max_tokens=100)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.text[:3] for choice in answer.choices] == ["one", "one", "two", "two"]


def test_streamed(client):
    stream = client.completions.create(
        model="gpt-4o", prompt="say 5 words", stream=True, max_tokens=100, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "word1 word2 word3 word4 word5"
    assert chunks[-1].usage.completion_tokens > 0


def test_stop_and_length(client):
    stopped = client.completions.create(model="gpt-4o", prompt="say 9 words", stop="word4", max_tokens=100)
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == ("word1 word2 word3 ", "stop")
    assert client.completions.create(model="gpt-4o", prompt="say 99 words").choices[0].finish_reason == "length"


def test_suffix_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="gpt-4o", prompt="x", suffix="y")
    assert caught.value.param == "suffix"
