"""Callers that lie, flood, leave and never come back; and starts and stops in bad company."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import resource
import signal
import socket
import statistics
import subprocess
import threading
import time

from harness import BIN, Server, Skip, eventually, fault

ALL = {"stages": [{"name": "all", "percent": 100}]}
ECHO = """
providers: {echo: {kind: echo}}
routes: {r: {targets: [{provider: echo, model: m}]}}
"""


def head(method, path, server, token, length, extra=""):
    return (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {length}\r\n{extra}\r\n")


def answer_of(connection):
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


@fault(2, "a token revoked or expired between head and body does nothing", rounds=10, short=3)
def revoked_between(folder, rounds):
    server = Server(folder)
    server.plan("a", **ALL)
    server.plan("b", **ALL)
    for number in range(rounds):
        other = server.make_token(f"t{number}", "admin")
        body = json.dumps({"name": f"thief-{number}", "scopes": ["admin"]})
        connection = server.raw(head("POST", "/v1/tokens", server, other["token"], len(body)))
        time.sleep(0.05)
        assert server.call("DELETE", f"/v1/tokens/{other['id']}?confirm=t{number}").status == 204
        connection.sendall(body.encode())
        status, said = answer_of(connection)
        connection.close()
        assert status == 401, f"a revoked token made {status} {said}"
    names = [token["name"] for token in server.call("GET", "/v1/tokens").json["tokens"]]
    assert not [name for name in names if name.startswith("thief")], names
    limited = server.make_token("brief", "operate", features=["a"], expires_in="1s")
    body = json.dumps({"reason": "not mine"})
    connection = server.raw(head("POST", "/v1/plans/b/kill", server, limited["token"], len(body),
                                 'If-Match: "2"\r\n'))
    time.sleep(1.3)
    connection.sendall(body.encode())
    status, said = answer_of(connection)
    assert status in (401, 403), f"an expired token made {status} {said}"
    assert server.is_on("b", "anna")
    server.stop()


@fault(3, "replays asked for and left, over and over: memory stays, a pause is quick", rounds=1)
def replays(folder, _):
    server = Server(folder)
    for number in range(40):
        server.plan(f"f{number}", **ALL)
    for number in range(1200):
        server.command(f"f{number % 40}", "pause" if (number // 40) % 2 == 0 else "resume")
    token = server.make_token("app", "evaluate", features=["f1"])["token"]
    before = server.memory_mib

    def pauses(path):
        """Seconds of each pause while eight clients ask for `path` and leave at once; how many they
        asked, and the most memory in MiB."""
        stop = time.monotonic() + 6
        request = (f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                   "Last-Event-ID: 0\r\n\r\n")
        asked, taken, most = [0], [], 0.0

        def ask():
            while time.monotonic() < stop:
                try:
                    server.raw(request).close()
                    asked[0] += 1
                except OSError:
                    time.sleep(0.01)
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        with server.one_connection():
            while time.monotonic() < stop - 1:
                started = time.monotonic()
                server.command("f0", "pause" if server.show("f0")["status"] == "active" else "resume")
                taken.append(time.monotonic() - started)
                most = max(most, server.memory_mib)
                time.sleep(0.2)
        for thread in threads:
            thread.join()
        return taken, asked[0], most
    # A flood keeps everybody waiting, whatever it asks for: a replay must be no dearer than the
    # cheapest question there is.
    plain, _, _ = pauses("/livez")
    taken, asked, most = pauses("/v1/events")
    assert most < before + 300, f"{before:.0f} MiB grew to {most:.0f} MiB"
    usual, usual_plain = statistics.median(taken), statistics.median(plain)
    assert usual < 3 + 3 * usual_plain, (
        f"a pause took {usual:.1f} s; {usual_plain:.1f} s beside a flood of /livez")
    # One that is unlucky on two busy cores waits seconds; behind replays it was a minute.
    assert max(taken) < 20, f"a pause took {max(taken):.1f} s"
    server.stop()
    return (f"{asked} replays, +{most - before:.0f} MiB, a pause took {usual * 1000:.0f} ms, "
            f"beside /livez {usual_plain * 1000:.0f} ms")


HOSTILE = [
    ("POST", "/v1/alerts", {"webhook-id": "a", "webhook-timestamp": "-9223372036854775808",
                            "webhook-signature": "v1,aaaa"}, {"feature": "ai", "action": "kill", "id": "x"}),
    ("POST", "/v1/alerts", {"webhook-id": "a", "webhook-timestamp": "9223372036854775807",
                            "webhook-signature": "v1,aaaa"}, {"feature": "ai", "action": "kill", "id": "x"}),
    ("PUT", "/v1/plans/huge", {}, {"feature": "huge", "guards": [{"metric": "tokens_per_request", "max": 1e30}]}),
    ("PUT", "/v1/plans/huge", {}, {"feature": "huge", "guards": [{"metric": "cost_per_request", "max": "$1e300"}]}),
    ("PUT", "/v1/plans/huge", {}, {"feature": "huge", "stages": [{"name": "a", "soak": "99999999999999999d"}]}),
    ("PUT", "/v1/plans/huge", {}, {"feature": "huge", "guards": [{"metric": "latency_mean", "max": "1e300s"}]}),
    ("POST", "/v1/outcomes", {}, {"outcomes": [{"feature": "ai", "user": "u", "ok": True, "latency_ms": 1e300,
                                                "input_tokens": 9223372036854775807, "cost_usd": 1e300}]}),
    ("POST", "/v1/outcomes", {}, {"outcomes": [{"feature": "ai", "user": "u", "ok": True,
                                                "at": -9223372036854775808}]}),
    ("POST", "/v1/features/ai/complete", {}, {"user": "u", "prompt": "x", "max_tokens": 9223372036854775807}),
    ("POST", "/v1/features/ai/complete", {}, {"user": "u", "prompt": "x", "max_tokens": -9223372036854775808}),
    ("POST", "/v1/tokens", {}, {"name": "t", "scopes": ["evaluate"], "expires_in": "9223372036854775807d"}),
    ("GET", "/v1/events", {"Last-Event-ID": "-9223372036854775808"}, None),
    ("GET", "/v1/plans/ai/events?after=9223372036854775807&limit=1000", {}, None),
    ("GET", "/v1/alerts?after=-9223372036854775808", {}, None),
    ("POST", "/v1/plans/ai/pause", {"If-Match": '"9223372036854775807"'}, {"reason": "x"}),
    ("POST", "/v1/features/ai/decisions", {}, {"users": [{"id": "u", "attributes": {"n": 1e308}}] * 3}),
]


@fault(5, "numbers at the edge of what a number can be never end the process", rounds=1)
def hostile_numbers(folder, _):
    import base64
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    usages = [2 * (2**63 - 1), 2**63 - 1, -1, 1e300, "many", None, -(2**63)]
    with Upstream(usages) as upstream:
        server = Server(folder, f"""
