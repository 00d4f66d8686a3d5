"""The list of models, and one model."""

import openai
import pytest

import raw
import strict


def test_list(client):
    ids = [model.id for model in client.models.list()]
    assert {"gpt-4o", "gpt-4o-mini"} <= set(ids)


def test_list_is_strict_and_stays_the_same(base):
    first = raw.request(base, "GET", "/models", headers=raw.JSON)
    assert first.status == 200 and first.headers["content-type"] == "application/json"
    strict.models(first.body)
    strict.headers(first.headers)
    assert raw.request(base, "GET", "/models", headers=raw.JSON).body == first.body


def test_retrieve(client, base):
    model = client.models.retrieve("gpt-4o")
    assert (model.id, model.object) == ("gpt-4o", "model")
    reply = raw.request(base, "GET", "/models/gpt-4o", headers=raw.JSON)
    strict.validate(reply.json(), "Model")
    listed = strict.models(raw.request(base, "GET", "/models", headers=raw.JSON).body)
    assert reply.json() in listed["data"]


def test_every_listed_model_can_be_retrieved(client):
    for model in client.models.list():
        assert client.models.retrieve(model.id) == model


@pytest.mark.parametrize("name", ["nobody", "org/model:free", "gpt-4o%20", "a.b:c"])
def test_unknown(client, name):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve(name)
    assert caught.value.code == "model_not_found"
    assert caught.value.type == "invalid_request_error"


def test_unknown_model_of_a_chat(client, base):
    # An app's id is no alias: knowing one must not help.
    for model in ("nobody", "emu-gpt-4o-1", "GPT-4o", "org/model:free"):
        reply = raw.post(base, raw.message(model=model))
        error = reply.error(404, "model_not_found", kind="invalid_request_error")
        assert error["param"] in (None, "model")
    raw.post(base, raw.message(model="")).error(400, kind="invalid_request_error", param="model")
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "x"}])
