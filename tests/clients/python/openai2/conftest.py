"""A sandbox for clients that need an older SDK of OpenAI's, in an environment of their own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import loopback  # noqa: E402
import proxy  # noqa: E402

sys.addaudithook(loopback.refuse)


@pytest.fixture(scope="session")
def base():
    """The base URL of a sandbox."""
    with proxy.Process("sandbox", "--listen", "127.0.0.1:0") as process:
        yield process.url