providers: {{up: {{kind: openai, base_url: "{upstream.url}"}}}}
prices: {{m: {{input: 1000000, output: 1000000}}}}
routes: {{r: {{targets: [{{provider: up, model: m}}]}}}}
budgets: [{{name: total, limit_usd: 1000000000, window: total}}]
alerts: {{secret_env: HOOK}}
""", env={"HOOK": secret})
        server.plan("ai", route="r", **ALL)
        for method, path, headers, body in HOSTILE:
            try:
                answer = server.call(method, path, body, headers, timeout=5)
                assert answer.status != 500, f"{path}: {answer}"
            except TimeoutError:
                # An event stream that was accepted goes on.
                assert path == "/v1/events"
            assert server.alive, f"ended by {method} {path} {headers} {body}"
        for usage in usages:
            for stream in (False, True):
                answer = server.call("POST", "/features/ai/v1/chat/completions", {
                    "user": "u", "stream": stream, "messages": [{"role": "user", "content": "x"}]})
                assert server.alive, f"ended by a usage of {usage}"
                assert answer.status in (200, 502), f"{usage}: {answer}"
        assert server.call("GET", "/v1/budgets").status == 200
        assert server.call("GET", "/metrics").status == 200
        server.stop()
    return f"{len(HOSTILE)} requests, {2 * len(usages)} provider answers"


class Upstream:
    """A provider whose usage is what it is told, one after the other."""

    def __init__(self, usages):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        self.turn = 0
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                value = usages[upstream.turn // 2 % len(usages)]
                upstream.turn += 1
                usage = {"prompt_tokens": value, "completion_tokens": value, "total_tokens": value}
                message = {"role": "assistant", "content": "Hello"}
                if body.get("stream"):
                    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
                    events = [
                        {**chunk, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
                        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                        {**chunk, "choices": [], "usage": usage}]
                    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
                    data += b"data: [DONE]\n\n"
                    kind = "text/event-stream"
                else:
                    data = json.dumps({
                        "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
                        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
                    kind = "application/json"
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@fault(6, "small questions with huge answers: others are answered meanwhile", rounds=3, short=1)
def huge_answers(folder, rounds):
    server = Server(folder)
    server.plan("ai", **ALL)
    app = server.make_token("app", "evaluate")["token"]
    bodies = [
        ("/v1/decisions", {"user": {"id": "u"}, "features": ["ai"] * 240_000}),
        ("/v1/decisions", {"user": {"id": "u"}, "features": [f"x{n}" for n in range(70_000)]}),
        ("/v1/features/ai/decisions", {"users": [{"id": "u"}] * 10_000}),
        ("/v1/features/ai/decision", {"user": {"id": "u", "attributes": {f"k{n}": "v" for n in range(50_000)}}}),
        ("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "u", "long": "v" * 900_000}}),
    ]
    slowest = 0.0
    for _ in range(rounds):
        for path, body in bodies:
            data = json.dumps(body).encode()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                sent = [pool.submit(server.call, "POST", path, data, None, app) for _ in range(8)]
                while not all(future.done() for future in sent):
                    started = time.monotonic()
                    assert server.is_on("ai", "anna")
                    slowest = max(slowest, time.monotonic() - started)
                for future in sent:
                    answer = future.result()
                    assert answer.status in (200, 400, 404, 413), f"{path}: {answer}"
                    assert len(answer.body) < 8 << 20, f"{path}: {len(answer.body)} bytes"
    assert slowest < 2, f"somebody waited {slowest:.1f} s for a decision"
    server.stop()
    return f"slowest decision meanwhile {slowest * 1000:.0f} ms"


@fault(10, "a group of 50,000 alerts is taken", rounds=1)
def many_alerts(folder, _):
    server = Server(folder)
    for number in range(3):
        server.plan(f"f{number}", **ALL)
    # In whole seconds: not before the stages began.
    time.sleep(1.1)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    alerts = [{
        "status": "firing", "startsAt": now, "endsAt": "0001-01-01T00:00:00Z", "fingerprint": f"{n:016x}",
        "labels": {"alertname": "Errors", "feature": f"f{n % 4}", "instance": f"host-{n}"},
        "annotations": {"summary": "x" * 200}} for n in range(50_000)]
    answer = server.call("POST", "/v1/alerts/alertmanager",
                         {"version": "4", "status": "firing", "alerts": alerts}, timeout=60)
    assert answer.status == 200, answer
    eventually("every known feature stepped back", lambda: all(
        server.show(f"f{number}")["hold"] for number in range(3)))
    server.stop()
    return f"{len(json.dumps(alerts)) >> 20} MiB"


@fault(13, "a dead webhook: another target hears of a kill at once", rounds=1)
def dead_webhook(folder, _):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            heard.append((time.monotonic(), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
    well = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=well.serve_forever, daemon=True).start()
    # Accepts, and never answers.
    dead = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = Server(folder, f"""
