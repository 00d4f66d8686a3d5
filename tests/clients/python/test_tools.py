"""Tools by the official SDK: plain, streamed, by its helpers, in every form of choice, and the older functions."""

import json

import openai
import pytest

import raw
import strict
import tools

MESSAGES = [{"role": "user", "content": tools.ASK}]


def called(message):
    """The one call of a message."""
    (call,) = message.tool_calls
    assert call.id.startswith("call_") and call.type == "function"
    return call


def test_round_trip(client):
    first = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=tools.CHAT)
    choice = first.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    call = called(choice.message)
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", tools.ARGUMENTS)
    history = [*MESSAGES, choice.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    second = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=history, tools=tools.CHAT)
    assert second.headers["x-chipp-session"] == "continued"
    answer = second.parse().choices[0]
    assert answer.finish_reason == "stop"
    assert answer.message.content == f"{tools.TOLD} [result of get_weather]\nsunny"


def test_round_trip_async(run_async):
    async def story(client):
        answer = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=tools.CHAT)
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, tools=tools.CHAT, stream=True
        )
        names = [
            call.function.name
            async for chunk in stream
            for call in chunk.choices[0].delta.tool_calls or []
            if call.function.name
        ]
        return called(answer.choices[0].message).function.name, names

    assert run_async(story) == ("get_weather", ["get_weather"])


def test_streamed_name_first_then_arguments(client):
    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=tools.CHAT, stream=True)
    deltas, reasons = [], []
    for chunk in stream:
        deltas += chunk.choices[0].delta.tool_calls or []
        reasons.append(chunk.choices[0].finish_reason)
    assert (deltas[0].function.name, deltas[0].function.arguments) == ("get_weather", "")
    assert all(delta.index == 0 for delta in deltas)
    assert json.loads("".join(delta.function.arguments for delta in deltas)) == tools.ARGUMENTS
    assert [reason for reason in reasons if reason] == ["tool_calls"]


def test_stream_helper(client):
    with client.chat.completions.stream(model="gpt-4o", messages=MESSAGES, tools=tools.CHAT) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.done" in kinds
    assert called(final.choices[0].message).function.name == "get_weather"


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("auto", "get_weather"),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "get_time"}}, "get_time"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [tools.CHAT[1]]},
            },
            "get_time",
        ),
    ],
)
@pytest.mark.parametrize("parallel", [True, False])
def test_choice(client, choice, name, parallel):
    answer = client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, tools=tools.CHAT, tool_choice=choice, parallel_tool_calls=parallel
    )
    assert called(answer.choices[0].message).function.name == name


def test_choice_none(client):
    answer = client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, tools=tools.CHAT, tool_choice="none"
    )
    assert answer.choices[0].message.tool_calls is None
    assert tools.ASK in answer.choices[0].message.content


def test_functions(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, functions=[tools.WEATHER])
    choice = answer.choices[0]
    assert choice.finish_reason == "function_call"
    assert json.loads(choice.message.function_call.arguments) == tools.ARGUMENTS
    history = [*MESSAGES, choice.message, {"role": "function", "name": "get_weather", "content": "rain"}]
    told = client.chat.completions.create(model="gpt-4o", messages=history, functions=[tools.WEATHER])
    assert told.choices[0].message.content.endswith("rain")


def test_bad_schema(client):
    bad = [{"type": "function", "function": {"name": "f", "parameters": {"type": "thing"}}}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=bad)
    assert caught.value.param == "tools[0].function.parameters"


@pytest.mark.parametrize("more", [{}, {"n": 2}, {"functions": [tools.WEATHER], "tools": None}])
def test_strict(base, more):
    body = raw.message(tools.ASK, **({"tools": tools.CHAT} | more))
    strict.validate(raw.post(base, body).json(), "CreateChatCompletionResponse")
    for data in raw.post(base, body | {"stream": True}).body.decode().split("\n\n"):
        if data and data != "data: [DONE]":
            strict.validate(json.loads(data.removeprefix("data: ")), "CreateChatCompletionStreamResponse")
