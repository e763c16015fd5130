"""The AI gateway, pinned to one core, with the load and the provider on the other; interleaved with
nginx `proxy_pass` and with direct calls to the same provider. Part of bench.py."""

import gc
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import statistics
import subprocess
import time
import http.client

FAST, SLOW, PROXY, GATEWAY = 18490, 18491, 18492, 18493
PATH = "/features/ai/v1/chat/completions"
BODY = json.dumps({
    "model": "gpt-4o", "max_tokens": 100, "user": "user-123",
    "messages": [{"role": "system", "content": "You answer in one sentence."},
                 {"role": "user", "content": "Why do staged rollouts reduce risk?"}]})
ANSWER = json.dumps({
    "id": "chatcmpl-123", "object": "chat.completion", "created": 1700000000, "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content":
        "Rollouts reduce risk by showing a change to few users first, so that a fault hurts few.",
        "refusal": None}, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 19, "completion_tokens": 21, "total_tokens": 40}})

NGINX = """
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log /dev/null;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; {body} }}
"""
UPSTREAM = "server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{answer}'; }} }}"
RELAY = """upstream up {{ server 127.0.0.1:{up}; keepalive 1024; keepalive_requests 1000000000; }}
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://up; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_buffering off; }} }}"""

# Limits, a budget and metrics are on, as in production.
CONFIG = """
providers:
  fast: {{kind: openai, base_url: "http://127.0.0.1:{fast}/v1", max_in_flight: 20000}}
  slow: {{kind: openai, base_url: "http://127.0.0.1:{slow}/v1", max_in_flight: 20000}}
  hang: {{kind: openai, base_url: "http://127.0.0.1:{slow}/hang", max_in_flight: 20000}}
prices: {{gpt-4o: {{input: 2.50, output: 10.00}}}}
routes:
  fast: {{deadline: 30s, targets: [{{provider: fast, model: gpt-4o}}]}}
  slow: {{deadline: 60s, targets: [{{provider: slow, model: gpt-4o}}]}}
  hang: {{deadline: 60s, targets: [{{provider: hang, model: gpt-4o}}]}}
limits: {{per_user: 1000000/s, per_app: 1000000/s}}
budgets: [{{name: monthly, limit_usd: 1000000, window: month}}]
"""


def pinned(core, *command, **more):
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], **more)


def rss_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ready(port, seconds=10):
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < until, f"nothing listens on {port}"
            time.sleep(0.02)


class Gateway:
    """Everything that is measured: two providers, the relay, the gateway."""

    def __init__(self, binaries, folder):
        self.folder = folder
        answer = UPSTREAM.format(port=FAST, answer=ANSWER)
        relay = RELAY.format(port=PROXY, up=FAST)
        self.processes = [
            pinned(1, "nginx", "-c", self.nginx("up", answer)),
            pinned(0, "nginx", "-c", self.nginx("relay", relay)),
            pinned(1, binaries / "RolloutBenchmarks", "upstream", SLOW, stdout=subprocess.DEVNULL)]
        self.relay = self.processes[1]
        config = folder / "gateway.yaml"
        config.write_text(CONFIG.format(fast=FAST, slow=SLOW))
        self.server = pinned(
            0, binaries / "rollout-server", "--listen", f"127.0.0.1:{GATEWAY}", "--data",
            folder / "gateway", "--config", config, stderr=subprocess.DEVNULL)
        for port in [FAST, PROXY, SLOW, GATEWAY]:
            ready(port)
        self.token = (folder / "gateway" / "admin.token").read_text().strip()
        for feature, route in [("ai", "fast"), ("slow", "slow"), ("hang", "hang")]:
            self.call("PUT", f"/v1/plans/{feature}", {
                "feature": feature, "route": route, "stages": [{"name": "all", "percent": 100}]})
            self.call("POST", f"/v1/plans/{feature}/start", {}, 1)

    def relay_worker(self):
        """The process that relays; its parent does nothing."""
        children = f"/proc/{self.relay.pid}/task/{self.relay.pid}/children"
        return int(pathlib.Path(children).read_text().split()[0])

    def nginx(self, name, body):
        path = self.folder / f"{name}.conf"
        path.write_text(NGINX.format(folder=self.folder, name=name, body=body))
        return path

    def call(self, method, path, body, version=None):
        connection = http.client.HTTPConnection("127.0.0.1", GATEWAY)
        headers = {"Authorization": f"Bearer {self.token}"}
        if version:
            headers["If-Match"] = f'"{version}"'
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status < 300, (answer.status, data)

    def stop(self):
        for process in [*self.processes, self.server]:
            process.send_signal(signal.SIGTERM)
        for process in [*self.processes, self.server]:
            process.wait(30)


