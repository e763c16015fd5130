"""Measures the server as a whole, interleaved with nginx in the same run, and compares the medians
with thresholds.json. Called by script/bench, which builds and installs."""

import http.client
import json
import os
import pathlib
import re
import resource
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import attacks
import gateway

HERE = pathlib.Path(__file__).parent
BIN = pathlib.Path(sys.argv[1])
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))
PORT, NGINX_PORT = 18480, 18481
TICKS = os.sysconf("SC_CLK_TCK")
CONTEXT = {"context": {"targetingKey": "user-123", "email": "a@acme.com", "country": "AU",
                       "plan": "pro", "age": 33, "beta": True}}
results = {}


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def wrk(url, connections, script=None, token=None, env=None, seconds=SECONDS):
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script:
        command += ["-s", script]
    if token:
        command += ["-H", f"Authorization: Bearer {token}"]
    out = subprocess.run(command + [url], capture_output=True, text=True,
                         env={**os.environ, **(env or {})}).stdout
    assert "Non-2xx" not in out or "304" in (env or {}).get("EXPECT", ""), out
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    scale = {"us": 1e-3, "ms": 1, "s": 1e3}[p99[2]]
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            "requests": int(re.search(r"(\d+) requests in", out)[1]), "p99": float(p99[1]) * scale}


class Rollout:
    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [BIN / "rollout-server", "--listen", f"127.0.0.1:{PORT}", "--data", self.folder],
            stderr=subprocess.DEVNULL)
        started = time.monotonic()
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", PORT)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                time.sleep(0.002)
        self.ready_ms = (time.monotonic() - started) * 1000
        self.token = (pathlib.Path(self.folder) / "admin.token").read_text().strip()

    def call(self, method, path, body=None, version=None):
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        headers = {"Authorization": f"Bearer {self.token}"}
        if version:
            headers["If-Match"] = f'"{version}"'
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status < 300, (answer.status, data)
        return answer, data

    def plans(self, first, last):
        for index in range(first, last):
            self.call("PUT", f"/v1/plans/f{index}", json.dumps({"feature": f"f{index}"}))

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def nginx(folder, body):
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(f"""
worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; multi_accept on; }}
http {{ access_log off; keepalive_requests 1000000000;
  server {{ listen 127.0.0.1:{NGINX_PORT} reuseport;
    location / {{ default_type application/json; return 200 '{body}'; }} }} }}
""")
    process = subprocess.Popen(["nginx", "-c", config])
    time.sleep(0.5)
    pids = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return process, [int(pid) for pid in pids.stdout.split()]


def against_nginx(name, rollout, nginx_pids, path, connections, script=None, env=None, full=True):
    """Interleaved rounds, ratios of medians. CPU is of the server processes alone."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        for target, pids, into in [
            (NGINX_PORT, nginx_pids, theirs), (PORT, [rollout.process.pid], ours)]:
            before = cpu_seconds(pids)
            run = wrk(f"http://127.0.0.1:{target}{path}", connections, script, rollout.token, env)
            run["cpu_us"] = (cpu_seconds(pids) - before) / run["requests"] * 1e6
            into.append(run)
    row = {key: (statistics.median(r[key] for r in ours), statistics.median(r[key] for r in theirs))
           for key in ["rate", "cpu_us", "p99"]}
    print(f"{name:22} {row['rate'][0]:9,.0f}/s  nginx {row['rate'][1]:9,.0f}/s   "
          f"CPU {row['cpu_us'][0]:5.2f} µs  nginx {row['cpu_us'][1]:5.2f} µs   "
          f"p99 {row['p99'][0]:5.2f} ms  nginx {row['p99'][1]:5.2f} ms", flush=True)
    results[f"{name}_requests_ratio"] = row["rate"][0] / row["rate"][1]
    if full:
        results[f"{name}_cpu_ratio"] = row["cpu_us"][0] / row["cpu_us"][1]
        results[f"{name}_p99_ratio"] = row["p99"][0] / row["p99"][1]


def subscribers(rollout, count=10_000):
    """Idle event streams: memory each, CPU at rest, and how long a change takes to reach them all."""
    before = rss_kib(rollout.process.pid)
    head = (f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {rollout.token}\r\n\r\n").encode()
    sockets = []
    poll = select.epoll()
    for _ in range(count):
        peer = socket.create_connection(("127.0.0.1", PORT))
        peer.sendall(head)
        peer.setblocking(False)
        poll.register(peer, select.EPOLLIN)
        sockets.append(peer)
    by_number = {peer.fileno(): peer for peer in sockets}

    def read_all(marker, deadline):
        waiting = set(by_number)
        while waiting and time.monotonic() < deadline:
            for number, _ in poll.poll(1):
                if marker in by_number[number].recv(65536):
                    waiting.discard(number)
        return len(waiting)

    assert read_all(b"connected", time.monotonic() + 20) == 0
    time.sleep(1)
    results["sse_kib_per_subscriber"] = (rss_kib(rollout.process.pid) - before) / count
    rest = cpu_seconds([rollout.process.pid])
    # Long enough to hold one heartbeat, which is what being idle costs.
    time.sleep(30)
    results["sse_idle_cpu_percent"] = (cpu_seconds([rollout.process.pid]) - rest) / 30 * 100
    version = json.loads(rollout.call("GET", "/v1/plans/f50")[1])["version"]
    started = time.monotonic()
    rollout.call("POST", "/v1/plans/f50/advance", '{"reason":"measured"}', version)
    missed = read_all(b"event: advanced", started + 5)
    results["sse_reach_ms"] = (time.monotonic() - started) * 1000 if missed == 0 else 5000
    for peer in sockets:
        peer.close()


def propagation(rollout):
    """How long after the answer to a change any loop still serves the old plan."""
    connections = []
    for _ in range(64):
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        connection.connect()
        connections.append(connection)
    headers = {"Authorization": f"Bearer {rollout.token}"}
    worst = 0
    for command in ["pause", "resume"] * 10:
        version = json.loads(rollout.call("GET", "/v1/plans/f50")[1])["version"]
        rollout.call("POST", f"/v1/plans/f50/{command}", '{"reason":"bench"}', version)
        committed = time.monotonic()
        for connection in connections:
            while True:
                asked = time.monotonic()
                connection.request("GET", "/v1/features/f50/decision?user=a", headers=headers)
                if json.loads(connection.getresponse().read())["plan_version"] == version + 1:
                    break
                worst = max(worst, (asked - committed) * 1000)
    results["propagation_ms"] = worst


def outcomes(rollout, folder):
    batch = {"outcomes": [{"feature": "f50", "user": f"u{i}", "ok": True, "latency_ms": 812,
                           "input_tokens": 10, "output_tokens": 20, "cost_usd": 0.001}
                          for i in range(500)]}
    env = {"BODY": json.dumps(batch)}
    run = wrk(f"http://127.0.0.1:{PORT}/v1/outcomes", 16, folder / "post.lua", rollout.token, env)
    results["outcomes_per_s"] = run["rate"] * 500
    url = f"http://127.0.0.1:{PORT}/v1/features/f50/decision?user=user-123"
    alone, loaded = [], []
    # The rate asked for, offered at an even pace beside the evaluations.
    feeder = """
