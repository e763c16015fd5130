"""Every command as people see it: on terminals of two sizes, through a pipe, without colours, in ASCII.

What is shown at 80×24 and 200×50 is kept in `screens/`; `ROLLOUT_SCREENS=write` writes it anew, to be
looked at before it is committed.
"""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest
from conftest import BIN, Server

HERE = pathlib.Path(__file__).parent
CONFIG = """
providers: {echo: {kind: echo}}
prices: {large: {input: 3, output: 15}}
routes: {summary: {targets: [{provider: echo, model: large}]}}
budgets: [{name: month, limit_usd: 300, window: month}]
capture: {sample: 100%, features: [ai-summary]}
"""
PLAN = """feature: ai-summary
description: AI summaries in search
route: summary
guards: [{metric: error_rate, max: 5%, action: rollback}, {metric: latency_p95, max: 5s}]
stages:
  - {name: internal, cohort: internal, rules: [{attribute: email, ends_with: "@acme.com"}]}
  - {name: "25", percent: 25}
  - {name: "100", percent: 100}
"""
# Every command with what it is asked here, in an order that makes a story. A `!` before it: it
# refuses, and the page is what it says.
STORY = """
plan init tidy-inbox
plan lint plan.yaml
!plan lint wrong.yaml
plan diff plan.yaml
plan apply plan.yaml
start ai-summary --reason go
cohort add internal anna bob --create
cohort list
cohort list internal
cohort import beta users.csv --create
plan list
plan show ai-summary
advance ai-summary --yes --reason go
approve ai-summary
jobs list
jobs show $JOB
!jobs cancel $JOB
captures list ai-summary
captures delete ai-summary --yes
providers
budget
!budget accept --reason checked
check ai-summary anna
preview ai-summary -f users.csv
plan preview ai-summary
plan backtest ai-summary -f calm.yaml
plan export ai-summary
rehearse ai-summary --users 5 --for 1s --yes
import flagd flags.json
plan preview ai-summary --with other --population 1000
why ai-summary
rollback ai-summary --to internal --yes --reason careful
!ack ai-summary --reason seen
!restore ai-summary --yes --reason again
pause ai-summary --reason lunch
resume ai-summary --reason back
kill ai-summary --yes --reason enough
history ai-summary
watch ai-summary --until stage=internal --timeout 1s
token create --name app --scope evaluate
token list
token revoke app --yes
!complete ai-summary --yes
archive ai-summary --yes --confirm ai-summary
unarchive ai-summary --reason "still wanted"
cohort remove beta u1 --yes
cohort delete beta --yes
backup copy.tar
audit
doctor
!plan show nowhere
!show ai-summary
!advance
"""
# Not in the story, and why.
ELSEWHERE = {
    "demo": "two minutes long; test_terminal plays none of it",
    "login": "asks for a token: test_terminal",
    "completion": "a script for shells: test_terminal",
    "plan schema": "a document for editors: test_schema",
}


@pytest.fixture
def world(tmp_path):
    server = Server(tmp_path, CONFIG)
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "calm.yaml").write_text(PLAN.replace("max: 5%", "max: 9%"))
    (tmp_path / "wrong.yaml").write_text("feature: f\nstages: [{name: a, percent: 0.5}]\nguard: []\n")
    (tmp_path / "flags.json").write_text(json.dumps({"flags": {
        "new-menu": {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off",
                     "targeting": {"fractional": [["on", 30], ["off", 70]]}},
        "by-version": {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off",
                       "targeting": {"if": [{"sem_ver": [{"var": "app"}, ">=", "2.0.0"]}, "on"]}}}}))
    (tmp_path / "users.csv").write_text("user,email\nu1,u1@example.com\nanna,anna@acme.com\nu3,\n")
    yield server
    server.stop()


