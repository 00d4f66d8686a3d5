"""pydantic-ai, by chat completions and by responses."""

import asyncio

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

import tools
from conftest import KEY


class Point(BaseModel):
    """A point."""

    x: int


@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
def model(base, request):
    return request.param("gpt-4o", provider=OpenAIProvider(base_url=base, api_key=KEY))


def test_answer_and_remember(model):
    agent = Agent(model)
    first = agent.run_sync("My name is Ann.")
    second = agent.run_sync("Who am I?", message_history=first.all_messages())
    assert "My name is Ann." in second.output


def test_tools(model):
    agent = Agent(model)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    assert "sunny in example" in agent.run_sync(tools.ASK).output


@pytest.mark.parametrize("form", [Point, NativeOutput(Point)], ids=["tool", "native"])
def test_output_type(model, form):
    assert Agent(model, output_type=form).run_sync("Go on.").output == Point(x=1)


def test_stream(model):
    async def story():
        async with Agent(model).run_stream("say 5 words") as result:
            return await result.get_output()

    assert asyncio.run(story()) == "word1 word2 word3 word4 word5"
