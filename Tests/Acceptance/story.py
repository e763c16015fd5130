"""A night like many: six rollouts, one of which steps back by itself while somebody sleeps."""

import datetime
import random
import time

STAGES = [
    {"name": "internal", "cohort": "internal"}, {"name": "beta", "cohort": "beta", "percent": 5},
    {"name": "25", "percent": 25}, {"name": "50", "percent": 50}, {"name": "100", "percent": 100},
]
GUARDS = [
    {"metric": "error_rate", "max": "5%", "investigate": "2%", "action": "rollback"},
    {"metric": "latency_p95", "max": "5s", "action": "pause"},
    {"metric": "cost_per_request", "max": "$0.02", "action": "pause"},
    {"metric": "thumbs_down_rate", "max": "10%", "action": "pause"},
]
CONFIG = """
providers:
  main: {{kind: openai, base_url: "{url}"}}
  echo: {{kind: echo}}
prices:
  gpt-4o: {{input: 2.50, output: 10.00}}
  small: {{input: 0.5, output: 1.5}}
routes:
  main: {{deadline: 3s, targets: [{{provider: main, model: gpt-4o}}, {{provider: echo, model: small}}]}}
budgets:
  - {{name: month, limit_usd: 500, window: month}}
  - {{name: trial, limit_usd: 5, window: month, match: {{feature: smart-search}}}}
"""


class Night:
    def __init__(self, server):
        self.server = server
        self.random = random.Random(7)
        self.now = datetime.datetime.now(datetime.UTC)

    def plan(self, feature, stage=None, **more):
        self.server.plan(feature, stages=more.pop("stages", STAGES),
                         guards=more.pop("guards", GUARDS), **more)
        while stage and self.show(feature)["stage"] != stage:
            self.command("advance", feature, "fine for two days", force=True)

    def show(self, feature):
        return self.server.call("GET", f"/v1/plans/{feature}").json()

    def command(self, name, feature, reason="", **more):
        version = self.show(feature)["version"]
        answer = self.server.call("POST", f"/v1/plans/{feature}/{name}", {"reason": reason, **more},
                                  {"If-Match": f'"{version}"'})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def outcome(self, feature, arm, at, errors, **more):
        ok = self.random.random() >= errors
        latency = self.random.lognormvariate(6.7, 0.5)
        kind = self.random.choices(["timeout", "provider_5xx", "empty_answer"], [83, 13, 4])[0]
        return {
            "feature": feature, "user": f"u{self.random.randrange(5000)}", "arm": arm, "ok": ok,
            "latency_ms": round(latency if ok else latency * 4, 1),
            **({} if ok else {"kind": kind}), **({} if at is None else {"at": at}),
            **({"cost_usd": round(self.random.uniform(0.004, 0.008), 6),
                "input_tokens": 300, "output_tokens": 80} if arm == "treatment" and ok else {}),
            **more}

    def send(self, outcomes):
        for start in range(0, len(outcomes), 5000):
            answer = self.server.call("POST", "/v1/outcomes",
                                      {"outcomes": outcomes[start:start + 5000]})
            assert answer.status_code == 202, answer.text
            assert not answer.json()["rejected"], answer.json()["rejected"][:2]

    def past(self, feature, hours, per_minute, errors=0.008, control=0.008):
        """Traffic of the last hours, up to a minute ago."""
        outcomes = []
        for minute in range(hours * 60, 0, -1):
            at = (self.now - datetime.timedelta(minutes=minute)).isoformat()
            outcomes += [self.outcome(feature, "treatment", at, errors) for _ in range(per_minute)]
            outcomes += [self.outcome(feature, "control", at, control) for _ in range(per_minute)]
        self.send(outcomes)

    def present(self, feature, count, errors=0.0, control=0.0):
        self.send([self.outcome(feature, arm, None, rate) for _ in range(count)
                   for arm, rate in [("treatment", errors), ("control", control)]])

    def tell(self):
        self.plan("reply-suggestions", "50", description="Suggested replies in the support inbox",
                  rollback={"to": "previous", "cooldown": "30m"})
        self.past("reply-suggestions", 6, 6)
        self.plan("call-notes", "50", description="Notes of calls",
                  stages=STAGES[:4] + [{"name": "100", "percent": 100, "approvals": 1}])
        self.past("call-notes", 24, 2)
        self.plan("ai-summary", "25", advance="automatic",
                  stages=STAGES[:2] + [{**STAGES[2], "soak": "2d"}] + STAGES[3:])
        self.past("ai-summary", 24, 1)
        self.plan("smart-search", "beta", route="main", fallback={"content": "no"},
                  force_on=[f"u{number}" for number in range(12)])
        self.plan("translate-inline", "100")
        self.past("translate-inline", 12, 2)
        self.command("complete", "translate-inline", "everybody likes it")
        self.plan("code-hints", "25")
        self.past("code-hints", 12, 1)
        self.command("kill", "code-hints", "wrong model")
        for feature in ["call-notes", "ai-summary", "translate-inline"]:
            self.present(feature, 150, 0.004, 0.006)
        self.present("smart-search", 18)
        self.votes("reply-suggestions")
        self.present("reply-suggestions", 120, 0.004, 0.008)
        self.step_back("reply-suggestions")
        self.present("reply-suggestions", 80, 0.01, 0.008)
        for number in range(12):
            self.server.call("POST", "/v1/features/smart-search/complete",
                             {"user": f"u{number}", "prompt": "hello", "max_tokens": 20})
        return self

    def steady(self, feature, bad, control):
        """So many of each hundred fail, evenly, of those with the feature and of those without."""
        outcomes = []
        for number in range(400):
            for arm, share in [("treatment", bad), ("control", control)]:
                # Every failure is somebody else's.
                ok = number % 100 * share // 100 == (number % 100 + 1) * share // 100
                outcomes.append({"feature": feature, "user": f"{arm}{number}", "arm": arm, "ok": ok,
                                 **({} if ok else {"kind": "timeout"})})
        self.send(outcomes)

    def votes(self, feature):
        for user in range(60):
            for arm, share in [("treatment", 0.034), ("control", 0.052)]:
                kind = "thumbs_down" if self.random.random() < share else "thumbs_up"
                self.server.call("POST", "/v1/feedback", {
                    "feature": feature, "user": f"v{user}{arm}", "kind": kind, "arm": arm})

    def step_back(self, feature):
        """Fails many until the monitor has acted."""
        stage = self.show(feature)["stage"]
        for _ in range(60):
            self.present(feature, 20, 0.4, 0.008)
            if self.show(feature)["stage"] != stage:
                return
            time.sleep(0.3)
        raise AssertionError(f"{feature} did not step back: {self.show(feature)}")
