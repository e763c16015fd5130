"""The docs do what they say: blocks run, links lead somewhere, tables hold what the product knows."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile

import pytest
import yaml
from conftest import BIN, Server
from docblocks import (PATIENCE, REASONS, ROOT, Desk, anchors, blocks, matches, name_of, pages,
                       same_every_day)
from jsonschema import Draft202012Validator

RUN = {"console", "sh", "setup", "python", "javascript", "swift"}
# What a language is run with; None where this machine has none.
TOOLS = {"python": sys.executable, "javascript": shutil.which("node"), "swift": shutil.which("swiftc")}
COMMANDS = "docs/CLI.md"


def page(name):
    return (ROOT / name).read_text()


def run_program(desk, block, number):
    """What a snippet prints, as lines."""
    ending = {"python": "py", "javascript": "mjs", "swift": "swift"}[block.kind]
    file = desk.folder / f"snippet{number}.{ending}"
    file.write_text(desk.here(block.text))
    words = [TOOLS[block.kind], *(["-parse-as-library"] if block.kind == "swift" else []), file]
    if block.kind == "swift":
        built = subprocess.run([*words, "-o", desk.folder / "snippet"], capture_output=True, text=True)
        assert built.returncode == 0, built.stderr
        words = [desk.folder / "snippet"]
    status, printed = desk.run(shlex.join(map(str, words)), strict=True)
    assert status == 0, f"line {block.line}: {printed}"
    return printed.splitlines()


def compare(printed, expected, what):
    printed = [same_every_day(line) for line in printed]
    expected = [same_every_day(line) for line in expected]
    assert matches(printed, expected), f"{what}\n" + "\n".join(printed)


def follow(desk, found):
    for number, block in enumerate(found):
        if block.reason or block.kind not in RUN:
            continue
        where = f"line {block.line}"
        if block.kind in TOOLS:
            if TOOLS[block.kind] is None:
                assert os.environ.get("CI") != "true", f"{block.kind} cannot be run here"
                pytest.skip(f"SKIPPED: nothing here runs {block.kind}; {where} was NOT tested")
            printed = run_program(desk, block, number)
            answer = found[number + 1] if number + 1 < len(found) else None
            if answer and answer.kind == "text":
                compare(printed, answer.text.splitlines(), where)
        elif block.stays:
            desk.host(block.text)
        elif block.kind == "console":
            for command, expected in block.commands():
                _, printed = desk.run(command, strict=False)
                compare(printed.splitlines(), expected, f"{where}: {command}")
        else:
            status, printed = desk.run(block.text, strict=True)
            assert status == 0, f"{where}: exit {status}\n{printed}"


PAGES = [p for p in pages() if name_of(p) != COMMANDS]
FOLLOWED = [p for p in PAGES if any(b.kind in RUN and not b.reason for b in blocks(p.read_text()))]


@pytest.mark.parametrize("path", FOLLOWED, ids=name_of)
def test_what_a_page_says_to_type_does_what_it_says(path, tmp_path):
    text = path.read_text()
    folder = tmp_path / "page"
    folder.mkdir()
    desk = Desk(folder, text)
    try:
        follow(desk, blocks(text))
    finally:
        desk.leave()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_blocks_are_known_and_those_that_are_not_run_say_why(path):
    for block in blocks(path.read_text()):
        where = f"line {block.line}"
        assert block.kind in RUN | {"yaml", "text", "json", "ini", ""}, where
        assert block.reason is None or block.reason in REASONS, f"{where}: {block.reason}"
        if block.kind == "":
            assert not re.search(r"^(\$ )?(rollout |curl |script/\w)", block.text, re.M), where


def test_examples_of_the_command_line_are_understood(tmp_path):
    """They are about somebody's features, so some find nothing; none is a wrong command line."""
    server = Server(tmp_path, page("examples/rollout.yaml"))
    (tmp_path / "plans").mkdir()
    (tmp_path / "users.csv").write_text("user,email\nanna,anna@acme.com\n")
    (tmp_path / "users.ndjson").write_text('{"user":"anna"}\n')
    (tmp_path / "token").write_text(server.token)
    for name, flags in [("export", "unleash-export"), ("flags", "flagd"), ("sdk", "growthbook")]:
        shutil.copy(ROOT / f"Tests/Acceptance/imports/{flags}.json", tmp_path / f"{name}.json")
    (tmp_path / ".zfunc").mkdir()
    (tmp_path / ".config/fish/completions").mkdir(parents=True)
    for name in ["ai-summary.yaml", "plans/ai-summary.yaml"]:
        (tmp_path / name).write_text(page("examples/ai-summary.yaml"))
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, does in [("psql", "echo anna"), ("ssh", "cat >/dev/null"), ("jq", "cat")]:
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{tools}:{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path),
           "ROLLOUT_URL": server.url, "ROLLOUT_TOKEN_FILE": str(tmp_path / "data/admin.token")}
    server.rollout("plan", "apply", "-f", str(tmp_path / "ai-summary.yaml"))
    seen = 0
    try:
        for section in re.split(r"\n### ", page(COMMANDS))[1:]:
            # The first block of a section is its form, the others are examples.
            examples = [block.text for block in blocks(section) if block.kind == "sh"][1:]
            for command in "".join(examples).splitlines():
                # They go on for as long as they are told.
                lasts = re.match("rollout (watch|rehearse|demo)", command)
                try:
                    done = subprocess.run(
                        ["bash", "-o", "pipefail", "-c", command], env=env, cwd=tmp_path,
                        stdin=subprocess.DEVNULL, capture_output=True, text=True,
                        timeout=1 if lasts else PATIENCE)
                except subprocess.TimeoutExpired:
                    assert lasts, command
                else:
                    # At a terminal they would ask.
                    status = 0 if "Give --yes" in done.stderr else done.returncode
                    assert status not in (2, 126, 127), f"{command}\n{done.stderr}"
                seen += 1
    finally:
        server.stop()
    assert seen > 70