import http.client, json, os, sys, time
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1])); end = time.monotonic() + float(sys.argv[2])
h = {'Authorization': 'Bearer ' + sys.argv[3]}; body = os.environ['BODY']; step = 500 / 200_000; at = time.monotonic()
while at < end:
    c.request('POST', '/v1/outcomes', body, h); c.getresponse().read(); at += step
    time.sleep(max(0, at - time.monotonic()))
"""
    # Twice as many as elsewhere: the tail of a quiet machine scatters most.
    for _ in range(2 * ROUNDS):
        alone.append(wrk(url, 16, token=rollout.token)["p99"])
        process = subprocess.Popen(
            [sys.executable, "-c", feeder, str(PORT), str(SECONDS + 1), rollout.token],
            env={**os.environ, **env})
        loaded.append(wrk(url, 16, token=rollout.token)["p99"])
        process.wait()
    results["outcomes_p99_ratio"] = statistics.median(loaded) / statistics.median(alone)


def in_process(folder):
    library = folder / "count.so"
    subprocess.run(["clang", "-O1", "-shared", "-fPIC", "-o", library, HERE / "count_allocations.c"],
                   check=True)
    out = subprocess.run([BIN / "RolloutBenchmarks"], capture_output=True, text=True, check=True,
                         env={**os.environ, "LD_PRELOAD": str(library)}).stdout
    values = json.loads(out)
    table = values.pop("detectors")
    decisions = values.pop("decisions")
    print("in process:", json.dumps(values))
    print_detectors(table)
    print_decisions(decisions)
    results["evaluate_percentage_ns"] = values["percentage_ns"]
    results["evaluate_percentage_allocations"] = values["percentage_allocations"]
    results["evaluate_rules_ns"] = values["rules_ns"]
    results["preview_10m_s"] = values["preview_10m_s"]


def print_detectors(table):
    """False rollbacks per 100,000 requests, and median/p95 requests until a rollback."""
    names = {"shipped": "Rollout's default", "naive_100": "over 5 % of last 100",
             "word_500": "over 5 % of last 500"}
    rates = ["0.8", "2", "3", "4.5"]
    print(f"\n{'false rollbacks per 100,000':28}" + "".join(f"{rate + ' %':>10}" for rate in rates)
          + "   requests until rollback (median/p95)")
    print(" " * 68 + "".join(f"   {rate:>8}" for rate in ["8 %", "10 %", "20 %", "50 %", "100 %"]))
    for key, name in names.items():
        row = table[key]
        print(f"{name:28}" + "".join(f"{row['false_' + rate]:10.3f}" for rate in rates)
              + "".join(f"   {a:>4}/{b:<4}"[:12].rjust(11) for a, b in row["delays"]))
    print()
    shipped = table["shipped"]
    results["detector_false_0.8"] = shipped["false_0.8"]
    results["detector_false_3"] = shipped["false_3"]
    for rate, (median, p95) in zip(["8", "10", "20", "50"], shipped["delays"]):
        results[f"detector_{rate}_median"] = median
        results[f"detector_{rate}_p95"] = p95


def print_decisions(table):
    """The whole decision in seconds of traffic, beside the first edition of its rules."""
    second, first = table["second"], table["first"]
    print(f"{'false rollbacks per 100,000':28}{'2 %':>10}{'3 %':>10}{'4 %':>10}{'4 % calm':>10}"
          "   median seconds until rollback at 8 / 10 / 20 / 50 / 100 %, by requests a second")
    for name, row in (("second edition", second), ("first edition", first)):
        print(f"{name:28}" + "".join(
            f"{row[key]:10.3f}" for key in ("false_2", "false_3", "false_4", "false_4_calm"))
            + "   " + "   ".join(
                f"{pace}/s: " + " ".join(f"{seconds:.0f}" for seconds in row["seconds"][index])
                for index, pace in enumerate((3, 10, 30))))
    worst = max(max(row) for row in second["blips"])
    print(f"blips of 2-5 s of total failure rolled back: {worst:.1%} at most "
          f"(first edition {max(max(row) for row in first['blips']):.0%}); "
          f"hours of one angry user: {table['storms']} of 200; "
          f"outages of both arms: {table['outages']} of 200")
    print(f"score D at its boundary: {table['comparison_false']:.3f} alarms per 100,000 blocks; "
          "requests until it blames the feature (rate at share: median/p95): "
          + ", ".join(f"{rate:.0%} at {share:.0%}: {median}/{p95}"
                      for rate, share, median, p95 in table["comparison_delays"]) + "\n")
    for key in ("false_2", "false_3", "false_4", "false_4_calm"):
        results[f"decision_{key}"] = second[key]
    for index, rate in enumerate(("8", "10", "20", "50", "100")):
        results[f"decision_{rate}_ratio"] = max(
            ours[index] / theirs[index] for ours, theirs in zip(second["seconds"], first["seconds"]))
    results["decision_blips"] = worst
    results["decision_storms"] = table["storms"]
    results["decision_outages"] = table["outages"]
    results["comparison_false"] = table["comparison_false"]


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rollout-bench-"))
    (folder / "post.lua").write_text("""
wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"; wrk.body = os.getenv("BODY")
if os.getenv("TAG") then wrk.headers["If-None-Match"] = os.getenv("TAG") end
""")
    in_process(folder)
    rollout = Rollout(folder / "data")
    rollout.plans(1, 101)
    rollout.call("POST", "/v1/plans/f50/start", "{}", 1)
    path = "/v1/features/f50/decision?user=user-123"
    web, pids = nginx(folder, rollout.call("GET", path)[1].decode())
    try:
        against_nginx("decision_64", rollout, pids, path, 64)
        against_nginx("decision_256", rollout, pids, path, 256)
        env = {"BODY": json.dumps(CONTEXT)}
        flags = "/ofrep/v1/evaluate/flags"
        against_nginx("ofrep", rollout, pids, f"{flags}/f50", 64, folder / "post.lua", env, False)
        bulk = wrk(f"http://127.0.0.1:{PORT}{flags}", 64, folder / "post.lua", rollout.token, env)
        print(f"{'ofrep bulk, 100 flags':22} {bulk['rate']:9,.0f}/s = {bulk['rate'] * 100:,.0f} flags/s")
        tag = rollout.call("POST", flags, env["BODY"])[0].headers["ETag"]
        against_nginx("ofrep_304", rollout, pids, flags, 64, folder / "post.lua",
                      {**env, "TAG": tag}, False)
    finally:
        web.terminate()
    propagation(rollout)
    subscribers(rollout)
    outcomes(rollout, folder)
    rollout.plans(101, 1001)
    rollout.stop()
    rollout.start()
    rollout.stop()
    rollout.start()
    results["start_1000_plans_ms"] = rollout.ready_ms
    results["start_1000_plans_rss_mib"] = rss_kib(rollout.process.pid) / 1024
    attacks.run(PORT, rollout.token, rollout.call, results, ROUNDS, SECONDS)
    rollout.stop()
    gateway.run(BIN, folder, results, ROUNDS, SECONDS, hard)
    sys.exit(judge())


def judge():
    failed = 0
    print()
    for name, rule in json.loads((HERE / "thresholds.json").read_text()).items():
        value = results[name]
        good = value >= rule["min"] if "min" in rule else value <= rule["max"]
        bound = f"≥ {rule['min']:,}" if "min" in rule else f"≤ {rule['max']:,}"
        print(f"{'ok  ' if good else 'MISS'} {name:34} {value:12,.3f}  {bound:12} {rule['what']}")
        failed += not good
    print(f"\n{failed} of the thresholds missed" if failed else "\nall thresholds held")
    return 1 if failed else 0


main()
