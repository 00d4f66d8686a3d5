"""The judge is judged: planted mistakes in good answers must be found."""

import copy
import json

import pytest

import strict

USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
COMPLETION = {
    "id": "chatcmpl-0123456789",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
    "system_fingerprint": "fp_0123456789",
}
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def planted(base, path, value):
    """A copy with the value at the path replaced; `...` removes it."""
    broken = copy.deepcopy(base)
    at = broken
    for step in path[:-1]:
        at = at[step]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return broken


def test_good_completion_passes():
    strict.completion(json.dumps(COMPLETION))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["extra"], 1),
        (["chatSessionId"], "x"),
        (["choices", 0, "extra"], None),
        (["choices", 0, "message", "reasoning_content"], "x"),
        (["choices", 0, "logprobs"], {"content": None, "refusal": None, "extra": 1}),
        (["usage", "promptTokens"], 1),
        (["usage", "prompt_tokens_details", "extra"], 0),
        (["id"], ...),
        (["created"], ...),
        (["choices"], ...),
        (["choices", 0, "finish_reason"], ...),
        (["choices", 0, "logprobs"], ...),
        (["choices", 0, "message", "refusal"], ...),
        (["usage", "total_tokens"], ...),
        (["created"], "1790000000"),
        (["created"], 1_790_000_000.0),
        (["created"], 1_790_000_000_000),
        (["choices", 0, "index"], True),
        (["choices", 0, "finish_reason"], "tool-calls"),
        (["choices", 0, "finish_reason"], None),
        (["choices", 0, "message", "content"], 5),
        (["choices", 0, "message", "role"], "user"),
        (["choices", 0, "message", "annotations"], None),
        (["object"], "chat.completion.chunk"),
        (["usage", "completion_tokens"], None),
        (["usage", "completion_tokens"], 5),
        (["usage"], None),
        (["choices"], []),
        (["system_fingerprint"], 7),
    ],
)
def test_planted_mistake_in_a_completion_is_found(path, value):
    with pytest.raises(AssertionError):
        strict.completion(planted(COMPLETION, path, value))


def test_tool_calls_are_closed_too():
    message = {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [TOOL_CALL]}
    good = planted(COMPLETION, ["choices", 0, "message"], message)
    strict.completion(good)
    call = ["choices", 0, "message", "tool_calls", 0]
    for path, value in [
        ([*call, "extra"], 1),
        ([*call, "index"], 0),
        ([*call, "function", "extra"], 1),
        ([*call, "function", "arguments"], {}),
        ([*call, "type"], "tool"),
        ([*call, "id"], ...),
    ]:
        with pytest.raises(AssertionError):
            strict.completion(planted(good, path, value))


@pytest.mark.parametrize(
    "text", ['{"a":NaN}', '{"a":1,"a":2}', '{"a":1', '\ufeff{"a":1}', '{"a":1} x', "{'a':1}"]
)
def test_what_is_not_json_is_found(text):
    with pytest.raises((AssertionError, ValueError)):
        strict.parse(text)