notify:
  - {{kind: webhook, name: dead, url: "http://127.0.0.1:{dead.getsockname()[1]}/", secret_env: HOOK, allow_private: true}}
  - {{kind: webhook, name: well, url: "http://127.0.0.1:{well.server_address[1]}/", secret_env: HOOK, allow_private: true}}
""", env={"HOOK": "a secret of more than 24 bytes in length"})
    for number in range(20):
        server.plan(f"f{number}", **ALL)
    started = time.monotonic()
    server.command("f0", "kill")
    eventually("the kill is told", lambda: any(b"killed" in body for _, body in heard), 10)
    told = next(at for at, body in heard if b"killed" in body) - started
    server.kill()
    well.shutdown()
    dead.close()
    assert told < 5, f"told after {told:.1f} s"
    return f"told after {told * 1000:.0f} ms"


@fault(15, "a second server on the same port is refused", rounds=1)
def second_server(folder, _):
    (folder / "one").mkdir(), (folder / "two").mkdir()
    server = Server(folder / "one")
    for listen in (f"127.0.0.1:{server.port}", f"0.0.0.0:{server.port}", f"localhost:{server.port}"):
        second = Server(folder / "two", listen=listen, start=False)
        code, said = second.refuses(10)
        assert code == 1 and str(server.port) in said, f"{listen}: {code} {said}"
    assert server.call("GET", "/livez").status == 200
    server.stop()


@fault(19, "SIGTERM under load: what was received is answered", rounds=15, short=3)
def stop_under_load(folder, rounds):
    server = Server(folder, ECHO)
    server.plan("ai", route="r", **ALL)
    lost, answered = [], [0]
    for number in range(rounds):
        stopping = threading.Event()

        def load(server=server):
            request = (f"GET /v1/features/ai/decision?user=anna HTTP/1.1\r\nHost: x\r\n"
                       f"Authorization: Bearer {server.token}\r\n\r\n").encode()
            while not stopping.is_set():
                try:
                    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                except OSError:
                    return
                with connection:
                    for _ in range(20):
                        try:
                            connection.sendall(request)
                            status, _ = answer_of(connection)
                        except http.client.RemoteDisconnected:
                            # Closed cleanly, nothing read: RFC 9112, 9.3.1; the first request of a
                            # connection must not meet with it.
                            if _ == 0:
                                lost.append("a new connection was closed without an answer")
                            break
                        except (OSError, http.client.HTTPException) as error:
                            lost.append(repr(error))
                            break
                        answered[0] += 1
        threads = [threading.Thread(target=load) for _ in range(32)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        server.stop(15)
        stopping.set()
        for thread in threads:
            thread.join()
        server.start()
    server.stop()
    assert not lost, f"{len(lost)} of {answered[0]}: {sorted(set(lost))}"
    return f"{answered[0]} answers"


@fault(20, "SIGHUP with a broken file keeps the old one; SIGUSR1 and 2 do nothing", rounds=1)
def reload(folder, _):
    server = Server(folder, ECHO)
    server.plan("ai", route="r", **ALL)

    def model():
        return server.call("POST", "/v1/features/ai/complete", {"user": "u", "prompt": "x"}).json["model"]
    assert model() == "m"
    server.config.write_text(ECHO.replace("model: m", "model: other"))
    server.process.send_signal(signal.SIGHUP)
    eventually("the new model answers", lambda: model() == "other")
    server.config.write_text("routes: {r: {targets: [{provider: nobody, model: m}]}}")
    server.process.send_signal(signal.SIGHUP)
    eventually("a warning names the configuration", lambda: "configuration" in server.warnings())
    assert model() == "other"
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        server.process.send_signal(number)
    time.sleep(0.3)
    assert server.alive
    server.config.write_text(ECHO)
    server.process.send_signal(signal.SIGHUP)
    eventually("the old model answers again", lambda: model() == "m")
    assert "configuration" not in server.warnings()
    server.stop()


@fault(22, "slow uploads by one token leave room for others", rounds=1)
def slow_uploads(folder, _):
    server = Server(folder)
    server.plan("ai", **ALL)
    slow = server.make_token("slow", "evaluate")["token"]
    other = server.make_token("other", "evaluate")["token"]
    size = 900_000
    held = []
    for _ in range(400):
        try:
            connection = server.raw(head("POST", "/v1/outcomes", server, slow, size), timeout=3)
            connection.sendall(b"x" * 800_000)
            held.append(connection)
        except OSError:
            break
    outcomes = {"outcomes": [{"feature": "ai", "user": "u", "ok": True, "kind": "k" * 60}] * 5000}
    answer = server.call("POST", "/v1/outcomes", outcomes, token=other)
    assert answer.status == 202, answer
    memory = server.memory_mib
    for connection in held:
        connection.close()
    server.stop()
    return f"{len(held)} uploads held, {memory:.0f} MiB"


@fault(22, "one token's jobs leave room for another's", rounds=1)
def many_jobs(folder, _):
    server = Server(folder, """
