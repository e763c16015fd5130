"""What people write and what models answer stays out of everything that is kept or shown."""

import json
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from conftest import Server

PROMPT, ANSWER, KEY = "zebra-prompt-7731", "yak-answer-7732", "sk-provider-key-7733"


class Gossip:
    """A provider that repeats prompt and key in everything it says, errors too."""

    def __init__(self):
        self.mode = "ok"
        gossip = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                said = f"{json.dumps(body['messages'])} {ANSWER} {self.headers['Authorization']}"
                if gossip.mode == "fail":
                    return self.answer(500, {"error": {"message": said, "type": said, "code": said}})
                if gossip.mode == "refuse":
                    return self.answer(401, {"error": {"message": said}})
                if body.get("stream"):
                    self.send_response(200)
                    self.send_header("Content-Type", "text/event-stream")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    choice = {"index": 0, "delta": {"content": ANSWER}, "finish_reason": None}
                    self.wfile.write(b"data: " + json.dumps({"id": "1", "model": "m", "choices": [choice]}).encode() + b"\n\n")
                    self.close_connection = True
                    return None
                return self.answer(200, {
                    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}})

            def answer(self, status, value):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def ask(server, feature, dialect="chat/completions", **more):
    body = {"user": "anna", "max_tokens": 9, "messages": [{"role": "user", "content": PROMPT}], **more}
    return server.call("POST", f"/features/{feature}/v1/{dialect}", body)


def test_prompts_and_answers_stay_out(tmp_path, monkeypatch):
    gossip = Gossip()
    monkeypatch.setenv("GOSSIP_KEY", KEY)
    server = Server(tmp_path, f"""
providers: {{gossip: {{kind: openai, base_url: "{gossip.url}", api_key_env: GOSSIP_KEY}}}}
prices: {{m: {{input: 0, output: 1000}}}}
routes:
  main: {{deadline: 3s, targets: [{{provider: gossip, model: m}}]}}
budgets: [{{name: cap, limit_usd: 1000, window: total}}]
""")
    try:
        server.plan("quiet", stages=[{"name": "all", "percent": 100}], route="main")
        assert ANSWER in ask(server, "quiet").text
        assert ANSWER in ask(server, "quiet", "messages").text
        assert ANSWER in ask(server, "quiet", stream=True).text
        errors = []
        for gossip.mode in ["fail", "refuse"]:
            for dialect in ["chat/completions", "messages"]:
                for stream in [False, True]:
                    errors.append(ask(server, "quiet", dialect, stream=stream))
                    if gossip.mode == "refuse":
                        # A key that was refused rests; the provider is to be asked each time.
                        assert errors[-1].headers["x-rollout-attempts"] == "1"
                        server.restart()
        # What our own reading refuses is not repeated either.
        errors.append(ask(server, "quiet", messages=PROMPT))
        errors.append(server.call("POST", "/v1/features/quiet/complete", {"prompt": PROMPT, PROMPT[:0] + "what": 1}))
        assert all(answer.status_code >= 400 for answer in errors)
        gossip.mode = "ok"
        job = server.call("POST", "/v1/features/quiet/jobs", {"prompt": PROMPT, "user": "anna"}).json()["job_id"]
        for _ in range(100):
            done = server.call("GET", f"/v1/jobs/{job}").json()
            if done["status"] == "succeeded":
                break
            time.sleep(0.05)
        assert done["result"]["content"] == ANSWER
        shown = [answer.text for answer in errors]
        shown += [server.call("GET", path).text for path in [
            "/metrics", "/v1/plans/quiet", "/v1/plans/quiet/health", "/v1/plans/quiet/events", "/v1/providers",
            "/v1/budgets", "/readyz", "/v1/captures?feature=quiet"]]
        shown += [server.rollout("history", "quiet").stdout, server.rollout("plan", "show", "quiet").stdout]
        for text in shown:
            assert PROMPT not in text and ANSWER not in text and KEY not in text, text
        # A refused key is told to the people who run it, without the key.
        assert any("does not know our key" in line and "GOSSIP_KEY" in line for line in server.log), server.log
    finally:
        server.stop()
    log = "".join(server.log)
    assert PROMPT not in log and ANSWER not in log and KEY not in log
    # On disk only where it is asked for: the job's result.
    for file in (tmp_path / "data").iterdir():
        content = file.read_bytes()
        assert KEY.encode() not in content, file
        assert PROMPT.encode() not in content, file
        if file.name.startswith("jobs.db"):
            continue
        assert ANSWER.encode() not in content, file
    with sqlite3.connect(tmp_path / "data" / "jobs.db") as jobs:
        assert jobs.execute("SELECT length(request) FROM job").fetchall() == [(0,)]
