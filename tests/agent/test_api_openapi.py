"""The OpenAPI document: valid by itself, the same as the server, and true of what the server says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.api import server
from agent.api.openapi import openapi
from agent.schemas import DOCUMENTS
from agent.schemas.classes import MESSAGES
from agent.service import Agent
from tests.agent.api_desk import Caller, serving
from tests.agent.frames import DEVICES, SITE, configured

DOCUMENT = openapi()
METHODS = {"get", "head"}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def resolved(reference: str) -> Any:
    """Return what a reference of the document points to; raise KeyError when that is nothing."""
    found: Any = DOCUMENT
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def check(schema: dict[str, Any], value: object) -> None:
    """Hold a value against a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]
    assert not errors, "\n".join(errors)


def answer(path: str, status: str = "200") -> dict[str, Any]:
    """Return the schema of a path's answer."""
    response = DOCUMENT["paths"][path]["get"]["responses"][status]
    response = resolved(response["$ref"]) if "$ref" in response else response
    schema: dict[str, Any] = response["content"]["application/json"]["schema"]
    return schema


def test_every_reference_leads_somewhere_and_every_schema_is_used_and_valid() -> None:
    for reference in references(DOCUMENT):
        resolved(reference)
    schemas = DOCUMENT["components"]["schemas"]
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        assert f"#/components/schemas/{name}" in references(DOCUMENT), name
    for status in DOCUMENT["components"]["responses"]:
        assert f"#/components/responses/{status}" in references(DOCUMENT), status


def test_every_operation_has_what_openapi_asks_for() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert set(DOCUMENT["info"]) >= {"title", "version"}
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    for path, method, operation in operations():
        assert method in METHODS
        taken = {entry["name"] for entry in operation["parameters"] if entry["in"] == "path"}
        assert taken == set(re.findall(r"{(\w+)}", path))
        for entry in operation["parameters"]:
            assert set(entry) >= {"name", "in", "required", "schema", "description"}
            Draft202012Validator.check_schema(entry["schema"])
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[2-5]\d\d", status)
            assert resolved(response["$ref"]) if "$ref" in response else response["description"]


def test_every_path_but_the_sign_of_life_may_need_the_token() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}, {}]
    assert DOCUMENT["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, method, operation in operations():
        assert ("security" in operation) == (path == "/healthz")
        assert method == "head" or ("401" in operation["responses"]) == (path != "/healthz")


def test_messages_have_the_schemas_that_are_published() -> None:
    for name, model in MESSAGES.items():
        published = DOCUMENTS[name]()
        ours = DOCUMENT["components"]["schemas"][model.__name__]
        mine = {key: value for key, value in published.items() if key not in {"$defs", "$schema"}}
        assert ours == _moved(mine), name


def _moved(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
            for key, value in node.items()
        }
    return [_moved(inner) for inner in node] if isinstance(node, list) else node


@pytest.fixture
def state(tmp_path: Path) -> dict[str, Any]:
    """Return what a real agent that has not started yet says of itself."""
    return Agent(configured(tmp_path, SITE + DEVICES)).snapshot()


@pytest.mark.integration
async def test_the_document_has_the_routes_of_the_server_and_no_others(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        served = {(path, method.lower()) for path in caller.api._resources() for method in server.METHODS}

    assert served == {(path, method) for path, method, _ in operations()}


@pytest.mark.integration
async def test_the_server_gives_its_document(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        assert await caller.get("/api/v1/openapi.json") == (200, DOCUMENT)


@pytest.mark.integration
async def test_answers_and_errors_are_what_the_document_says(state: dict[str, Any], tmp_path: Path) -> None:
    state["alarms"] = [
        {
            "key": "boiler-house/fan-1",
            "name": "comm_lost",
            "severity": "warning",
            "since": "2026-11-20T08:00:00.000000Z",
            "text": "fan-1 does not answer",
            "text_zh": "fan-1 通信中断",
        }
    ]
    async with serving(state, tmp_path) as caller:
        for path in ("/healthz", "/api/v1/state", "/api/v1/alarms"):
            await _hold(caller, path, path, 200)
        await _hold(caller, "/api/v1/devices/fan-1", "/api/v1/devices/{name}", 200)
        await _hold(caller, "/api/v1/devices/fan-9", "/api/v1/devices/{name}", 404)
        await _hold(caller, "/api/v1/intervals", "/api/v1/intervals", 400)
        caller.shelf.degraded = "disk full"
        await _hold(caller, "/healthz", "/healthz", 503)
        await _hold(caller, "/api/v1/intervals?from=2026-01-01&to=2026-01-02", "/api/v1/intervals", 503)
        refused = await caller.get("/api/v1/state", method="POST")
        assert refused[0] == 405
        check(answer("/api/v1/state", "405"), refused[1])


async def _hold(caller: Caller, url: str, path: str, expected: int) -> None:
    status, body = await caller.get(url)
    assert status == expected
    check(answer(path, str(status)), body)


def test_windows_are_messages_without_number() -> None:
    schema = DOCUMENT["components"]["schemas"]["AccountFigures"]
    message = DOCUMENT["components"]["schemas"]["AccountWindow"]

    assert set(message["required"]) - set(schema["required"]) == {"seq", "epoch"}
    assert set(message["properties"]) - set(schema["properties"]) == {"seq", "epoch"}
