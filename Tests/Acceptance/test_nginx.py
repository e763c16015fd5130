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


class Edge:
    """An nginx with the configuration as it stands, but for addresses and files, and `changes`."""

    def __init__(self, folder, server, **changes):
        assert NGINX, "nginx is not installed"
        self.folder, self.token, self.rollout = folder, server.token, server.rollout
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
             folder / "key.pem", "-out", folder / "cert.pem"],
            check=True, capture_output=True)
        port = free_port()
        config = (ROOT / "deploy" / "nginx.conf").read_text()
        config = config.replace("127.0.0.1:8080", server.url.removeprefix("http://"))
        config = config.replace("listen 8443", f"listen 127.0.0.1:{port}")
        config = config.replace("/dev/stdout", str(folder / "access.log"))
        for old, new in changes.get("replace", ()):
            assert old in config
            config = config.replace(old, new)
        (folder / "nginx.conf").write_text(config)
        self.process = subprocess.Popen(
            [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log", "-g",
             f"daemon off; pid {folder}/nginx.pid;"])
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert self.process.poll() is None, (folder / "error.log").read_text()
                time.sleep(0.05)
        self.edge = f"https://127.0.0.1:{port}"
        self.log = folder / "access.log"
        self.certificate = folder / "cert.pem"

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"),
                    (ROOT / "examples" / "rollout.yaml").read_text())
    server.plan("chat", stages=[{"name": "all", "percent": 100}], route="summary",
                fallback={"content": "no"})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def edge(tmp_path_factory, server):
    edge = Edge(tmp_path_factory.mktemp("edge"), server)
    yield edge
    edge.stop()


@pytest.fixture(scope="module")
def edge_from_afar(tmp_path_factory, server):
    """As clients from other machines see it: ours is not among those that may ask."""
    edge = Edge(tmp_path_factory.mktemp("afar"), server,
                replace=[("allow 127.0.0.1;", "allow 192.0.2.1;")])
    yield edge
    edge.stop()


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


def status(edge, path, *options):
    """The status of a path sent exactly as it is written."""
    return subprocess.run(
        ["curl", "-sk", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", *options,
         edge.edge + path], capture_output=True, text=True).stdout


def test_signing_in_through_the_edge_gives_a_cookie_for_tls_only(edge):
    """A browser over TLS: what it says of itself reaches the server, and its name for it too."""
    browser = requests.Session()

    def send(method, path, site="same-origin", **more):
        return browser.request(
            method, edge.edge + path, verify=edge.certificate, timeout=10,
            headers={"X-Rollout": "1", "Sec-Fetch-Site": site}, **more)

    page = send("GET", "/")
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    signed = send("POST", "/v1/session", json={"token": edge.token})
    assert signed.status_code == 200
    assert "; Secure" in signed.headers["Set-Cookie"]
    assert send("GET", "/v1/overview").status_code == 200
    assert send("DELETE", "/v1/session", "cross-site").status_code == 403
    assert send("DELETE", "/v1/session").status_code == 204
    assert send("GET", "/v1/overview").status_code == 401


VARIANTS = ["/{}", "/{}/", "//{}", "/{}//", "/./{}", "/v1/../{}", "/{}?strict", "/{}/?x=1", "/{}/.",
            "/%2e/{}", "/v1/%2e%2e/{}", "/features/../{}", "/{}/x/..", "/{}%2f", "/%2f{}"]


@pytest.mark.parametrize("name", ["livez", "readyz", "metrics"])
def test_what_is_for_monitoring_is_not_published_however_it_is_written(edge_from_afar, name):
    encoded = "%" + name[0].encode().hex() + name[1:]
    token = ["-H", f"Authorization: Bearer {edge_from_afar.token}"]
    for variant in VARIANTS:
        for word in [name, encoded]:
            path = variant.format(word)
            assert status(edge_from_afar, path, *token) == "403", path
    for near in [f"/{name}x", f"/{name.upper()}", f"/{name};x"]:
        assert status(edge_from_afar, near, *token) == "404", near


def test_this_machine_reads_health_through_the_edge_and_metrics_with_a_token(edge):
    assert status(edge, "/readyz") == "200"
    assert status(edge, "/readyz/") == "200"
    assert status(edge, "/metrics") == "401"
    assert status(edge, "/metrics", "-H", f"Authorization: Bearer {edge.token}") == "200"


def test_wrong_tokens_are_counted_by_the_client_and_not_by_the_proxy(edge, server):
    for _ in range(150):
        last = requests.get(edge.edge + "/v1/plans", verify=edge.certificate, timeout=10,
                            headers={"Authorization": "Bearer ro_wrong",
                                     "X-Forwarded-For": "198.51.100.7"})
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) >= 1
    assert call(edge, "GET", "/v1/plans").status_code == 200
    other = requests.get(server.url + "/v1/plans", timeout=10,
                         headers={"Authorization": "Bearer ro_wrong",
                                  "X-Forwarded-For": "198.51.100.7"})
    assert other.status_code == 401
