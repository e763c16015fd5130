"""With few file descriptors the server keeps working: calls wait for each other, idle clients cannot
take everything, and files stay writable."""

import asyncio
import json
import resource
import select
import socket
import threading
import time

import pytest

from conftest import Server, completion

LIMIT = 4000

# The clients and the provider of these tests have descriptors of their own.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


class Patient:
    """A provider that takes its time, for as many as come."""

    def __init__(self):
        self.busy = self.busiest = 0
        self.port = None
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.run(started)), daemon=True).start()
        assert started.wait(5)

    async def run(self, started):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await server.serve_forever()

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                self.busy += 1
                self.busiest = max(self.busiest, self.busy)
                await asyncio.sleep(1.5)
                self.busy -= 1
                data = json.dumps(completion(body)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
def server(tmp_path):
    upstream = Patient()

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    server = Server(tmp_path, f"""
providers: {{main: {{kind: openai, base_url: "http://127.0.0.1:{upstream.port}/v1", max_in_flight: 10000}}}}
routes: {{main: {{deadline: 30s, targets: [{{provider: main, model: m}}]}}}}
""", prepare=few)
    server.upstream = upstream
    server.plan("ai", stages=[{"name": "all", "percent": 100}], route="main")
    yield server
    server.stop()


def connect(server):
    return socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))


def request(server, user):
    body = json.dumps({"user": user, "messages": [{"role": "user", "content": "hello"}]})
    return (f"POST /features/ai/v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n{body}").encode()


def test_calls_without_a_descriptor_wait_for_one(server):
    count = LIMIT // 2
    clients, poll, statuses = {}, select.poll(), []
    # Each call needs two; they arrive one after the other, as they do.
    for number in range(count):
        client = connect(server)
        client.sendall(request(server, f"u{number}"))
        clients[client.fileno()] = client
        poll.register(client, select.POLLIN)
    deadline = time.monotonic() + 30
    while clients and time.monotonic() < deadline:
        for number, _ in poll.poll(1000):
            statuses.append(clients[number].recv(65536)[:12])
            poll.unregister(number)
            clients.pop(number).close()
    assert statuses == [b"HTTP/1.1 200"] * count
    assert LIMIT // 4 < server.upstream.busiest < LIMIT // 2, server.upstream.busiest


def test_idle_clients_leave_calls_and_files_theirs(server):
    crowd = [connect(server) for _ in range(LIMIT)]
    time.sleep(0.5)
    stayed = []
    for client in crowd:
        client.setblocking(False)
        try:
            # Those that were turned away were told so.
            assert client.recv(100).startswith(b"HTTP/1.1 503 ")
        except BlockingIOError:
            stayed.append(client)
    assert LIMIT // 2 < len(stayed) <= LIMIT * 3 // 4, len(stayed)
    # The others are served: by a call to a provider, and by a write to the database.
    client = stayed[0]
    client.setblocking(True)
    client.sendall(request(server, "anna"))
    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    body = json.dumps({"reason": "crowded"})
    client.sendall(
        f"POST /v1/plans/ai/pause HTTP/1.1\r\nHost: a\r\nIf-Match: \"2\"\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n{body}".encode())
    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    for client in crowd:
        client.close()
    assert server.call("GET", "/v1/plans/ai").json()["version"] == 3
