"""What is kept: responses and conversations, by the official SDK."""

import openai
import pytest


def test_retrieve_and_delete(client):
    made = client.responses.create(model="gpt-4o", input="Hello")
    assert client.responses.retrieve(made.id).to_dict() == made.to_dict()
    events = list(client.responses.retrieve(made.id, stream=True))
    assert events[-1].response.output_text == made.output_text
    later = list(client.responses.retrieve(made.id, stream=True, starting_after=3))
    assert later[0].sequence_number == 4
    (item,) = client.responses.input_items.list(made.id)
    assert item.content[0].text == "Hello"
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_not_kept(client):
    made = client.responses.create(model="gpt-4o", input="Hello", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_conversation(client):
    conversation = client.conversations.create(
        metadata={"topic": "names"}, items=[{"type": "message", "role": "user", "content": "My name is Ann."}]
    )
    answer = client.responses.create(model="gpt-4o", input="Who am I?", conversation=conversation.id)
    assert "My name is Ann." in answer.output_text
    again = client.responses.create(model="gpt-4o", input="Still?", conversation=conversation.id)
    assert "message 3" in again.output_text
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert [item.role for item in items] == ["user", "user", "assistant", "user", "assistant"]
    assert client.conversations.items.retrieve(items[0].id, conversation_id=conversation.id).id == items[0].id
    client.conversations.items.delete(items[0].id, conversation_id=conversation.id)
    client.conversations.items.create(
        conversation.id, items=[{"type": "message", "role": "user", "content": "My name is Bob."}]
    )
    assert len(list(client.conversations.items.list(conversation.id))) == 5
    client.conversations.update(conversation.id, metadata={"topic": "other"})
    assert client.conversations.retrieve(conversation.id).metadata == {"topic": "other"}
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation.id)


def test_foreign_ids_are_missing(keyed):
    """What one key has made is not there for another."""
    mine = openai.OpenAI(base_url=keyed.base, api_key=keyed.key, max_retries=0)
    other = openai.OpenAI(base_url=keyed.base, api_key=keyed.narrow, max_retries=0)
    made = mine.responses.create(model="gpt-4o", input="Hello")
    conversation = mine.conversations.create()
    for look in (
        lambda: other.responses.retrieve(made.id),
        lambda: other.conversations.retrieve(conversation.id),
        lambda: other.responses.create(model="other", input="x", previous_response_id=made.id),
        lambda: other.responses.create(model="other", input="x", conversation=conversation.id),
    ):
        with pytest.raises(openai.NotFoundError):
            look()
    assert mine.responses.retrieve(made.id).id == made.id
