"""The Responses API by the official SDK."""

import json

import openai
import pytest
from pydantic import BaseModel

import raw
import strict
import tools


class Point(BaseModel):
    """What the app is to fill."""

    x: int


def test_plain(client):
    answer = client.responses.create(model="gpt-4o", input="Hello", instructions="Be kind.", metadata={"a": "b"})
    assert answer.output_text == 'Hello! You said: "Hello".'
    assert (answer.status, answer.metadata, answer.instructions) == ("completed", {"a": "b"}, "Be kind.")
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_streamed(client):
    stream = client.responses.create(model="gpt-4o", input="Hello", stream=True)
    events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text


def test_stream_helper(client):
    with client.responses.stream(model="gpt-4o", input="Hello") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == 'Hello! You said: "Hello".'


def test_async(run_async):
    async def story(client):
        plain = await client.responses.create(model="gpt-4o", input="Hello")
        stream = await client.responses.create(model="gpt-4o", input="Hello", stream=True)
        last = [event async for event in stream][-1]
        return plain.output_text == last.response.output_text

    assert run_async(story)


def test_chain(client):
    first = client.responses.create(model="gpt-4o", input="My name is Ann.")
    second = client.responses.with_raw_response.create(
        model="gpt-4o", input="Who am I?", previous_response_id=first.id
    )
    assert second.headers["x-chipp-session"] == "continued"
    assert "My name is Ann." in second.parse().output_text
    branch = client.responses.create(model="gpt-4o", input="Again?", previous_response_id=first.id)
    assert "message 2" in branch.output_text


def test_history_of_the_clients_own(client):
    items = [{"role": "user", "content": "My name is Ann."}]
    items += client.responses.create(model="gpt-4o", input=items, store=False).output
    items.append({"role": "user", "content": "Who am I?"})
    assert "My name is Ann." in client.responses.create(model="gpt-4o", input=items, store=False).output_text


@pytest.mark.parametrize("stream", [False, True])
def test_tools(client, stream):
    answer = client.responses.create(model="gpt-4o", input=tools.ASK, tools=tools.RESPONSES, stream=stream)
    if stream:
        answer = list(answer)[-1].response
    (call,) = answer.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", tools.ARGUMENTS)
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    told = client.responses.create(
        model="gpt-4o", input=[output], previous_response_id=answer.id, tools=tools.RESPONSES
    )
    assert told.output_text == f"{tools.TOLD} [result of get_weather]\nsunny"


def test_parse(client):
    answer = client.responses.parse(model="gpt-4o", input="Go on.", text_format=Point)
    assert answer.output_parsed == Point(x=1)
    with client.responses.stream(model="gpt-4o", input="Go on.", text_format=Point) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_parsed == Point(x=1)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, "tools[0].type"),
    ],
)
def test_refused(client, more, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-4o", input="x", **more)
    assert caught.value.param == param


def test_unknown_previous(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="gpt-4o", input="x", previous_response_id="resp_0")
    assert caught.value.code == "previous_response_not_found"


def test_broken_stream_fails(client):
    events = list(client.responses.create(model="cut-c", input="x", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.code == "server_error"


@pytest.mark.parametrize(
    "more",
    [
        {"input": "Hello"},
        {"input": tools.ASK, "tools": tools.RESPONSES},
        {"input": "Go on.", "text": {"format": {"type": "json_schema", "name": "p", "schema": Point.model_json_schema()}}},
        {"input": "say 99 words", "max_output_tokens": 16},
    ],
)  # fmt: skip
def test_strict(base, more):
    body = {"model": "gpt-4o"} | more
    strict.validate(raw.post(base, body, path="/responses").json(), "Response")
    stream = raw.post(base, body | {"stream": True}, path="/responses").body.decode()
    for number, event in enumerate(stream.removesuffix("\n\n").split("\n\n")):
        name, data = event.split("\n")
        data = json.loads(data.removeprefix("data: "))
        assert (data["sequence_number"], f"event: {data['type']}") == (number, name)
        strict.validate(data, "ResponseStreamEvent")
