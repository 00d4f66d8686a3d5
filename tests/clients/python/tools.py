"""Tools and schemas that the suites of all clients offer, and what the sandbox's apps make of them.

An app of the sandbox calls the tool that the user's message names, else the first, with the simplest arguments that its schema
allows; of a result it says `The tool said: …`; a schema it fills likewise.
"""

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
TIME = {"name": "get_time", "description": "The time.", "parameters": {"type": "object", "properties": {}}}

# As chat completions have them, and as responses have them.
CHAT = [{"type": "function", "function": tool} for tool in (WEATHER, TIME)]
RESPONSES = [{"type": "function", "strict": False, **tool} for tool in (WEATHER, TIME)]

ASK = "Please use get_weather."
ARGUMENTS = {"city": "example"}
TOLD = "The tool said:"
