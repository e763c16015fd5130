"""deploy/ as it stands, with Debian's Prometheus and Alertmanager around a real server: errors → rule →
webhook → one stage back; and a guard that asks Prometheus itself."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import pytest
import requests

from conftest import Server, free_port

ROOT = pathlib.Path(__file__).parents[2]
PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager")

if not (PROMETHEUS and ALERTMANAGER) and os.environ.get("CI") != "true":
    pytest.skip("SKIPPED: prometheus and prometheus-alertmanager are not installed; alerts were NOT "
                "tested against the real programs", allow_module_level=True)


class Traffic:
    """Twenty outcomes a second for each feature, of which `bad` fail."""

    def __init__(self, server, features):
        self.server, self.features, self.bad, self.running = server, features, 0.0, True
        self.number = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            outcomes = []
            for _ in range(5):
                self.number += 1
                ok = (self.number * 37 % 100) / 100 >= self.bad
                outcomes += [{"feature": feature, "user": f"u{self.number}", "ok": ok,
                              "latency_ms": 200, "arm": "treatment"} for feature in self.features]
            self.server.call("POST", "/v1/outcomes", {"outcomes": outcomes})
            time.sleep(0.25)

    def stop(self):
        self.running = False
        self.thread.join()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    assert PROMETHEUS and ALERTMANAGER, "prometheus and prometheus-alertmanager are not installed"
    folder = tmp_path_factory.mktemp("prometheus")
    ports = {"prometheus": free_port(), "alertmanager": free_port()}
    server = Server(folder, f'prometheus: {{url: "http://127.0.0.1:{ports["prometheus"]}", interval: 2s}}')
    address = server.url.removeprefix("http://")
    token = server.rollout("token", "create", "--name", "alertmanager", "--scope", "alert",
                           "--output", "json")
    (folder / "alert.token").write_text(json.loads(token.stdout)["token"])
    for name in ["prometheus.yml", "prometheus-rules.yml", "alertmanager.yml"]:
        text = (ROOT / "deploy" / name).read_text()
        text = text.replace("127.0.0.1:8080", address)
        text = text.replace("127.0.0.1:9093", f"127.0.0.1:{ports['alertmanager']}")
        text = text.replace("/etc/rollout/alert.token", str(folder / "alert.token"))
        (folder / name).write_text(text)
    log = (folder / "log").open("w")
    processes = [
        subprocess.Popen([PROMETHEUS, f"--config.file={folder}/prometheus.yml",
                          f"--storage.tsdb.path={folder}/tsdb",
                          f"--web.listen-address=127.0.0.1:{ports['prometheus']}"], stderr=log),
        subprocess.Popen([ALERTMANAGER, f"--config.file={folder}/alertmanager.yml",
                          f"--storage.path={folder}/alertmanager", "--cluster.listen-address=",
                          f"--web.listen-address=127.0.0.1:{ports['alertmanager']}"], stderr=log),
    ]
    for port in ports.values():
        for _ in range(100):
            try:
                if requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=2).ok:
                    break
            except requests.ConnectionError:
                assert all(p.poll() is None for p in processes), (folder / "log").read_text()
            time.sleep(0.1)
    # The alert acts on one, the other's guard asks Prometheus; neither is watched by its own outcomes.
    server.plan("by-alert", guards=[{"metric": "error_rate", "max": "5%", "action": "notify"}])
    server.plan("by-query", preset="sensitive", guards=[
        {"prometheus": 'rollout:treatment_error_ratio_1m{feature="{{feature}}"}', "max": "5%"}])
    for feature in ["by-alert", "by-query"]:
        for _ in range(2):
            server.rollout("advance", feature, "--reason", "a test")
    traffic = Traffic(server, ["by-alert", "by-query"])
    yield server, traffic, ports
    traffic.stop()
    for process in processes:
        process.terminate()
        process.wait(20)
    server.stop()


def stage(server, feature):
    return server.call("GET", f"/v1/plans/{feature}").json()["stage"]


def test_errors_step_both_back(world, capsys):
    server, traffic, _ = world
    time.sleep(12)
    assert stage(server, "by-alert") == stage(server, "by-query") == "25"
    traffic.bad = 0.3
    broken = time.monotonic()
    seconds = {}
    while len(seconds) < 2 and time.monotonic() - broken < 150:
        for feature in ["by-alert", "by-query"]:
            if feature not in seconds and stage(server, feature) == "beta":
                seconds[feature] = time.monotonic() - broken
        time.sleep(0.2)
    assert set(seconds) == {"by-alert", "by-query"}, seconds
    with capsys.disabled():
        print(f"\n30 % errors: stepped back by Alertmanager after {seconds['by-alert']:.0f} s, "
              f"by a prometheus guard after {seconds['by-query']:.0f} s")
    event = server.call("GET", "/v1/plans/by-alert/events?limit=1").json()["events"][0]
    assert event["actor"] == "alert:RolloutErrorRateHigh"
    assert re.search(r"by-alert: \d+(\.\d+)?% of requests fail", event["reason"])
    event = server.call("GET", "/v1/plans/by-query/events?limit=1").json()["events"][0]
    assert event["actor"] == "monitor"
    assert event["evidence"]["guard"] == "prometheus"
    assert server.call("GET", "/v1/plans/by-alert").json()["hold"]["cause"] == "alert"


def test_everything_the_dashboard_and_the_rules_ask_for_is_there(world):
    server, _, ports = world
    text = requests.get(server.url + "/metrics", timeout=10).text
    known = set(re.findall(r"^# TYPE (\S+)", text, re.M)) | {"up", "rollout:treatment_error_ratio_1m"}
    dashboard = (ROOT / "deploy" / "grafana-dashboard.json").read_text()
    rules = (ROOT / "deploy" / "prometheus-rules.yml").read_text()
    expressions = [target["expr"] for panel in json.loads(dashboard)["panels"]
                   for target in panel.get("targets", [])]
    assert len(expressions) > 10
    for name in set(re.findall(r"\b(?:rollout|gen_ai|process)[a-z_:0-9]*\b", " ".join(expressions) + rules)):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        labels = {"rollout_action", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"}
        assert name in known or base in known or name in labels or name == "rollout", name
    for expression in expressions:
        answer = requests.get(f"http://127.0.0.1:{ports['prometheus']}/api/v1/query",
                              {"query": expression.replace("$feature", ".*").replace("$__rate_interval", "1m")},
                              timeout=10).json()
        assert answer["status"] == "success", (expression, answer)


def test_the_programs_own_checkers_are_content(world, tmp_path):
    for name in ["prometheus.yml", "prometheus-rules.yml", "alertmanager.yml"]:
        shutil.copy(ROOT / "deploy" / name, tmp_path)
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True, capture_output=True)
    if shutil.which("amtool"):
        subprocess.run(["amtool", "check-config", tmp_path / "alertmanager.yml"], check=True, capture_output=True)
