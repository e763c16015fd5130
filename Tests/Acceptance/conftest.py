"""A real server process for the tests of this folder, with a scripted provider beside it."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

# The tests leave the tree as they found it.
sys.dont_write_bytecode = True

BIN = pathlib.Path(os.environ["ROLLOUT_BIN"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Upstream:
    """An OpenAI-compatible provider that does what `mode` says."""

    def __init__(self):
        self.mode = "ok"
        self.requests = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                upstream.requests.append(body)
                # Broken for what the feature asks, well for a neutral question.
                if upstream.mode == "ours" and "Reply with OK." not in json.dumps(body):
                    return self.answer(500, {"error": {"message": "broken"}})
                if upstream.mode == "fail":
                    return self.answer(500, {"error": {"message": "broken"}})
                if upstream.mode == "throttle":
                    return self.answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "9"})
                if upstream.mode == "hang":
                    time.sleep(5)
                    return None
                if body.get("stream"):
                    return self.stream(body)
                return self.answer(200, completion(body))

            def answer(self, status, value, headers=()):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name in headers:
                    self.send_header(name, headers[name])
                self.end_headers()
                self.wfile.write(data)

            def stream(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                deltas = [{"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}]
                for delta in deltas:
                    self.event(chunk(body, delta, None))
                if upstream.mode == "cut":
                    self.close_connection = True
                    return
                self.event(chunk(body, {}, "stop"))
                self.event({**chunk(body, {}, None), "choices": [], "usage": USAGE})
                self.wfile.write(b"data: [DONE]\n\n")
                self.close_connection = True

            def event(self, value):
                self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def completion(body):
    message = {"role": "assistant", "content": "Hello", "refusal": None}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": USAGE,
    }


def chunk(body, delta, finish):
    return {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


class Server:
    """`rollout-server` on a free port; restartable on the same data."""

    def __init__(self, folder, config, prepare=None):
        self.folder = folder
        # Called in the new process before it becomes the server.
        self.prepare = prepare
        self.config = folder / "rollout.yaml"
        self.config.write_text(config)
        # What it writes to standard error after it has started.
        self.log = []
        self.start()

    def start(self, port=0):
        self.process = subprocess.Popen(
            [BIN / "rollout-server", "--listen", f"127.0.0.1:{port}", "--data", self.folder / "data",
             "--config", self.config],
            stderr=subprocess.PIPE, text=True, preexec_fn=self.prepare)
        for line in self.process.stderr:
            found = re.search(r'"address":"(127\.0\.0\.1:\d+)"', line)
            if found:
                self.url = "http://" + found.group(1)
                break
        else:
            raise RuntimeError("the server did not start")
        threading.Thread(target=self.log.extend, args=[self.process.stderr], daemon=True).start()
        self.token = (self.folder / "data" / "admin.token").read_text().strip()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0

    def restart(self):
        self.stop()
        self.start()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def call(self, method, path, body=None, headers=None, token=None):
        return requests.request(
            method, self.url + path, json=body, timeout=20,
            headers={"Authorization": f"Bearer {token or self.token}", **(headers or {})})

    def rollout(self, *words, check=True):
        env = {**os.environ, "ROLLOUT_URL": self.url,
               "ROLLOUT_TOKEN_FILE": str(self.folder / "data" / "admin.token")}
        done = subprocess.run([BIN / "rollout", *words], env=env, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done

    def plan(self, feature, **more):
        assert self.call("PUT", f"/v1/plans/{feature}", {"feature": feature, **more}).status_code == 201
        self.rollout("start", feature)


@pytest.fixture(scope="module")
def upstream():
    return Upstream()


@pytest.fixture(scope="module")
def server(tmp_path_factory, upstream):
    server = Server(tmp_path_factory.mktemp("rollout"), f"""
providers:
  main: {{kind: openai, base_url: "{upstream.url}"}}
  echo: {{kind: echo}}
routes:
  main: {{deadline: 3s, targets: [{{provider: main, model: large, timeout: 1s, first_content: 1s}}]}}
  safe:
    deadline: 5s
    targets:
      - {{provider: main, model: large, timeout: 700ms, first_content: 700ms}}
      - {{provider: echo, model: small}}
""")
    yield server
    server.stop()
