"""What the faults share: a server process that can be hurt, and the table of what came of it."""

import contextlib
import http.client
import json
import mmap
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ["ROLLOUT_BIN"])


class Skip(Exception):
    """This machine cannot do it; the message says what is missing."""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Server:
    """`rollout-server` on a free port of loopback, with its data below `folder`."""

    def __init__(self, folder, config="{}", *, data=None, env=None, listen="127.0.0.1:0",
                 arguments=(), prefix=(), prepare=None, start=True):
        self.folder = pathlib.Path(folder)
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.config = self.folder / "rollout.yaml"
        self.config.write_text(config)
        self.env, self.listen, self.prepare = env or {}, listen, prepare
        self.arguments, self.prefix = list(arguments), list(prefix)
        self.log = []
        self.token = self.kept = None
        if start:
            self.start()

    def spawn(self):
        """Only starts the process; it may refuse."""
        self.process = subprocess.Popen(
            [*self.prefix, BIN / "rollout-server", "--listen", self.listen, "--data", self.data,
             "--config", self.config, *self.arguments],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, errors="replace",
            env={**os.environ, **self.env}, preexec_fn=self.prepare)
        RUNNING.append(self.process)

    def start(self, seconds=20):
        """Starts it and waits until it listens. Raises AssertionError with its words if it ends."""
        self.spawn()
        listening = threading.Event()
        first = len(self.log)

        def read(stream):
            for line in stream:
                self.log.append(line)
                found = re.search(r'"address":"[^"]*:(\d+)"', line)
                if found:
                    self.port = int(found.group(1))
                    listening.set()
            listening.set()
        self.reader = threading.Thread(target=read, args=[self.process.stderr], daemon=True)
        self.reader.start()
        if not listening.wait(seconds):
            self.kill()
            raise AssertionError("the server did not listen in time: " + "".join(self.log[first:]))
        if not any("address" in line for line in self.log[first:]):
            self.process.wait(5)
            raise AssertionError("the server did not start: " + "".join(self.log[first:]))
        token = self.data / "admin.token"
        if token.exists():
            self.token = token.read_text().strip()
        return self

    def refuses(self, seconds=20):
        """Starts it and expects it to end by itself; returns (exit code, what it said)."""
        self.spawn()
        try:
            _, said = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server started, and should have refused to") from None
        return self.process.returncode, said

    def stop(self, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server had not stopped {seconds} s after SIGTERM") from None
        assert code == 0, f"exit {code}: {''.join(self.log[-5:])}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    @property
    def alive(self):
        return self.process.poll() is None

    @property
    def words(self):
        return "".join(self.log)

    @property
    def memory_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def call(self, method, path, body=None, headers=None, token=None, timeout=20):
        if self.kept:
            return self.ask(self.kept, method, path, body, headers, token)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            return self.ask(connection, method, path, body, headers, token)
        finally:
            connection.close()

    def ask(self, connection, method, path, body, headers, token):
        fields = {"Authorization": f"Bearer {token or self.token}", **(headers or {})}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, path, data, fields)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    @contextlib.contextmanager
    def one_connection(self, timeout=60):
        """All calls meanwhile go over one connection that is open already. Beside a flood of new
        connections the kernel may drop another's first packet, and sends it again after 1, 3 and 7 s:
        that would be measured, and not the server."""
        self.kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            yield
        finally:
            self.kept.close()
            self.kept = None

    def raw(self, head, *, timeout=10):
        """A socket on which `head` has been sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        connection.sendall(head if isinstance(head, bytes) else head.encode())
        return connection

    def plan(self, feature, **more):
        """Applies and starts a plan."""
        answer = self.call("PUT", f"/v1/plans/{feature}", {"feature": feature, **more})
        assert answer.status == 201, answer
        return self.command(feature, "start")

    def show(self, feature):
        answer = self.call("GET", f"/v1/plans/{feature}")
        assert answer.status == 200, answer
        return answer.json

    def command(self, feature, name, expect=(200,), **body):
        version = self.show(feature)["version"]
        answer = self.call("POST", f"/v1/plans/{feature}/{name}", {"reason": "a test", **body},
                           {"If-Match": f'"{version}"'})
        assert answer.status in expect, f"{name} of {feature}: {answer}"
        return answer

    def is_on(self, feature, user):
        answer = self.call("GET", f"/v1/features/{feature}/decision?user={user}")
        assert answer.status == 200, answer
        return answer.json["enabled"]

    def warnings(self):
        """What `/readyz` warns of, by what it is about."""
        answer = self.call("GET", "/readyz")
        return {item["what"]: item["detail"] for item in answer.json.get("warnings", [])}

    def make_token(self, name, *scopes, **more):
        answer = self.call("POST", "/v1/tokens", {"name": name, "scopes": list(scopes), **more})
        assert answer.status == 201, answer
        return answer.json


RUNNING = []


def end_all():
    """No server outlives the run, however it ends."""
    for process in RUNNING:
        if process.poll() is None:
            process.kill()
            process.wait()
    RUNNING.clear()


class Shim:
    """Makes reads and writes of one server's files fail, and sets its wall clock; see shim.c."""

    library = None

    def __init__(self, folder):
        if Shim.library is None:
            compiler = shutil.which("clang") or shutil.which("cc")
            if not compiler:
                raise Skip("no C compiler")
            Shim.library = pathlib.Path(tempfile.mkdtemp(prefix="rollout-shim-")) / "shim.so"
            subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", Shim.library,
                            HERE / "shim.c", "-ldl"], check=True)
        path = pathlib.Path(folder) / "control"
        path.write_bytes(bytes(4096))
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)
        self.env = {"LD_PRELOAD": str(Shim.library), "FAULTS_CONTROL": str(path)}

    def _set(self, offset, error, times):
        # How often first: the error makes it count.
        self.page[offset + 4:offset + 8] = struct.pack("I", times)
        self.page[offset:offset + 4] = struct.pack("I", error)

    def fail_syncs(self, error, times=0):
        self._set(0, error, times)

    def fail_writes(self, error, times=0):
        self._set(8, error, times)

    def fail_reads(self, error, times=0):
        self._set(40, error, times)

    def heal(self):
        for offset in (0, 8, 40):
            self._set(offset, 0, 0)

    def set_clock(self, ahead):
        """Sets the wall clock so many seconds ahead of the machine's; the steady one goes on."""
        self.page[32:40] = struct.pack("q", ahead)

    @property
    def failed(self):
        return struct.unpack("I", self.page[24:28])[0]


