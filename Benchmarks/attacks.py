"""Measures what evaluations feel of hostile questions: the p99 of a client that asks at an even pace,
with each attack and without, interleaved, and what a client of nginx feels while nginx is sent the
same bytes. A flood of bodies of a megabyte takes the machine's cores for the copying alone, whoever
listens: what counts is what the question costs beyond that. So the ratio is the p99 under attack
over the larger of the p99 without and nginx's under the same bytes. Called by bench.py, or by
itself with the folder of the programs:
python3 Benchmarks/attacks.py $(swift build -c release --show-bin-path)"""

import base64
import gzip
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PACE = 0.001
PART = "a" * 40 + "b"


def plans(call):
    """A plan that everybody asks for, one whose rules cost all they may, and many small ones."""
    call("PUT", "/v1/plans/quiet", json.dumps({"feature": "quiet"}))
    rule = {"attribute": "text", "contains": [PART + str(i) for i in range(200)]}
    call("PUT", "/v1/plans/costly", json.dumps({
        "feature": "costly", "stages": [{"name": "some", "rules": [rule]}]}))
    for index in range(200):
        call("PUT", f"/v1/plans/many{index}", json.dumps({"feature": f"many{index}"}))
    for name in ["quiet", "costly"]:
        call("POST", f"/v1/plans/{name}/start", "{}", 1)


def user(index=0, text="a" * 1024):
    return {"id": f"u{index}", "attributes": {"text": text}}


def attacks():
    """What is sent, again and again, by each name: method, path, body, further fields."""
    huge = json.dumps({"user": {"id": "u"}, "features": ["quiet"] * 120_000})
    all_of_them = json.dumps({"user": user(), "features": [f"many{i}" for i in range(200)]})
    users = json.dumps({"users": [{"id": f"u{i}"} for i in range(10_000)]})
    costly = json.dumps({"users": [user(i) for i in range(800)]})
    long = json.dumps({"context": {"targetingKey": "u", "text": "a" * 900_000}})
    coded = gzip.compress(b'{"user":{"id":"u"}}' + b" " * 1_000_000)
    return {
        "same_feature": ("POST", "/v1/decisions", huge, {}),
        "many_features": ("POST", "/v1/decisions", all_of_them, {}),
        "many_users": ("POST", "/v1/features/quiet/decisions", users, {}),
        "costly_rules": ("POST", "/v1/features/costly/decisions", costly, {}),
        "long_attribute": ("POST", "/ofrep/v1/evaluate/flags/quiet", long, {}),
        "gzip": ("POST", "/v1/features/quiet/decision", coded, {"Content-Encoding": "gzip"}),
        "replays": ("GET", "/v1/events", None, {"Last-Event-ID": "0"}),
    }


UNREADER = """
import resource, socket, sys, time
port, seconds, count, pipelined = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), 50
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
asks, held, end = b"GET /openapi.json HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" * pipelined, [], time.monotonic() + seconds
for _ in range(count):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", port))
    s.setblocking(False)
    try:
        s.send(asks)
    except OSError:
        pass
    held.append(s)
time.sleep(max(0, end - time.monotonic()))
print(len(held))
"""

# Clients that ask for a description 50 times and read none of it, without a token.
UNREAD = 3000


ATTACKER = """
import base64, http.client, json, os, socket, sys, time
port, seconds, token, pace = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], float(sys.argv[4])
method, path, body, fields = json.load(sys.stdin)
body = base64.b64decode(body)
os.nice(15)
head = f"{method} {path} HTTP/1.1\\r\\nHost: a\\r\\nAuthorization: Bearer {token}\\r\\n"
head += "".join(f"{k}: {v}\\r\\n" for k, v in fields.items())
head = (head + f"Content-Length: {len(body)}\\r\\n\\r\\n").encode()
started, count = time.monotonic(), 0
while time.monotonic() < started + seconds:
    time.sleep(max(0, started + count * pace - time.monotonic()))
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(5)
        try:
            s.sendall(head + body)
            s.recv(65536)
        except OSError:
            pass
        count += 1
print(count)
"""


def p99(port, token, seconds):
    """Asks at an even pace; what is late counts from when it should have been asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token}"}
    times, at, end = [], time.monotonic(), time.monotonic() + seconds
    while at < end:
        time.sleep(max(0, at - time.monotonic()))
        started = time.monotonic()
        connection.request("GET", "/v1/features/quiet/decision?user=u", headers=headers)
        connection.getresponse().read()
        times.append(time.monotonic() - started)
        at = max(at + PACE, time.monotonic())
    return statistics.quantiles(times, n=100)[98] * 1000


def attack(port, token, seconds, what, pace=0, processes=2):
    """Starts who sends it: at once again, or each as often as every `pace` seconds."""
    method, path, body, fields = what
    body = body or b""
    body = body.encode() if isinstance(body, str) else body
    started = []
    for _ in range(processes):
        process = subprocess.Popen(
            [sys.executable, "-c", ATTACKER, str(port), str(seconds), token, str(pace)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write(json.dumps([method, path, base64.b64encode(body).decode(), fields]))
        process.stdin.close()
        started.append(process)
    return started


def resident_mib(port, token):
    """As the server says it of itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
    for line in connection.getresponse().read().decode().splitlines():
        if line.startswith("process_resident_memory_bytes "):
            return float(line.split()[1]) / (1 << 20)
    raise AssertionError("/metrics says nothing of the memory")


