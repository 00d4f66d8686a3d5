"""Parameters: honoured, emulated, named as ignored, or refused; nothing is dropped in silence."""

import openai
import pytest

import raw

LONG = "count to 40"


def both(base, **fields):
    """The same request plain and streamed; their texts and reasons must be the same."""
    body = raw.message(LONG, **fields)
    plain, plain_headers = raw.answer(base, body)
    streamed, stream_headers = raw.streamed(base, body)
    choice = plain["choices"][0]
    assert streamed.text == choice["message"]["content"]
    assert streamed.finish_reason == choice["finish_reason"]
    name = "x-chipp-ignored-params"
    assert plain_headers.get(name) == stream_headers.get(name)
    return streamed.text, streamed.finish_reason, plain_headers.get(name)


def test_stop_cuts_before_the_sequence(base):
    whole, reason, _ = both(base)
    assert reason == "stop" and "17" in whole
    cut, reason, _ = both(base, stop="17")
    assert (cut, reason) == (whole[: whole.index("17")], "stop")


@pytest.mark.parametrize("stop", [["23", "17"], ["zzz", "17"], "7"])
def test_earliest_stop_wins(base, stop):
    whole, _, _ = both(base)
    cut, reason, _ = both(base, stop=stop)
    first = min(whole.index(word) for word in ([stop] if isinstance(stop, str) else stop) if word in whole)
    assert (cut, reason) == (whole[:first], "stop")


def test_stop_over_several_chunks(base):
    whole, _, _ = both(base)
    middle = whole[len(whole) // 2 - 10 : len(whole) // 2 + 10]
    cut, _, _ = both(base, stop=[middle])
    assert cut == whole[: whole.index(middle)]


@pytest.mark.parametrize("stop", [None, [], ["never said"], "never said"])
def test_stop_that_never_comes(base, stop):
    assert both(base, stop=stop)[:2] == both(base)[:2]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_max_tokens(base, field):
    whole, _, _ = both(base)
    short, reason, _ = both(base, **{field: 5})
    assert reason == "length"
    assert whole.startswith(short) and 0 < len(short) < len(whole) / 2
    longer, _, _ = both(base, **{field: 10})
    assert longer.startswith(short) and len(longer) > len(short)
    assert both(base, **{field: 5000})[:2] == (whole, "stop")


def test_ignored_parameters_are_named(base, client):
    _, _, ignored = both(base, temperature=0, top_p=0.5, seed=42, presence_penalty=1, reasoning_effort="low")
    names = [name.strip() for name in ignored.split(",")]
    assert names == ["temperature", "top_p", "seed", "presence_penalty", "reasoning_effort"]
    _, _, none = both(base)
    assert none is None
    response = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=raw.message()["messages"], temperature=1, logit_bias={"50256": -100}
    )
    assert set(response.headers["x-chipp-ignored-params"].split(",")) == {"temperature", "logit_bias"}


def test_null_is_like_absent(base):
    fields = ["temperature", "stop", "max_tokens", "n", "user", "stream_options", "response_format", "tools", "seed"]
    _, _, ignored = both(base, **dict.fromkeys(fields))
    assert ignored is None


def test_unknown_field_is_ignored_and_named(base):
    _, _, ignored = both(base, top_k=40)
    assert ignored == "top_k"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, None),
    ],
)
def test_unsupported_parameter(base, client, fields, param):
    error = raw.post(base, raw.message(**fields)).error(400, "unsupported_parameter", kind="invalid_request_error")
    assert error["param"] == param if param else error["param"] in ("audio", "modalities")
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=raw.message()["messages"], **fields)
    assert caught.value.code == "unsupported_parameter"


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"temperature": -1}, "temperature", "decimal_below_min_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"top_p": 2}, "top_p", "decimal_above_max_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": "5"}, "max_tokens", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream_options": {"include_usage": True}}, "stream_options", ...),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", ...),
        ({"stop": 5}, "stop", "invalid_type"),
        ({"user": 5}, "user", "invalid_type"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": ["hi"]}, "messages[0]", "invalid_type"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "invalid_type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type", "invalid_value"),
        ({"model": 5}, "model", "invalid_type"),
    ],
    ids=str,
)
def test_bad_value_names_its_place(base, fields, param, code):
    raw.post(base, raw.message(**fields)).error(400, code, param, "invalid_request_error")
    if fields.get("stream") is None and "stream_options" not in fields:
        raw.post(base, raw.message(**fields, stream=True)).error(400, code, param, "invalid_request_error")


@pytest.mark.parametrize("field", ["model", "messages"])
def test_missing_field(base, field):
    body = raw.message()
    del body[field]
    error = raw.post(base, body).error(400, "missing_required_parameter", field, "invalid_request_error")
    assert f"'{field}'" in error["message"]


def test_text_parts_are_joined(base):
    parts = [{"type": "text", "text": "My name"}, {"type": "text", "text": "is Anna"}]
    body, _ = raw.answer(base, raw.message(parts))
    text = body["choices"][0]["message"]["content"]
    assert "My name" in text and "is Anna" in text


def test_image_goes_as_its_address_in_the_text(base):
    url = "https://example.com/cat.png"
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    body, _ = raw.answer(base, raw.message(parts))
    text = body["choices"][0]["message"]["content"]
    assert "What is this?" in text and f"![]({url})" in text


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ],
    ids=["audio", "file"],
)
def test_audio_and_files_are_refused(base, part):
    parts = [{"type": "text", "text": "listen"}, part]
    error = raw.post(base, raw.message(parts)).error(400, kind="invalid_request_error")
    assert error["param"].startswith("messages[0].content")


def test_roles(base):
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "one", "name": "anna"},
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": "two"},
    ]
    raw.answer(base, raw.message(messages=messages))
    raw.streamed(base, raw.message(messages=messages))


def test_what_real_clients_send_besides(base):
    """Fields and headers of other clients that must not disturb."""
    headers = {"openai-organization": "org-1", "openai-project": "p", "openai-beta": "x", "x-stainless-lang": "python"}
    raw.answer(base, raw.message(tools=[], metadata={"a": "b"}, store=True, parallel_tool_calls=None), headers)
    raw.answer(base, raw.message("emoji 🦀, and the two halves of one: \ud83e\udd80"))
    raw.answer(base, raw.message("x" * 200_000))
