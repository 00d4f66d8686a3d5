"""LiteLLM as a client."""

import asyncio
import json

import litellm
import pytest

import tools
from conftest import KEY

litellm.telemetry = False
MESSAGES = [{"role": "user", "content": tools.ASK}]


@pytest.fixture
def target(base):
    return {"model": "openai/gpt-4o", "api_base": base, "api_key": KEY, "max_retries": 0}


def test_completion_and_remember(target):
    history = [{"role": "user", "content": "My name is Ann."}]
    answer = litellm.completion(messages=history, **target)
    history += [answer.choices[0].message.model_dump(), {"role": "user", "content": "Who am I?"}]
    again = asyncio.run(litellm.acompletion(messages=history, **target))
    assert "My name is Ann." in again.choices[0].message.content


def test_stream(target):
    messages = [{"role": "user", "content": "say 5 words"}]
    chunks = list(litellm.completion(messages=messages, stream=True, **target))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "word1 word2 word3 word4 word5"


@pytest.mark.parametrize("stream", [False, True])
def test_tools(target, stream):
    answer = litellm.completion(messages=MESSAGES, tools=tools.CHAT, stream=stream, **target)
    if stream:
        answer = litellm.stream_chunk_builder(list(answer))
    (call,) = answer.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == tools.ARGUMENTS


def test_responses(target):
    answer = litellm.responses(input="Hello", **target)
    assert answer.output[0].content[0].text == 'Hello! You said: "Hello".'
    events = list(litellm.responses(input="Hello", stream=True, **target))
    assert events[-1].type == "response.completed"


def test_errors_are_its_own(target):
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(**(target | {"model": "openai/nobody"}), messages=MESSAGES)
