"""The example workflow: its steps are run as GitHub would, with a `gh` that writes down what it is told."""

import os
import pathlib
import subprocess

import yaml
from conftest import BIN

WORKFLOW = pathlib.Path(__file__).parents[2] / "examples/gitops/rollout-plans.yml"


def run_job(name, folder, env):
    """The exit code of the first step that fails, or 0, and all that was printed."""
    path, said = env["PATH"], ""
    for step in yaml.safe_load(WORKFLOW.read_text())["jobs"][name]["steps"]:
        if "run" not in step:
            continue
        done = subprocess.run(["bash", "-e", "-c", step["run"]], cwd=folder, env={**env, "PATH": path},
                              capture_output=True, text=True)
        said += done.stdout + done.stderr
        if done.returncode:
            return done.returncode, said
        added = folder / "path.txt"
        if added.exists():
            path = added.read_text().split()[-1] + ":" + path
    return 0, said


def test_it_lints_comments_and_applies(server, tmp_path):
    plans = tmp_path / "plans"
    plans.mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text('#!/bin/sh\necho "$@" > gh.txt\ncp comment.md said.md\n')
    (tools / "gh").chmod(0o755)
    env = {
        "PATH": f"{tools}:/usr/bin:/bin", "HOME": str(tmp_path), "GITHUB_PATH": str(tmp_path / "path.txt"),
        "ROLLOUT_DOWNLOAD": f"file://{BIN / 'rollout'}", "ROLLOUT_URL": server.url,
        "ROLLOUT_TOKEN": server.token, "NUMBER": "7", "REASON": "https://example.com/commit",
        "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
    }
    (plans / "a.yaml").write_text("feature: git-a\nstages: [{name: s, percent: 150%}]\n")
    status, said = run_job("check", tmp_path, env)
    assert status == 1 and "::error file=plans/a.yaml,line=1" not in said and "::error file=plans/a.yaml" in said
    (plans / "a.yaml").write_text("feature: git-a\nstages: [{name: s, percent: 5}]\n")
    (plans / "b.yaml").write_text("feature: git-b\n")
    status, said = run_job("check", tmp_path, env)
    assert status == 0, said
    assert (tmp_path / "gh.txt").read_text().startswith("pr comment 7 ")
    comment = (tmp_path / "said.md").read_text()
    assert "git-a: a new plan" in comment and "s: new stage, first: 5 %" in comment, comment
    status, said = run_job("apply", tmp_path, env)
    assert status == 0 and "git-b: created" in said, said
    events = server.call("GET", "/v1/plans/git-a/events").json()["events"]
    assert events[0]["reason"] == "https://example.com/commit"
    status, said = run_job("check", tmp_path, env)
    assert status == 0 and "git-a: no change" in (tmp_path / "said.md").read_text()
