"""docs/schema: the JSON Schemas refuse what the reader refuses, and take what it takes."""

import copy
import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml
from conftest import BIN
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).parents[2]
SCHEMAS = {name: json.loads((ROOT / f"docs/schema/{name}.schema.json").read_text())
           for name in ["plan", "rollout"]}

PLANS = [
    {
        "feature": "f", "description": "d", "salt": "s", "holdout": "5%", "advance": "automatic",
        "hours": {"days": ["mon", "tue"], "from": "09:00", "to": "16:00", "zone": "Europe/Berlin"},
        "eligible": [{"attribute": "a", "in": ["x", 1, True]}, {"attribute": "b", "exists": True},
                     {"all": [{"attribute": "c", "at_least": 3}, {"attribute": "d", "equals": "y"}]}],
        "force_on": ["anna", 12], "force_off": ["bob"],
        "stages": [
            {"name": "a", "cohort": "c", "rules": [{"attribute": "email", "ends_with": "@x"},
                                                   {"attribute": "n", "not_in": [1]}]},
            {"name": "b", "percent": "0.5%", "soak": "1d", "approvals": 2, "preset": "calm"},
            {"name": "c", "percent": 100, "cohort": "x", "advance_at": "2026-12-01T09:00+01:00",
             "hours": [{"zone": "UTC", "to": "24:00"}, {"days": ["sun"], "from": "22:00", "to": "02:00",
                                                        "zone": "America/Port-au-Prince"}],
             "rules": [{"attribute": "z", "contains": ["p", "q"]}]}],
        "guards": [
            {"metric": "error_rate", "max": "5%", "investigate": "2%", "action": "pause", "window": 200,
             "min_requests": 100, "margin": 0.5, "sustain": "1m", "min_affected_users": 3,
             "evidence": 1000, "counts": ["failed", "degraded_cache"], "dry_run": True, "required": False},
            {"metric": "latency_p95", "max": "5s"}, {"metric": "cost_per_request", "max": "$0.02"},
            {"metric": "cost_per_request", "max": "2x", "action": "notify"},
            {"metric": "tokens_per_request", "max": 4000}, {"prometheus": "up", "max": 0.5}],
        "rollback": {"to": "start", "cooldown": "30m"}, "preset": "normal", "attribution": "off",
        "require_evidence": True, "dry_run": False, "route": "r", "fallback": {"content": "no"},
        "values": {"on": {"a": 1}, "off": {"a": 2}},
    },
    {"feature": "g", "bucketing": "growthbook-1", "salt": "", "stages": [{"name": "a", "percent": 5}]},
    {"feature": 12, "values": {"on": "x", "off": "y"}, "stages": [{"name": 25, "percent": 25}]},
]
CONFIGS = [{
    "auth": "on", "metrics": "token", "public_url": "https://a", "audit": {"keep": "7d"},
    "providers": {
        "main": {"kind": "openai", "base_url": "http://a/v1", "api_key_env": ["SCHEMA_KEY"],
                 "max_in_flight": 5, "probe": "off", "limits": {"requests": "5000/min", "tokens": "9/s"}},
        "echo": {"kind": "echo", "latency": "20ms", "failing": "50%"}},
    "prices": {"m": {"input": 2.5, "output": "10.00", "image": 765}},
    "routes": {"r": {"deadline": "10s", "cache": {"ttl": "10m", "stale_if_error": "1h", "scope": "public"},
                     "targets": [{"provider": "main", "model": "m", "timeout": "2s", "connect": "1s",
                                  "first_content": "3s", "idle": "4s", "params": {"seed": 1}},
                                 {"provider": "echo", "model": "n"}]}},
    "limits": {"per_user": "60/min", "per_app": "10/s", "queue": {"length": 10, "wait": "20s"}},
    "jobs": {"concurrency": 10, "length": 100, "keep": "1d"},
    "capture": {"sample": "1%", "ttl": "7d", "features": ["f"], "redact": ["a+"]},
    "budgets": [{"name": "b", "limit_usd": 50, "window": "month", "per": "user", "hard": True,
                 "match": {"feature": "f"}, "alert_at": [50, 100]}],
    "notify": [{"kind": "webhook", "name": "hook", "url": "https://a/b", "secret_env": "SCHEMA_SECRET",
                "events": ["rolled_back"], "allow_private": True},
               {"kind": "slack", "url_env": "SCHEMA_URL"},
               {"kind": "pagerduty", "routing_key_env": "SCHEMA_KEY"}],
    "prometheus": {"url": "http://p", "interval": "15s", "bearer_token_env": "SCHEMA_KEY"},
    "alerts": {"secret_env": "SCHEMA_SECRET", "sources": {
        "own": {"each": "$.items", "id": ["$.id", "$.a[0]"], "name": "$.a", "feature": "$.tags#feature",
                "action": "$.b", "status": "$.c", "firing": ["open"], "resolved": "closed", "reason": "$.d",
                "at": "$.e", "signature": "hub"},
        "sentry": {"secret_env": "SCHEMA_SECRET", "features": ["f"]}}},
}]
ENV = {**os.environ, "SCHEMA_KEY": "k", "SCHEMA_SECRET": "s" * 20, "SCHEMA_URL": "https://a/b"}

