"""JSON by the official SDK: models of pydantic, plain and streamed, and any object."""

import json

import pytest
from pydantic import BaseModel

import tools

MESSAGES = [{"role": "user", "content": "Go on."}]


class Inner(BaseModel):
    """Nested, so that the schema has definitions."""

    label: str


class Point(BaseModel):
    """What the app is to fill."""

    x: int
    tags: list[str]
    inner: Inner


FILLED = Point(x=1, tags=["example"], inner=Inner(label="example"))


def test_parse(client):
    answer = client.chat.completions.parse(model="gpt-4o", messages=MESSAGES, response_format=Point)
    assert answer.choices[0].message.parsed == FILLED
    assert answer.choices[0].message.refusal is None


def test_parse_streamed(client):
    with client.chat.completions.stream(model="gpt-4o", messages=MESSAGES, response_format=Point) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.parsed == FILLED


def test_parse_with_tools(client):
    tool = {"type": "function", "function": {**tools.WEATHER, "strict": True}}
    answer = client.chat.completions.parse(
        model="gpt-4o", messages=[{"role": "user", "content": tools.ASK}], tools=[tool], response_format=Point
    )
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.parsed_arguments == tools.ARGUMENTS
    history = [
        {"role": "user", "content": tools.ASK},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": call.id, "type": "function",
             "function": {"name": call.function.name, "arguments": call.function.arguments}}
        ]},
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]  # fmt: skip
    told = client.chat.completions.parse(model="gpt-4o", messages=history, tools=[tool], response_format=Point)
    assert told.choices[0].message.parsed == FILLED


@pytest.mark.parametrize("stream", [False, True])
def test_json_object(client, stream):
    answer = client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, response_format={"type": "json_object"}, stream=stream
    )
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
    else:
        text = answer.choices[0].message.content
    assert isinstance(json.loads(text), dict)
