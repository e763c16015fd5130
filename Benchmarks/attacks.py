"""Measures what evaluations feel of hostile questions: the p99 of a client that asks at an even pace,
with each attack and without, interleaved. Called by bench.py, or by itself with the folder of the
programs:  python3 Benchmarks/attacks.py $(swift build -c release --show-bin-path)"""

import gzip
import http.client
import json
import os
import pathlib
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
port, seconds, token = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
method, path, body, fields = json.load(sys.stdin)
body = base64.b64decode(body)
os.nice(15)
head = f"{method} {path} HTTP/1.1\\r\\nHost: a\\r\\nAuthorization: Bearer {token}\\r\\n"
head += "".join(f"{k}: {v}\\r\\n" for k, v in fields.items())
head = (head + f"Content-Length: {len(body)}\\r\\n\\r\\n").encode()
end, count = time.monotonic() + seconds, 0
while time.monotonic() < end:
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


def attack(port, token, seconds, what, processes=2):
    import base64
    method, path, body, fields = what
    body = body or b""
    body = body.encode() if isinstance(body, str) else body
    started = []
    for _ in range(processes):
        process = subprocess.Popen(
            [sys.executable, "-c", ATTACKER, str(port), str(seconds), token],
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


def run(port, token, call, results, rounds, seconds):
    plans(call)
    for name, what in attacks().items():
        alone, attacked, count = [], [], 0
        for _ in range(rounds):
            alone.append(p99(port, token, seconds))
            processes = attack(port, token, seconds + 1, what)
            time.sleep(0.5)
            attacked.append(p99(port, token, seconds))
            for process in processes:
                count += int(process.stdout.read() or 0)
                process.wait()
        ratio = statistics.median(attacked) / statistics.median(alone)
        results[f"attack_{name}_p99_ratio"] = ratio
        print(f"attack {name:16} p99 {statistics.median(alone):6.2f} ms alone, "
              f"{statistics.median(attacked):6.2f} ms under {count:6} of them: {ratio:.2f}", flush=True)
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
