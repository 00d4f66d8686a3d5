"""One sandbox for the whole run, the official SDK on it, and proxies with keys where a test asks for them."""

import asyncio
import hashlib
import sys
from types import SimpleNamespace

import openai
import pytest

import loopback
import proxy

KEY = "sk-sandbox-0123456789"
SECONDS = 20

sys.addaudithook(loopback.refuse)


@pytest.fixture(scope="session")
def base():
    """The base URL of a sandbox."""
    with proxy.Process("sandbox", "--listen", "127.0.0.1:0") as process:
        yield process.url


@pytest.fixture
def client(base):
    """The SDK, without its own retries: what the proxy answers is what is tested."""
    with openai.OpenAI(base_url=base, api_key=KEY, max_retries=0, timeout=SECONDS) as client:
        yield client


@pytest.fixture
def run_async(base):
    """Runs a coroutine function that takes the asynchronous SDK."""

    def run(story):
        async def main():
            async with openai.AsyncOpenAI(base_url=base, api_key=KEY, max_retries=0, timeout=SECONDS) as client:
                return await story(client)

        return asyncio.run(main())

    return run


@pytest.fixture(scope="session")
def emulator():
    """The address of Chipp's stand-in."""
    with proxy.Process("emulate", "--listen", "127.0.0.1:0", pattern=r"(http://[^\s\"']+)") as process:
        yield process.url


@pytest.fixture(scope="session")
def keyed(emulator, tmp_path_factory):
    """A proxy that asks for keys: `base`, `key` (all models), `narrow` (one model), `limited` (3 requests a minute)."""
    keys = {"key": "sk-all-0123456789abcdef", "narrow": "sk-narrow-0123456789ab", "limited": "sk-limited-0123456789a"}
    digest = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in keys.items()}
    text = f"""  api_key: live_0123456789
models:
  gpt-4o: emu-gpt-4o-1
  other: emu-gpt-4o-mini-1
auth:
  mode: keys
  keys:
    - {{name: all, sha256: [{digest["key"]}]}}
    - {{name: narrow, sha256: [{digest["narrow"]}], models: [other]}}
    - {{name: limited, sha256: [{digest["limited"]}], limits: {{requests_per_minute: 3}}}}
"""
    with proxy.serve(tmp_path_factory.mktemp("keyed"), emulator, text) as process:
        yield SimpleNamespace(base=process.url, **keys)