VALUES = [
    None, True, False, 0, 1, -1, 0.5, 1.5, 3, 11, 99, 101, 501, 20_000, 2_000_000_000, "", " ", "x", "off",
    "none", "flagd-reversed", "a b", "-a", "on", "5%", "0%", "100%", "150%", "0.5%", "0.0001%", "5", "0.5", "7d", "0s",
    "0.5ms", "3 s", "200ms", "-1s", "$0.02", "$0", "2x", "1.05x", "101x", "20/min", "0/s", "20/year",
    "http://a", "https://a", "ftp://a", "09:00", "24:00", "23:60", "2026-12-01T09:00Z", "2026-12-01T09:00",
    "UTC", "a/b", ["mon", "mon"], {"zone": "UTC"}, "previous", "failed", [], [""], ["x"], [None], [[]], [3], {},
    {"a": 1}, {"attribute": "a", "exists": True}, "n" * 129, "s" * 257, "u" * 513,
]
# What compares two values, or looks up what a name stands for, is no matter of a form.
COMPARES = re.compile(
    "never decrease|Two (stages|budgets|entries)|also in force_on|below max|above window|the same value|"
    "never go back|never or always|no time zone|no provider|is not set|cannot be read|is empty|regular expression|_env or|must hold|At most 16|"
    "at most 16|holds a space|more digits than are kept|https URL|about the same feature|params|max_tokens")


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from places(element, (*path, index))


def at(document, path):
    for step in path:
        document = document[step]
    return document


def mutants(document):
    """Each place with another value, without it, under another name, and with a stranger in it."""
    yield document
    for path in places(document):
        node = at(document, path)
        if isinstance(node, dict):
            new = copy.deepcopy(document)
            at(new, path)["strange"] = 1
            yield new
        if not path:
            continue
        for value in VALUES:
            new = copy.deepcopy(document)
            at(new, path[:-1])[path[-1]] = value
            yield new
        new = copy.deepcopy(document)
        owner = at(new, path[:-1])
        gone = owner.pop(path[-1])
        yield new
        if isinstance(owner, dict):
            new = copy.deepcopy(new)
            at(new, path[:-1])[f"{path[-1]}x"] = gone
            yield new


def lint(folder, documents):
    """What the reader says of plans, by document."""
    folder.mkdir()
    for number, document in enumerate(documents):
        (folder / f"{number:05}.json").write_text(json.dumps(document))
    files = sorted(folder.iterdir())
    found = {path.name: [] for path in files}
    for start in range(0, len(files), 1000):
        done = subprocess.run([BIN / "rollout", "plan", "lint", "-o", "json", *files[start:start + 1000]],
                              capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        for problem in json.loads(done.stdout)["problems"]:
            found[pathlib.Path(problem["file"]).name].append(problem["message"])
    return [[m for m in found[path.name] if "about the same feature" not in m] for path in files]


def check_config(folder, documents):
    folder.mkdir()
    verdicts = []
    for number, document in enumerate(documents):
        path = folder / f"{number}.json"
        path.write_text(json.dumps(document))
        done = subprocess.run([BIN / "rollout-server", "check-config", "--config", path], env=ENV,
                              capture_output=True, text=True)
        assert done.returncode in (0, 78), done.stderr
        verdicts.append([] if done.returncode == 0 else [done.stderr])
    return verdicts


READERS = {"plan": (PLANS, lint), "rollout": (CONFIGS, check_config)}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_and_the_reader_agree_about_every_mutant(name, tmp_path):
    documents, read = READERS[name]
    schema = Draft202012Validator(SCHEMAS[name])
    Draft202012Validator.check_schema(SCHEMAS[name])
    all_mutants = [mutant for document in documents for mutant in mutants(document)]
    verdicts = read(tmp_path / "mutants", all_mutants)
    assert verdicts[0] == []
    wrong = []
    for document, said in zip(all_mutants, verdicts):
        errors = [error.message for error in schema.iter_errors(document)]
        if errors and not said:
            wrong.append(("only the schema refuses", errors[:2], document))
        if said and not errors and not all(COMPARES.search(text) for text in said):
            wrong.append(("only the reader refuses", said[:2]))
    shown = "\n".join(str(item)[:600] for item in wrong[:20])
    assert not wrong, f"{len(wrong)} of {len(all_mutants)}\n{shown}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_that_the_reader_knows_is_in_the_schema(name, tmp_path):
    documents, read = READERS[name]
    schema = Draft202012Validator(SCHEMAS[name])
    strangers, owners = [], []
    for document in documents:
        for path in places(document):
            if isinstance(at(document, path), dict):
                new = copy.deepcopy(document)
                at(new, path)["qqqqqqqqqqqqqqqq"] = 1
                strangers.append(new)
                owners.append((document, path))
    seen = 0
    for (document, path), said in zip(owners, read(tmp_path / "strangers", strangers)):
        for keys in re.findall(r"known here: (.*?)\.(?:\n|$)", "\n".join(said)):
            for key in keys.split(", "):
                new = copy.deepcopy(document)
                at(new, path).setdefault(key, None)
                assert schema.is_valid(new), f"{path}: the schema does not know {key}"
                seen += 1
    assert seen > 50


def test_the_examples_are_valid():
    for path in (ROOT / "examples").rglob("*.yaml"):
        if ".github" in path.parts:
            continue
        document = yaml.safe_load(path.read_text())
        name = "plan" if "feature" in document else "rollout"
        assert Draft202012Validator(SCHEMAS[name]).is_valid(document), path
        assert path.read_text().startswith("# yaml-language-server: $schema="), path
        schema = re.search(r"\$schema=(\S+)", path.read_text()).group(1)
        assert (path.parent / schema).resolve().is_file(), schema
