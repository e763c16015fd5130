"""Disks that fail, fill and forget; processes that end anywhere."""

import contextlib
import errno
import http.client
import itertools
import json
import random
import shutil
import sqlite3
import subprocess
import threading
import time

from harness import Server, Shim, Skip, eventually, fault, fill, small_disk

ALL = {"stages": [{"name": "all", "percent": 100}]}
LADDER = {"stages": [{"name": "few", "percent": 10}, {"name": "all", "percent": 100}]}


@fault(0, "kill -9 at any time: nothing acknowledged is lost", rounds=40, short=4)
def kill_any_time(folder, rounds):
    server = Server(folder)
    acknowledged = {}
    for number in range(4):
        server.plan(f"f{number}", **ALL)
        acknowledged[f"f{number}"] = 2
    dice = random.Random(7)
    for _ in range(rounds):
        def change(feature, server=server):
            version = acknowledged[feature]
            while True:
                name = "pause" if version % 2 == 0 else "resume"
                try:
                    answer = server.call("POST", f"/v1/plans/{feature}/{name}", {"reason": "again"},
                                         {"If-Match": f'"{version}"'})
                except OSError:
                    return
                except Exception:  # noqa: BLE001: cut off in the middle of an answer
                    return
                if answer.status == 409:
                    version = server.show(feature)["version"]
                    continue
                version = answer.json["version"]
                acknowledged[feature] = version
        threads = [threading.Thread(target=change, args=[name]) for name in acknowledged]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0.02, 0.3))
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
        for feature, version in acknowledged.items():
            stored = server.show(feature)["version"]
            assert stored in (version, version + 1), f"{feature}: {version} said, {stored} stored"
            acknowledged[feature] = stored
    for feature in acknowledged:
        seen, after = [], None
        while True:
            page = server.call("GET", f"/v1/plans/{feature}/events?limit=1000"
                               + (f"&after={after}" if after else "")).json
            seen += [event["version"] for event in page["events"]]
            after = page["next"]
            if not after:
                break
        assert seen == list(range(acknowledged[feature], 0, -1)), f"{feature} has a gap"
    server.stop()
    return f"{sum(acknowledged.values())} changes"


@fault(4, "failed fsyncs: plans can be changed as soon as the disk is well", rounds=20, short=4)
def failed_syncs(folder, rounds):
    shim = Shim(folder)
    server = Server(folder, env=shim.env)
    server.plan("ladder", **LADDER)
    for number in range(rounds):
        shim.fail_syncs(errno.EIO, times=1 + number % 5)
        refused = 0
        # What widens must not be said to have happened.
        version = server.show("ladder")["version"]
        answer = server.call("POST", "/v1/plans/ladder/advance", {"reason": "on", "force": True},
                             {"If-Match": f'"{version}"'})
        refused += answer.status == 503
        assert answer.status in (200, 503), answer
        if answer.status == 503:
            assert not server.is_on("ladder", f"user-{number}") or server.show("ladder")["stage"] == "few"
        shim.heal()
        eventually("a pause", lambda: server.command("ladder", "pause", expect=(200, 409, 503)).status == 200)
        server.command("ladder", "resume")
        if server.show("ladder")["stage"] != "few":
            server.command("ladder", "rollback", to="few")
    eventually("no warning is left", lambda: "store" not in server.warnings())
    failed = shim.failed
    stage = server.show("ladder")
    server.restart()
    assert server.show("ladder")["version"] == stage["version"]
    server.stop()
    assert failed >= rounds, "the shim did nothing"
    return f"{failed} calls failed"


