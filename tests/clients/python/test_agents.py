"""OpenAI's Agents SDK, by responses (its default) and by chat completions."""

import asyncio

import openai
import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from pydantic import BaseModel

import tools
from conftest import KEY

set_tracing_disabled(True)


class Point(BaseModel):
    """A point."""

    x: int


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


@pytest.fixture(params=[OpenAIResponsesModel, OpenAIChatCompletionsModel], ids=["responses", "chat"])
def model(base, request):
    client = openai.AsyncOpenAI(base_url=base, api_key=KEY, max_retries=0)
    return request.param(model="gpt-4o", openai_client=client)


def test_answer(model):
    agent = Agent(name="a", instructions="Be kind.", model=model)
    result = asyncio.run(Runner.run(agent, "Hello"))
    assert result.final_output == 'Hello! You said: "Hello".'


def test_tools(model):
    agent = Agent(name="a", model=model, tools=[get_weather])
    result = asyncio.run(Runner.run(agent, tools.ASK))
    assert "sunny in example" in result.final_output


def test_streamed(model):
    async def story():
        agent = Agent(name="a", model=model, tools=[get_weather])
        result = Runner.run_streamed(agent, tools.ASK)
        kinds = [event.type async for event in result.stream_events()]
        return kinds, result.final_output

    kinds, output = asyncio.run(story())
    assert "run_item_stream_event" in kinds
    assert "sunny in example" in output


def test_output_type(model):
    agent = Agent(name="a", model=model, output_type=Point)
    assert asyncio.run(Runner.run(agent, "Go on.")).final_output == Point(x=1)


def test_session(model):
    async def story():
        agent, session = Agent(name="a", model=model), SQLiteSession("s")
        await Runner.run(agent, "My name is Ann.", session=session)
        return (await Runner.run(agent, "Who am I?", session=session)).final_output

    assert "My name is Ann." in asyncio.run(story())


def test_previous_response(base):
    async def story():
        client = openai.AsyncOpenAI(base_url=base, api_key=KEY, max_retries=0)
        agent = Agent(name="a", model=OpenAIResponsesModel(model="gpt-4o", openai_client=client))
        first = await Runner.run(agent, "My name is Ann.")
        second = await Runner.run(agent, "Who am I?", previous_response_id=first.last_response_id)
        return second.final_output

    assert "My name is Ann." in asyncio.run(story())


def test_handoff(model):
    other = Agent(name="other", model=model)
    first = Agent(name="first", model=model, handoffs=[other])
    result = asyncio.run(Runner.run(first, "Please transfer_to_other."))
    assert result.last_agent.name == "other"
