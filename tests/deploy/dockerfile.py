"""What deploy/Dockerfile says, for tests that do it without an engine."""

import json
import shlex
import sys


def instructions():
    """Pairs of an instruction and its words, continued lines joined, in the file's order."""
    with open("deploy/Dockerfile") as file:
        lines = [line for line in file if not line.startswith("#")]
    for line in "".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            yield line.split(None, 1)


def last(name):
    """The last of these instructions: the one that counts in the image."""
    return [words for instruction, words in instructions() if instruction == name][-1]


def context():
    """What the build copies out of the repository."""
    for instruction, words in instructions():
        if instruction == "COPY" and "--from=" not in words:
            yield from words.split()[:-1]


def environment():
    return dict(pair.split("=", 1) for name, words in instructions() if name == "ENV" for pair in shlex.split(words))


def command():
    return json.loads(last("ENTRYPOINT")) + json.loads(last("CMD"))


def health_check():
    return json.loads(last("HEALTHCHECK").split(" CMD ", 1)[1])


def user():
    return [int(part) for part in last("USER").split(":")]


if __name__ == "__main__":
    print("\n".join(context()) if sys.argv[1] == "context" else environment()["RUSTFLAGS"])
