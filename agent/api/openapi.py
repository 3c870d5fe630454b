"""The OpenAPI 3.1 document of the local API; messages have the schemas that `energy-agent schema` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from agent import __version__
from agent.api.answers import ActiveAlarm, AgentState, DeviceState, Error, Life
from agent.api.intervals import FORMATS, LARGEST_PAGE, PAGE, PARQUET
from agent.api.stream import EVENTS, MOST_READERS
from agent.rollup.periods import PERIODS
from agent.schemas.account import AccountWindow, IntensityWindow, Interval, Rollup
from agent.schemas.classes import MESSAGES
from agent.schemas.message import Document, WireKeys
from agent.state.exposition import CONTENT_TYPE
from drivers.value import frozen

_ABOUT = (
    "State, figures and records of the running agent, to be read on the machine it runs on. Nothing can be changed. "
    "Times are RFC 3339 in UTC, keys carry their unit, keys may be added: ignore unknown ones. Every path answers "
    "HEAD as well; every error is one line of JSON."
)
_TOKEN = "The text of `[http] token_file`, needed when there is one; only `/healthz` never needs it."  # noqa: S105  # no token but a text about it
_JSON = "application/json"
_ERRORS = {
    400: "The request is not understood; the error says what is.",
    401: "The bearer token is missing or wrong.",
    404: "There is no such thing.",
    405: "Only GET and HEAD are allowed.",
    503: "It cannot be answered now; the error says why.",
}
_STREAM = (
    "Server-sent events, each record as it is written and so up to `[store] commit_every` before it is on disk. "
    "`event` is its class, `id` its `seq`, `data` its JSON; changes of the retained `state`, `status` and `meta` have "
    "no id. Who comes back with `Last-Event-ID` is given what followed as far as it is kept (1000 events); where it "
    "is not, the first event is `missed`, and what is kept follows. Every 15 s without an event a comment comes. The "
    "last event is `end`: the agent ends, or the reader was too slow. "
    f"At most {MOST_READERS} readers are served."
)
_FILE: Document = {"schema": {"type": "string"}}
_WINDOWS = {AccountWindow: "AccountFigures", IntensityWindow: "IntensityFigures"}
"""Windows as they are at the moment: no records yet, so without number."""


@frozen
class _Path:
    """A path: what it gives, what it takes, and how it may fail besides a missing token and other methods."""

    name: str
    summary: str
    content: Mapping[str, Document]
    parameters: Sequence[Document] = ()
    errors: Sequence[int] = ()
    headers: Mapping[str, Document] | None = None


def encoded() -> bytes:
    """Return the OpenAPI document of the local API as JSON."""
    return orjson.dumps(openapi())


def openapi() -> Document:
    """Return the OpenAPI document of the local API."""
    return {
        "openapi": "3.1.1",
        "info": {"title": "energy-agent", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {}],
        "paths": {path: _item(described) for path, described in _paths().items()},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": _TOKEN}},
            "responses": {str(status): _failure(text) for status, text in _ERRORS.items()},
            "schemas": _schemas(),
        },
    }


def _paths() -> dict[str, _Path]:
    return {
        "/healthz": _Path("healthz", "Whether the agent does its work.", _answer(Life)),
        "/metrics": _Path("metrics", "Figures for Prometheus.", {CONTENT_TYPE: {"schema": {"type": "string"}}}),
        "/api/v1/state": _Path("state", "Everything the agent says of itself.", _answer(AgentState)),
        "/api/v1/devices/{name}": _Path(
            "device", "One device and its latest values.", _answer(DeviceState), [_NAME], errors=[404]
        ),
        "/api/v1/windows": _Path("windows", "The rolling sums published last.", _list(*_WINDOWS.values())),
        "/api/v1/alarms": _Path("alarms", "The active alarms, longest first.", _list(ActiveAlarm.__name__)),
        "/api/v1/intervals": _Path(
            "intervals",
            "Records of account, one by one or added up, by start, account and revision.",
            {**_list(Interval.__name__, Rollup.__name__), "text/csv": _FILE, PARQUET: _FILE},
            _intervals_parameters(),
            errors=[400, 503],
            headers={"Link": _LINK},
        ),
        "/api/v1/stream": _Path("stream", "What happens, as it happens.", _events(), _STREAM_PARAMETERS, [400, 503]),
        "/api/v1/openapi.json": _Path("openapi", "This document.", {_JSON: {"schema": {"type": "object"}}}),
    }


def _item(path: _Path) -> Document:
    get = {
        "operationId": path.name,
        "summary": path.summary,
        "parameters": list(path.parameters),
        "responses": _responses(path),
    }
    if path.name == "stream":
        get["description"] = _STREAM
    if path.name == "healthz":
        get["security"] = []
    head = {**get, "operationId": f"{path.name}_head", "responses": {"200": {"description": "The headers of GET."}}}
    return {"get": get, "head": head}


def _responses(path: _Path) -> Document:
    good: Document = {"description": path.summary, "content": dict(path.content)}
    if path.headers:
        good["headers"] = dict(path.headers)
    errors = [*path.errors, 405] if path.name == "healthz" else [401, *path.errors, 405]
    found: Document = {"200": good}
    if path.name == "healthz":
        found["503"] = {"description": "Something is wrong.", "content": dict(path.content)}
    return found | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(errors)}


def _failure(text: str) -> Document:
    return {"description": text, "content": _answer(Error)}


def _schema(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(model: type[BaseModel]) -> dict[str, Document]:
    return {_JSON: {"schema": _schema(model.__name__)}}


def _list(*names: str) -> dict[str, Document]:
    items = [_schema(name) for name in names]
    return {_JSON: {"schema": {"type": "array", "items": items[0] if len(items) == 1 else {"anyOf": items}}}}


def _events() -> dict[str, Document]:
    """Return the content of the stream; `x-events` names the schema of the data of each event."""
    events = {kind: _schema(MESSAGES[kind].__name__) for kind in EVENTS}
    return {"text/event-stream": {"schema": {"type": "string"}, "x-events": events}}


def _schemas() -> Document:
    models: list[type[BaseModel]] = [*MESSAGES.values(), Life, Error, AgentState, DeviceState, ActiveAlarm]
    _, whole = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=WireKeys,
    )
    schemas: Document = whole["$defs"]
    return schemas | {name: _unnumbered(schemas[model.__name__]) for model, name in _WINDOWS.items()}


def _unnumbered(schema: Document) -> Document:
    """Return the schema of a record without what only the store adds."""
    return {
        **schema,
        "properties": {key: value for key, value in schema["properties"].items() if key not in {"seq", "epoch"}},
        "required": [key for key in schema["required"] if key not in {"seq", "epoch"}],
    }


def _query(name: str, text: str, schema: Document, *, required: bool = False, **more: Any) -> Document:
    return {"name": name, "in": "query", "required": required, "description": text, "schema": schema, **more}


_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "Name of the device.",
    "schema": {"type": "string"},
    "example": "boiler-1",
}
_LINK = {
    "description": 'The next page, `<…>; rel="next"` (RFC 8288); absent on the last.',
    "schema": {"type": "string"},
}
_STREAM_PARAMETERS = (
    _query(
        "kinds",
        "Classes wanted, separated by commas; all without it.",
        {"type": "array", "items": {"type": "string", "enum": list(EVENTS)}},
        style="form",
        explode=False,
    ),
    {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "The id of the last event received.",
        "schema": {"type": "integer", "minimum": 0},
    },
)


def _intervals_parameters() -> list[Document]:
    time, text = {"type": "string", "examples": ["2026-11-20T08:00", "2026-11-20T00:00:00Z"]}, {"type": "string"}
    limit = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE}
    every = {"type": "string", "enum": list(PERIODS)}
    form = {"type": "string", "enum": list(FORMATS), "default": FORMATS[0]}
    revisions = {"type": "string", "enum": ["latest", "all"], "default": "latest"}
    return [
        _query(
            "from", "Records that start at this time or later; without offset in the site's zone.", time, required=True
        ),
        _query("to", "Records that start before this time.", time, required=True),
        _query("account", "One account; all without it.", {**text, "examples": ["boiler-1/natural_gas"]}),
        _query("every", "Added up by which period; without it the records of account alone.", every),
        _query("format", "What the answer is; Parquet needs the extra `parquet`.", form),
        _query("revisions", "`latest`: for each interval the revision in force. `all`: every one.", revisions),
        _query("limit", "Records on a page.", limit),
        _query("after", "Where the page begins, from the link to it.", text),
    ]
