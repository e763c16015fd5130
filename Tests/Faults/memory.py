"""Floods of what takes memory, at a server that has little of it."""

import concurrent.futures
import contextlib
import gzip
import json
import os
import pathlib
import resource
import sys
import time

from callers import ALL, head
from harness import Server, Skip, fault

SLOW = """
providers: {echo: {kind: echo}, slow: {kind: echo, latency: 30s}}
routes:
  r: {targets: [{provider: echo, model: m}]}
  slow: {deadline: 60s, targets: [{provider: slow, model: m, timeout: 60s}]}
"""


class Box:
    """A control group that ends whoever takes more memory than `limit` bytes, of either version."""

    def __init__(self, limit):
        for base, files in [
            ("/sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control")),
            ("/sys/fs/cgroup", ("memory.max", "memory.peak", "memory.events")),
        ]:
            self.path = pathlib.Path(base) / f"rollout-fault-{os.getpid()}"
            self.limit, self.peak_file, self.kills_file = (self.path / name for name in files)
            try:
                self.path.mkdir()
                self.limit.write_text(str(limit))
                return
            except OSError:
                with contextlib.suppress(OSError):
                    self.path.rmdir()
        raise Skip("making a control group with a limit of memory needs root")

    def enter(self):
        """Called in the process to be limited, before it becomes the server."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def peak_mib(self):
        return int(self.peak_file.read_text()) / (1 << 20) if self.peak_file.exists() else 0

    @property
    def kills(self):
        """How often the kernel ended a process for want of memory."""
        words = self.kills_file.read_text().split()
        return int(words[words.index("oom_kill") + 1])

    def close(self):
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.1)


def many(server, count, *arguments, timeout=60, **more):
    """Asks the same `count` times at once; the statuses, None for whoever was hung up on or left."""
    def ask(_):
        try:
            return server.call(*arguments, timeout=timeout, **more).status
        except OSError:
            return None
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def unread(server):
    asks = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 50
    held = [server.raw(asks) for _ in range(500)]
    time.sleep(1)
    for one in held:
        one.close()


def uploads(server, token):
    held = []
    with contextlib.suppress(OSError):
        for _ in range(300):
            one = server.raw(head("POST", "/v1/outcomes", server, token, 4_000_000), timeout=3)
            one.sendall(b"x" * 3_900_000)
            held.append(one)
    for one in held:
        one.close()


def floods(server, tokens):
    """What takes memory: by name, something to do. It gives statuses, of which some are expected."""
    def post(path, body, scope, count=16, headers=None, method="POST", timeout=60):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return lambda: many(server, count, method, path, data, headers, tokens[scope], timeout=timeout)

    chat, slow = "/features/ai/v1/chat/completions", "/features/slow/v1/chat/completions"
    def prompt(text):
        return {"user": "u", "messages": [{"role": "user", "content": text}]}
    alerts = [{"status": "firing", "startsAt": "2020-01-01T00:00:00Z", "fingerprint": f"{n:016x}",
               "labels": {"feature": f"x{n}"}} for n in range(50_000)]
    rules = [{"attribute": f"a{n}", "in": [f"value-{m}" for m in range(200)]} for n in range(20)]
    members = b"".join(b"user-%d\n" % n for n in range(100_000))
    return {
        "answers that nobody reads": lambda: unread(server),
        "uploads that never end": lambda: uploads(server, tokens["evaluate"]),
        "one feature named 120,000 times": post(
            "/v1/decisions", {"user": {"id": "u"}, "features": ["ai"] * 120_000}, "evaluate"),
        "a body that decodes to 60 MB": post(
            "/v1/features/ai/decision", gzip.compress(b"[" + b"0," * 30_000_000), "evaluate",
            headers={"Content-Encoding": "gzip"}),
        "an AI body that decodes to 30 MB": post(
            chat, gzip.compress(json.dumps(prompt("word " * 6_000_000)).encode()), "evaluate",
            headers={"Content-Encoding": "gzip"}),
        "a million empty outcomes": post("/v1/outcomes", b'{"outcomes":[' + b"{}," * 1_300_000 + b"{}]}", "evaluate"),
        "a prompt of four million numbers": post(
            chat, b'{"user":"u","messages":[' + b"0," * 4_000_000 + b"0]}", "evaluate"),
        "a prompt nested without end": post(chat, b'{"user":"u","messages":' + b"[" * 8_000_000, "evaluate"),
        "prompts of 7 MB": post(chat, prompt("word " * 1_500_000), "evaluate"),
        "prompts of 30 MB": post(chat, prompt("word " * 6_000_000), "evaluate", count=8),
        "prompts of 7 MB to a provider that hangs": post(slow, prompt("word " * 1_500_000), "evaluate", 30, timeout=4),
        "jobs of 3.5 MB": post("/v1/features/ai/jobs", {"user": "u", "prompt": "x" * 3_500_000}, "evaluate"),
        "alerts, 50,000 at once": post(
            "/v1/alerts/alertmanager", {"version": "4", "status": "firing", "alerts": alerts}, "alert", 8),
        "a group of eight million numbers": post(
            "/v1/alerts/alertmanager", b'{"alerts":[' + b"0," * 8_000_000 + b"0]}", "other-alert", 8),
        "imports begun and never ended": lambda: [
            server.call("POST", f"/v1/cohorts/c{n}/members?create=true&import=i{n}&portion=1&of=2",
                        members, {"Content-Type": "text/csv"}, tokens["operate"]).status for n in range(60)],
        "plans with 4,000 values": lambda: [
            server.call("PUT", f"/v1/plans/big{n}", {
                "feature": f"big{n}", "stages": [{"name": "s", "rules": rules}]}).status for n in range(64)],
    }


def flood_all(server, is_well, peak_mib=lambda: 0):
    """Floods a server in every way, and others are answered meanwhile."""
    for feature, route in [("ai", "r"), ("slow", "slow")]:
        server.plan(feature, route=route, **ALL)
    tokens = {name: server.make_token(name, name.split("-")[-1])["token"]
              for name in ["evaluate", "alert", "other-alert", "operate"]}
    for name, flood in floods(server, tokens).items():
        said = flood() or []
        if os.environ.get("FAULTS_LONG"):
            print(f"       {name}: {said}, {peak_mib():.0f} MiB at most", file=sys.stderr)
        assert is_well(), f"the server was ended by: {name}"
        bad = [status for status in said if status is not None and status >= 500 and status != 503]
        assert not bad, f"{name}: {said}"
        assert server.is_on("ai", "anna"), name
    answer = server.call("POST", "/features/ai/v1/chat/completions", {
        "user": "u", "messages": [{"role": "user", "content": "still there?"}]})
    assert answer.status == 200, answer


@fault(3, "floods of every kind in 512 MiB: nobody is ended, others are answered")
def little_memory(folder, _):
    box = Box(512 << 20)
    server = Server(folder, SLOW, prepare=box.enter)
    try:
        flood_all(server, lambda: server.alive and box.kills == 0, lambda: box.peak_mib)
        server.stop(40)
        return f"at most {box.peak_mib:.0f} MiB"
    finally:
        server.kill()
        box.close()


@fault(3, "floods of every kind under ulimit -v 1400 MB: nobody is ended; under less it does not start")
def few_addresses(folder, _):
    def limited(mib):
        return lambda: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))
    for mib in (900, 1200):
        code, said = Server(folder, SLOW, prepare=limited(mib), start=False).refuses()
        assert code == 1 and "of memory are left" in said, f"{mib} MiB: {code} {said}"
    server = Server(folder, SLOW, prepare=limited(1400))
    flood_all(server, lambda: server.alive)
    server.stop(40)


@fault(3, "a control group of 300 MiB: the server does not start, and says what it needs")
def too_little_memory(folder, _):
    box = Box(300 << 20)
    try:
        code, said = Server(folder, SLOW, prepare=box.enter, start=False).refuses()
        assert code == 1 and "320 MiB" in said, f"{code} {said}"
    finally:
        box.close()
