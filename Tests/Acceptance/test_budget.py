"""A hard budget that a thousand requests at once cannot overshoot, through kill -9 too."""

import concurrent.futures
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from conftest import Server


class Meter:
    """A provider that bills 100 tokens of output for every call, and counts the calls."""

    def __init__(self, seconds):
        self.calls = 0
        lock = threading.Lock()
        meter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    meter.calls += 1
                time.sleep(seconds)
                data = json.dumps({
                    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 9, "completion_tokens": 100, "total_tokens": 109}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

        class Listener(ThreadingHTTPServer):
            request_queue_size = 512
            daemon_threads = True

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


CONFIG = """
providers: {{meter: {{kind: openai, base_url: "{url}"}}}}
prices: {{m: {{input: 0, output: 1000}}}}
routes: {{main: {{targets: [{{provider: meter, model: m}}]}}}}
budgets: [{{name: cap, limit_usd: 5, window: total}}]
"""


def ask(server, number):
    try:
        answer = requests.post(
            f"{server.url}/features/paid/v1/chat/completions", timeout=30,
            headers={"Authorization": f"Bearer {server.token}"},
            json={"user": f"u{number}", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]})
        return answer.headers.get("x-rollout-served-by"), answer.headers.get("x-rollout-reason")
    except requests.RequestException:
        return None, None


def burst(server, count):
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        return list(pool.map(lambda number: ask(server, number), range(count)))


def start(folder, meter):
    server = Server(folder, CONFIG.format(url=meter.url))
    server.plan("paid", stages=[{"name": "all", "percent": 100}], route="main", fallback={"content": "later"})
    return server


def spent(server):
    budget = server.call("GET", "/v1/budgets").json()["budgets"][0]
    return budget["spent_usd"], budget["reserved_usd"]


def test_a_thousand_requests_of_a_dime_at_five_dollars(tmp_path):
    meter = Meter(0.05)
    server = start(tmp_path, meter)
    try:
        results = burst(server, 1000)
        assert sum(by == "provider" for by, _ in results) == 50
        assert all(why == "budget" for by, why in results if by == "fallback")
        assert meter.calls == 50
        assert spent(server) == (5, 0)
        assert "$5.00" in server.rollout("budget").stdout
        assert 'rollout_budget_spent_usd{budget="cap"} 5' in requests.get(server.url + "/metrics", timeout=9).text
    finally:
        server.stop()


@pytest.mark.parametrize("seconds", [0.15, 0.4, 0.7])
def test_through_kill_9(tmp_path, seconds):
    meter = Meter(0.2)
    server = start(tmp_path, meter)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(burst, server, 30)
        time.sleep(seconds)
        server.kill()
        served = sum(by == "provider" for by, _ in first.result())
    server.start()
    try:
        after, held = spent(server)
        assert held == 0
        # Every call that may have reached the provider is paid, and no answer went unpaid.
        assert round(after / 0.1) >= max(served, meter.calls)
        served += sum(by == "provider" for by, _ in burst(server, 1000))
        assert spent(server) == (5, 0)
        assert meter.calls <= 50 and served <= 50
    finally:
        server.stop()
