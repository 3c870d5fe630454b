"""What all messages have in common, and how their models become schemas."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Document = dict[str, Any]

Time = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$"),
    Field(examples=["2026-11-20T08:15:00.000000Z"]),
]
"""RFC 3339 in UTC; the agent always writes microseconds."""
Number = Annotated[float, Field(allow_inf_nan=False)]
"""A finite number."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A part of a whole, 0 to 1."""
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
PublicKey = Annotated[str, StringConstraints(pattern=r"^ed25519:[A-Za-z0-9+/]{43}=$")]
"""An Ed25519 public key: its 32 bytes in Base64."""
TopicPart = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")]
QualityText = Annotated[str, StringConstraints(pattern=r"^(good|(uncertain|bad):[a-z_]+)$")]
Reservation = Annotated[str, StringConstraints(pattern=r"^(uncertain|bad):[a-z_]+$")]
"""The quality of something that is not good."""


class Figures(BaseModel):
    """A JSON object of a message. Keys may be added."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)


class Message(Figures):
    """What every message says: its site, besides its own `schema`."""

    site: TopicPart
    """Name of the plant, as in the topic."""


class Clock(Figures):
    """The clocks a record goes by."""

    monotonic_us: Annotated[int, Field(ge=0)]
    """When the record came to be, of telemetry when it was read: time on the monotonic clock [µs], which is never
    set and begins with the boot."""
    boot: str | None = None
    """Begin of the kernel's id of the boot; absent when the system does not say. Monotonic times of different boots
    cannot be compared."""
    synchronised: bool | None = None
    """Whether the kernel called the wall clock synchronised then; absent when it does not say. What is not
    synchronised may be off."""


class Recorded(Message):
    """A message that is a record of the store: delivered at least once, and known again by its number."""

    seq: Annotated[int, Field(ge=1)]
    """Number of the record; grows by one per record of the agent's store, whatever its class."""
    epoch: str
    """Life of the store that counts `seq`; (`site`, `epoch`, `seq`) identifies a record, so a repeat can be told from
    news. A new store has a new epoch."""
    clock: Clock | None = None
    """Absent in what the store says of itself."""


class Chained(Recorded):
    """A record that proves something, whatever its class: each names the one before it in the chain of the agent."""

    previous: Digest
    """Hash of the record before this one in the chain; the first names 64 zeros."""
    hash: Digest
    """SHA-256 over this record in RFC 8785 canonical form without `hash`."""


class WireKeys(GenerateJsonSchema):
    """Describes what stands on the wire: keys and their values, without null, defaults and generated titles."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Describe the value alone: a missing one is an absent key."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave the default out: an absent key says nothing about the value."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 -- no key needs its name twice
        """Return False."""
        return False


def message_schema(model: type[BaseModel]) -> Document:
    """Return the JSON Schema of a message."""
    schema = model.model_json_schema(schema_generator=WireKeys)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}
