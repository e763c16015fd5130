"""Clocks that step: the wall clock of the server is moved, its steady clock is not."""

import pathlib
import time

from harness import Server, Skip, eventually, fault

ALL = {"stages": [{"name": "all", "percent": 100}]}


class Wall:
    """libfaketime in the server, moved through a file."""

    def __init__(self, folder):
        found = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            raise Skip("libfaketime is not installed (script/bootstrap --for-tests)")
        self.path = folder / "wall"
        self.move("+0")
        self.env = {
            "LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def move(self, offset):
        temporary = self.path.with_suffix(".new")
        temporary.write_text(offset + "\n")
        temporary.rename(self.path)


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
        wall = Wall(path)
        server = Server(path, env=wall.env)
        for feature in ("steps", "alerted"):
            server.plan(feature, stages=[{"name": "few", "percent": 10}, {"name": "all", "percent": 100}])
            server.command(feature, "advance", force=True)
        wall.move("-1h")
        eventually("the step is said", lambda: "clock" in server.warnings())
        fail(server, "steps", 400)
        eventually("the errors roll it back", lambda: stage(server) == "few")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
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
        wall = Wall(path)
        server = Server(path, env=wall.env)
        server.plan("steps", advance="automatic", require_evidence=False, stages=[
            {"name": "few", "percent": 10, "soak": "6h"}, {"name": "all", "percent": 100}])
        wall.move("+1d")
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
    wall = Wall(folder)
    server = Server(folder, """
providers: {echo: {kind: echo, latency: 200ms}}
routes: {r: {targets: [{provider: echo, model: m}]}}
limits: {per_user: 1000/min}
""", env=wall.env)
    server.plan("ai", route="r", **ALL)
    for offset in ("-2h", "+2d", "-30d", "+0", "+400d", "+0"):
        wall.move(offset)
        answer = server.call("POST", "/v1/features/ai/complete", {"user": "anna", "prompt": "hi"})
        # 400 days on a token of a year may have ended; nothing else may refuse.
        assert answer.status == 200 or offset == "+400d", f"{offset}: {answer}"
        if offset == "+400d":
            continue
        job = server.call("POST", "/v1/features/ai/jobs", {"user": "anna", "prompt": "later"})
        assert job.status == 202, f"{offset}: {job}"
        number = job.json["job_id"]
        eventually(f"the job is done at {offset}", lambda number=number: server.call(
            "GET", f"/v1/jobs/{number}").json["status"] == "succeeded")
    server.stop()
