"""Clocks that step: the wall clock of the server is moved, its steady clock is not."""

import time

from harness import Server, Shim, eventually, fault

ALL = {"stages": [{"name": "all", "percent": 100}]}
HOUR = 3600
DAY = 24 * HOUR


def fail(server, feature, count):
    outcomes = [{"feature": feature, "user": f"u{n}", "ok": False, "arm": "treatment"} for n in range(count)]
    answer = server.call("POST", "/v1/outcomes", {"outcomes": outcomes})
    assert answer.status == 202 and answer.json["accepted"] == count, answer


def stage(server):
    return server.show("steps")["stage"]


@fault(9, "an hour back: errors are scored, alerts act", rounds=2, short=1)
def hour_back(folder, rounds):
    for number in range(rounds):
        path = folder / str(number)
        path.mkdir()
        wall = Shim(path)
        server = Server(path, env=wall.env)
        for feature in ("steps", "alerted"):
            # Sensitive: one burst is enough, without fresh evidence that it goes on.
            server.plan(feature, preset="sensitive", stages=[
                {"name": "few", "percent": 10}, {"name": "all", "percent": 100}])
            server.command(feature, "advance", force=True)
        wall.set_clock(-HOUR)
        eventually("the step is said", lambda: "clock" in server.warnings())
        fail(server, "steps", 400)
        eventually("the errors roll it back", lambda: stage(server) == "few")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - HOUR))
        answer = server.call("POST", "/v1/alerts/alertmanager", {
            "version": "4", "status": "firing", "alerts": [{
                "status": "firing", "labels": {"alertname": "Errors", "feature": "alerted"},
                "annotations": {}, "startsAt": now, "endsAt": "0001-01-01T00:00:00Z",
                "fingerprint": "f1"}]})
        assert answer.status == 200 and answer.json["results"][0]["acted"], answer
        server.command("steps", "kill")
        server.stop()


@fault(9, "a day forward: no soak is over, automation stays", rounds=2, short=1)
def day_forward(folder, rounds):
    for number in range(rounds):
        path = folder / str(number)
        path.mkdir()
        wall = Shim(path)
        server = Server(path, env=wall.env)
        server.plan("steps", advance="automatic", require_evidence=False, stages=[
            {"name": "few", "percent": 10, "soak": "6h"}, {"name": "all", "percent": 100}])
        wall.set_clock(DAY)
        eventually("the step is said", lambda: "clock" in server.warnings())
        good = [{"feature": "steps", "user": f"u{n}", "ok": True, "latency_ms": 100, "arm": "treatment"}
                for n in range(400)]
        assert server.call("POST", "/v1/outcomes", {"outcomes": good}).status == 202
        time.sleep(3)
        plan = server.show("steps")
        assert plan["stage"] == "few", "a clock that stepped ended a soak of 6 h"
        assert any("soak" in item for item in plan["next"]["waiting_on"]), plan["next"]
        # Not by a restart in the new time either.
        server.restart()
        time.sleep(2)
        assert stage(server) == "few", "a restart after the step ended a soak of 6 h"
        server.stop()


@fault(9, "leases, limits and sessions survive steps in both directions", rounds=1)
def back_and_forth(folder, _):
    wall = Shim(folder)
    server = Server(folder, """
providers: {echo: {kind: echo, latency: 200ms}}
routes: {r: {targets: [{provider: echo, model: m}]}}
limits: {per_user: 1000/min}
""", env=wall.env)
    server.plan("ai", route="r", **ALL)
    for offset in (-2 * HOUR, 2 * DAY, -30 * DAY, 0, 400 * DAY, 0):
        wall.set_clock(offset)
        answer = server.call("POST", "/v1/features/ai/complete", {"user": "anna", "prompt": "hi"})
        # 400 days on a token of a year may have ended; nothing else may refuse.
        assert answer.status == 200 or offset == 400 * DAY, f"{offset} s: {answer}"
        if offset == 400 * DAY:
            continue
        job = server.call("POST", "/v1/features/ai/jobs", {"user": "anna", "prompt": "later"})
        assert job.status == 202, f"{offset} s: {job}"
        number = job.json["job_id"]
        eventually(f"the job is done at {offset} s", lambda number=number: server.call(
            "GET", f"/v1/jobs/{number}").json["status"] == "succeeded")
    server.stop()