def unread(port, token, results, rounds, seconds):
    """What evaluations and the memory feel of thousands who read nothing."""
    alone, attacked, grown = [], [], 0
    for _ in range(rounds):
        alone.append(p99(port, token, seconds))
        before = resident_mib(port, token)
        process = subprocess.Popen(
            [sys.executable, "-c", UNREADER, str(port), str(seconds + 2), str(UNREAD)],
            stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)
        attacked.append(p99(port, token, seconds))
        grown = max(grown, resident_mib(port, token) - before)
        assert int(process.stdout.read() or 0) == UNREAD
        process.wait()
    ratio = statistics.median(attacked) / statistics.median(alone)
    results["attack_unread_p99_ratio"] = ratio
    results["attack_unread_rss_mib"] = grown
    print(f"attack {'unread':16} p99 {statistics.median(alone):6.2f} ms alone, "
          f"{statistics.median(attacked):6.2f} ms beside {UNREAD} who read nothing: {ratio:.2f}, "
          f"{grown:.0f} MiB more", flush=True)


class Nginx:
    """The peer: it takes the same bytes and answers every path with a decision's size of text."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="rollout-nginx-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = pathlib.Path(self.folder) / "nginx.conf"
        config.write_text(f"""
worker_processes 2; daemon off; pid {self.folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; multi_accept on; }}
http {{ access_log off; keepalive_requests 1000000000; client_max_body_size 4m;
  client_body_temp_path {self.folder}/bodies;
  server {{ listen 127.0.0.1:{self.port} reuseport; location / {{ return 200 '{"x" * 100}'; }} }} }}
""")
        self.process = subprocess.Popen(["nginx", "-c", config])
        time.sleep(0.5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def p99_under(port, token, seconds, what, pace=0):
    """The p99 beside the attack, and how often it was sent."""
    processes = attack(port, token, seconds + 1, what, pace)
    time.sleep(0.5)
    value, count = p99(port, token, seconds), 0
    for process in processes:
        count += int(process.stdout.read() or 0)
        process.wait()
    return value, count


def run(port, token, call, results, rounds, seconds):
    plans(call)
    with Nginx() as peer:
        for name, what in attacks().items():
            alone, attacked, at_peer, count = [], [], [], 0
            for _ in range(rounds):
                alone.append(p99(port, token, seconds))
                value, sent = p99_under(port, token, seconds, what)
                attacked.append(value)
                count += sent
                # As often as here, and not more.
                pace = 2 * (seconds + 1) / max(1, sent)
                at_peer.append(p99_under(peer.port, token, seconds, what, pace)[0])
            alone, attacked, at_peer = map(statistics.median, (alone, attacked, at_peer))
            ratio = attacked / max(alone, at_peer)
            results[f"attack_{name}_p99_ratio"] = ratio
            print(f"attack {name:16} p99 {alone:6.2f} ms alone, {attacked:6.2f} ms under {count:6} "
                  f"of them, nginx {at_peer:6.2f} ms: {ratio:.2f}", flush=True)
    unread(port, token, results, rounds, seconds)


def main():
    programs = pathlib.Path(sys.argv[1])
    folder = tempfile.mkdtemp(prefix="rollout-attacks-")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [programs / "rollout-server", "--listen", f"127.0.0.1:{port}", "--data", folder + "/data"],
        stderr=subprocess.DEVNULL)
    try:
        token_file = pathlib.Path(folder) / "data" / "admin.token"
        for _ in range(500):
            if token_file.exists() and token_file.read_text().strip():
                break
            time.sleep(0.02)
        token = token_file.read_text().strip()

        def call(method, path, body, version=None):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            headers = {"Authorization": f"Bearer {token}"}
            if version:
                headers["If-Match"] = f'"{version}"'
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status < 300, (answer.status, data)

        time.sleep(0.2)
        results = {}
        run(port, token, call, results, int(os.environ.get("ROUNDS", "5")),
            float(os.environ.get("SECONDS_EACH", "3")))
    finally:
        server.terminate()
        server.wait(30)
    rules = json.loads((pathlib.Path(__file__).parent / "thresholds.json").read_text())
    missed = [name for name, value in results.items() if value > rules[name]["max"]]
    print("all thresholds held" if not missed else f"missed: {', '.join(missed)}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
