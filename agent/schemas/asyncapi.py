"""The AsyncAPI 3 document: every topic of the agent, and what is published there."""

from typing import Any

from pydantic.json_schema import models_json_schema

from agent import __version__
from agent.schemas.classes import CHANNELS, MESSAGES, Channel
from agent.schemas.message import Document, WireKeys

_BINDING = "0.2.0"
"""Version of AsyncAPI's MQTT bindings."""
_CONTENT = "application/json"
_PARAMETERS: dict[str, Document] = {
    "root": {"description": "`[mqtt] root`; may have several levels.", "default": "energy"},
    "site": {"description": "`[site] name`.", "examples": ["hefei-works"]},
    "area": {"description": "Area of the device; never `agent`.", "examples": ["boiler-house"]},
    "device": {"description": "Name of the device.", "examples": ["boiler-1"]},
    "alarm": {"description": "Name of the condition.", "examples": ["comm_lost"]},
}
_ABOUT = (
    "Energy and CO2 accounts of a plant's machines. QoS 1: every message arrives at least once, records in the order "
    "of their `seq`; (`site`, `epoch`, `seq`) identifies a record, so a repeat can be told from news. Times are RFC "
    "3339 in UTC, keys carry their unit, a missing value is an absent key. Keys may be added: ignore unknown ones."
)


def asyncapi() -> Document:
    """Return the AsyncAPI document of what the agent sends."""
    _, whole = models_json_schema(
        [(model, "validation") for model in MESSAGES.values()],
        ref_template="#/components/schemas/{model}",
        schema_generator=WireKeys,
    )
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "energy-agent", "version": __version__, "description": _ABOUT},
        "defaultContentType": _CONTENT,
        "servers": {"broker": _broker()},
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {f"send_{channel.name}": _operation(channel) for channel in CHANNELS},
        "components": {"messages": {name: _message(name) for name in MESSAGES}, "schemas": whole["$defs"]},
    }


def _broker() -> Document:
    will = {"topic": "{root}/{site}/agent/status", "qos": 1, "retain": True, "message": "agent/status, `offline`"}
    return {
        "host": "{broker}",
        "protocol": "secure-mqtt",
        "protocolVersion": "5",
        "description": "The broker of `[mqtt] url`; MQTT 3.1.1 and plain text on request.",
        "variables": {"broker": {"description": "Host and port.", "default": "broker.example:8883"}},
        "bindings": {"mqtt": {"lastWill": will, "bindingVersion": _BINDING}},
    }


def _channel(channel: Channel) -> Document:
    return {
        "address": channel.address,
        "summary": channel.summary,
        "messages": {channel.message: {"$ref": f"#/components/messages/{channel.message}"}},
        "parameters": {name: text for name, text in _PARAMETERS.items() if f"{{{name}}}" in channel.address},
        "servers": [{"$ref": "#/servers/broker"}],
    }


def _operation(channel: Channel) -> Document:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.summary,
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.message}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": channel.retained, "bindingVersion": _BINDING}},
    }


def _message(name: str) -> dict[str, Any]:
    model = MESSAGES[name]
    return {
        "name": name,
        "summary": " ".join((model.__doc__ or "").split("\n\n", 1)[0].split()),
        "contentType": _CONTENT,
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {"mqtt": {"contentType": _CONTENT, "bindingVersion": _BINDING}},
    }