def chunk(delta=None, finish=None, **more):
    """One chunk of a good stream."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {
        "id": "chatcmpl-0123456789",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "gpt-4o",
        "choices": choices,
        **more,
    }


ROLE = {"role": "assistant", "content": "", "refusal": None}
GOOD = [chunk(ROLE), chunk({"content": "Hi"}), chunk({}, "stop")]
FAILED = {"error": {"message": "It broke.", "type": "api_error", "param": None, "code": "upstream_error"}}


def wire(values, done=True):
    """The bytes of a stream."""
    lines = [f"data: {json.dumps(value)}\n\n" for value in values]
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


def with_usage(values):
    """The same stream as `include_usage` makes it."""
    return [value | {"usage": None} for value in values] + [chunk(usage=USAGE)]


def test_good_streams_pass():
    result = strict.stream(wire(GOOD))
    assert (result.text, result.finish_reason, result.done) == ("Hi", "stop", True)
    assert strict.stream(b": waiting\n\n" + wire(GOOD)).text == "Hi"
    assert strict.stream(wire(with_usage(GOOD)), include_usage=True).usage == USAGE
    result = strict.stream(wire([*GOOD[:2], FAILED], done=False))
    assert result.error["code"] == "upstream_error" and not result.done


BROKEN_STREAMS = {
    "no end": wire(GOOD, done=False),
    "error and [DONE]": wire([*GOOD[:2], FAILED]),
    "stop and error": wire([*GOOD, FAILED], done=False),
    "no finish_reason": wire(GOOD[:2]),
    "two finish_reasons": wire([*GOOD, GOOD[-1]]),
    "text after the finish": wire([*GOOD, GOOD[1]]),
    "no role chunk": wire(GOOD[1:]),
    "two role chunks": wire([GOOD[0], *GOOD]),
    "empty text": wire([GOOD[0], chunk({"content": ""}), GOOD[2]]),
    "unknown field": wire([GOOD[0], GOOD[1] | {"sessionId": "x"}, GOOD[2]]),
    "unknown field in a delta": wire([GOOD[0], chunk({"content": "Hi", "reasoning": "x"}), GOOD[2]]),
    "id changes": wire([GOOD[0], GOOD[1] | {"id": "chatcmpl-other"}, GOOD[2]]),
    "model changes": wire([GOOD[0], GOOD[1] | {"model": "other"}, GOOD[2]]),
    "created changes": wire([GOOD[0], GOOD[1] | {"created": 1_790_000_001}, GOOD[2]]),
    "fingerprint appears": wire([GOOD[0], GOOD[1] | {"system_fingerprint": "fp_1"}, GOOD[2]]),
    "usage unasked": wire(with_usage(GOOD)),
    "usage in one chunk only": wire([*GOOD[:2], GOOD[2] | {"usage": None}]),
    "no logprobs": wire([planted(GOOD[0], ["choices", 0, "logprobs"], ...), *GOOD[1:]]),
    "no finish_reason key": wire([planted(GOOD[0], ["choices", 0, "finish_reason"], ...), *GOOD[1:]]),
    "wrong object": wire([GOOD[0] | {"object": "chat.completion"}, *GOOD[1:]]),
    "carriage returns": wire(GOOD).replace(b"\n", b"\r\n"),
    "data without a space": wire(GOOD).replace(b"data: ", b"data:"),
    "event lines": b"event: message\n" + wire(GOOD),
    "cut": wire(GOOD)[:-1],
    "after [DONE]": wire(GOOD) + wire(GOOD[1:2], done=False),
}


@pytest.mark.parametrize("body", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
def test_planted_mistake_in_a_stream_is_found(body):
    with pytest.raises(AssertionError):
        strict.stream(body)


@pytest.mark.parametrize(
    "values",
    [GOOD, with_usage(GOOD)[:-1], [*with_usage(GOOD), *with_usage(GOOD)[-1:]], [*GOOD, chunk(usage=USAGE)]],
    ids=["no usage at all", "no last usage", "usage twice", "no null usage"],
)
def test_planted_mistake_in_the_usage_is_found(values):
    with pytest.raises(AssertionError):
        strict.stream(wire(values), include_usage=True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["error", "param"], ...),
        (["error", "code"], ...),
        (["error", "details"], "x"),
        (["error", "message"], ""),
        (["error", "code"], 404),
        (["error"], "text"),
        (["status"], 500),
    ],
)
def test_planted_mistake_in_an_error_is_found(path, value):
    strict.error(FAILED)
    with pytest.raises(AssertionError):
        strict.error(planted(FAILED, path, value))


def test_planted_mistake_in_the_models_is_found():
    model = {"id": "m", "object": "model", "created": 1, "owned_by": "x"}
    strict.models({"object": "list", "data": [model]})
    for broken in [
        [model | {"extra": 1}],
        [model | {"created": None}],
        [{"id": "m"}],
        ["m"],
        [model, model],
    ]:
        with pytest.raises(AssertionError):
            strict.models({"object": "list", "data": broken})


SMALL = {
    "Base": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
    "Whole": {"allOf": [{"$ref": "#/$defs/Base"}, {"type": "object", "properties": {"b": {"type": "string"}}}]},
    "Beside": {"type": "object", "properties": {"c": {}}, "anyOf": [{"$ref": "#/$defs/Base"}]},
    "Choice": {"oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}], "discriminator": {"propertyName": "type"}},
    "Cat": {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["cat"]}, "fur": {}}},
    "Dog": {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["dog"]}, "bark": {}}},
    "Same": {"oneOf": [{"$ref": "#/$defs/Base"}, {"type": "object", "properties": {"d": {}}}]},
    "Null": {"$ref": "#/$defs/Base", "nullable": True},
    "Free": {"type": "object"},
    "Map": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Base"}},
    "List": {"type": "array", "items": {"$ref": "#/$defs/Whole"}},
    "Tree": {"type": "object", "properties": {"of": {"type": "array", "items": {"$recursiveRef": "#"}}}},
}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("Base", [{"a": 1}], [{"a": 1, "b": 1}, {}, {"a": 1.0}, {"a": "1"}, None]),
        ("Whole", [{"a": 1}, {"a": 1, "b": "x"}], [{"a": 1, "c": 1}, {"b": "x"}, {"a": 1, "b": 1}]),
        ("Beside", [{"a": 1, "c": 1}], [{"a": 1, "d": 1}, {"c": 1}]),
        ("Choice", [{"type": "cat", "fur": 1}], [{"type": "cat", "bark": 1}, {"type": "cow"}, {"fur": 1}]),
        ("Same", [{"a": 1}, {"d": 1}, {}], [{"a": 1, "d": 1}, {"e": 1}]),
        ("Null", [None, {"a": 1}], [{"a": 1, "b": 1}, {"a": None}, 0]),
        ("Free", [{}, {"x": {"y": 1}}], [[], None]),
        ("Map", [{"x": {"a": 1}}], [{"x": {"a": 1, "b": 1}}, {"x": 1}]),
        ("List", [[{"a": 1, "b": "x"}]], [[{"a": 1, "c": 1}], {}]),
        ("Tree", [{"of": [{"of": []}]}], [{"of": [{"x": 1}]}, {"of": [{"of": [{"x": 1}]}]}]),
    ],
)
def test_every_form_of_schema_is_closed(name, good, bad):
    definitions = strict.close(SMALL)
    for value in good:
        strict.validate(value, name, definitions)
    for value in bad:
        with pytest.raises(AssertionError):
            strict.validate(value, name, definitions)
