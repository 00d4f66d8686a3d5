"""The memory of a conversation, as a client meets it: it sends the whole history, and the app remembers it once.

The emulator answers from the session's own transcript and says which of the user's messages it is answering, so a
turn that was lost or written twice shows in the number.
"""

import concurrent.futures
import re

import pytest

import raw

TURNS = 10


def number(text):
    """Which of the user's messages the app says that it answers."""
    if text.startswith("Hello! You said: "):
        return 1
    found = re.search(r"message (\d+) of this conversation", text)
    assert found, text
    return int(found[1])


class Chat:
    """A client with a history, as every chat program keeps one."""

    def __init__(self, base, model="gpt-4o", **fields):
        self.base, self.model, self.fields = base, model, fields
        self.history = []

    def ask(self, text, stream=False, headers=None):
        """One more turn; gives the answer's text and the session's outcome."""
        self.history.append({"role": "user", "content": text})
        body = {"model": self.model, "messages": self.history} | self.fields
        if stream:
            result, fields = raw.streamed(self.base, body, headers)
            assert result.error is None, result.error
            answer = result.text
        else:
            value, fields = raw.answer(self.base, body, headers)
            answer = value["choices"][0]["message"]["content"]
        self.history.append({"role": "assistant", "content": answer})
        return answer, fields["x-chipp-session"]


@pytest.mark.parametrize("streamed", [False, True, None], ids=["plain", "streamed", "mixed"])
def test_ten_turns_are_one_session(base, streamed):
    chat = Chat(base)
    outcomes = []
    for turn in range(1, TURNS + 1):
        stream = turn % 2 == 0 if streamed is None else streamed
        answer, outcome = chat.ask(f"This is turn {turn}", stream)
        assert number(answer) == turn
        outcomes.append(outcome)
    assert outcomes == ["new"] + ["continued"] * (TURNS - 1)


def test_ten_turns_through_the_sdk(client):
    history, outcomes = [], []
    for turn in range(1, TURNS + 1):
        history.append({"role": "user", "content": f"SDK turn {turn}"})
        if turn % 2:
            response = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=history)
            message = response.parse().choices[0].message
            # As SDK users do it: the message goes back with all its fields.
            history.append(message.model_dump())
            answer = message.content
        else:
            response = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=history, stream=True)
            answer = "".join(chunk.choices[0].delta.content or "" for chunk in response.parse())
            history.append({"role": "assistant", "content": answer})
        outcomes.append(response.headers["x-chipp-session"])
        assert number(answer) == turn
    assert outcomes == ["new"] + ["continued"] * (TURNS - 1)


# Where a stream names its session, and where it does not.
NAMED = ["dialect-a", "dialect-b", "dialect-c", "gpt-4o-mini", "header-session-id", "event-session-id", "late-session-id",
         "event-session-id-a", "event-session-id-b", "metadata-after-finish", "split-utf8", "reasoning"]  # fmt: skip
UNNAMED = ["no-session-id", "persisted-message-id-only"]


@pytest.mark.parametrize("model", NAMED + UNNAMED)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_every_way_of_answering_remembers(base, model, stream):
    chat = Chat(base, model)
    outcomes = []
    for turn in range(1, 5):
        answer, outcome = chat.ask(f"turn {turn}", stream)
        assert number(answer) == turn
        outcomes.append(outcome)
    if stream and model in UNNAMED:
        # A session whose name was never told cannot be continued: the history is sent again.
        assert outcomes == ["new"] + ["replayed"] * 3
    else:
        assert outcomes == ["new"] + ["continued"] * 3


def test_stream_continues_what_a_plain_answer_began(base):
    """The plain reply names the session, so a stream that names none goes on in it."""
    chat = Chat(base, "no-session-id")
    chat.ask("plain")
    for turn in (2, 3):
        answer, outcome = chat.ask(f"streamed {turn}", stream=True)
        assert (number(answer), outcome) == (turn, "continued")


def test_two_users_at_once(base):
    """Both say the same first words, and then talk at the same time."""

    def talk(name):
        chat = Chat(base, user=name)
        answers = [chat.ask("hi")[0]]
        for turn in range(2, TURNS + 1):
            answer, outcome = chat.ask(f"{name} says {turn}", stream=turn % 2 == 0)
            answers.append(answer)
            assert outcome == "continued"
        return answers

    with concurrent.futures.ThreadPoolExecutor() as pool:
        anna, bert = pool.map(talk, ["anna", "bert"])
    assert [number(answer) for answer in anna] == [number(answer) for answer in bert] == list(range(1, TURNS + 1))
    assert not any("bert" in answer for answer in anna)
    assert not any("anna" in answer for answer in bert)


def test_another_user_never_gets_the_session(base):
    chat = Chat(base, user="carla")
    chat.ask("My number is 4711")
    thief = Chat(base, user="dora")
    thief.history = list(chat.history)
    answer, outcome = thief.ask("What did I say?")
    assert outcome == "replayed"
    assert number(answer) == 2
    answer, outcome = chat.ask("And I?")
    assert (number(answer), outcome) == (2, "continued")


def test_another_model_never_gets_the_session(base):
    chat = Chat(base)
    chat.ask("To one model")
    chat.model = "gpt-4o-mini"
    answer, outcome = chat.ask("To another")
    assert (number(answer), outcome) == (2, "replayed")


def test_a_dozen_people_begin_with_the_same_words(base):
    chats = [Chat(base) for _ in range(12)]
    for chat in chats:
        chat.ask("hi")
    for chat in chats:
        answer, outcome = chat.ask("and on")
        assert (number(answer), outcome) == (2, "continued")


