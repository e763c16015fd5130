"""deploy/nginx.conf as it stands, with a real nginx in front of a real server."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest
import requests

from conftest import Server, free_port

ROOT = pathlib.Path(__file__).parents[2]
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

if NGINX is None and os.environ.get("CI") != "true":
    pytest.skip("SKIPPED: nginx is not installed; the edge was NOT tested", allow_module_level=True)


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    assert NGINX, "nginx is not installed"
    folder = tmp_path_factory.mktemp("edge")
    server = Server(folder, (ROOT / "examples" / "rollout.yaml").read_text())
    server.plan("chat", stages=[{"name": "all", "percent": 100}], route="summary",
                fallback={"content": "no"})
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True)
    port = free_port()
    config = (ROOT / "deploy" / "nginx.conf").read_text()
    config = config.replace("127.0.0.1:8080", server.url.removeprefix("http://"))
    config = config.replace("listen 8443", f"listen 127.0.0.1:{port}")
    config = config.replace("/dev/stdout", str(folder / "access.log"))
    (folder / "nginx.conf").write_text(config)
    process = subprocess.Popen(
        [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log", "-g",
         f"daemon off; pid {folder}/nginx.pid;"])
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "error.log").read_text()
            time.sleep(0.05)
    server.edge = f"https://127.0.0.1:{port}"
    server.log = folder / "access.log"
    server.certificate = folder / "cert.pem"
    yield server
    process.terminate()
    process.wait(10)
    server.stop()


def call(edge, method, path, **more):
    return requests.request(method, edge.edge + path, verify=edge.certificate, timeout=10,
                            headers={"Authorization": f"Bearer {edge.token}"}, **more)


def test_decisions_come_through_tls_and_http2(edge):
    answer = call(edge, "GET", "/v1/features/chat/decision?user=anna")
    assert answer.status_code == 200
    assert answer.json()["enabled"] is True
    two = subprocess.run(
        ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "-H",
         f"Authorization: Bearer {edge.token}", f"{edge.edge}/v1/features/chat/decision?user=a"],
        capture_output=True, text=True)
    assert two.stdout == "2 200"
    assert "anna" not in edge.log.read_text()


def test_events_are_not_buffered(edge):
    with call(edge, "GET", "/v1/events", stream=True) as events:
        lines = events.iter_lines(decode_unicode=True)
        assert next(lines) == "retry: 2000"
        started = time.time()
        edge.rollout("pause", "chat")
        for line in lines:
            if line == "event: paused":
                break
        assert time.time() - started < 3
    edge.rollout("resume", "chat")


def test_streams_arrive_in_pieces_and_large_bodies_pass(edge):
    body = {"messages": [{"role": "user", "content": "a b c"}], "user": "anna", "stream": True}
    with call(edge, "POST", "/features/chat/v1/chat/completions", json=body, stream=True) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.text.endswith("data: [DONE]\n\n")
    large = {"messages": [{"role": "user", "content": "x" * (8 << 20)}], "user": "anna"}
    answer = call(edge, "POST", "/features/chat/v1/chat/completions", json=large)
    assert answer.status_code == 200
    assert call(edge, "POST", "/v1/outcomes", data=b" " * (5 << 20)).status_code == 413
