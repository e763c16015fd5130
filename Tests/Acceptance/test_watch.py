"""`rollout watch` as people see it: on terminals of two sizes, in lines, and over a restart."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest
from conftest import BIN, Server

PLAN = """feature: ai-summary
description: AI summaries in search
guards: [{metric: error_rate, max: 5%, action: rollback}, {metric: latency_p95, max: 5s}]
stages:
  - {name: internal, cohort: internal}
  - {name: "25", percent: 25, soak: 1h}
  - {name: "100", percent: 100}
"""
SIGNS = re.compile(r"[━─╌│●○▶✗◷✓▁-█…–]")


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path, "{}")
    (tmp_path / "plan.yaml").write_text(PLAN)
    server.rollout("plan", "apply", "-f", str(tmp_path / "plan.yaml"))
    server.rollout("start", "ai-summary")
    yield server
    if server.process.poll() is None:
        server.stop()


def report(server, count, ok, arm="treatment"):
    outcomes = [{"feature": "ai-summary", "user": f"u{i}", "ok": ok, "arm": arm, "latency_ms": 900,
                 "id": os.urandom(6).hex(), **({} if ok else {"kind": "timeout"})}
                for i in range(count)]
    answer = server.call("POST", "/v1/outcomes", {"outcomes": outcomes})
    assert answer.json()["rejected"] == [], answer.text


def step_back(server):
    server.rollout("advance", "ai-summary", "--reason", "the night is quiet")
    time.sleep(0.1)
    report(server, 40, True, arm="control")
    ends = time.monotonic() + 20
    while '"cause":"rollback"' not in server.call("GET", "/v1/plans/ai-summary").text:
        assert time.monotonic() < ends
        # What fails must go on failing.
        report(server, 40, False)
        time.sleep(0.2)


class Watch:
    """A watch in a pseudo-terminal; `screen` is what its last drawing left there."""

    def __init__(self, server, *words, size=(24, 80), **more):
        self.leader, follower = pty.openpty()
        self.resize(*size)
        env = {**os.environ, "ROLLOUT_URL": server.url, "ROLLOUT_TOKEN": server.token,
               "TERM": "xterm", "TZ": "UTC", "LANG": "C.UTF-8", **more}
        self.before = termios.tcgetattr(follower)
        self.process = subprocess.Popen(
            [BIN / "rollout", "watch", *words], env=env, stdin=follower, stdout=follower,
            stderr=follower, preexec_fn=os.setsid)
        self.follower, self.read = follower, b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.leader, keys.encode())

    @property
    def all(self):
        return self.read.decode(errors="replace")

    @property
    def screen(self):
        drawn = [part for part in self.all.split("\x1b[H")[1:] if part.endswith("\x1b[J")]
        last = drawn[-1] if drawn else ""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).replace("\r", "").split("\n")

    def until(self, what, seconds=20):
        ends = time.monotonic() + seconds
        while True:
            text = "\n".join(self.screen)
            if re.search(what, text):
                return self.screen
            assert time.monotonic() < ends, f"{what} is not in\n{text}\n{self.all[-500:]}"
            if select.select([self.leader], [], [], 0.2)[0]:
                self.read += os.read(self.leader, 65536)

    def end(self):
        """The exit code; the terminal must be as it was."""
        ends = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < ends:
            if select.select([self.leader], [], [], 0.1)[0]:
                self.read += os.read(self.leader, 65536)
        status = self.process.wait(5)
        while select.select([self.leader], [], [], 0.1)[0]:
            self.read += os.read(self.leader, 65536)
        assert "\x1b[?25h\x1b[?1049l" in self.all[-400:], self.all[-400:]
        assert termios.tcgetattr(self.follower)[3] == self.before[3]
        os.close(self.follower)
        os.close(self.leader)
        return status


@pytest.mark.parametrize("size", [(24, 80), (50, 200), (16, 60)])
def test_a_page_fits_and_says_what_happened(server, size):
    step_back(server)
    watch = Watch(server, "ai-summary", size=size)
    shown = watch.until("● live")
    assert len(shown) == size[0] and max(map(len, shown)) <= size[1], shown
    text = " ".join(" ".join(shown).split())
    assert shown[0].startswith("ai-summary  held after a"), shown
    assert "internal" in text and "╌" in text and "limit 5 %" in text, text
    assert re.search("a ack(nowledge)? r (roll )?back k kill h history", text), text
    if size[0] >= 24:
        assert "stepped back by itself: " in text and "timeout" in text, text
        assert "Before 25 %: ✗ nobody has acknowledged" in text, text
    if size[0] >= 50:
        assert "admin advanced to 25 %: the night is quiet" in text, text
        assert "latency_p95: " in text, text
    watch.press("q")
    assert watch.end() == 0


def test_keys_do_what_commands_do_and_say_why(server):
    step_back(server)
    watch = Watch(server, "ai-summary")
    watch.until("● live")
    watch.press("a")
    watch.until("Acknowledge. Why?")
    watch.press("\x1b")
    watch.until("a acknowledge")
    watch.press("a")
    watch.until("Acknowledge. Why?")
    watch.press("\r")
    watch.press("the model is mended\r")
    watch.until(r"Acknowledge: done, version \d+")
    watch.until("cooling down")
    watch.press("k")
    watch.until("KILL: take it from everyone. Why?")
    watch.press("enough\r")
    shown = watch.until("ai-summary  killed")
    assert not any("r roll back" in line and "Why" in line for line in shown)
    watch.press("h")
    shown = "\n".join(watch.until("what happened"))
    assert "admin killed: enough" in shown, shown
    watch.press("h")
    watch.press("w")
    watch.until("1 6 d w range")
    watch.press("\x03")
    assert watch.end() == 0
    assert server.call("GET", "/v1/plans/ai-summary").json()["status"] == "killed"


def test_what_happens_is_there_at_once_and_after_a_restart(server):
    watch = Watch(server, "ai-summary")
    watch.until("● live")
    server.rollout("advance", "ai-summary", "--reason", "go on")
    watch.until("25 % have it", seconds=3)
    port = int(server.url.rsplit(":", 1)[1])
    server.stop()
    shown = watch.until("○ silent since")
    assert any("25 % have it" in line for line in shown), "what was known stays"
    server.start(port)
    watch.until("● live")
    server.rollout("rollback", "ai-summary", "--reason", "back again")
    watch.until("some have it, by name", seconds=3)
    watch.resize(30, 132)
    ends = time.monotonic() + 10
    while len(watch.screen) != 30 or max(map(len, watch.screen)) <= 80:
        assert time.monotonic() < ends, watch.screen
        watch.until("live")
        watch.read += os.read(watch.leader, 65536)
    os.kill(watch.process.pid, signal.SIGTERM)
    assert watch.end() == 128 + signal.SIGTERM


def test_all_rollouts_can_be_watched_and_opened(server):
    watch = Watch(server)
    shown = watch.until("● live")
    assert any(line.startswith("▶ ai-summary") for line in shown), shown
    watch.press("\r")
    watch.until("version 2")
    watch.press("q")
    watch.until("Enter open")
    watch.press("q")
    assert watch.end() == 0


def test_without_colours_and_in_ascii(server):
    step_back(server)
    watch = Watch(server, "ai-summary", NO_COLOR="1", LANG="C")
    watch.until(r"\* live")
    assert not SIGNS.search(watch.all), SIGNS.search(watch.all)
    assert not re.search(r"\x1b\[\d*m", watch.all)
    watch.press("q")
    assert watch.end() == 0


def lines(server, *words, **more):
    env = {**os.environ, "ROLLOUT_URL": server.url, "ROLLOUT_TOKEN": server.token, "TZ": "UTC"}
    return subprocess.Popen(
        [BIN / "rollout", "watch", *words], env={**env, **more}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def test_a_pipeline_waits_for_a_stage_over_a_restart(server):
    watch = lines(server, "ai-summary", "--until", "stage=25", "--timeout", "60s")
    port = int(server.url.rsplit(":", 1)[1])
    assert "at internal" in watch.stdout.readline()
    server.stop()
    assert "does not answer; trying again" in watch.stderr.readline()
    server.start(port)
    assert "answers again" in watch.stderr.readline()
    server.rollout("advance", "ai-summary", "--reason", "go on")
    out, _ = watch.communicate(timeout=20)
    assert watch.returncode == 0
    assert re.search(r"^\d\d:\d\d:\d\d UTC  ai-summary  .*25", out, re.M), out
    assert "\x1b" not in out and max(map(len, out.splitlines())) < 300


def test_a_pipeline_hears_of_a_step_back_and_of_time_that_is_up(server):
    watch = lines(server, "ai-summary", "--until", "stage=100", "--timeout", "60s")
    step_back(server)
    out, errors = watch.communicate(timeout=20)
    assert watch.returncode == 4, out + errors
    assert "held after a step back" in errors and "stepped back 25 → internal, by itself" in out
    held = lines(server, "ai-summary", "--until", "held")
    assert held.wait(20) == 0
    late = lines(server, "ai-summary", "--until", "done", "--timeout", "300ms")
    assert late.wait(20) == 4
    none = lines(server, "ai-summary", "--until", "stage=7")
    assert none.communicate(timeout=20)[1].startswith("rollout: ai-summary has no stage 7")
    assert none.returncode == 2
    json = lines(server, "ai-summary", "--timeout", "1s", "--output", "json")
    assert json.wait(20) == 0


def test_keys_are_heard_while_the_server_hangs(server):
    for words in ([], ["ai-summary"]):
        watch = Watch(server, *words)
        watch.until("● live")
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            # Long enough for it to ask again, and to wait for an answer.
            ends = time.monotonic() + 6
            while time.monotonic() < ends:
                if select.select([watch.leader], [], [], 0.2)[0]:
                    watch.read += os.read(watch.leader, 65536)
            began = time.monotonic()
            watch.press("\x03")
            assert watch.end() == 0
            assert time.monotonic() - began < 3
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
