#!/usr/bin/env bash
# How long the official OpenAI SDKs, at default settings, sleep when a 429 carries a long `retry-after`.
#
# Usage: findings/openai-sdks-and-long-retry-after.sh        (needs bash, Python 3 with venv, Node 20 or later, npm)
#
# A server on loopback answers each `POST /chat/completions` with a 429, an error body in OpenAI's form and
# `retry-after`, and notes the request. Each SDK asks it once for each of a few values. No one really sleeps: the
# function that the SDK sleeps with is replaced by one that notes the seconds and returns at once.
#
# Seen with Python 3.11.7 and Node 20.20.2, and the same with Node 22.23.3 (openai 7 declares Node 22 or later):
#
# - Python, openai 3.57.0, plain and async: a wait of up to 120 s is slept in full before each of two retries; of
#   more than 120 s it makes no retry at all, and the caller gets the 429 at once (`MAX_RETRY_AFTER_DELAY`).
# - Node, openai 6.49.0: any wait is slept in full before each of two retries. At 3600 the caller hears of the 429
#   after two hours.
# - Node, openai 7.59.0: a wait of up to 60 s is slept in full before each of two retries; a longer one is ignored, and
#   both retries are made after the SDK's own short waits (0.5 s and 1 s, less up to a quarter at random).
#
# So the same header means give up, sleep, or come back within two seconds. The exit code is 0 as long as that is so.
set -euo pipefail

work=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

waits=(60 61 119 120 121 3600)

# Package, version, retry-after in seconds, requests, requested sleeps in seconds.
cat >"$work/expected" <<'EOT'
python-plain  3.57.0  60    3  60 60
python-plain  3.57.0  61    3  61 61
python-plain  3.57.0  119   3  119 119
python-plain  3.57.0  120   3  120 120
python-plain  3.57.0  121   1  none
python-plain  3.57.0  3600  1  none
python-async  3.57.0  60    3  60 60
python-async  3.57.0  61    3  61 61
python-async  3.57.0  119   3  119 119
python-async  3.57.0  120   3  120 120
python-async  3.57.0  121   1  none
python-async  3.57.0  3600  1  none
node          6.49.0  60    3  60 60
node          6.49.0  61    3  61 61
node          6.49.0  119   3  119 119
node          6.49.0  120   3  120 120
node          6.49.0  121   3  121 121
node          6.49.0  3600  3  3600 3600
node          7.59.0  60    3  60 60
node          7.59.0  61    3  0.5 1
node          7.59.0  119   3  0.5 1
node          7.59.0  120   3  0.5 1
node          7.59.0  121   3  0.5 1
node          7.59.0  3600  3  0.5 1
EOT

# The last two parts of the base URL are whose request it is, and the `retry-after` to answer with.
cat >"$work/server.py" <<'EOT'
import contextlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = json.dumps(
    {
        "error": {
            "message": "Rate limit reached for requests",
            "type": "requests",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }
).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        # A client may close a connection with the error's body unread.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        print(self.path, file=requests, flush=True)
        self.send_response(429)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(BODY)))
        self.send_header("retry-after", self.path.split("/")[2])
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


with open(sys.argv[1], "a") as requests, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
EOT

# Both clients print a line for each wait: package, version, `retry-after`, requested sleeps.
cat >"$work/client.py" <<'EOT'
import asyncio
import sys
import time

import anyio
import openai

sleeps = []
time.sleep = sleeps.append


async def sleep(seconds):
    sleeps.append(seconds)


anyio.sleep = sleep

REQUEST = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}


def plain(url):
    with openai.OpenAI(api_key="none", base_url=url) as client:
        client.chat.completions.create(**REQUEST)


def with_async(url):
    async def run():
        async with openai.AsyncOpenAI(api_key="none", base_url=url) as client:
            await client.chat.completions.create(**REQUEST)

    asyncio.run(run())


