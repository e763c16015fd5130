"""The official Anthropic client against `/features/{feature}`, and both clients with an Anthropic provider
behind: any caller to any provider, plain and streamed, tools included."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import openai
import pytest

from conftest import Server, Upstream

STAGES = [{"name": "internal", "cohort": "internal"}, {"name": "all", "percent": 100}]
TOOL = {"name": "weather", "description": "of a town",
        "input_schema": {"type": "object", "properties": {"town": {"type": "string"}}}}


class Claude:
    """An Anthropic provider that does what `mode` says."""

    def __init__(self):
        self.mode, self.requests, self.headers = "ok", [], []
        claude = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                claude.requests.append(body)
                claude.headers.append(dict(self.headers))
                assert self.path == "/v1/messages"
                if claude.mode == "overloaded":
                    return self.answer(529, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
                if claude.mode == "throttle":
                    return self.answer(429, {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}})
                content = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
                reason = "end_turn"
                if body.get("tools"):
                    content = [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"town": "Ulm"}}]
                    reason = "tool_use"
                usage = {"input_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2,
                         "output_tokens": 3}
                if body.get("stream"):
                    return self.stream(body, content, reason, usage)
                return self.answer(200, {
                    "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
                    "content": content, "stop_reason": reason, "stop_sequence": None, "usage": usage})

            def answer(self, status, value):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream(self, body, content, reason, usage):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                self.event({"type": "message_start", "message": {
                    "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [],
                    "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}})
                self.event({"type": "ping"})
                if claude.mode == "late overload":
                    return self.event({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
                for index, block in enumerate(content):
                    if block["type"] == "text":
                        self.event({"type": "content_block_start", "index": index,
                                    "content_block": {"type": "text", "text": ""}})
                        self.event({"type": "content_block_delta", "index": index,
                                    "delta": {"type": "text_delta", "text": block["text"]}})
                    else:
                        self.event({"type": "content_block_start", "index": index,
                                    "content_block": {**block, "input": {}}})
                        for part in ['{"town":', ' "Ulm"}']:
                            self.event({"type": "content_block_delta", "index": index,
                                        "delta": {"type": "input_json_delta", "partial_json": part}})
                    if claude.mode == "cut":
                        return None
                    self.event({"type": "content_block_stop", "index": index})
                self.event({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None},
                            "usage": {"output_tokens": 3}})
                self.event({"type": "message_stop"})
                return None

            def event(self, value):
                self.wfile.write(f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode())

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def claude():
    return Claude()


@pytest.fixture(scope="module")
def gpt():
    return Upstream()


@pytest.fixture(scope="module")
def rollout(tmp_path_factory, claude, gpt):
    server = Server(tmp_path_factory.mktemp("anthropic"), f"""
providers:
  claude: {{kind: anthropic, base_url: "{claude.url}"}}
  gpt: {{kind: openai, base_url: "{gpt.url}"}}
  echo: {{kind: echo}}
prices: {{claude-haiku: {{input: 1, output: 5}}}}
routes:
  claude: {{deadline: 3s, targets: [{{provider: claude, model: claude-haiku}}]}}
  gpt: {{deadline: 3s, targets: [{{provider: gpt, model: gpt-large}}]}}
  echo: {{targets: [{{provider: echo, model: echo-1}}]}}
  both: {{deadline: 3s, targets: [{{provider: claude, model: claude-haiku}}, {{provider: gpt, model: gpt-large}}]}}