@fault(4, "reads that fail for a time: what waits is written within a second", rounds=6, short=2)
def failed_reads(folder, rounds):
    shim = Shim(folder)
    server = Server(folder, env=shim.env)
    for number in range(rounds):
        for name in ("killed", "alerted", "quiet"):
            server.plan(f"{name}{number}", **ALL)
        shim.fail_reads(errno.EIO)
        server.command(f"killed{number}", "kill", expect=(200, 202))
        answer = server.call("POST", "/v1/alerts", {
            "id": f"a{number}", "feature": f"alerted{number}", "action": "kill", "reason": "a test"})
        assert answer.status == 200 and answer.json["results"][0]["acted"], answer
        time.sleep((0.4, 1.2)[number % 2])
        shim.heal()
        for name in ("killed", "alerted"):
            eventually("what waited is written down", lambda name=name: server.show(
                f"{name}{number}").get("durable") is not False, 1)
        # A read that failed says nothing of what is in a file.
        assert "files" not in server.warnings(), server.warnings()
        eventually("no warning is left", lambda: not server.warnings(), 2)
        server.command(f"quiet{number}", "pause")
        version = server.show(f"killed{number}")["version"]
        server.kill()
        server.start()
        for name, status in (("killed", "killed"), ("alerted", "killed"), ("quiet", "paused")):
            assert server.show(f"{name}{number}")["status"] == status, f"{name}{number}"
        assert server.show(f"killed{number}")["version"] == version
    failed = shim.failed
    server.stop()
    assert failed >= rounds, "the shim did nothing"
    return f"{failed} calls failed"


@fault(4, "failed fsyncs: what was refused never happens, and can be asked again", rounds=3, short=1)
def refused_for_good(folder, rounds):
    config = """
providers: {echo: {kind: echo}}
prices: {m: {input: 1, output: 1}}
routes: {r: {targets: [{provider: echo, model: m}]}}
"""
    ask = {"user": "u", "prompt": "hi", "max_tokens": 5}
    refusals = 0
    for number, end in itertools.product(range(rounds), ("heal", "heal and kill", "kill")):
        where = folder / f"{number}-{end}"
        where.mkdir()
        shim = Shim(where)
        server = Server(where, config, env=shim.env)
        server.plan("ai", route="r", **ALL)
        server.plan("listed", stages=[{"name": "in", "cohort": "co"}])
        assert server.call("PUT", "/v1/cohorts/co/members/old").status == 204
        guest = server.make_token("guest", "view")

        def state(server=server, guest=guest):
            return {
                "tokens": sorted(token["name"] for token in server.call("GET", "/v1/tokens").json["tokens"]
                                 if not token.get("revoked_at")),
                "guest": server.call("GET", "/v1/plans", token=guest["token"]).status,
                "members": server.call("GET", "/v1/cohorts/co").json["members"],
                "decisions": [server.is_on("listed", user) for user in ("old", "new", "one")],
                "jobs": len(server.call("GET", "/v1/jobs").json["jobs"]),
                "new plan": server.call("GET", "/v1/plans/new").status,
            }
        requests = {
            "token": ("POST", "/v1/tokens", {"name": "ghost", "scopes": ["admin"]}, 201),
            "member": ("PUT", "/v1/cohorts/co/members/new", None, 204),
            "import": ("POST", "/v1/cohorts/co/members", ["one", "two"], 200),
            "job": ("POST", "/v1/features/ai/jobs", ask, 202),
            "plan": ("PUT", "/v1/plans/new", {"feature": "new", **ALL}, 201),
            "cohort": ("DELETE", "/v1/cohorts/co?confirm=co", None, 200),
        }

        def send(name, server=server, requests=requests):
            method, path, body, expected = requests[name]
            fields = {"Content-Type": "application/json", "Idempotency-Key": f"k-{name}"}
            return server.call(method, path, body, fields), expected
        before = state()
        for name in requests:
            shim.fail_syncs(errno.EIO)
            answer, _ = send(name)
            assert answer.status == 503, f"{name}: {answer}"
            assert "not known" in answer.json["detail"], f"{name}: {answer.json['detail']}"
            refusals += 1
            if end == "kill":
                # With the disk still failing: what the file holds is what counts now.
                server.kill()
                shim.heal()
                server.start()
            else:
                shim.heal()
                eventually("no warning is left", lambda: not server.warnings(), 5)
            assert state() == before, f"after {name}: {state()}, and before {before}"
            if end == "heal and kill":
                server.kill()
                server.start()
                assert state() == before, f"after {name} and a restart: {state()}, and before {before}"
        # What takes away is in force at once, and written as soon as the disk is well.
        shim.fail_syncs(errno.EIO)
        answer = server.call("DELETE", f"/v1/tokens/{guest['id']}?confirm=guest")
        assert answer.status == 202 and answer.json["durable"] is False, answer
        assert server.call("GET", "/v1/plans", token=guest["token"]).status == 401
        eventually("what is not written is said", lambda: "tokens" in server.warnings(), 5)
        shim.heal()
        eventually("the revocation is written down", lambda: "tokens" not in server.warnings(), 10)
        before = state()
        assert before["guest"] == 401, before
        # Asked again it is done, and once.
        for name in requests:
            answer, expected = send(name)
            assert answer.status == expected, f"{name} again: {answer}"
        assert state()["jobs"] == before["jobs"] + 1
        assert send("job")[0].status == 202 and state()["jobs"] == before["jobs"] + 1
        after = state()
        assert after["tokens"] == sorted(before["tokens"] + ["ghost"]), after
        server.kill()
        server.start()
        assert state() == after
        server.stop()
    return f"{refusals} refusals"


