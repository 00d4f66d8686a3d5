"""LlamaIndex, by its class for servers that speak OpenAI's API."""

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

KEY = "sk-sandbox-0123456789"


class Point(BaseModel):
    """A point."""

    x: int


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


@pytest.fixture
def llm(base):
    return OpenAILike(
        model="gpt-4o",
        api_base=base,
        api_key=KEY,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
        context_window=100_000,
    )


def test_chat_and_remember(llm):
    history = [ChatMessage(role="user", content="My name is Ann.")]
    history += [llm.chat(history).message, ChatMessage(role="user", content="Who am I?")]
    assert "My name is Ann." in llm.chat(history).message.content


def test_stream(llm):
    chunks = list(llm.stream_chat([ChatMessage(role="user", content="say 5 words")]))
    assert "".join(chunk.delta or "" for chunk in chunks) == "word1 word2 word3 word4 word5"


def test_tools(llm):
    tool = FunctionTool.from_defaults(get_weather)
    answer = llm.predict_and_call([tool], "Please use get_weather.")
    assert "sunny in example" in str(answer)


def test_structured(llm):
    assert llm.as_structured_llm(Point).complete("Go on.").raw == Point(x=1)


def test_completion(base):
    llm = OpenAILike(model="gpt-4o", api_base=base, api_key=KEY, is_chat_model=False, max_tokens=100)
    assert "Hello" in llm.complete("Hello").text
