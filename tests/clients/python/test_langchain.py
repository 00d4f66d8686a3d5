"""LangChain's OpenAI classes: chat, streams, tools, structured output; by chat completions and by responses."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel

import tools
from conftest import KEY


class Point(BaseModel):
    """A point."""

    x: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def model(base, request):
    return ChatOpenAI(
        model="gpt-4o", base_url=base, api_key=KEY, max_retries=0, stream_usage=True, use_responses_api=request.param
    )


def test_invoke_and_remember(model):
    history = [HumanMessage("My name is Ann.")]
    history.append(model.invoke(history))
    history.append(HumanMessage("Who am I?"))
    answer = model.invoke(history)
    assert "My name is Ann." in answer.text
    assert answer.usage_metadata["total_tokens"] > 0


def test_stream(model):
    whole = None
    for chunk in model.stream("say 5 words"):
        whole = chunk if whole is None else whole + chunk
    assert whole.text == "word1 word2 word3 word4 word5"
    assert whole.usage_metadata["output_tokens"] > 0


def test_tools(model):
    bound = model.bind_tools([get_weather])
    history = [HumanMessage(tools.ASK)]
    answer = bound.invoke(history)
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", tools.ARGUMENTS)
    history += [answer, ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])]
    assert "sunny in example" in bound.invoke(history).text


def test_agent(model):
    agent = create_agent(model, tools=[get_weather])
    answer = agent.invoke({"messages": [HumanMessage(tools.ASK)]})
    assert "sunny in example" in answer["messages"][-1].text


def test_tools_streamed(model):
    whole = None
    for chunk in model.bind_tools([get_weather]).stream(tools.ASK):
        whole = chunk if whole is None else whole + chunk
    assert [call["args"] for call in whole.tool_calls] == [tools.ARGUMENTS]


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured(model, method):
    assert model.with_structured_output(Point, method=method).invoke("Go on.") == Point(x=1)


def test_json_mode(base):
    model = ChatOpenAI(model="gpt-4o", base_url=base, api_key=KEY, max_retries=0)
    answer = model.with_structured_output(None, method="json_mode").invoke("Go on.")
    assert answer == {"answer": "Go on."}


def test_legacy_completions(base):
    llm = OpenAI(model="gpt-4o", base_url=base, api_key=KEY, max_retries=0, max_tokens=100)
    assert "Hello" in llm.invoke("Hello")