def test_regenerate(base):
    chat = Chat(base)
    chat.ask("first")
    chat.ask("second")
    for _ in range(2):
        chat.history = chat.history[:-2]
        answer, outcome = chat.ask("second")
        # The session holds the second turn already: sent there again it would be a third.
        assert (number(answer), outcome) == (2, "replayed")
    answer, outcome = chat.ask("third")
    assert (number(answer), outcome) == (3, "continued")


def test_regenerating_the_first_answer_is_new(base):
    chat = Chat(base)
    for _ in range(3):
        chat.history = []
        answer, outcome = chat.ask("only")
        assert (number(answer), outcome) == (1, "new")


def test_edit(base):
    chat = Chat(base)
    chat.ask("My name is Anna")
    chat.ask("And I like tea")
    chat.history[0] = {"role": "user", "content": "My name is Zoe"}
    answer, outcome = chat.ask("Who am I?")
    assert (number(answer), outcome) == (3, "replayed")
    assert "Anna" not in answer


def test_edited_answer_is_what_counts(base):
    chat = Chat(base)
    chat.ask("one")
    chat.history[1] = {"role": "assistant", "content": "I never said that."}
    answer, outcome = chat.ask("two")
    assert (number(answer), outcome) == (2, "replayed")


def test_shortened_history(base):
    chat = Chat(base)
    for turn in range(4):
        chat.ask(f"turn {turn}")
    chat.history = chat.history[4:]
    answer, outcome = chat.ask("what is left")
    assert (number(answer), outcome) == (3, "replayed")


def test_branches_at_the_same_time(base):
    """Both continue the same history: one may have the session, the other replays."""
    root = Chat(base, user="branching")
    root.ask("root")

    def branch(name):
        chat = Chat(base, user="branching")
        chat.history = list(root.history)
        return chat.ask(name)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = list(pool.map(branch, [f"branch {letter}" for letter in "abcdef"]))
    assert [number(answer) for answer, _ in results] == [2] * 6
    outcomes = sorted(outcome for _, outcome in results)
    assert outcomes == ["continued"] + ["replayed"] * 5


def test_spelling_of_the_history_does_not_matter(base):
    chat = Chat(base)
    chat.ask("text as a string")
    chat.history[0] = {"role": "user", "content": [{"type": "text", "text": "text as a string"}]}
    chat.history[1] |= {"refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": None}
    answer, outcome = chat.ask("and on")
    assert (number(answer), outcome) == (2, "continued")


def test_system_message_is_part_of_the_history(base):
    chat = Chat(base)
    chat.history = [{"role": "system", "content": "Be brief."}]
    assert chat.ask("one")[1] == "new"
    answer, outcome = chat.ask("two")
    assert (number(answer), outcome) == (2, "continued")
    chat.history[0] = {"role": "system", "content": "Be long."}
    answer, outcome = chat.ask("three")
    assert (number(answer), outcome) == (3, "replayed")


def test_cancelled_stream_is_never_continued(base, client):
    chat = Chat(base, user="cancelling")
    chat.ask("hello")
    history = [*chat.history, {"role": "user", "content": "count to 500"}]
    stream = client.chat.completions.create(model="gpt-4o", messages=history, user="cancelling", stream=True)
    partial = "".join(next(stream).choices[0].delta.content or "" for _ in range(5))
    stream.close()
    # The turn may or may not be in the session: it must not be used again, whatever the client makes of the rest.
    answer, outcome = chat.ask("something else")
    assert (number(answer), outcome) == (2, "replayed")
    again = Chat(base, user="cancelling")
    again.history = [*history, {"role": "assistant", "content": partial}]
    answer, outcome = again.ask("go on")
    assert (number(answer), outcome) == (3, "replayed")


def test_cut_answer_is_never_continued(base):
    for fields in ({"stop": [" "]}, {"max_tokens": 1}):
        for stream in (False, True):
            chat = Chat(base, **fields)
            chat.ask("please answer at length", stream)
            chat.fields = {}
            answer, outcome = chat.ask("and on")
            assert (number(answer), outcome) == (2, "replayed")


@pytest.mark.parametrize("model", ["forgetful", "missing-session-404"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_app_that_forgets(base, model, stream):
    """It answers in another session than it was asked in, or says 404: the history is sent again before anything is answered."""
    chat = Chat(base, model)
    for turn in range(1, 7):
        answer, _ = chat.ask(f"turn {turn}", stream)
        assert number(answer) == turn


def test_request_header_starts_anew_or_leaves_sessions_alone(base):
    chat = Chat(base)
    chat.ask("one")
    answer, outcome = chat.ask("two", headers={"x-chipp-session": "new"})
    assert number(answer) == 2
    assert outcome in ("new", "replayed")
    answer, outcome = chat.ask("three", headers={"x-chipp-session": "off"})
    assert (number(answer), outcome) == (3, "stateless")


def test_conversation_header_keeps_windows_apart(base):
    """The same words in two windows of one user are two conversations."""
    one, two = Chat(base, user="windows"), Chat(base, user="windows")
    first, second = {"x-conversation-id": "one"}, {"x-conversation-id": "two"}
    one.ask("hi", headers=first)
    two.history = list(one.history)
    answer, outcome = two.ask("on", headers=second)
    assert (number(answer), outcome) == (2, "replayed")
    answer, outcome = one.ask("on", headers=first)
    assert (number(answer), outcome) == (2, "continued")


def test_error_between_two_turns_loses_nothing(base, client):
    chat = Chat(base, user="after-error")
    chat.ask("one")
    raw.post(base, {"model": "gpt-4o", "messages": chat.history, "stream": "yes", "user": "after-error"}).error(400)
    answer, outcome = chat.ask("two")
    assert (number(answer), outcome) == (2, "continued")
