"""OpenAI's published schemas, closed: a field that they do not name is a failure.

As published they are open: an answer with a field too many, or with a misspelt optional one, is valid. Here every
schema exists twice. The closed one (`NAME.closed`) is for a place where a value stands; the open one is for a
schema that is only a part of another (`allOf`), which has to let its siblings' fields pass.
"""

import json
import re
from pathlib import Path

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import best_match

PUBLISHED = Path(__file__).parents[2] / "data" / "openai.json"

# JSON Schema calls 1.0 an integer; typed clients do not.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)
_Validator = validators.extend(Draft202012Validator, type_checker=_TYPES)

_IN_PLACE = ("allOf", "anyOf", "oneOf")


def _convert(schema, definition, closed):
    """Rewrites one schema. `closed` says whether it stands for a whole value, not for a part of one."""
    if isinstance(schema, bool):
        return schema
    schema = dict(schema)
    if schema.pop("nullable", False):
        return {"anyOf": [_convert(schema, definition, closed), {"type": "null"}]}
    if "$recursiveRef" in schema:
        del schema["$recursiveRef"]
        schema["$ref"] = f"#/$defs/{definition}"

    properties = schema.get("properties")
    if properties is not None:
        schema.setdefault("type", "object")
        schema["properties"] = {name: _convert(value, definition, True) for name, value in properties.items()}
    elif schema.get("type") == "object":
        # An object without a list of fields is free: metadata, a function's parameters.
        schema.setdefault("additionalProperties", True)
    for key in ("items", "additionalProperties"):
        if key in schema:
            schema[key] = _convert(schema[key], definition, True)

    # A pure choice hands its strictness down, so that a branch which fits but for an extra field does not count as fitting.
    # Where fields stand beside the choice, only the whole can tell which fields are unknown.
    parts = [key for key in _IN_PLACE if key in schema] + (["$ref"] if "$ref" in schema else [])
    pass_down = closed and len(parts) == 1 and parts[0] != "allOf" and properties is None
    for key in _IN_PLACE:
        if key in schema:
            schema[key] = [_convert(branch, definition, pass_down) for branch in schema[key]]
    if pass_down and "$ref" in schema:
        schema["$ref"] += ".closed"
    if closed and not pass_down and (properties is not None or parts):
        schema["unevaluatedProperties"] = False
    return schema


def close(definitions):
    """Both forms of every definition."""
    closed = {}
    for name, schema in definitions.items():
        closed[name] = _convert(schema, name, False)
        closed[f"{name}.closed"] = _convert(schema, name, True)
    return closed


_DEFS = close(json.loads(PUBLISHED.read_text())["$defs"])


def validate(value, name, definitions=_DEFS):
    """Raises AssertionError unless `value` is exactly what the schema `name` allows."""
    validator = _Validator({"$defs": definitions, "$ref": f"#/$defs/{name}.closed"})
    error = best_match(validator.iter_errors(value))
    assert error is None, f"not a {name}: at {error.json_path}: {error.message}\n{json.dumps(value)[:2000]}"


def _pairs(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a key stands twice: {names}"
    return dict(pairs)


def _constant(name):
    raise AssertionError(f"{name} is not JSON")


def parse(text):
    """JSON as the standard has it: no NaN, no key twice, no byte order mark."""
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)


def _usage(usage):
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], usage
    assert set(usage["prompt_tokens_details"]) == {"cached_tokens", "audio_tokens"}, usage
    assert set(usage["completion_tokens_details"]) == {
        "reasoning_tokens",
        "audio_tokens",
        "accepted_prediction_tokens",
        "rejected_prediction_tokens",
    }, usage
    counts = [usage["prompt_tokens"], usage["completion_tokens"]]
    counts += [*usage["prompt_tokens_details"].values(), *usage["completion_tokens_details"].values()]
    assert min(counts) >= 0, usage


def completion(body):
    """A whole `chat.completion`: by the schema, and by what the schema does not say."""
    value = parse(body) if isinstance(body, (str, bytes)) else body
    validate(value, "CreateChatCompletionResponse")
    assert re.fullmatch(r"chatcmpl-[A-Za-z0-9_-]{8,}", value["id"]), value["id"]
    assert 1_500_000_000 < value["created"] < 5_000_000_000, "created is in seconds"
    assert [choice["index"] for choice in value["choices"]] == list(range(len(value["choices"])))
    assert value["choices"], "an answer has a choice"
    for choice in value["choices"]:
        message = choice["message"]
        assert choice["logprobs"] is None
        assert message["refusal"] is None
        assert message["annotations"] == []
        assert "function_call" not in message and "audio" not in message
        assert (message["content"] is None) == bool(message.get("tool_calls"))
    _usage(value["usage"])
    return value


def error(body):
    """An error object with its four keys and nothing beside it."""
    value = parse(body) if isinstance(body, (str, bytes)) else body
    assert list(value) == ["error"], value
    validate(value, "ErrorResponse")
    assert set(value["error"]) == {"message", "type", "param", "code"}
    assert value["error"]["message"].strip()
    return value["error"]