base, *waits = sys.argv[1:]
for name, ask in (("python-plain", plain), ("python-async", with_async)):
    for wait in waits:
        sleeps.clear()
        try:
            ask(f"{base}/{name}-{openai.__version__}/{wait}")
        except openai.RateLimitError as error:
            assert error.code == "rate_limit_exceeded", error
        else:
            raise SystemExit("a 429 that is no error")
        print(name, openai.__version__, wait, *(f"{seconds:g}" for seconds in sleeps))
EOT

cat >"$work/client.mjs" <<'EOT'
import OpenAI from 'openai';
import { VERSION } from 'openai/version';

// The SDK's sleep, found by the file that it is in, is noted and ends at once; other timers stay as they are.
const sleeps = [];
const timer = globalThis.setTimeout;
globalThis.setTimeout = (then, delay, ...rest) => {
  const isSleep = new Error().stack.includes('/openai/internal/utils/sleep.');
  if (isSleep) sleeps.push(delay / 1000);
  return timer(then, isSleep ? 0 : delay, ...rest);
};
// The SDK's own waits are made shorter by up to a quarter, at random: not here.
Math.random = () => 0;

const [base, ...waits] = process.argv.slice(2);
for (const wait of waits) {
  sleeps.length = 0;
  const client = new OpenAI({ apiKey: 'none', baseURL: `${base}/node-${VERSION}/${wait}` });
  try {
    await client.chat.completions.create({ model: 'any', messages: [{ role: 'user', content: 'Hello' }] });
    throw new Error('a 429 that is no error');
  } catch (error) {
    if (!(error instanceof OpenAI.RateLimitError) || error.code !== 'rate_limit_exceeded') throw error;
  }
  console.log('node', VERSION, wait, ...sleeps);
}
EOT

echo 'Installing openai 3.57.0 (Python), 6.49.0 and 7.59.0 (Node) …' >&2
python3 -m venv "$work/venv"
timeout 300 "$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  openai==3.57.0 httpx2==2.16.2 httpcore2==2.16.2 anyio==4.16.0 pydantic==2.14.4 >&2
for version in 6.49.0 7.59.0; do
  mkdir "$work/node-$version"
  cp "$work/client.mjs" "$work/node-$version/"
  echo '{ "private": true }' >"$work/node-$version/package.json"
  # Version 7 asks for Node 22, but what is looked at here runs on 20, too.
  (cd "$work/node-$version" && timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts \
    --engine-strict=false --save-exact "openai@$version" >&2)
done

touch "$work/requests"
timeout 300 python3 "$work/server.py" "$work/requests" >"$work/port" &
server=$!
for _ in {1..100}; do
  [ ! -s "$work/port" ] || break
  sleep 0.1
done
[ -s "$work/port" ]
base="http://127.0.0.1:$(<"$work/port")"

# With nothing in the environment that could change an SDK's settings.
bare=(timeout 60 env -i PATH="$PATH" HOME="$work")
"${bare[@]}" "$work/venv/bin/python" "$work/client.py" "$base" "${waits[@]}" >"$work/sleeps"
for version in 6.49.0 7.59.0; do
  "${bare[@]}" node "$work/node-$version/client.mjs" "$base" "${waits[@]}" >>"$work/sleeps"
done

while read -r package version wait sleeps; do
  requests=$(grep -cx "/$package-$version/$wait/chat/completions" "$work/requests" || true)
  printf '%-12s  %s  %-4s  %s  %s\n' "$package" "$version" "$wait" "$requests" "${sleeps:-none}"
done <"$work/sleeps" >"$work/seen"

printf 'Python %s, Node %s\n' "$("$work/venv/bin/python" -c 'import platform; print(platform.python_version())')" \
  "$(node --version)"
echo 'package, version, retry-after (s), requests, requested sleeps (s)'
cat "$work/seen"
if ! diff -u --label expected --label seen "$work/expected" "$work/seen"; then
  echo 'The SDKs no longer behave as this file says.' >&2
  exit 1
fi
echo 'As expected.'
