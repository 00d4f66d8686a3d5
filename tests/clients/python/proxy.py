"""Starts the binary under test and finds out where it listens."""

import collections
import os
import queue
import re
import signal
import subprocess
import threading
from pathlib import Path

BINARY = Path(os.environ.get("CHIPP_PROXY", Path(__file__).parents[3] / "target" / "release" / "chipp-proxy"))
START_SECONDS = 20
STOP_SECONDS = 40
KEPT_LINES = 200


class Process:
    """A running `chipp-proxy`. `pattern` is what to find the address by; `serve` tells it in its log, the rest on stdout."""

    def __init__(self, *arguments, pattern=r"(http://[^\s\"'/]+/v1)\b", env=None):
        where = ("stdout", "stderr") if arguments[0] == "serve" else ("stdout",)
        self.process = subprocess.Popen(
            [BINARY, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (env or {}),
        )
        self.output = collections.deque(maxlen=KEPT_LINES)
        lines = queue.Queue()
        for name in ("stdout", "stderr"):
            threading.Thread(target=self._drain, args=(name, lines), daemon=True).start()
        self.url = None
        open_streams = 2
        while self.url is None:
            try:
                name, line = lines.get(timeout=START_SECONDS)
            except queue.Empty:
                name, line, open_streams = "", None, 1
            if line is None:
                open_streams -= 1
                if open_streams == 0:
                    self.stop()
                    raise RuntimeError(f"{arguments} did not say where it listens:\n" + "\n".join(self.output))
            elif name in where and (found := re.search(pattern, line)):
                self.url = found[1]

    def _drain(self, name, lines):
        for line in getattr(self.process, name):
            self.output.append(line.rstrip())
            lines.put((name, line))
        lines.put((name, None))

    def stop(self):
        """Ends it as an operator would."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        code = self.stop()
        assert kind or code == 0, f"it ended with {code}:\n" + "\n".join(self.output)


def serve(folder, upstream, text):
    """`serve` with a configuration in front of `upstream`; the file's listeners and base URL are filled in here."""
    file = Path(folder) / "config.yaml"
    file.write_text(f"server: {{listen: '127.0.0.1:0', admin: off}}\nupstream:\n  base_url: {upstream}\n{text}")
    process = Process("serve", "--config", str(file), pattern=r"listen\W+(127\.0\.0\.1:[1-9]\d*)")
    process.url = f"http://{process.url}/v1"
    return process
