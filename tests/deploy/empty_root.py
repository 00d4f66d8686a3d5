"""The image without an engine: the program alone in a root, as the image's user, with the image's commands.

A runtime adds two files to an empty image that matter here, /etc/hosts and /etc/resolv.conf. The C library must find the
upstream's address with these alone, which a static one may fail to do. In namespaces of its own, so that the ports are
free, the name server is ours, and no process is left behind:

    unshare --net --pid --fork --kill-child python3 tests/deploy/empty_root.py hosts|dns|unknown PROGRAM
"""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

import dockerfile

NAME = "chipp.example"
CLIENT_KEY = "sk-web"


def main(names, program):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    threading.Thread(target=serve_names, args=(names == "dns",), daemon=True).start()
    with tempfile.TemporaryDirectory() as root:
        furnish(root, program, names)
        before = sorted(os.walk(root))
        emulator = proxy = None
        try:
            emulator = start(root, ["/chipp-proxy", "emulate"], {}, "stdout", "pretended at")
            proxy = start(root, dockerfile.command(), environment(), "stderr", '"serving"')
            assert run(root, dockerfile.health_check()) == (0, "ready\n")
            status, answer = ask()
            if names == "unknown":
                assert (status, answer["error"]["code"]) == (502, "upstream_error"), (status, answer)
            else:
                assert status == 200 and answer["choices"][0]["message"]["content"], (status, answer)
        finally:
            statuses = [stop(process) for process in (proxy, emulator) if process]
        assert statuses == [0, 0], statuses
        assert run(root, dockerfile.health_check())[0] == 1
        assert sorted(os.walk(root)) == before, "it writes files"


def furnish(root, program, names):
    os.chmod(root, 0o755)
    shutil.copy(program, f"{root}/chipp-proxy")
    shutil.copy("deploy/gateway.yaml", f"{root}/config.yaml")
    os.mkdir(f"{root}/etc")
    with open(f"{root}/etc/hosts", "w") as hosts:
        hosts.write(f"127.0.0.1 localhost {NAME if names == 'hosts' else ''}\n")
    with open(f"{root}/etc/resolv.conf", "w") as resolver:
        resolver.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")


def environment():
    return {
        "CHIPP_API_KEY": "live_key",
        "CHIPP_APP": "emu-gpt-4o-1",
        "CLIENT_KEY_SHA256": hashlib.sha256(CLIENT_KEY.encode()).hexdigest(),
        "CHIPP_PROXY__UPSTREAM__BASE_URL": f"http://{NAME}:8181/api/v1",
    }


def enter(root):
    user, group = dockerfile.user()
    os.chroot(root)
    os.chdir("/")
    # Root of a user namespace, which is somebody else outside, cannot become a third.
    if is_real_root:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)


def start(root, command, environment, output, word):
    pipes = {output: subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, preexec_fn=lambda: enter(root), text=True, **pipes)
    pipe = getattr(process, output)
    for line in pipe:
        print(line, end="")
        if word in line:
            # What else it says must not fill the pipe.
            threading.Thread(target=lambda: print(pipe.read()), daemon=True).start()
            return process
    raise AssertionError(f"{command} ended with {process.wait()}")


def run(root, command):
    done = subprocess.run(command, env={}, preexec_fn=lambda: enter(root), stdout=subprocess.PIPE, text=True, timeout=10)
    return done.returncode, done.stdout


def stop(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=10)


def ask():
    request = urllib.request.Request(
        "http://127.0.0.1:8080/v1/chat/completions",
        data=json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}).encode(),
        headers={"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def serve_names(is_known):
    """A name server that knows one name, or none."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, client = server.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        question, kind = query[12:end], query[end - 4 : end - 2]
        labels = b"".join(bytes([len(label)]) + label.encode() for label in NAME.split("."))
        is_ours = is_known and question.startswith(labels + b"\0")
        answer = b"\xc0\x0c" + kind + b"\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if is_ours and kind == b"\0\1" else b""
        flags = b"\x81\x80" if is_ours else b"\x81\x83"
        counts = b"\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0"
        server.sendto(query[:2] + flags + counts + question + answer, client)


if __name__ == "__main__":
    with open("/proc/self/uid_map") as uid_map:
        is_real_root = int(uid_map.read().split()[2]) > 65532
    main(*sys.argv[1:])