providers: {echo: {kind: echo, latency: 30s}}
routes: {r: {deadline: 60s, targets: [{provider: echo, model: m, timeout: 60s}]}}
jobs: {concurrency: 2}
""")
    server.plan("ai", route="r", **ALL)
    greedy = server.make_token("greedy", "evaluate")["token"]
    other = server.make_token("other", "evaluate")["token"]
    taken = refused = 0

    def ask(number):
        return server.call("POST", "/v1/features/ai/jobs", {"user": f"u{number}", "prompt": "later"}, token=greedy)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for answer in pool.map(ask, range(12_000 if os.environ.get("FAULTS_LONG") else 3000)):
            assert answer.status in (202, 429, 503), answer
            if answer.status == 202:
                taken += 1
            else:
                refused += 1
                assert answer.headers["Retry-After"], "refused without Retry-After"
    answer = server.call("POST", "/v1/features/ai/jobs", {"user": "b", "prompt": "me too"}, token=other)
    assert answer.status == 202, answer
    server.stop(40)
    return f"{taken} taken, {refused} refused"


@fault(26, "no /proc: the server refuses to start", rounds=1)
def no_proc(folder, _):
    script = f"umount -l /proc; cd {folder}; exec {BIN}/rollout-server --listen 127.0.0.1:0 --data {folder}/mine"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=20)
    if "Operation not permitted" in done.stderr and "unshare" in done.stderr:
        raise Skip("taking /proc away needs root")
    assert not (folder / "data").exists(), "started on ./data: its arguments were ignored"
    assert (folder / "mine").exists() or done.returncode in (1, 2, 78), done
    assert done.returncode != 0 and done.stderr.strip(), done


@fault(27, "at the descriptor limit the next client gets 503", rounds=1)
def descriptors(folder, _):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
    server = Server(folder, prepare=few)
    server.plan("ai", **ALL)
    held, status = [], None
    for _ in range(500):
        connection = server.raw(f"GET /v1/features/ai/decision?user=u HTTP/1.1\r\nHost: x\r\n"
                                f"Authorization: Bearer {server.token}\r\n\r\n")
        status, _ = answer_of(connection)
        if status != 200:
            break
        held.append(connection)
        # Not idle: idle ones make room for others.
        connection.sendall(b"GET /v1/fea")
    assert status == 503, f"{status} after {len(held)}"
    for connection in held:
        connection.close()
    eventually("there is room again", lambda: server.is_on("ai", "u"))
    server.stop()
    return f"after {len(held)} clients"


@fault(27, "the databases are 0600 in whatever folder", rounds=1)
def private_files(folder, _):
    data = folder / "open"
    data.mkdir()
    data.chmod(0o777)
    server = Server(folder, ECHO, data=data, prepare=lambda: os.umask(0))
    server.plan("ai", route="r", **ALL)
    server.call("POST", "/v1/features/ai/jobs", {"user": "u", "prompt": "x"})
    server.call("POST", "/v1/outcomes", {"outcomes": [{"feature": "ai", "user": "u", "ok": True}]})
    time.sleep(1.2)
    wide = [path.name for path in pathlib.Path(data).iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    server.stop()
    wide += [path.name for path in pathlib.Path(data).iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    assert not wide, f"readable by others: {sorted(set(wide))}"