def wrk(gateway, port, connections, seconds):
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
               "-s", gateway.folder / "post.lua", "-H", f"Authorization: Bearer {gateway.token}",
               f"http://127.0.0.1:{port}{PATH}"]
    out = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True,
                         env={**os.environ, "BODY": BODY}).stdout
    assert "Non-2xx" not in out and "Socket errors" not in out, out

    def quantile(name):
        found = re.search(rf"{name}%\s+([\d.]+)(us|ms|s)", out)
        return float(found[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[found[2]]
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            "requests": int(re.search(r"(\d+) requests in", out)[1]),
            "p50": quantile("50"), "p99": quantile("99")}


def throughput(gateway, results, rounds, seconds):
    """Plain answers of a provider that takes no time."""
    rows = {1: [], 64: []}
    for _ in range(rounds):
        for connections in rows:
            before = cpu_seconds(gateway.relay_worker())
            theirs = wrk(gateway, PROXY, connections, seconds)
            theirs["cpu"] = (cpu_seconds(gateway.relay_worker()) - before) / theirs["requests"] * 1e6
            before = cpu_seconds(gateway.server.pid)
            ours = wrk(gateway, GATEWAY, connections, seconds)
            ours["cpu"] = (cpu_seconds(gateway.server.pid) - before) / ours["requests"] * 1e6
            rows[connections].append((ours, theirs))

    def median(connections, of):
        return statistics.median(of(ours, theirs) for ours, theirs in rows[connections])
    results["gateway_requests_ratio"] = median(64, lambda ours, theirs: ours["rate"] / theirs["rate"])
    results["gateway_cpu_ratio"] = median(64, lambda ours, theirs: ours["cpu"] / theirs["cpu"])
    results["gateway_added_p50_ms"] = median(1, lambda ours, theirs: ours["p50"] - theirs["p50"])
    results["gateway_added_p99_ms"] = median(1, lambda ours, theirs: ours["p99"] - theirs["p99"])
    results["gateway_rss_mib"] = rss_mib(gateway.server.pid)
    print(f"{'gateway, 64 in flight':22} {median(64, lambda ours, _: ours['rate']):9,.0f}/s  nginx "
          f"{median(64, lambda _, theirs: theirs['rate']):9,.0f}/s   CPU {median(64, lambda ours, _: ours['cpu']):5.1f} µs  nginx "
          f"{median(64, lambda _, theirs: theirs['cpu']):5.1f} µs"
          f"   p99 {median(64, lambda ours, _: ours['p99']):5.2f} ms  nginx "
          f"{median(64, lambda _, theirs: theirs['p99']):5.2f} ms", flush=True)
    print(f"{'gateway, one client':22} p50 {median(1, lambda ours, _: ours['p50']):.3f} ms  nginx "
          f"{median(1, lambda _, theirs: theirs['p50']):.3f} ms   p99 {median(1, lambda ours, _: ours['p99']):.3f} ms"
          f"  nginx {median(1, lambda _, theirs: theirs['p99']):.3f} ms", flush=True)


def request(gateway, feature, stream=False, close=False):
    body = BODY if not stream else BODY[:-1] + ', "stream":true}'
    return (f"POST /features/{feature}/v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
            f"Authorization: Bearer {gateway.token}\r\nContent-Length: {len(body)}\r\n"
            f"{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n{body}").encode()


class Clients:
    """Many connections on one thread, kept open between rounds."""

    def __init__(self, port, count):
        self.poll = select.epoll()
        self.peers = {}
        for _ in range(count):
            peer = socket.create_connection(("127.0.0.1", port))
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setblocking(False)
            self.poll.register(peer, select.EPOLLIN)
            self.peers[peer.fileno()] = peer

    def all_at_once(self, data, limit=60):
        """Seconds until every connection has its answer, and how many have none or a wrong one."""
        started = time.monotonic()
        for peer in self.peers.values():
            peer.send(data)
        waiting, wrong = set(self.peers), 0
        while waiting and time.monotonic() - started < limit:
            for number, _ in self.poll.poll(1, 1000):
                if number in waiting:
                    if not self.peers[number].recv(65536).startswith(b"HTTP/1.1 200"):
                        wrong += 1
                    waiting.discard(number)
        return time.monotonic() - started, wrong + len(waiting)

    def close(self):
        for peer in self.peers.values():
            peer.close()
        self.poll.close()


def in_flight(gateway, results, rounds):
    """Calls that all wait for the same second."""
    direct, through = Clients(SLOW, 2000), Clients(GATEWAY, 2000)
    data = request(gateway, "slow")
    pairs, highest = [], 0
    for round in range(rounds + 1):
        alone, wrong_alone = direct.all_at_once(data)
        ours, wrong = through.all_at_once(data)
        highest = max(highest, rss_mib(gateway.server.pid))
        assert wrong_alone == 0 and wrong == 0, (wrong_alone, wrong)
        # The first opens the connections.
        if round > 0:
            pairs.append((alone, ours))
    direct.close()
    through.close()
    results["gateway_2000_wall_ratio"] = statistics.median(ours / alone for alone, ours in pairs)
    results["gateway_2000_rss_mib"] = highest
    print(f"{'2,000 waiting 1 s':22} direct {statistics.median(a for a, _ in pairs):.2f} s, through "
          f"{statistics.median(o for _, o in pairs):.2f} s; {highest:.0f} MiB", flush=True)


def many_in_flight(gateway, results, hard_limit):
    """Each takes two descriptors in the gateway; those it has none for wait for another's end."""
    count = min(10_000, hard_limit * 7 // 10)
    clients = Clients(GATEWAY, count)
    seconds, wrong = clients.all_at_once(request(gateway, "slow"))
    clients.close()
    results["gateway_10000_errors"] = wrong
    print(f"{f'{count:,} waiting 1 s':22} {seconds:.2f} s, {wrong} errors; "
          f"{rss_mib(gateway.server.pid):.0f} MiB", flush=True)


def first_content(gateway, port, data, streams=200, seconds=4):
    """99 % of the times from sending to the first content, in milliseconds, with so many streams
    open all the time, begun evenly."""
    poll, open_, times = select.epoll(), {}, []
    pending = [index * 0.85 / streams for index in range(streams)]
    gc.disable()
    started = time.monotonic()

    def begin(now):
        peer = socket.create_connection(("127.0.0.1", port))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.send(data)
        poll.register(peer, select.EPOLLIN)
        open_[peer.fileno()] = [peer, now, False]
    while True:
        now = time.monotonic()
        if now - started > seconds:
            break
        while pending and pending[0] <= now - started:
            pending.pop(0)
            begin(time.monotonic())
        for number, _ in poll.poll(0.002, 256):
            entry = open_[number]
            piece = entry[0].recv(65536)
            if not entry[2] and b'"content":"word' in piece:
                entry[2] = True
                times.append((time.monotonic() - entry[1]) * 1000)
            if not piece or b"[DONE]" in piece:
                entry[0].close()
                del open_[number]
                begin(time.monotonic())
    for entry in open_.values():
        entry[0].close()
    gc.enable()
    return statistics.quantiles(times, n=100)[98]


def streaming(gateway, results, rounds):
    data = request(gateway, "slow", stream=True)
    pairs = [(first_content(gateway, SLOW, data), first_content(gateway, GATEWAY, data))
             for _ in range(rounds)]
    added = statistics.median(ours for _, ours in pairs) - statistics.median(alone for alone, _ in pairs)
    results["gateway_stream_added_p99_ms"] = added
    print(f"{'200 streams':22} first content p99: direct {statistics.median(a for a, _ in pairs):.2f} ms, "
          f"through {statistics.median(o for _, o in pairs):.2f} ms", flush=True)


def memory(gateway, results):
    """Growth over 200,000 requests, and over 20,000 calls left at a random moment."""
    def requests(count):
        done = 0
        while done < count:
            done += wrk(gateway, GATEWAY, 64, 2)["requests"]
    requests(50_000)
    before = rss_mib(gateway.server.pid)
    requests(200_000)
    results["gateway_growth_requests_mib"] = rss_mib(gateway.server.pid) - before
    abandon(gateway, 2_000)
    before = rss_mib(gateway.server.pid)
    abandon(gateway, 20_000)
    time.sleep(0.5)
    results["gateway_growth_cancels_mib"] = rss_mib(gateway.server.pid) - before
    print(f"{'memory':22} {results['gateway_growth_requests_mib']:+.1f} MiB over 200,000 requests, "
          f"{results['gateway_growth_cancels_mib']:+.1f} MiB over 20,000 cancellations", flush=True)


def abandon(gateway, count):
    """Calls that are left after 0 to 8 ms, 64 at a time."""
    data = {kind: request(gateway, feature, stream=stream) for kind, feature, stream in
            [(0, "hang", False), (1, "hang", True), (2, "slow", True), (3, "ai", False)]}
    leaving = []
    for number in range(count):
        peer = socket.create_connection(("127.0.0.1", GATEWAY))
        peer.send(data[number % 4])
        leaving.append((time.monotonic() + random.random() * 0.008, peer))
        while len(leaving) >= 64 or (leaving and number == count - 1):
            leaving.sort(key=lambda item: item[0])
            at, peer = leaving.pop(0)
            time.sleep(max(0, at - time.monotonic()))
            peer.close()


def run(binaries, folder, results, rounds, seconds, hard_limit):
    gateway = Gateway(binaries, folder)
    os.sched_setaffinity(0, {1})
    try:
        throughput(gateway, results, rounds, seconds)
        streaming(gateway, results, rounds)
        in_flight(gateway, results, 3)
        many_in_flight(gateway, results, hard_limit)
        memory(gateway, results)
    finally:
        gateway.stop()
        os.sched_setaffinity(0, range(os.cpu_count()))