def models(body):
    """The list of models."""
    value = parse(body) if isinstance(body, (str, bytes)) else body
    validate(value, "ListModelsResponse")
    ids = [model["id"] for model in value["data"]]
    assert len(ids) == len(set(ids)), ids
    return value


class StreamResult:
    """What a checked stream said."""

    def __init__(self):
        self.chunks = []
        self.error = None
        self.reasons = {}
        self.usage = None
        self.done = False

    @property
    def text(self):
        """The first answer's text."""
        return self.text_of(0)

    @property
    def finish_reason(self):
        """Why the first answer ended."""
        return self.reasons.get(0)

    def text_of(self, index):
        """The text of one answer."""
        choices = (choice for chunk in self.chunks for choice in chunk["choices"] if choice["index"] == index)
        return "".join(choice["delta"].get("content") or "" for choice in choices)


def events(body):
    """Splits a stream into its events' data: each one `data: ` line and a blank one; comments may stand between."""
    assert isinstance(body, bytes)
    assert b"\r" not in body, "one spelling of the line's end"
    assert body.endswith(b"\n\n"), f"the last event is complete: {body[-80:]!r}"
    for block in body[:-2].split(b"\n\n"):
        if block.startswith(b":"):
            assert b"\n" not in block
            continue
        assert block.startswith(b"data: ") and b"\n" not in block, block
        yield block[len(b"data: ") :]


def stream(body, include_usage=False, n=1):
    """A whole stream of `chat.completion.chunk`, byte by byte as it came; an error at its end is handed back, not raised."""
    result = StreamResult()
    for data in events(body):
        assert not result.done and result.error is None, f"nothing comes after the end: {data!r}"
        if data == b"[DONE]":
            result.done = True
            continue
        value = parse(data)
        if "error" in value:
            result.error = error(value)
            continue
        _chunk(result, value, include_usage)
    assert result.done != (result.error is not None), "a stream ends in [DONE] or in an error, not in both or none"
    if result.done:
        assert sorted(result.reasons) == list(range(n))
        assert None not in result.reasons.values(), "a stream that succeeds says why each answer ended"
        assert (result.usage is not None) == include_usage
    else:
        assert len(result.reasons) < n or None in result.reasons.values(), "what fails has no finish_reason"
    return result


def _chunk(result, value, include_usage):
    validate(value, "CreateChatCompletionStreamResponse")
    assert ("usage" in value) == include_usage, "usage is in every chunk or in none"
    first = result.chunks[0] if result.chunks else value
    for key in ("id", "created", "model", "system_fingerprint"):
        assert value.get(key) == first.get(key) and (key in value) == (key in first), f"{key} changed"
    assert value["id"].startswith("chatcmpl-")
    assert 1_500_000_000 < value["created"] < 5_000_000_000
    assert result.usage is None, "nothing comes after the usage"
    if not value["choices"]:
        assert include_usage and None not in result.reasons.values(), "only the usage comes without choices, and last"
        _usage(value["usage"])
        result.usage = value["usage"]
    else:
        assert value.get("usage") is None
        (choice,) = value["choices"]
        index = choice["index"]
        assert {"logprobs", "finish_reason"} <= set(choice), "both are there, null or not"
        assert choice["logprobs"] is None
        if index not in result.reasons:
            result.reasons[index] = None
            assert choice["delta"] == {"role": "assistant", "content": "", "refusal": None}, choice
            assert choice["finish_reason"] is None
        else:
            assert result.reasons[index] is None, "one finish_reason, and no text after it"
            assert "role" not in choice["delta"]
            if choice["finish_reason"] is None:
                assert list(choice["delta"]) == ["content"] and choice["delta"]["content"], choice
            else:
                assert choice["delta"] == {}, choice
                result.reasons[index] = choice["finish_reason"]
    result.chunks.append(value)


_GO_DURATION = r"(\d+(\.\d+)?(h|m|s|ms|µs|us))+"


def headers(fields, status=200):
    """The headers that every answer has, and those that none may have. `fields` has lower-case names."""
    assert fields["x-request-id"].strip()
    assert fields["openai-version"] == "2020-10-01"
    assert re.fullmatch(r"\d+", fields["openai-processing-ms"]), fields["openai-processing-ms"]
    assert re.fullmatch(r"upstream;dur=\d+\.\d+, proxy;dur=\d+\.\d+", fields["server-timing"]), fields["server-timing"]
    for kind in ("requests", "tokens"):
        trio = [fields.get(f"x-ratelimit-{what}-{kind}") for what in ("limit", "remaining", "reset")]
        assert all(trio) or not any(trio), f"the three come together: {trio}"
        if trio[0]:
            assert int(trio[0]) >= int(trio[1]) >= 0
            assert re.fullmatch(_GO_DURATION, trio[2]), trio[2]
    if status >= 400:
        assert fields["content-type"] == "application/json"
    for secret in ("x-chat-session-id", "x-correlation-id", "x-powered-by", "server"):
        assert secret not in fields, secret
