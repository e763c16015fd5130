"""The command line at a real terminal: what it asks, and that its pages fit."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time

import pytest
from conftest import BIN, Server


@pytest.fixture
def env(tmp_path):
    server = Server(tmp_path, "{}")
    path = f"{BIN}:{os.environ['PATH']}"
    env = {**os.environ, "ROLLOUT_URL": server.url, "TERM": "xterm", "PATH": path}
    env["ROLLOUT_TOKEN"] = server.token
    plan = tmp_path / "plan.yaml"
    plan.write_text("feature: ai-summary\ndescription: AI summaries in search, long ago\n")
    for words in (["plan", "apply", "-f", str(plan)], ["start", "ai-summary"]):
        subprocess.run(["rollout", *words], env=env, check=True, capture_output=True)
    yield env
    server.stop()


def at_terminal(words, env, columns=80, answer=None, typed=None, raw=False):
    """The exit code and all that was shown; `answer` is typed once something is asked, and `typed`
    where a token is. With `raw` as it came."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        ["rollout", *words], env=env, stdin=follower, stdout=follower, stderr=follower,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(follower)
    shown, ends = "", time.monotonic() + 20
    while time.monotonic() < ends:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            more = os.read(leader, 65536).decode()
        except OSError:
            break
        shown += more
        if answer is not None and "?" in shown:
            os.write(leader, (answer + "\n").encode())
            answer = None
        if typed is not None and "Token for" in shown:
            time.sleep(0.2)
            os.write(leader, (typed + "\n").encode())
            typed = None
    os.close(leader)
    if raw:
        return process.wait(10), shown
    return process.wait(10), re.sub(r"\x1b\[[0-9;]*[mK]", "", shown).replace("\r", "")


def events(env):
    out = subprocess.run(
        ["rollout", "history", "ai-summary", "--output", "json"], env=env, check=True,
        capture_output=True).stdout
    return json.loads(out)["events"]


def test_what_is_not_open_is_said_before_and_asked_why(env):
    status, shown = at_terminal(["advance", "ai-summary"], env, answer="")
    assert status == 1 and "Nothing was changed." in shown, shown
    assert events(env)[0]["type"] == "started"
    status, shown = at_terminal(["advance", "ai-summary"], env, answer="nobody is awake yet")
    assert status == 0, shown
    asked = shown.index("Not open yet:\n  - outcomes: none of this stage yet\n")
    assert asked < shown.index("Why go on all the same?") < shown.index("went from internal"), shown
    assert events(env)[0]["reason"] == "nobody is awake yet"


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_pages_fit_the_terminal(env, columns):
    for words in (["plan", "show", "ai-summary"], ["plan", "list"], ["history", "ai-summary"]):
        status, shown = at_terminal(words, env, columns)
        assert status == 0, shown
        assert max(len(line) for line in shown.splitlines()) <= columns, shown
    assert ("WHY" in shown) == (columns >= 132), shown
    for words in (["resume", "ai-summary"], ["advance", "ai-summary", "--reason", "go"]):
        _, shown = at_terminal(words, env, columns)
        assert max(len(line) for line in shown.splitlines()) <= columns, shown


def test_a_page_leaves_its_title_on_the_screen(env):
    status, shown = at_terminal(["plan", "show", "ai-summary"], env)
    assert status == 0 and shown.startswith("ai-summary  "), shown
    assert len(shown.splitlines()) < 24, shown
    assert shown.rstrip().splitlines()[-1].startswith("Next: rollout "), shown


def test_what_cannot_be_done_is_not_asked_about(env):
    status, shown = at_terminal(["complete", "ai-summary"], env)
    assert status == 4 and "Why go on" not in shown and "advance to 100 first" in shown, shown


def test_a_token_is_typed_unseen_and_production_is_red_where_something_is_asked(env, tmp_path):
    home = {**env, "HOME": str(tmp_path)}
    token = home.pop("ROLLOUT_TOKEN")
    url = home.pop("ROLLOUT_URL")
    status, shown = at_terminal(
        ["login", "--profile", "production", "--url", url], home, typed=token)
    assert status == 0 and token not in shown, shown
    for more, red in [({}, True), ({"NO_COLOR": "1"}, False)]:
        status, raw = at_terminal(
            ["kill", "ai-summary", "--profile", "production"], {**home, **more}, answer="n", raw=True)
        assert status == 1 and "[production]" in raw, raw
        assert ("\x1b[31m[production]" in raw) == red, raw
    assert events(env)[0]["type"] == "started"


def test_nothing_changes_when_a_question_is_interrupted(env):
    status, shown = at_terminal(["kill", "ai-summary"], env, answer="\x03")
    assert status == -2, (status, shown)
    assert events(env)[0]["type"] == "started"


def test_completion_in_shells_that_are_here(env):
    for shell, line in [
        ("bash", "source <(rollout completion bash); COMP_WORDS=(rollout plan ex); COMP_CWORD=2; _rollout;"
                 " echo ${COMPREPLY[@]}"),
        ("zsh", "autoload -Uz compinit && compinit -D -u; source <(rollout completion zsh);"
                " _describe() { print -l -- $found }; words=(rollout plan ex); CURRENT=3; _rollout"),
        ("fish", "rollout completion fish | source; complete -C 'rollout plan ex'"),
    ]:
        if shutil.which(shell) is None:
            continue
        out = subprocess.run([shell, "-c", line], env=env, capture_output=True, text=True, timeout=30)
        assert out.stdout.startswith("export"), (shell, out)


def test_a_long_import_shows_how_far_it_is_and_leaves_one_line(env, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text("".join(f"user-{number}\n" for number in range(250_000)))
    status, shown = at_terminal(["cohort", "import", "internal", str(users)], env)
    assert status == 0, shown
    # Each redraw stands where the one before was; the last takes the bar away.
    for done in ("100000 of 250000", "200000 of 250000", "250000 of 250000"):
        assert done in shown, shown
    full = [line.count("█") for line in shown.split(" of 250000")[:3]]
    assert full == [12, 24, 30], shown
    assert shown.rstrip().endswith("250000 new, 0 were in it already; it has 250000 members now")


def test_an_import_that_is_refused_takes_its_bar_away(env, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text("".join(f"user-{number}\n" for number in range(250_000)))
    status, shown = at_terminal(["cohort", "import", "nobody-uses-it", str(users)], env)
    assert status == 1 and "--create" in shown and "Nothing was changed." in shown, shown
    assert subprocess.run(
        ["rollout", "cohort", "list", "internal"], env=env, capture_output=True).stdout == b""
