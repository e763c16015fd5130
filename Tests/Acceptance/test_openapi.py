"""The served OpenAPI document: valid 3.1, and exactly the routes there are."""

import re

from openapi_spec_validator import OpenAPIV31SpecValidator


def test_the_document_is_valid(server):
    document = server.call("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_has_a_summary_and_says_what_can_go_wrong(server):
    document = server.call("GET", "/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            name = f"{method} {path}"
            assert operation.get("summary"), name
            assert operation.get("operationId"), name
            assert any(code.startswith("2") for code in operation["responses"]), name
            if operation.get("security") != []:
                assert "401" in operation["responses"], name


def test_every_documented_operation_is_there(server):
    """A 404 or 405 without a code of ours would mean the document tells of a path nobody serves."""
    document = server.call("GET", "/openapi.json").json()
    for path, item in document["paths"].items():
        for method in item:
            if method == "parameters" or path.endswith("/events"):
                continue
            filled = re.sub(r"\{[^}]+\}", "missing", path)
            answer = server.call(method.upper(), filled)
            assert answer.status_code != 405, f"{method} {path}"
            assert "no such path" not in answer.text, f"{method} {path}"
