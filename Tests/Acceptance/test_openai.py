"""The official OpenAI client against `/features/{feature}/v1`."""

import openai
import pytest

MESSAGES = [{"role": "user", "content": "Say hello"}]
STAGES = [{"name": "internal", "cohort": "internal"}, {"name": "all", "percent": 100}]


def client(server, feature, token=None):
    return openai.OpenAI(
        base_url=f"{server.url}/features/{feature}/v1", api_key=token or server.token, max_retries=0)


@pytest.fixture(scope="module")
def features(server):
    fallback = {"content": "Not available right now."}
    server.plan("chat", stages=STAGES, route="main", fallback=fallback)
    server.plan("chat-safe", stages=STAGES, route="safe", fallback=fallback)
    server.plan("chat-bare", stages=STAGES, route="main")
    server.rollout("cohort", "add", "internal", "anna")


@pytest.fixture(autouse=True)
def healthy(upstream):
    upstream.mode = "ok"
    upstream.requests.clear()


def ask(server, feature, user="anna", **more):
    return client(server, feature).chat.completions.with_raw_response.create(
        model="any", messages=MESSAGES, user=user, **more)


def test_plain(server, features, upstream):
    raw = ask(server, "chat", temperature=0.2)
    answer = raw.parse()
    assert answer.choices[0].message.content == "Hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 9
    assert raw.headers["x-rollout-served-by"] == "provider"
    assert raw.headers["x-rollout-provider"] == "main"
    assert upstream.requests[0]["model"] == "large"
    assert upstream.requests[0]["temperature"] == 0.2


def test_streaming(server, features, upstream):
    stream = client(server, "chat").chat.completions.create(
        model="any", messages=MESSAGES, user="anna", stream=True)
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Hello"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    with_usage = list(client(server, "chat").chat.completions.create(
        model="any", messages=MESSAGES, user="anna", stream=True,
        stream_options={"include_usage": True}))
    assert with_usage[-1].usage.total_tokens == 9


def test_a_user_outside_gets_the_fallback_and_no_provider_is_called(server, features, upstream):
    raw = ask(server, "chat", user="bob")
    assert raw.parse().choices[0].message.content == "Not available right now."
    assert raw.headers["x-rollout-enabled"] == "false"
    assert raw.headers["x-rollout-served-by"] == "fallback"
    streamed = client(server, "chat").chat.completions.create(
        model="any", messages=MESSAGES, user="bob", stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in streamed) == "Not available right now."
    assert upstream.requests == []


@pytest.mark.parametrize("mode", ["fail", "hang", "throttle"])
def test_when_a_provider_fails_or_hangs_the_next_target_answers(server, features, upstream, mode):
    upstream.mode = mode
    raw = ask(server, "chat-safe")
    assert raw.parse().choices[0].message.content == "echo: Say hello"
    assert raw.headers["x-rollout-provider"] == "echo"
    assert int(raw.headers["x-rollout-attempts"]) >= 2
    if mode == "throttle":
        # The provider asked for nine seconds, and gets them: nobody else asks it either.
        again = ask(server, "chat-safe")
        assert (again.headers["x-rollout-provider"], again.headers["x-rollout-attempts"]) == ("echo", "1")
        server.restart()


@pytest.mark.parametrize("mode", ["fail", "hang"])
def test_when_all_fail_the_fallback_does(server, features, upstream, mode):
    upstream.mode = mode
    raw = ask(server, "chat")
    assert raw.parse().choices[0].message.content == "Not available right now."
    assert raw.headers["x-rollout-reason"] == "all_targets_failed"


@pytest.mark.parametrize("mode,error", [
    ("fail", openai.InternalServerError), ("throttle", openai.RateLimitError),
    ("hang", openai.InternalServerError)])
def test_without_a_fallback_errors_are_the_sdks_own(server, features, upstream, mode, error):
    upstream.mode = mode
    with pytest.raises(error) as raised:
        ask(server, "chat-bare")
    if mode == "throttle":
        assert raised.value.response.headers["retry-after"] == "9"
        server.restart()


def test_a_broken_stream_raises(server, features, upstream):
    upstream.mode = "cut"
    stream = client(server, "chat").chat.completions.create(
        model="any", messages=MESSAGES, user="anna", stream=True)
    with pytest.raises(openai.APIError):
        for _ in stream:
            pass


def test_keys_features_and_models(server, features):
    with pytest.raises(openai.AuthenticationError):
        client(server, "chat", "sk-wrong").chat.completions.create(model="x", messages=MESSAGES)
    with pytest.raises(openai.NotFoundError):
        client(server, "nope").chat.completions.create(model="x", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError):
        client(server, "chat").chat.completions.create(model="x", messages=[])
    with pytest.raises(openai.PermissionDeniedError):
        ask(server, "chat-bare", user="bob")
    assert [model.id for model in client(server, "chat").models.list()] == ["chat", "large"]


def test_outcomes_of_the_ai_path_step_back_by_themselves(server, upstream):
    server.plan("chat-guarded", stages=[{"name": "a", "percent": 100}, {"name": "b", "percent": 100}],
                route="main", fallback={"content": "sorry"}, preset="sensitive")
    server.rollout("advance", "chat-guarded", "--reason", "a test", "--yes")
    upstream.mode = "ours"
    for index in range(8):
        ask(server, "chat-guarded", user=f"user-{index}")
    import time
    for _ in range(50):
        plan = server.call("GET", "/v1/plans/chat-guarded").json()
        if plan["stage"] == "a":
            break
        time.sleep(0.1)
    assert plan["stage"] == "a"
    assert plan["hold"]["cause"] == "rollback"
    event = server.call("GET", "/v1/plans/chat-guarded/events").json()["events"][0]
    assert event["actor"] == "monitor"
    assert event["evidence"]["errors"] >= 4