def kill_undurably(server, shim_or_disk):
    answer = server.command("all", "kill", expect=(202,))
    assert answer.json.get("durable") is False, answer
    assert not server.is_on("all", "anna"), "killed, and still served"
    eventually("a warning that plans cannot be written", lambda: "store" in server.warnings(), 3)
    assert server.call("GET", "/readyz").status == 200
    assert server.call("GET", "/readyz?strict").status == 503


@fault(17, "disk full: a kill is in force at once, durable when there is room", rounds=3)
def disk_full(folder, rounds):
    for number in range(rounds):
        path = folder / str(number)
        path.mkdir()
        shim = Shim(path)
        server = Server(path, env=shim.env)
        server.plan("all", **ALL)
        shim.fail_writes(errno.ENOSPC)
        kill_undurably(server, shim)
        shim.heal()
        eventually("the kill is written down", lambda: "store" not in server.warnings())
        server.restart()
        assert server.show("all")["status"] == "killed"
        assert not server.is_on("all", "anna")
        server.stop()


@fault(17, "disk full: what widens is refused, an alert acts", rounds=1)
def disk_full_alert(folder, _):
    shim = Shim(folder)
    server = Server(folder, env=shim.env)
    server.plan("ladder", **LADDER)
    server.command("ladder", "advance", force=True)
    server.plan("other", **LADDER)
    shim.fail_writes(errno.ENOSPC)
    refused = server.command("other", "advance", expect=(503,), force=True)
    assert "application/problem+json" in refused.headers["Content-Type"]
    answer = server.call("POST", "/v1/alerts", {
        "id": "a1", "feature": "ladder", "action": "kill", "reason": "disk is full, too"})
    assert answer.status == 200, answer
    result = answer.json["results"][0]
    assert result["acted"] is True and result["durable"] is False, result
    assert not server.is_on("ladder", "anna")
    shim.heal()
    eventually("the kill is written down", lambda: "store" not in server.warnings())
    assert server.show("ladder")["status"] == "killed"
    server.stop()


@fault(17, "a crash before a kill was durable is said at the next start", rounds=1)
def crash_before_durable(folder, _):
    shim = Shim(folder)
    server = Server(folder, env=shim.env)
    server.plan("all", **ALL)
    shim.fail_writes(errno.ENOSPC)
    kill_undurably(server, shim)
    server.kill()
    shim.heal()
    server.start()
    assert server.show("all")["status"] == "active"
    assert server.is_on("all", "anna")
    server.stop()


@fault(17, "a full or read-only file system: the start serves what can be read", rounds=1)
def small_disks(folder, _):
    with small_disk(folder) as disk:
        server = Server(folder, data=disk / "data")
        server.plan("all", **ALL)
        server.stop()
        fill(disk)
        server.start()
        assert server.is_on("all", "anna")
        answer = server.command("all", "kill", expect=(200, 202))
        assert not server.is_on("all", "anna")
        (disk / "ballast").unlink()
        eventually("the kill is written down", lambda: "store" not in server.warnings(), 15)
        server.restart()
        assert server.show("all")["status"] == "killed", answer
        server.command("all", "resume")
        server.stop()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        try:
            server.start()
            assert server.is_on("all", "anna")
            kill_undurably(server, disk)
            server.kill()
        finally:
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


