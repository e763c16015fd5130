"""OpenFeature's Python client over OFREP, and bulk evaluation by plain HTTP."""

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import ErrorCode, Reason


def client(server, token=None):
    headers = {"Authorization": f"Bearer {token or server.token}"}
    api.set_provider(OFREPProvider(base_url=server.url, headers_factory=lambda: headers))
    return api.get_client()


@pytest.fixture(scope="module")
def plans(server):
    server.plan("of-all", stages=[{"name": "all", "percent": 100}])
    server.plan("of-values", stages=[{"name": "all", "percent": 100}],
                values={"on": {"model": "large", "size": 3}, "off": {"model": "none", "size": 0}})
    server.plan("of-text", stages=[{"name": "all", "percent": 0}],
                values={"on": "new", "off": "old"})
    server.plan("of-staged")
    server.rollout("cohort", "add", "internal", "anna", "a b/ç?x")


def test_booleans_objects_and_text(server, plans):
    context = EvaluationContext("anna")
    of = client(server)
    assert of.get_boolean_value("of-all", False, context) is True
    assert of.get_object_value("of-values", {}, context) == {"model": "large", "size": 3}
    assert of.get_string_value("of-text", "x", context) == "old"


def test_details_say_why(server, plans):
    of = client(server)
    member = of.get_boolean_details("of-staged", False, EvaluationContext("anna"))
    assert (member.value, member.variant, member.reason) == (True, "on", Reason.TARGETING_MATCH)
    assert member.flag_metadata["stage"] == "internal"
    other = of.get_boolean_details("of-staged", True, EvaluationContext("bob"))
    assert (other.value, other.variant, other.reason) == (False, "off", Reason.SPLIT)
    odd = of.get_boolean_details("of-staged", False, EvaluationContext("a b/ç?x"))
    assert odd.value is True
    everyone = of.get_boolean_details("of-all", False)
    assert (everyone.value, everyone.reason) == (True, Reason.STATIC)


def test_errors_have_their_codes(server, plans):
    of = client(server)
    unknown = of.get_boolean_details("nope", True, EvaluationContext("anna"))
    assert (unknown.value, unknown.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    server.rollout("advance", "of-staged", "--reason", "a test")
    keyless = of.get_boolean_details("of-staged", True)
    assert (keyless.value, keyless.error_code) == (True, ErrorCode.TARGETING_KEY_MISSING)
    wrong = client(server, "ro_wrong").get_boolean_details("of-all", False, EvaluationContext("a"))
    assert (wrong.value, wrong.error_code) == (False, ErrorCode.GENERAL)


def test_same_answer_every_time_after_restart_and_when_widening(server, plans):
    users = [f"user-{index}" for index in range(400)]

    def enabled():
        of = client(server)
        return {u for u in users if of.get_boolean_value("of-staged", False, EvaluationContext(u))}

    before = enabled()
    assert before == enabled()
    server.restart()
    assert before == enabled()
    server.rollout("advance", "of-staged", "--reason", "a test")
    wider = enabled()
    assert before < wider
    assert 60 < len(wider) < 140


def test_bulk(server, plans):
    path = "/ofrep/v1/evaluate/flags"
    body = {"context": {"targetingKey": "anna"}}
    first = server.call("POST", path, body)
    assert first.status_code == 200
    flags = {flag["key"]: flag for flag in first.json()["flags"]}
    assert flags["of-all"]["value"] is True
    assert flags["of-text"]["value"] == "old"
    tag = first.headers["ETag"]
    assert server.call("POST", path, body, {"If-None-Match": tag}).status_code == 304
    other = {"context": {"targetingKey": "bob"}}
    assert server.call("POST", path, other, {"If-None-Match": tag}).status_code == 200
    assert server.call("POST", path + "/?flagConfigEtag=x", body).status_code == 200