WIDTH = 120
NARROW = [p for p in PAGES if p.parent.name in ("start", "use", "operate") or p.parent == ROOT]


@pytest.mark.parametrize("path", NARROW, ids=name_of)
def test_prose_keeps_its_columns(path):
    text = path.read_text()
    for block in blocks(text):
        text = text.replace(block.text, "")
    # Tables cannot be broken.
    assert [line for line in text.splitlines() if len(line) > WIDTH and line[0] != "|"] == []


# MARK: Links

def links(text):
    for block in blocks(text):
        text = text.replace(block.text, "")
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text)
    return found + re.findall(r'(?:src|srcset|href)="([^"]+)"', text)


EVERYWHERE = [*pages(), ROOT / "llms.txt"]


@pytest.mark.parametrize("path", EVERYWHERE, ids=name_of)
def test_no_link_is_dead(path):
    for link in links(path.read_text()):
        if re.match(r"https?:|mailto:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_relative_to(ROOT) and target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        if path.suffix == ".md":
            waiting += [(path.parent / link.partition("#")[0]).resolve()
                        for link in links(path.read_text())
                        if not re.match(r"https?:|#", link)]
    lost = [name_of(p) for p in pages() if p not in reached and "decisions" not in p.parts]
    assert lost == []


def test_llms_txt_has_the_form_that_its_readers_expect():
    """llmstxt.org: a title, a summary in quotes, then sections of links, one a line, with notes."""
    head, *sections = page("llms.txt").split("\n## ")
    assert head.startswith("# Rollout\n\n> ")
    assert len(sections) > 3
    for section in sections:
        _, _, body = section.partition("\n")
        for line in body.strip().splitlines():
            assert re.fullmatch(r"- \[[^\]]+\]\([^)]+\): .+", line), line


# MARK: Files and keys

SCHEMAS = {name: json.loads(page(f"docs/schema/{name}.schema.json")) for name in ["plan", "rollout"]}


def keys(schema):
    """Each key of a schema with its possible forms: `a.*.b[].c`. Rules hold rules, and are told once."""
    found = {}

    def walk(node, path, within):
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            if name in within:
                return
            # rule0 holds rule1 and so on; to a reader they are all rules.
            if re.fullmatch(r"rule\d", name):
                if any(re.fullmatch(r"rule\d", one) for one in within):
                    return
                path = "rule"
            # One or a list of them, of a plan or a stage: told once.
            path = "hours" if name == "hours" else path
            return walk(schema["$defs"][name], path, within | {name})
        for option in node.get("anyOf", []) + node.get("allOf", []) + node.get("oneOf", []):
            walk(option, path, within)
        for key, value in node.get("properties", {}).items():
            place = f"{path}.{key}".lstrip(".")
            if set(value) != {"not"}:
                found.setdefault(place, []).append(value)
            walk(value, place, within)
        if isinstance(node.get("additionalProperties"), dict):
            walk(node["additionalProperties"], path + ".*", within)
        if "items" in node:
            walk(node["items"], path + "[]", within)

    walk(schema, "", frozenset())
    return found


def forms(schema, nodes):
    """What values a key takes, in the words of the tables, and its bounds."""
    words, bounds, choices = set(), set(), []
    by_name = {"text": "text", "texts": "text or list", "url": "URL", "share": "share", "rate": "rate",
               "dollars": "dollars", "name": "name", "span": "duration", "duration": "duration"}

    def look(node):
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            if name in by_name:
                return words.add(by_name[name])
            return look(schema["$defs"][name])
        if "enum" in node:
            if "on" in node["enum"]:
                return words.add("on or off")
            words.add("word")
            return choices.extend(node["enum"])
        kind = node.get("type")
        if kind == "integer":
            bounds.add((node["minimum"], node["maximum"]))
        if isinstance(kind, str) and kind != "null":
            words.add({"array": "list"}.get(kind, kind))
        for option in node.get("anyOf", []) + node.get("allOf", []):
            look(option)

    for node in nodes:
        look(node)
    return words, bounds, choices


def rows(text, first):
    """Rows of the tables whose head begins with `first`, as dicts."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
        lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                 for line in table.splitlines()]
        if lines[0][0] == first:
            found += [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]
    return found


TABLES = {"rollout": "docs/operate/configuration.md", "plan": "docs/PLAN-KEYS.md"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_table_of_keys_is_the_schema(name):
    schema = keys(SCHEMAS[name])
    table = {row["key"].strip("`"): row for row in rows(page(TABLES[name]), "key")}
    assert sorted(set(schema) - set(table)) == [], "not in the table"
    assert sorted(set(table) - set(schema)) == [], "in the table only"
    for key, nodes in schema.items():
        words, bounds, choices = forms(SCHEMAS[name], nodes)
        row = table[key]
        for low, high in bounds:
            assert f"{low}–{high}" in row["range"].replace(",", ""), (key, low, high)
        if words == {"word"} and len(choices) <= 5:
            assert set(re.split(r", ?", row["range"])) == set(choices), key
        if len(words) == 1 and row["type"] not in ("duration", "text"):
            assert row["type"] == next(iter(words)).replace("string", "text"), key
        assert row["default"] or row["type"] == "object" or "_" in key, f"{key}: what holds without it?"


# What holds without a key: what the table says, and where the code says so.
DEFAULTS = {
    "providers.*.max_in_flight": ("500", "var maxInFlight = 500"),
    "providers.*.probe": ("on", "var isProbed = true"),
    "prices.*.image": ("765", "imageTokensDefault = 765"),
    "routes.*.deadline": ("30s", "var deadline = TimeSpan.seconds(30)"),
    "routes.*.targets[].connect": ("5s", "var connect = TimeSpan.seconds(5)"),
    "routes.*.targets[].idle": ("15s", "var idle = TimeSpan.seconds(15)"),
    "limits.queue.length": ("1000", "var length = 1000"),
    "limits.queue.wait": ("20s", "var wait = TimeSpan.seconds(20)"),
    "jobs.concurrency": ("10", "var concurrency = 10"),
    "jobs.length": ("10000", "var length = 10_000"),
    "jobs.keep": ("1d", "var keepFor = TimeSpan.days(1)"),
    "capture.ttl": ("7d", "var keepFor = TimeSpan.days(7)"),
    "budgets[].window": ("month", 'choice("window") ?? .month'),
    "budgets[].hard": ("true", "var isHard = true"),
    "budgets[].alert_at": ("50, 80, 100", "var alertAt = [50, 80, 100]"),
    "notify[].allow_private": ("false", "var allowsPrivate = false"),
    "prometheus.interval": ("15s", "var interval = TimeSpan.seconds(15)"),
    "guards[].window": ("500", '"window", in: 10...10_000) ?? 500'),
    "guards[].min_requests": ("100, or window", "?? min(100, new.window)"),
    "guards[].counts": ("failed, degraded_fallback", "= [.failed, .degradedFallback]"),
    "guards[].action": ("rollback", 'choice("action") ?? .rollback'),
    "rollback.to": ("previous", 'choice("to") ?? .previous'),
    "rollback.cooldown": ("30m", "var cooldown = TimeSpan.minutes(30)"),
    "advance": ("manual", 'choice("advance") ?? .manual'),
    "attribution": ("on", '"attribution") ?? true'),
}


def test_the_tables_say_the_defaults_of_the_code():
    code = sources("RolloutGateway") + sources("RolloutServer") + sources("RolloutCore")
    table = {row["key"].strip("`"): row["default"] for name in TABLES for row in rows(page(TABLES[name]), "key")}
    for key, (default, line) in DEFAULTS.items():
        assert table[key] == default, key
        assert line in code, f"{key}: the code says something else than {line}"


def places(value, path=""):
    if isinstance(value, dict):
        for key, below in value.items():
            named = re.fullmatch("providers|prices|routes|alerts.sources", path)
            place = f"{path}.{'*' if named else key}".lstrip(".")
            yield from ([] if named else [place])
            if place != "routes.*.targets[].params":
                yield from places(below, place)
    elif isinstance(value, list):
        for below in value:
            yield from places(below, path + "[]")


def test_the_complete_configuration_is_taken_and_leaves_no_key_out(tmp_path):
    text = page("examples/rollout.complete.yaml")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in set(re.findall(r"secrets/([\w.]+)", text)):
        (secrets / name).write_text("https://hooks.example.com/0123456789\n")
    env = {**os.environ, **{name: "https://hooks.example.com/0123456789"
                            for name in re.findall(r"\b[A-Z][A-Z_]+_(?:KEY_.|SECRET|URL|TOKEN)\b", text)}}
    # Of two keys that exclude each other one stands in a comment.
    other = re.sub(r"(\w+): (\w+)( +# or )(\w+): (\S+)", r"\4: \5", text)
    assert other != text
    seen = set()
    for number, version in enumerate([text, other]):
        file = tmp_path / f"{number}.yaml"
        file.write_text(version)
        done = subprocess.run([BIN / "rollout-server", "check-config", "--config", file], env=env,
                              cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert Draft202012Validator(SCHEMAS["rollout"]).is_valid(yaml.safe_load(version))
        seen |= set(places(yaml.safe_load(version)))
    assert sorted(set(keys(SCHEMAS["rollout"])) - seen) == []


class YAML12(yaml.SafeLoader):
    """As the server reads: `on` and `off` are text."""


YAML12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
YAML12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_yaml_in_pages_is_valid(path):
    for block in blocks(path.read_text()):
        if block.kind != "yaml" or block.reason:
            continue
        document = yaml.load(block.text, YAML12)
        if document is None:
            continue
        known = SCHEMAS["plan"]["properties"]
        if set(document) <= set(known):
            document, name = {"feature": "f", **document}, "plan"
        else:
            name = "rollout"
        errors = [error.message for error in Draft202012Validator(SCHEMAS[name]).iter_errors(document)]
        assert errors == [], f"line {block.line}"


# MARK: Closed sets

def sources(folder):
    return "\n".join(path.read_text() for path in (ROOT / "Sources" / folder).rglob("*.swift"))


def cases(folder, file, start):
    """Raw values of a Swift enumeration: the cases between its start and its end."""
    text = (ROOT / "Sources" / folder / file).read_text()
    found = re.search(rf"^( *)[a-z ]*enum {start}\b.*?\{{\n(.*?)^\1\}}", text, re.M | re.S)
    names = []
    for line in re.findall(r"^ *case (?!\.)([^:\n]+)$", found.group(2), re.M):
        for one in line.split(","):
            name, _, raw = one.strip().partition(" = ")
            names.append(raw.strip('"') or name.strip("`"))
    assert len(names) > 4, names
    return set(names)


def headings(name, depth=3):
    found = re.findall(rf"^{'#' * depth} (.+)$", page(name), re.M)
    return {re.sub(r"&lt;.*?&gt;", "<>", one) for one in found}


def test_every_warning_of_readyz_is_explained():
    # In endpoints `note` writes a reason to the log.
    text = "\n".join(path.read_text() for path in (ROOT / "Sources/RolloutServer").rglob("*.swift")
                     if path.parent.name != "API")
    noted = re.findall(r'\bnote\(\s*"((?:[^"\\]|\\\([^)]*\))+)"', text)
    known = {re.sub(r"\\\([^)]*\)", "<>", one) for one in noted}
    assert len(known) > 10
    assert headings("docs/operate/readyz.md") == known
    assert "the server is shutting down" in sources("RolloutServer/Support")
    assert "the server is shutting down" in page("docs/operate/readyz.md")


def test_every_notice_and_event_is_explained():
    text = page("docs/operate/notices.md")
    assert headings("docs/operate/notices.md") == cases("RolloutCore", "Health/Notice.swift", "Kind")
    events = {name for row in rows(text, "event") for name in re.findall(r"`(\w+)`", row["event"])}
    assert events == cases("RolloutCore", "Lifecycle/PlanEvent.swift", "Kind")


def test_every_problem_code_is_explained():
    told = {row["code"].strip("`") for row in rows(page("docs/use/errors.md"), "code")}
    assert told == cases("RolloutAPI", "ProblemCode.swift", "ProblemCode")


def test_every_reason_of_the_ai_path_is_explained():
    text = page("docs/use/errors.md")
    told = {row["reason"].strip("`") for row in rows(text, "reason")}
    assert told == cases("RolloutServer", "AI/AIAnswer.swift", "Reason")
    words = (ROOT / "Sources/RolloutGateway/Providers/ProviderFailure.swift").read_text()
    words = re.search(r"package var word: String \{.*?\n  \}", words, re.S).group(0)
    failures = set(re.findall(r'case \.\w+: "(\w+)"', words))
    assert len(failures) > 10
    assert {row["word"].strip("`") for row in rows(text, "word")} == failures


def test_every_state_of_a_plan_and_what_holds_it_is_in_the_glossary():
    text = page("docs/GLOSSARY.md")
    for first, where in [
        ("state", ("RolloutCore", "Lifecycle/Plan.swift", "Status")),
        ("cause", ("RolloutCore", "Lifecycle/Plan.swift", "Cause")),
        ("result", ("RolloutCore", "Outcomes/Outcome.swift", "Result")),
        ("verdict", ("RolloutCore", "Health/Detector.swift", "State")),
    ]:
        assert {row[first].strip("`") for row in rows(text, first)} == cases(*where), first


def forge(path, statement):
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def remove(folder, name):
    for path in folder.glob(f"{name}*"):
        path.unlink()


FUTURE = "INSERT INTO schema_migration SELECT 999, 'future', sha256, applied_at_ms FROM schema_migration LIMIT 1"
LOSSES = {
    "rollout.db is missing or empty": lambda folder, other: remove(folder, "rollout.db"),
    "is from another data directory": lambda folder, other: shutil.copy(other / "rollout.db", folder),
    "file is not a database": lambda folder, other: (folder / "rollout.db").write_text("x" * 8192),
    "is no file": lambda folder, other: (remove(folder, "rollout.db"), (folder / "rollout.db").mkdir()),
    "jobs.db is missing": lambda folder, other: remove(folder, "jobs.db"),
    "a newer version wrote this database": lambda folder, other: forge(folder / "rollout.db", FUTURE),
    "was changed after it had been applied": lambda folder, other: forge(
        folder / "rollout.db", "UPDATE schema_migration SET sha256 = zeroblob(32) WHERE number = 1"),
}


def test_what_a_start_refuses_stands_in_the_table(tmp_path):
    told = " ".join(row["the line says"] for row in rows(page("docs/operate/lost-files.md"), "the line says"))
    for name in ["whole", "other"]:
        (tmp_path / name).mkdir()
        Server(tmp_path / name, "{}").stop()
    for number, (words, lose) in enumerate(LOSSES.items()):
        assert f"`{words}" in told, words
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole" / "data", folder)
        lose(folder, tmp_path / "other" / "data")
        done = subprocess.run([BIN / "rollout-server", "--listen", "127.0.0.1:0", "--data", folder],
                              capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, words in done.stderr) == (1, True), f"{words}: {done.stderr}"


def test_the_words_of_the_glossary_are_those_of_the_code():
    text = "\n".join(sources(folder.name) for folder in (ROOT / "Sources").iterdir()).lower()
    words = [word for row in rows(page("docs/GLOSSARY.md"), "word")
             for word in re.findall(r"\*\*(.+?)\*\*", row["word"])]
    assert len(words) > 40
    for word in words:
        assert re.search(rf"\b{word.replace(' ', '.?')}", text), word


def test_the_unit_of_the_service_is_what_the_server_takes():
    unit = page("deploy/rollout.service")
    known = subprocess.run([BIN / "rollout-server", "--help"], capture_output=True, text=True).stdout
    for option in re.findall(r"--[a-z-]+", unit):
        assert option in known, option
    if shutil.which("systemd-analyze"):
        # It looks for the programs, too; these are not installed here.
        text = re.sub(r"/usr/local/bin/rollout-server", "/bin/true", unit)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "rollout.service"
            path.write_text(text)
            done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
        assert [line for line in done.stderr.splitlines() if "rollout.service" in line] == []


def test_every_field_of_an_outcome_is_explained():
    outcome = json.loads(page("docs/openapi.json"))["components"]["schemas"]["Outcome"]
    table = {row["field"].strip("`"): row for row in rows(page("docs/use/outcomes.md"), "field")}
    assert set(table) == set(outcome["properties"])
    assert {key for key, row in table.items() if row["needed"] == "yes"} == set(outcome["required"])


def test_every_metric_is_named(server):
    told = {row["metric"].strip("`") for row in rows(page("docs/operate/metrics.md"), "metric")}
    answer = server.call("GET", "/metrics").text
    assert told == set(re.findall(r"^# TYPE (\S+)", answer, re.M))


def test_every_operators_page_is_in_the_list():
    listed = set(links(page("docs/OPERATIONS.md")))
    for path in (ROOT / "docs/operate").glob("*.md"):
        assert f"operate/{path.name}" in listed, path.name
