"""What the agent reads and sends, described for machines: JSON Schema (Draft 2020-12) and AsyncAPI 3.

The message schemas promise which keys are there and what they mean. Keys may be added with time, so a reader
ignores those it does not know; a value that is missing is an absent key, never null.
"""

from collections.abc import Callable, Mapping
from functools import partial

from agent.schemas.asyncapi import asyncapi
from agent.schemas.classes import MESSAGES
from agent.schemas.configuration import configuration
from agent.schemas.message import Document, message_schema

DOCUMENTS: Mapping[str, Callable[[], Document]] = {
    "config": configuration,
    **{name: partial(message_schema, model) for name, model in MESSAGES.items()},
    "asyncapi": asyncapi,
}
"""Every document by the name `energy-agent schema` takes."""
