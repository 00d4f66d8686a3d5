"""A stub of Chipp that fails as it is told to, and counts what reaches it."""

import collections
import contextlib
import http.server
import json
import os
import socket
import struct
import threading


class Stub:
    """An HTTP server on loopback. `plans` says for each app what is done with its first request, its second …"""

    def __init__(self, plans):
        self.plans = plans
        self.calls = collections.Counter()
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def plan(self, app):
        """Counts a request for an app, and says what is done with it; the last entry of a plan stays."""
        with self.lock:
            plan = self.plans[app]
            entry = plan[min(self.calls[app], len(plan) - 1)]
            self.calls[app] += 1
            return entry


def _handler(stub):
    class Handler(http.server.BaseHTTPRequestHandler):
        """One connection for each request: none is reset or left half-read for another one."""

        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = stub.plan(body["model"])
            self.close_connection = True
            # The other side may leave at any time.
            with contextlib.suppress(ConnectionError):
                self.carry_out(answer)

        def carry_out(self, answer):
            match answer.get("then"):
                case "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # Past the buffered files, which would keep the socket open, and without a FIN.
                    os.close(self.connection.detach())
                case "silence":
                    # Until the other side closes.
                    self.rfile.read(1)
                case _:
                    self.answer(answer)

        def answer(self, answer):
            events = answer.get("events")
            text = answer["body"] if events is None else "".join(map(_event, events))
            body = text.encode()
            self.send_response(answer.get("status", 200))
            self.send_header("content-type", answer.get("type", "text/event-stream"))
            self.send_header("content-length", str(len(body) + answer.get("missing", 0)))
            self.send_header("connection", "close")
            if "retry_after" in answer:
                self.send_header("retry-after", answer["retry_after"])
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def _event(event):
    return f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n"