""")
    for route in ["claude", "gpt", "echo", "both"]:
        server.plan(route, stages=STAGES, route=route)
    server.plan("kind", stages=STAGES, route="claude", fallback={"content": "Not available right now."})
    server.rollout("cohort", "add", "internal", "anna")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def healthy(claude, gpt):
    claude.mode = gpt.mode = "ok"
    claude.requests.clear()
    gpt.requests.clear()


def as_anthropic(server, feature):
    return anthropic.Anthropic(
        base_url=f"{server.url}/features/{feature}", api_key=server.token, max_retries=0)


def as_openai(server, feature):
    return openai.OpenAI(
        base_url=f"{server.url}/features/{feature}/v1", api_key=server.token, max_retries=0)


def say(server, feature, user="anna", **more):
    more.setdefault("messages", [{"role": "user", "content": "Say hello"}])
    return as_anthropic(server, feature).messages.with_raw_response.create(
        model="any", max_tokens=100, metadata={"user_id": user}, **more)


@pytest.mark.parametrize("feature,text", [("claude", "Hello"), ("gpt", "Hello"), ("echo", "echo: Say hello")])
def test_plain(rollout, feature, text):
    raw = say(rollout, feature)
    message = raw.parse()
    assert "".join(block.text for block in message.content) == text
    assert message.role == "assistant" and message.type == "message"
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0
    assert raw.headers["x-rollout-served-by"] == "provider"
    assert raw.headers["x-rollout-provider"] == feature


@pytest.mark.parametrize("feature,text", [("claude", "Hello"), ("gpt", "Hello"), ("echo", "echo: Say hello")])
def test_streamed(rollout, feature, text):
    with as_anthropic(rollout, feature).messages.stream(
            model="any", max_tokens=100, messages=[{"role": "user", "content": "Say hello"}],
            metadata={"user_id": "anna"}) as stream:
        assert "".join(stream.text_stream) == text
        message = stream.get_final_message()
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


def test_a_provider_of_the_same_dialect_gets_every_field(rollout, claude):
    raw = say(rollout, "claude", system="Be brief.", extra_body={"top_k": 5, "future": 1})
    assert "x-rollout-dropped-params" not in raw.headers
    assert raw.headers["x-rollout-cost-usd"] == "0.000022"
    sent = claude.requests[0]
    assert sent["model"] == "claude-haiku" and sent["top_k"] == 5 and sent["future"] == 1
    assert sent["system"] == "Be brief." and sent["metadata"] == {"user_id": "anna"}
    assert claude.headers[-1]["anthropic-version"] == "2023-06-01"


def test_what_the_other_dialect_has_no_word_for_is_said(rollout, gpt, claude):
    raw = say(rollout, "gpt", system="Be brief.", stop_sequences=["END"], extra_body={"top_k": 5})
    assert raw.headers["x-rollout-dropped-params"] == "top_k"
    sent = gpt.requests[0]
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent["stop"] == ["END"] and sent["max_tokens"] == 100 and sent["user"] == "anna"
    raw = as_openai(rollout, "claude").chat.completions.with_raw_response.create(
        model="any", user="anna", temperature=1.7, seed=3, n=1, stop="END",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}])
    assert set(raw.headers["x-rollout-dropped-params"].split(", ")) == {"temperature", "seed"}
    sent = claude.requests[0]
    assert sent["system"] == [{"type": "text", "text": "Be brief."}]
    assert sent["temperature"] == 1 and sent["max_tokens"] == 4096 and sent["stop_sequences"] == ["END"]
    assert sent["metadata"]["user_id"] != "anna"


def test_the_openai_client_with_an_anthropic_provider(rollout):
    chat = as_openai(rollout, "claude").chat.completions
    answer = chat.create(model="any", user="anna", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "Hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 7 and answer.usage.completion_tokens == 3
    chunks = list(chat.create(model="any", user="anna", stream=True, stream_options={"include_usage": True},
                              messages=[{"role": "user", "content": "hi"}]))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 10


def test_tools_cross_dialects(rollout, claude):
    chat = as_openai(rollout, "claude").chat.completions
    tool = {"type": "function", "function": {
        "name": "weather", "description": "of a town", "parameters": TOOL["input_schema"]}}
    ask = {"role": "user", "content": "Weather in Ulm?"}
    answer = chat.create(model="any", user="anna", messages=[ask], tools=[tool], parallel_tool_calls=False)
    call = answer.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"town": "Ulm"}
    assert answer.choices[0].finish_reason == "tool_calls"
    assert claude.requests[-1]["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    pieces = list(chat.create(model="any", user="anna", messages=[ask], tools=[tool], stream=True))
    parts = [c.choices[0].delta.tool_calls[0] for c in pieces if c.choices and c.choices[0].delta.tool_calls]
    assert parts[0].function.name == "weather"
    assert json.loads("".join(part.function.arguments for part in parts)) == {"town": "Ulm"}
    chat.create(model="any", user="anna", tools=[tool], messages=[
        ask, answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}])
    sent = claude.requests[-1]["messages"]
    assert sent[1]["content"] == [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"town": "Ulm"}}]
    assert sent[2] == {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}]}
    # And back: an Anthropic caller's conversation with tools at an OpenAI provider.
    say(rollout, "gpt", tools=[TOOL], tool_choice={"type": "any"}, messages=[
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"town": "Ulm"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"},
                                     {"type": "text", "text": "So?"}]}])


def test_errors_have_their_types(rollout, claude):
    claude.mode = "overloaded"
    with pytest.raises(anthropic.APIStatusError) as caught:
        say(rollout, "claude")
    assert caught.value.status_code == 529
    claude.mode = "throttle"
    with pytest.raises(anthropic.RateLimitError):
        say(rollout, "claude")
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=f"{rollout.url}/features/claude", api_key="nope", max_retries=0).messages.create(
            model="any", max_tokens=5, messages=[{"role": "user", "content": "x"}])
    with pytest.raises(anthropic.NotFoundError):
        say(rollout, "unknown")
    with pytest.raises(anthropic.BadRequestError):
        say(rollout, "claude", messages=[])


def test_nothing_is_sent_before_content_so_another_target_takes_over(rollout, claude):
    claude.mode = "late overload"
    with as_anthropic(rollout, "both").messages.stream(
            model="any", max_tokens=100, messages=[{"role": "user", "content": "hi"}],
            metadata={"user_id": "anna"}) as stream:
        assert "".join(stream.text_stream) == "Hello"
        assert stream.response.headers["x-rollout-provider"] == "gpt"


def test_a_stream_that_breaks_ends_with_an_error(rollout, claude, gpt):
    claude.mode = gpt.mode = "cut"
    for feature in ["claude", "gpt"]:
        with pytest.raises((anthropic.APIError, Exception)) as caught:
            with as_anthropic(rollout, feature).messages.stream(
                    model="any", max_tokens=100, messages=[{"role": "user", "content": "hi"}],
                    metadata={"user_id": "anna"}) as stream:
                for _ in stream.text_stream:
                    pass
        assert isinstance(caught.value, anthropic.APIError), caught.value
        with pytest.raises(openai.APIError):
            list(as_openai(rollout, feature).chat.completions.create(
                model="any", user="anna", stream=True, messages=[{"role": "user", "content": "hi"}]))


def test_who_has_not_the_feature_gets_the_fallback_and_no_provider_is_called(rollout, claude):
    raw = say(rollout, "kind", user="bob")
    message = raw.parse()
    assert message.content[0].text == "Not available right now."
    assert message.model == "rollout-fallback"
    assert raw.headers["x-rollout-served-by"] == "fallback"
    assert raw.headers["x-rollout-reason"] == "not_in_rollout"
    with as_anthropic(rollout, "kind").messages.stream(
            model="any", max_tokens=9, messages=[{"role": "user", "content": "hi"}],
            metadata={"user_id": "bob"}) as stream:
        assert "".join(stream.text_stream) == "Not available right now."
    assert claude.requests == []