@fault(17, "a read-only disk after a crash: the log counts, and all is well again by itself", rounds=1)
def read_only_after_crash(folder, _):
    with small_disk(folder) as disk:
        server = Server(folder, """
providers: {echo: {kind: echo}}
prices: {m: {input: 1, output: 1}}
routes: {r: {targets: [{provider: echo, model: m}]}}
budgets:
  - {name: hard, limit_usd: 50, window: total, match: {feature: hard}}
  - {name: soft, limit_usd: 50, window: total, hard: false}
""", data=disk / "data")

        def ask(feature):
            return server.call("POST", f"/v1/features/{feature}/complete",
                               {"user": "anna", "prompt": "hi", "max_tokens": 5})

        def spent(name):
            budgets = server.call("GET", "/v1/budgets").json["budgets"]
            return next(budget for budget in budgets if budget["name"] == name)
        for feature in ("hard", "soft", "all", "paused"):
            server.plan(feature, route="r", **ALL)
        assert ask("hard").json["served_by"] == "provider"
        before = spent("soft")["spent_usd"]
        server.command("paused", "kill")
        server.kill()
        assert (server.data / "rollout.db-wal").stat().st_size > 0, "there is no log to be read"
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        try:
            server.start()
            # What stands in the log only.
            assert not server.is_on("paused", "anna") and server.is_on("all", "anna")
            for what in ("store", "jobs", "budgets"):
                eventually(f"a warning about {what}", lambda what=what: what in server.warnings())
            metrics = server.call("GET", "/metrics").body.decode()
            assert 'rollout_degraded{what="store"} 1' in metrics
            kill_undurably(server, disk)
            # Money that cannot be counted is not spent; what has no ceiling goes on.
            assert ask("hard").status == 503 and spent("hard")["shut"], ask("hard")
            assert ask("soft").json["served_by"] == "provider"
            job = server.call("POST", "/v1/features/soft/jobs", {"user": "u", "prompt": "x"})
            assert job.status == 503, job
        finally:
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        eventually("nothing is degraded", lambda: not server.warnings())
        assert ask("hard").json["served_by"] == "provider"
        eventually("what was spent meanwhile is counted", lambda: spent("soft")["spent_usd"] >= 3 * before / 2)
        job = server.call("POST", "/v1/features/soft/jobs", {"user": "u", "prompt": "x"})
        assert job.status == 202, job
        server.restart()
        assert server.show("all")["status"] == "killed"
        server.stop()


@fault(1, "a stored plan that cannot be read is one degraded feature", rounds=1)
def unreadable_plan(folder, _):
    server = Server(folder)
    server.plan("good", **ALL)
    server.plan("bad", **ALL)
    server.stop()
    database = sqlite3.connect(server.data / "rollout.db")
    # History is append-only, by a trigger that a damaged disk does not ask.
    for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        database.execute(f"DROP TRIGGER {name}")
    database.execute("UPDATE plan_version SET body_json = '{\"broken' WHERE feature = 'bad'")
    database.commit()
    database.close()
    server.start()
    assert server.is_on("good", "anna")
    assert "plan:bad" in server.warnings(), server.warnings()
    metrics = server.call("GET", "/metrics").body.decode()
    assert 'rollout_degraded{what="plan:bad"} 1' in metrics
    server.command("good", "kill")
    server.stop()


@fault(1, "every duration and limit that is accepted is there after a restart", rounds=1)
def odd_values(folder, _):
    server = Server(folder)
    durations = ["0.333d", "1.5h", "0.1m", "90s", "1500ms", "0.7d", "33.3m", "2d", "0.001s", "1.25m"]
    before = {}
    for number, text in enumerate(durations):
        feature = f"odd-{number}"
        plan = {
            "feature": feature, "rollback": {"cooldown": text},
            "stages": [{"name": "one", "percent": "0.001%", "soak": text},
                       {"name": "two", "percent": 33.333}, {"name": "all", "percent": 100}],
            "guards": [{"metric": "error_rate", "max": "3.333%", "sustain": text},
                       {"metric": "latency_mean", "max": text}]}
        answer = server.call("PUT", f"/v1/plans/{feature}", plan)
        # Refused at the door is fine; accepted and lost is not.
        assert answer.status in (201, 400, 422), answer
        if answer.status == 201:
            before[feature] = server.show(feature)
    assert len(before) >= len(durations) // 2, f"only {len(before)} of {len(durations)} were accepted"
    server.restart()
    for feature, plan in before.items():
        now = server.show(feature)
        plan.pop("next", None), now.pop("next", None)
        assert now == plan, f"{feature} changed over the restart"
    server.stop()
    return f"{len(before)} plans"


EDGES = (-2**63, 2**63 - 1, -1)