def run(words, folder, env, size):
    """(exit code, what was shown) at a terminal of `size`, or through a pipe where that is None."""
    if size is None:
        done = subprocess.run(["rollout", *words], env=env, cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        return done.returncode, done.stdout
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    process = subprocess.Popen(
        ["rollout", *words], env=env, cwd=folder, stdin=follower, stdout=follower, stderr=follower,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(follower)
    shown, ends = b"", time.monotonic() + 30
    while time.monotonic() < ends:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            shown += os.read(leader, 65536)
        except OSError:
            break
    os.close(leader)
    # What is left of a screen of its own, and of a line that is drawn anew.
    shown = shown.replace(b"\x1b[?1049l", b"\n")
    shown = re.sub(rb"[^\n]*\r\x1b\[K", b"", shown.replace(b"\r\n", b"\n"))
    return process.wait(10), shown


def story(server, env, size):
    """(command, exit code, what was shown) of every line."""
    for line in STORY.strip().splitlines():
        refuses, line = line.startswith("!"), line.lstrip("!")
        if line == "advance ai-summary --yes --reason go":
            server.plan("other", stages=[{"name": "all", "percent": 100}])
        if line.startswith("jobs list"):
            complete = {"user": "anna", "prompt": "Sum it up."}
            answer = server.call("POST", "/v1/features/ai-summary/complete", complete)
            assert answer.status_code == 200, answer.text
            job = server.call("POST", "/v1/features/ai-summary/jobs", complete).json()["job_id"]
            ends = time.monotonic() + 10
            while server.call("GET", f"/v1/jobs/{job}").json()["status"] != "succeeded":
                assert time.monotonic() < ends
                time.sleep(0.05)
            while not server.call("GET", "/v1/captures?feature=ai-summary").json()["captures"]:
                assert time.monotonic() < ends
                time.sleep(0.05)
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
        words = [job if word == "$JOB" else word for word in words]
        status, shown = run(words, server.folder, env, size)
        if (status != 0) != refuses and not line.startswith("watch"):
            print("UNEXPECTED", line, status, shown.decode())
        yield line, status, shown


def plain(shown):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def same_every_day(text):
    """Times, ids, sizes and speeds differ between runs, and the room they take."""
    text = re.sub(r"[╭╮╰╯─]{3,}|━+", "──", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?", "<time>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "<day>", text)
    text = re.sub(r"\d\d:\d\d(:\d\d)?( [A-Z]{3,4})?", "<clock>", text)
    text = re.sub(r"(job|tok|req|rlt)_[0-9A-Za-z_]+", r"\1_<id>", text)
    text = re.sub(r"\bro_\w+", "ro_<token>", text)
    text = re.sub(r"(?m)^[0-9A-Za-z]{10}(?=  )|(?<=Token )[0-9A-Za-z]{10}", "<id>", text)
    text = re.sub(r"(http://)?127\.0\.0\.1:\d+", "<address>", text)
    text = re.sub(r"\b\d+(\.\d+)? (ms|s|min|m|h|d|KiB|MiB|GiB|kB|MB|GB|TB)\b( \d+ s\b)?( ago)?", "<figure>", text)
    text = re.sub(r"\$0\.\d+|\b0\.\d+ ¢", "<money>", text)
    text = re.sub(r"just now|a moment ago", "<figure>", text)
    text = re.sub(r"/tmp/\S+|/\S*/data\S*", "<path>", text)
    text = re.sub(r"[▁▂▃▄▅▆▇█]+", "<spark>", text)
    return "\n".join(re.sub(r"  +", "  ", line).rstrip() for line in text.splitlines()).strip() + "\n"


def environment(server, **more):
    base = {name: value for name, value in os.environ.items()
            if not name.startswith(("LC_", "LANG", "NO_COLOR"))}
    return {**base, "PATH": f"{BIN}:{os.environ['PATH']}", "ROLLOUT_URL": server.url, "TZ": "UTC",
            "ROLLOUT_TOKEN": server.token, "TERM": "xterm", "LANG": "C.UTF-8",
            "HOME": str(server.folder), **more}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
def test_every_page_fits_and_is_what_was_looked_at(world, size):
    kept = HERE / "screens" / f"{size[0]}x{size[1]}.txt"
    pages, too_wide = [], []
    for line, status, shown in story(world, environment(world), size):
        text = plain(shown)
        too_wide += [(line, row) for row in text.splitlines() if len(row) > size[0]]
        # What these show depends on how quick the machine is; that it fits does not.
        if line.startswith(("watch ", "rehearse ")):
            continue
        pages.append(f"$ rollout {line}\n[{status}]\n{same_every_day(text)}")
    text = "\n".join(pages)
    if os.environ.get("ROLLOUT_SCREENS") == "write":
        kept.write_text(text)
    assert not too_wide
    old = dict(re.findall(r"(?ms)^\$ rollout (.*?)$\n(.*?)(?=^\$ rollout |\Z)", kept.read_text()))
    new = dict(re.findall(r"(?ms)^\$ rollout (.*?)$\n(.*?)(?=^\$ rollout |\Z)", text))
    assert new.keys() == old.keys()
    for line, page in new.items():
        assert page.strip() == old[line].strip(), f"rollout {line} shows something else"


@pytest.mark.parametrize("way", ["pipe", "NO_COLOR", "LANG=C"])
def test_every_page_is_plain_where_it_must_be(world, way):
    env = environment(world, **({"NO_COLOR": "1"} if way == "NO_COLOR" else {}))
    if way == "LANG=C":
        env["LANG"] = "C"
    # Bold and dim are no colours.
    unwanted = {"pipe": rb"\x1b", "NO_COLOR": rb"\x1b\[[0-9;]*3[0-9]m", "LANG=C": rb"[\x80-\xff]"}[way]
    wrong = [(line, row) for line, _, shown in story(world, env, None if way == "pipe" else (80, 24))
             for row in shown.splitlines() if re.search(unwanted, row)]
    assert not wrong


def test_every_command_is_in_the_story_and_its_help_fits():
    names = subprocess.run([BIN / "rollout", "__pages", "names"], capture_output=True, text=True, check=True)
    commands = [line.lstrip("!") for line in STORY.strip().splitlines()]
    for name in names.stdout.split("\n"):
        if not name:
            continue
        assert name in ELSEWHERE or any(f"{line} ".startswith(f"{name} ") for line in commands), name
        for columns in (60, 80, 200):
            env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "xterm"}
            status, shown = run([*name.split(), "--help"], HERE, env, (columns, 24))
            text = plain(shown)
            assert status == 0 and "example" in text.lower(), (name, text)
            assert max(map(len, text.splitlines())) <= max(columns, 80), (name, columns, text)
