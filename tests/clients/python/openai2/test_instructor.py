"""instructor in its modes."""

import instructor
import openai
import pytest
from pydantic import BaseModel

KEY = "sk-sandbox-0123456789"


class Point(BaseModel):
    """A point."""

    x: int


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA])
def test_modes(base, mode):
    client = instructor.from_openai(openai.OpenAI(base_url=base, api_key=KEY, max_retries=0), mode=mode)
    messages = [{"role": "user", "content": "Go on."}]
    made = client.chat.completions.create(model="gpt-4o", messages=messages, response_model=Point, max_retries=0)
    assert made.x == 1
