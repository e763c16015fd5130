"""rollout import: whoever has a flag in another system has the plan's first stage, and nobody else."""

import json
import pathlib
import subprocess

import otherrules as other
import pytest
from conftest import BIN, Server

FILES = pathlib.Path(__file__).parent / "imports"
USERS = [f"u{number}" for number in range(20_000)]
COUNTRIES = ["AU", "NZ", "US", "DE", None]
# In the middle of the ramp of goff.yaml, and between the steps of its schedule.
AT = "2026-01-06T00:00:00Z"


def context(number):
    """Attributes of a user, every kind of which some users have."""
    return {"country": COUNTRIES[number % 5],
            "email": f"u{number}@{'example.com' if number % 7 == 0 else 'example.org'}",
            "beta": number % 2 == 0}


def flagd_checkout(user, c):
    if c["email"].endswith("@example.com"):
        return True
    return c["country"] in ("AU", "NZ") and other.flagd_variant("spring-" + user, [("new", 25), ("old", 75)]) == "new"


def unleash_checkout(user, c):
    return (user in ("u3", "u14", "u15") or c["email"].endswith("@example.com")
            or c["country"] not in ("US", "CA") and other.unleash_rollout(user, "spring", 42))


def goff_checkout(user, c):
    if c["country"] == "US":
        return False
    if c["email"].endswith("@example.com") and c["beta"]:
        return True
    return other.goff_progressive("checkout", user, 10, 90, 5 * 86_400, 10 * 86_400)


def growthbook_checkout(user, c):
    if c["email"] == "anna@example.com":
        return True
    return c["country"] != "US" and other.growthbook_variation(user, "checkout-seed", [0.6, 0.4], 1, 2) == 1


# Each with what the other system does for a user and a context, from its sources.
RULES = {
    ("flagd", "flagd.json"): {
        "new-search": lambda u, c: other.flagd_variant("new-search" + u, [("on", 30), ("off", 70)]) == "on",
        "new-search-upper": lambda u, c: other.flagd_variant("new-search-upper" + u, [("off", 7), ("on", 3)]) == "on",
        "checkout": flagd_checkout,
    },
    ("unleash", "unleash-client.json"): {
        "new-search": lambda u, c: other.unleash_rollout(u, "new-search", 30),
        "checkout": unleash_checkout,
        "legacy": lambda u, c: other.unleash_rollout(u, "", 5),
    },
    ("unleash", "unleash-export.json"): {
        "exported": lambda u, c: other.unleash_rollout(u, "exported", 50),
    },
    ("goff", "goff.yaml"): {
        "new-search": lambda u, c: other.goff_variation("new-search", u, {"enabled": 30, "disabled": 70}) == "enabled",
        "fine": lambda u, c: other.goff_variation("fine", u, {"a_on": 12.345, "b_off": 87.655}) == "a_on",
        "checkout": goff_checkout,
        "scheduled": lambda u, c: other.goff_variation("scheduled", u, {"true_var": 20, "false_var": 80}) == "true_var",
    },
    ("growthbook", "growthbook.json"): {
        "new-search": lambda u, c: other.growthbook_rollout(u, "new-search", 0.3, 2),
        "old-search": lambda u, c: other.growthbook_rollout(u, "s1", 0.3, 1),
        "checkout": growthbook_checkout,
        "first-half": lambda u, c: other.growthbook_variation(u, "first-half", [0.5, 0.5], 1, 1) == 0,
    },
}


@pytest.fixture
def server(tmp_path):
    """One of its own for each test: systems call their flags alike."""
    server = Server(tmp_path, "auth: on\n")
    yield server
    server.stop()


def test_the_other_rules_agree_with_what_their_systems_publish():
    """Vectors of flagd-testbed, Unleash's client specification, GO Feature Flag and GrowthBook."""
    edges = {"ejOoVL": 0, "bY9fO-": 1, "SI7p-": 0x7FFFFFFF, "6LvT0": 0x80000000, "ceQdGm": 0xFFFFFFFF}
    assert {key: other.murmur3(key.encode()) for key in edges} == edges
    assert other.unleash_value("174", "Feature.flexibleRollout.10") == 10
    assert other.unleash_value("499", "Feature.flexibleRollout.10") == 32
    assert other.fnv1a("flagNameUserKey") == 3946001934
    assert other.goff_hash("my-flag", "e56f628e-9817-498f-ae38-4961e9c2bb21", 100_000) == 70272
    for seed, value, version, hashed in [("", "a", 1, 0.22), ("b", "a", 1, 0.946), ("seed", "a", 2, 0.0505),
                                         ("foo", "def", 2, 0.2019)]:
        assert other.growthbook_hash(seed, value, version) == hashed