def whole_numbers(data):
    """Every (file, table, column) that holds a whole number in a row."""
    for file in ("rollout.db", "telemetry.db", "budget.db", "jobs.db"):
        if not (data / file).exists():
            continue
        with contextlib.closing(sqlite3.connect(data / file)) as database:
            tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for (table,) in tables:
                if table.startswith("sqlite_") or table == "schema_migration":
                    continue
                columns = database.execute(f"PRAGMA table_info({table})").fetchall()
                for column in columns:
                    if column[2] == "INTEGER" and database.execute(
                            f"SELECT 1 FROM {table} WHERE {column[1]} IS NOT NULL").fetchone():
                        yield file, table, column[1]


@fault(9, "a stored number at the end of what there is, the clock's too: no start is ended by it",
       rounds=600, short=24)
def forged_numbers(folder, rounds):
    server = Server(folder, """
providers: {echo: {kind: echo}}
prices: {m: {input: 1, output: 1}}
routes: {r: {targets: [{provider: echo, model: m}]}}
capture: {sample: 100%, features: [ai]}
budgets: [{name: total, limit_usd: 50, window: total}]
""")
    server.plan("ai", route="r", force_on=["u"], stages=[{"name": "one", "percent": 50}, {"name": "all", "percent": 100}])
    server.make_token("limited", "evaluate", features=["ai"])
    server.command("ai", "advance", force=True)
    server.command("ai", "rollback", to="one")
    assert server.call("POST", "/v1/features/ai/complete", {"user": "u", "prompt": "hi"}).status == 200
    assert server.call("POST", "/v1/features/ai/jobs", {"user": "u", "prompt": "hi"}).status == 202
    server.call("POST", "/v1/outcomes", {"outcomes": [{"feature": "ai", "ok": False, "user": "u"}] * 20})
    time.sleep(1.5)
    server.stop()
    whole = folder / "whole"
    shutil.copytree(server.data, whole)
    places = [(place, edge) for place in whole_numbers(whole) for edge in EDGES]
    random.Random(12).shuffle(places)
    # The clock's own row first: all times hang on it.
    places.sort(key=lambda item: item[0][1] != "clock")
    started = refused = 0
    for (file, table, column), edge in places[:rounds]:
        shutil.rmtree(server.data)
        shutil.copytree(whole, server.data)
        with contextlib.closing(sqlite3.connect(server.data / file)) as database:
            database.execute("PRAGMA ignore_check_constraints = on")
            for (name,) in database.execute(
                    "SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                database.execute(f"DROP TRIGGER {name}")
            try:
                database.execute(f"UPDATE {table} SET {column} = ?", (edge,))
            except sqlite3.IntegrityError:
                continue
            database.commit()
        what = f"{file} {table}.{column} = {edge}"
        try:
            server.start()
        except AssertionError as why:
            # Refused in words is right for what must not be guessed; a trap is not.
            assert server.process.returncode == 1, f"{what}: ended by {server.process.returncode}: {why}"
            refused += 1
            continue
        started += 1
        try:
            for path in ("plans", "plans/ai", "plans/ai/health", "plans/ai/events", "budgets", "tokens",
                         "jobs", "captures?feature=ai", "overview", "features/ai/decision?user=anna"):
                server.call("GET", f"/v1/{path}")
            server.call("GET", "/metrics")
            server.call("POST", "/v1/outcomes", {"outcomes": [{"feature": "ai", "ok": True, "user": "u"}]})
            server.call("POST", "/v1/features/ai/complete", {"user": "u", "prompt": "hi"})
        except (OSError, http.client.HTTPException) as why:
            raise AssertionError(f"{what}: {why}: {server.words[-600:]}") from None
        server.stop()
    return f"{started} started, {refused} refused in words"


def damage(path, how):
    if how == "gone":
        path.unlink(missing_ok=True)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "noise":
        path.write_bytes(random.Random(1).randbytes(max(path.stat().st_size, 8192)))
    elif how == "half":
        path.write_bytes(path.read_bytes()[:max(path.stat().st_size // 2, 100)])


@fault(16, "files missing or damaged: refused by name, or set aside", rounds=1)
def damaged_files(folder, _):
    config = "budgets: [{name: monthly, limit_usd: 50, window: month, hard: true}]\n"
    origin = Server(folder, config)
    origin.plan("all", **ALL)
    origin.stop()
    (origin.data / "rollout.db-wal").unlink(missing_ok=True)
    token = (origin.data / "admin.token").read_text()
    cases = 0
    for name, expected in (("rollout.db", "refused"), ("jobs.db", "refused"),
                           ("telemetry.db", "aside"), ("budget.db", "served")):
        for how in ("gone", "empty", "noise", "half"):
            where = folder / f"{name}-{how}"
            shutil.copytree(origin.data, where / "data")
            damage(where / "data" / name, how)
            server = Server(where, config, start=False)
            server.token = token.strip()
            cases += 1
            label = f"{name} {how}"
            if expected == "refused":
                code, said = server.refuses()
                assert code == 1 and name in said, f"{label}: {code} {said}"
                assert "--" in said, f"{label} says nothing to do: {said}"
                assert (where / "data" / "admin.token").read_text() == token
                continue
            try:
                server.start()
            except AssertionError as error:
                # Refusing by name is right, too, where something is to be decided.
                assert name in str(error) and expected != "aside", f"{label}: {error}"
                continue
            assert server.is_on("all", "anna"), label
            if expected == "aside" and how in ("noise", "half"):
                assert list((where / "data").glob(f"{name}.corrupt-*")), f"{label}: not set aside"
            if name == "budget.db":
                budget = server.call("GET", "/v1/budgets").json["budgets"][0]
                said = any(what.startswith("budgets") for what in server.warnings())
                assert budget.get("shut") and said, \
                    f"{label}: spending is forgotten in silence: {budget} {server.warnings()}"
            server.stop()
    return f"{cases} cases"


@fault(5, "holds.bin cut short or forged under the server", rounds=1)
def holds_cut(folder, _):
    server = Server(folder, """
providers: {echo: {kind: echo}}
prices: {m: {input: 1, output: 1}}
routes: {r: {targets: [{provider: echo, model: m}]}}
budgets: [{name: total, limit_usd: 50, window: total}]
""")
    server.plan("ai", route="r", **ALL)

    def ask():
        return server.call("POST", "/v1/features/ai/complete", {"user": "u", "prompt": "hi", "max_tokens": 5})
    assert ask().status == 200
    holds = server.data / "holds.bin"
    for size in (0, 10, 4096):
        with open(holds, "r+b") as file:
            file.truncate(size)
        assert ask().status in (200, 503, 429)
        assert server.alive, f"ended by a file of {size} bytes"
    server.stop()
    size = max(holds.stat().st_size if holds.exists() else 0, 65536)
    holds.write_bytes(b"\x7f" * size)
    server.start()
    budget = server.call("GET", "/v1/budgets").json["budgets"][0]
    assert budget["reserved_usd"] < 1_000_000, f"forged holds are believed: {budget}"
    server.stop()


@fault(16, "older files, and logs gone after kill -9: refused, or hard budgets shut", rounds=1)
def older_files(folder, _):
    config = """
providers: {echo: {kind: echo}, slow: {kind: echo, latency: 60s}}
prices: {m: {input: 1000, output: 1000}}
routes:
  quick: {targets: [{provider: echo, model: m}]}
  late: {targets: [{provider: slow, model: m, timeout: 100s}]}
budgets: [{name: total, limit_usd: 50, window: total}]
"""
    origin = Server(folder, config)
    origin.plan("ai", route="quick", **ALL)
    origin.plan("later", route="late", **ALL)
    origin.stop()
    old = folder / "old"
    shutil.copytree(origin.data, old)
    origin.start()
    ask = {"user": "u", "prompt": "hi", "max_tokens": 50}
    assert origin.call("POST", "/v1/features/ai/complete", ask).status == 200
    assert origin.call("POST", "/v1/features/later/jobs", ask).status == 202
    origin.call("GET", "/v1/budgets")
    time.sleep(1.2)
    origin.kill()
    cases = 0
    for name, how, lock in itertools.product(("rollout.db", "jobs.db", "budget.db", "holds.bin"),
                                             ("older", "log gone"), (True, False)):
        if name == "holds.bin" and how == "log gone" or name == "rollout.db" and how == "log gone":
            continue
        where = folder / f"{name}-{how}-{lock}"
        shutil.copytree(origin.data, where / "data")
        if not lock:
            (where / "data" / "rollout.lock").unlink()
        for suffix in ("-wal", "-shm"):
            (where / "data" / (name + suffix)).unlink(missing_ok=True)
        if how == "older":
            shutil.copy(old / name, where / "data" / name)
        server = Server(where, config, start=False)
        server.token = origin.token
        cases += 1
        if name in ("rollout.db", "jobs.db"):
            code, said = server.refuses()
            assert code == 1 and name in said and "--accept-older" in said, f"{name} {how}: {said}"
            continue
        server.start()
        assert "budgets:lost" in server.warnings(), f"{name} {how}: {server.warnings()}"
        assert server.call("POST", "/v1/features/ai/complete", ask).status == 429
        server.stop()
    return f"{cases} cases"


@fault(16, "files deleted or cut under the server: said within a second, no second server", rounds=1)
def files_under_server(folder, _):
    cases = 0
    for name, what in (("rollout.db", "store"), ("jobs.db", "jobs"), ("budget.db", "budgets"),
                       ("telemetry.db", "telemetry"), ("holds.bin", "files"), ("rollout.lock", "files")):
        for how in ("deleted", "cut"):
            where = folder / f"{name}-{how}"
            where.mkdir(parents=True)
            server = Server(where)
            server.plan("all", **ALL)
            if how == "deleted":
                (server.data / name).unlink()
            else:
                with open(server.data / name, "r+b") as file:
                    file.truncate(0)
            # A commit may write a lock file that was cut before anybody looks at it.
            eventually(f"a warning for {name} {how}", lambda: what in server.warnings() or (
                name == "rollout.lock" and how == "cut" and (server.data / name).stat().st_size), 2)
            second = Server(where, data=server.data, start=False)
            code, said = second.refuses()
            assert code == 1 and "another server" in said, f"{name} {how}: {said}"
            assert server.is_on("all", "anna")
            cases += 1
            server.kill()
    return f"{cases} cases"


@fault(5, "every file cut under the server, whatever its name: it lives, nothing acknowledged is lost",
       rounds=1)
def everything_cut(folder, _):
    config = """
providers: {echo: {kind: echo}}
prices: {m: {input: 1, output: 1}}
routes: {r: {targets: [{provider: echo, model: m}]}}
budgets: [{name: total, limit_usd: 50, window: total}]
"""

    def begin(name):
        (folder / name).mkdir(parents=True)
        server = Server(folder / name, config)
        server.plan("ai", route="r", **ALL)
        ask(server)
        return server

    def ask(server):
        return server.call("POST", "/v1/features/ai/complete", {"user": "u", "prompt": "hi", "max_tokens": 5})
    first = begin("first")
    # A log's index in a file that is mapped would be one more way to end the process.
    assert not list(first.data.glob("*-shm")), "there is a file of shared memory"
    names = sorted(path.name for path in first.data.iterdir() if path.is_file())
    first.stop()
    cases = 0
    for name, size in itertools.product(names + [f"{name}-shm" for name in names if name.endswith(".db")],
                                        (0, 100)):
        server = begin(f"{name}-{size}")
        # Of a name that nobody uses it is a new file.
        with open(server.data / name, "ab") as file:
            file.truncate(size)
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            for path in ("/v1/budgets", "/v1/plans/ai/health", "/metrics", "/v1/providers"):
                server.call("GET", path)
            ask(server)
            server.call("POST", "/v1/features/ai/jobs", {"user": "u", "prompt": "x"})
            server.call("POST", "/v1/outcomes", {"outcomes": [{"feature": "ai", "user": "u", "ok": True}]})
            assert server.alive, f"ended by {name} of {size} bytes: {server.words[-400:]}"
        assert server.is_on("ai", "anna"), f"{name} {size}"
        answer = server.call("POST", "/v1/plans/ai/kill", {"reason": "a test"}, {"If-Match": '"2"'})
        # In force at once, and durable only where that is said.
        assert answer.status in (200, 202), f"{name} {size}: {answer}"
        assert not server.is_on("ai", "anna"), f"{name} {size}"
        assert server.alive, f"ended by {name} of {size} bytes"
        server.kill()
        cases += 1
        token = server.token
        try:
            server.start()
        except AssertionError as refusal:
            # It wants a copy in its place; what its log held is there without one.
            assert name in str(refusal) and name in ("rollout.db", "jobs.db"), f"{name} {size}: {refusal}"
            continue
        # The file of the token may be the one that was cut.
        server.token = token
        # 202 has said that a restart may bring the older state back.
        assert answer.status == 202 or server.show("ai")["status"] == "killed", f"{name} {size}"
        server.stop()
    return f"{cases} cases"


@fault(16, "logs cut or written over under the server: written anew, nothing acknowledged lost", rounds=1)
def logs_under_server(folder, _):
    cases = 0
    for name, how, end in itertools.product(("rollout.db", "jobs.db", "budget.db"),
                                            ("cut", "halved", "noise"), ("stop", "kill")):
        where = folder / f"{name}-{how}-{end}"
        where.mkdir(parents=True)
        server = Server(where)
        server.plan("all", **ALL)
        log = server.data / (name + "-wal")
        eventually("a log", lambda: log.stat().st_size > 32, 2)
        size = log.stat().st_size
        with open(log, "r+b") as file:
            if how == "noise":
                file.seek(32)
                file.write(b"\xab" * (size - 32))
            else:
                file.truncate(0 if how == "cut" else size // 2)
        eventually(f"a warning for {name}-wal {how}", lambda: "files" in server.warnings(), 2)
        server.command("all", "kill")
        server.stop() if end == "stop" else server.kill()
        server.start()
        assert server.show("all")["status"] == "killed", f"{name} {how} {end}"
        assert not server.is_on("all", "anna")
        server.stop()
        cases += 1
    return f"{cases} cases"


@fault(16, "the data directory deleted under the server: writes stop within a second", rounds=1)
def directory_gone(folder, _):
    server = Server(folder)
    server.plan("all", **ALL)
    shutil.rmtree(server.data)
    eventually("a warning", lambda: server.warnings(), 3)
    assert server.is_on("all", "anna")
    answer = server.call("PUT", "/v1/plans/new", {"feature": "new"})
    assert answer.status == 503, answer
    server.kill()


@fault(21, "a first start killed in the middle is finished by the next", rounds=60, short=8)
def first_start(folder, rounds):
    dice = random.Random(3)
    for number in range(rounds):
        path = folder / str(number)
        path.mkdir()
        server = Server(path, start=False)
        server.spawn()
        time.sleep(dice.uniform(0.003, 0.12))
        server.kill()
        server.start()
        assert server.token, "there is no admin token"
        assert server.call("GET", "/v1/tokens").status == 200, "the admin token is not valid"
        server.stop()
        shutil.rmtree(path)


@fault(21, "rollout-server admin-token: made while stopped, refused while running", rounds=1)
def admin_token(folder, _):
    server = Server(folder)
    old = server.token
    command = [str(BIN_SERVER()), "admin-token", "--data", str(server.data)]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode != 0 and "server" in refused.stderr, refused
    server.stop()
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    server.start()
    assert server.token != old
    assert server.call("GET", "/v1/tokens").status == 200
    server.stop()


def BIN_SERVER():
    from harness import BIN
    return BIN / "rollout-server"


@fault(7, "answers to cache choke nothing: outcomes are kept, SIGTERM is obeyed", rounds=1)
def cache_flood(folder, _):
    server = Server(folder, """
providers: {echo: {kind: echo}}
routes: {r: {targets: [{provider: echo, model: m}], cache: {ttl: 10m, scope: user}}}
limits: {queue: {length: 1000, wait: 20s}}
""")
    server.plan("ai", route="r", **ALL)
    asked, until = [0], time.monotonic() + 8
    text = "word " * 400

    def ask(worker):
        number = 0
        while time.monotonic() < until:
            number += 1
            answer = server.call("POST", "/v1/features/ai/complete",
                                 {"user": f"u{worker}", "prompt": f"{worker} {number} {text}"})
            assert answer.status == 200, answer
            asked[0] += 1
    threads = [threading.Thread(target=ask, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome = {"outcomes": [{"feature": "ai", "user": "last", "ok": False, "id": "the-last-one"}]}
    assert server.call("POST", "/v1/outcomes", outcome).status == 202
    server.stop(20)
    database = sqlite3.connect(f"file:{server.data / 'telemetry.db'}?mode=ro", uri=True)
    assert database.execute("PRAGMA quick_check").fetchone()[0] == "ok"
    database.close()
    server.start()
    again = server.call("POST", "/v1/outcomes", outcome)
    assert again.status == 202, again
    shown = json.dumps(server.call("GET", "/v1/plans/ai/health").json)
    assert shown
    server.stop()
    return f"{asked[0]} answers"
