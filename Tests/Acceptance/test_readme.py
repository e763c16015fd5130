"""The README's story: every `$` command is run, and must print what the README says."""

import os
import pathlib
import re
import subprocess

from conftest import BIN, Server

ROOT = pathlib.Path(__file__).parents[2]


def commands(text):
    """(command, expected output) of every console block, in order."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        command, expected = None, []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, expected
                command, expected = line[2:], []
            elif command and command.endswith("\\"):
                command = command[:-1] + line
            else:
                expected.append(line.rstrip())
        if command:
            yield command, expected


def same_every_day(line):
    """Times, ids and scores differ between runs; everything else must not."""
    line = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z)?", "<time>", line)
    line = re.sub(r"req_[0-9a-f]{24}", "<request>", line)
    line = re.sub(r"\d+ m( \d+ s)? left", "<minutes> left", line)
    line = re.sub(r"\d\d:\d\d:\d\d( [A-Z]+)?", "<clock>", line)
    return line.rstrip()


def test_the_story_prints_what_the_readme_says(tmp_path):
    server = Server(tmp_path, (ROOT / "examples" / "rollout.yaml").read_text())
    try:
        path = f"{BIN}:{os.environ['PATH']}"
        env = {**os.environ, "ROLLOUT_URL": server.url, "TZ": "UTC", "PATH": path}
        applied = subprocess.run(
            ["rollout", "plan", "apply", "-f", ROOT / "examples" / "ai-summary.yaml"], env=env,
            cwd=tmp_path, capture_output=True, text=True)
        assert applied.returncode == 0, applied.stderr
        story = list(commands((ROOT / "README.md").read_text()))
        assert len(story) > 12
        for command, expected in story:
            done = subprocess.run(
                ["bash", "-c", command], env=env, cwd=tmp_path, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True)
            printed = [same_every_day(line) for line in done.stdout.splitlines()]
            assert printed == [same_every_day(line) for line in expected], command
    finally:
        server.stop()