@pytest.mark.parametrize("system, name", RULES)
def test_exactly_the_same_users_have_it(server, system, name):
    rules = RULES[system, name]
    only = [word for key in rules for word in ("--only", key)]
    said = json.loads(server.rollout("import", system, FILES / name, *only, "--at", AT, "--apply", "-o", "json").stdout)
    assert said["applied"] and [plan["key"] for plan in said["plans"]] == list(rules)
    for plan in said["plans"]:
        feature, rule = plan["feature"], rules[plan["key"]]
        assert plan["reach"] == "some"
        # GO Feature Flag does not look at the case of letters: that is told, and the spellings are kept.
        assert plan["keeps_people"] == (not (system == "goff" and plan["key"] == "checkout")), plan
        view = server.call("GET", f"/v1/plans/{feature}").json()
        assert view["status"] == "draft" and view["stages"][0]["name"] == "imported"
        server.rollout("start", feature)
        inside = 0
        for start in range(0, len(USERS), 1000):
            users = []
            for number in range(start, start + 1000):
                attributes = {key: value for key, value in context(number).items() if value is not None}
                users.append({"id": USERS[number], "attributes": attributes})
            answer = server.call("POST", f"/v1/features/{feature}/decisions", {"users": users})
            assert answer.status_code == 200, answer.text
            for number, decision in enumerate(answer.json()["decisions"], start):
                wanted = rule(USERS[number], context(number))
                assert decision["enabled"] == wanted, (feature, USERS[number], decision)
                inside += wanted
        # A rule that lets in nobody or everybody would show nothing.
        assert 200 < inside < 19_800, (feature, inside)


def imported(*words, status=0, **more):
    done = subprocess.run([BIN / "rollout", "import", *words], capture_output=True, text=True, **more)
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("system, name", RULES)
def test_files_are_written_that_lint_takes(system, name, tmp_path):
    folder = tmp_path / "plans"
    said = imported(system, FILES / name, "--at", AT, "--out", folder)
    assert f"written to {folder}" in said.stdout.replace("\n", " ")
    lint = subprocess.run([BIN / "rollout", "plan", "lint", folder], capture_output=True, text=True)
    assert lint.returncode == 0, lint.stdout
    again = imported(system, FILES / name, "--at", AT, "--out", folder, status=1)
    assert "is there already" in again.stderr


@pytest.mark.parametrize("system, name", RULES)
def test_it_fits_80_columns_and_names_every_flag(system, name):
    done = imported(system, FILES / name, "--at", AT, "--exit-code",
                    status=0 if name == "unleash-export.json" else 6)
    assert max(len(line) for line in done.stdout.splitlines()) <= 80, done.stdout
    plans = json.loads(imported(system, FILES / name, "--at", AT, "-o", "json").stdout)["plans"]
    for plan in plans:
        assert f"\n{plan['key']}: " in "\n" + done.stdout
        for remark in plan["remarks"]:
            assert remark["text"].split()[0] in done.stdout and remark["path"]


def test_nothing_is_made_over_a_plan_that_is_there(server):
    server.rollout("import", "flagd", FILES / "flagd.json", "--only", "paused", "--apply")
    refused = server.rollout("import", "flagd", FILES / "flagd.json", "--apply", check=False)
    assert refused.returncode == 4 and "paused has a plan already" in refused.stderr
    assert server.call("GET", "/v1/plans/needs-version").status_code == 404
    none = server.rollout("import", "flagd", FILES / "flagd.json", "--only", "header-color", "--apply", check=False)
    assert none.returncode == 1 and "No plan can be made" in none.stderr


def test_wrong_lines_and_files_say_what_is_right(tmp_path):
    flags = FILES / "flagd.json"
    assert "There are flagd, unleash, goff, growthbook" in imported("split", flags, status=2).stderr
    assert "--at is a time such as" in imported("flagd", flags, "--at", "noon", status=2).stderr
    assert "Did you mean checkout?" in imported("flagd", flags, "--only", "chekout", status=1).stderr
    assert "\"flags\" is missing" in imported("flagd", FILES / "growthbook.json", status=1).stderr
    assert "No such file" in imported("flagd", tmp_path / "none.json", status=1).stderr
    broken = tmp_path / "broken.json"
    broken.write_text('{"flags": {"a": {}, "a": {}}}')
    assert "broken.json:1:21: " in imported("flagd", broken, status=1).stderr
    deep = tmp_path / "deep.json"
    deep.write_text('{"flags": ' + '{"a": ' * 200_000)
    assert "nests deeper" in imported("flagd", deep, status=1).stderr
    hostile = json.dumps({"flags": {"a\x1b[31m\nb: a plan": {"state": "ENABLED", "variants": {"on": True}}}})
    said = imported("flagd", "-", input=hostile).stdout
    assert "\x1b" not in said and not any(line.startswith("b: a plan") for line in said.splitlines())


def test_another_bucketing_draws_everybody_anew(server, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("feature: moved\nbucketing: unleash\nsalt: \"\"\nstages: [{name: a, percent: 5}]\n")
    server.rollout("plan", "apply", str(plan))
    assert "bucketing: unleash\nsalt: \"\"\n" in server.rollout("plan", "export", "moved").stdout
    plan.write_text(plan.read_text().replace("unleash", "growthbook-2"))
    diff = server.rollout("plan", "diff", str(plan)).stdout.replace("\n  ", " ")
    assert "bucketing unleash → growthbook-2" in diff and "draws everybody anew" in diff, diff
    server.rollout("start", "moved")
    refused = server.rollout("plan", "apply", str(plan), check=False)
    assert refused.returncode == 4 and "keep bucketing: unleash" in refused.stderr, refused
    # As stored: the same people after a restart.
    def ask():
        users = [{"id": f"u{n}"} for n in range(1000)]
        return [d["enabled"] for d in server.call("POST", "/v1/features/moved/decisions", {"users": users}).json()["decisions"]]
    before = ask()
    server.restart()
    assert ask() == before == [other.unleash_rollout(f"u{n}", "", 5) for n in range(1000)]