def eventually(what, condition, seconds=10):
    """Waits until `condition` holds; `what` is said if it never does."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def small_disk(folder, size="16m"):
    """A file system of its own at `folder`/disk."""
    path = pathlib.Path(folder) / "disk"
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path],
                          capture_output=True, text=True)
    if made.returncode != 0:
        raise Skip("mounting a small disk needs root")
    try:
        yield path
    finally:
        end_all()
        subprocess.run(["umount", "-l", path], check=False)


def fill(path):
    """Takes all room that is left on the disk of `path`."""
    with open(path / "ballast", "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


class Table:
    """Runs faults one after the other and prints what came of each."""

    def __init__(self, is_short):
        self.is_short = is_short
        self.rows = []

    def run(self, case):
        rounds = case.short if self.is_short else case.rounds
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="rollout-fault-", ignore_cleanup_errors=True) as path:
            try:
                said = case.body(pathlib.Path(path), rounds)
                result = f"ok{': ' + said if said else ''}"
            except Skip as skip:
                result = f"SKIPPED: {skip}"
            except (AssertionError, OSError, http.client.HTTPException, KeyError,
                    subprocess.SubprocessError, ValueError, sqlite3.Error) as error:
                result = f"FAILED: {type(error).__name__ if not isinstance(error, AssertionError) else ''} {error}"
            finally:
                end_all()
        row = (case.number, case.title, rounds, time.monotonic() - started, result)
        self.rows.append(row)
        self.show(row)

    @staticmethod
    def show(row):
        number, title, rounds, seconds, result = row
        print(f"{number:>3}  {title:<58} {rounds:>5}  {seconds:6.1f} s  {result}", flush=True)

    def finish(self):
        """Prints the closing line; the exit code."""
        failed = sum(row[4].startswith("FAILED") for row in self.rows)
        skipped = sum(row[4].startswith("SKIPPED") for row in self.rows)
        passed = len(self.rows) - failed - skipped
        print(f"faults: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
        for number, title, _, _, result in self.rows:
            if result.startswith("SKIPPED"):
                print(f"{result}; fault {number}, {title}, was NOT tried", file=sys.stderr)
        must_run = os.environ.get("CI") == "true"
        return 1 if failed or (skipped and must_run) else 0


CASES = []


class Case:
    def __init__(self, number, title, rounds, short, body):
        self.number, self.title, self.rounds, self.short, self.body = number, title, rounds, short, body


def fault(number, title, *, rounds=1, short=None):
    """Registers a fault; the body gets a folder of its own and how often to try."""
    def register(body):
        CASES.append(Case(number, title, rounds, short or min(rounds, 1), body))
        return body
    return register
