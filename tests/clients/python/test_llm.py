"""The command line tool `llm`, with a model of its own configuration."""

import os
import subprocess
import sys

import pytest

from conftest import KEY


@pytest.fixture
def llm(base, tmp_path):
    """Runs it; gives what it prints."""
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: chipp\n  model_name: gpt-4o\n  api_base: {base}\n  api_key_name: chipp\n"
        "  supports_tools: true\n  supports_schema: true\n"
    )
    environment = os.environ | {"LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": KEY}

    def run(*arguments):
        command = [sys.executable, "-m", "llm", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("keys", "set", "chipp", "--value", KEY)
    return run


def test_prompt_and_continue(llm):
    assert "My name is Ann." in llm("prompt", "-m", "chipp", "My name is Ann.")
    assert "My name is Ann." in llm("prompt", "-c", "Who am I?")
    assert "Hello" in llm("prompt", "-m", "chipp", "--no-stream", "Hello")


def test_schema(llm):
    assert llm("prompt", "-m", "chipp", "--schema", "x int", "Go on.").strip() == '{"x":1}'


def test_tools(llm):
    functions = 'def get_weather(city: str) -> str:\n    """The weather."""\n    return "sunny in " + city\n'
    assert "sunny in example" in llm("prompt", "-m", "chipp", "--functions", functions, "Please use get_weather.")
