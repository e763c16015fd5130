"""Jobs outlive the process, however it ends."""

import time

import pytest

from conftest import Server
from test_budget import Meter

CONFIG = """
providers: {{meter: {{kind: openai, base_url: "{url}"}}}}
prices: {{m: {{input: 0, output: 1000}}}}
routes: {{main: {{targets: [{{provider: meter, model: m}}]}}}}
jobs: {{concurrency: 5}}
"""


def settled(server, jobs, deadline=30):
    """The jobs once all of them are final."""
    until = time.monotonic() + deadline
    while True:
        found = [server.call("GET", f"/v1/jobs/{job}").json() for job in jobs]
        if all(job["status"] not in ("queued", "processing") for job in found):
            return found
        assert time.monotonic() < until, [job["status"] for job in found]
        time.sleep(0.1)


@pytest.mark.parametrize("seconds", [0.1, 0.5])
def test_jobs_survive_kill_9(tmp_path, seconds):
    meter = Meter(0.3)
    server = Server(tmp_path, CONFIG.format(url=meter.url))
    server.plan("later", stages=[{"name": "all", "percent": 100}], route="main")
    body = {"prompt": "hi", "max_tokens": 5}
    jobs = []
    for number in range(20):
        answer = server.call("POST", "/v1/features/later/jobs", {**body, "user": f"u{number % 4}"},
                             headers={"Idempotency-Key": f"k{number}"})
        assert answer.status_code == 202
        jobs.append(answer.json()["job_id"])
    assert len(set(jobs)) == 20
    time.sleep(seconds)
    server.kill()
    server.start()
    try:
        # The client that did not see its answer sends again, and gets the same job.
        again = server.call("POST", "/v1/features/later/jobs", {**body, "user": "u0"},
                            headers={"Idempotency-Key": "k0"})
        assert again.json()["job_id"] == jobs[0]
        done = settled(server, jobs)
        assert [job["status"] for job in done] == ["succeeded"] * 20
        assert all(job["result"]["content"] == "x" for job in done)
        # Only what was under way when the process died was asked a second time.
        assert 20 <= meter.calls <= 25
        assert max(job["attempts"] for job in done) <= 2
    finally:
        server.stop()
