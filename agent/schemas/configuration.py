"""The site configuration as one JSON Schema: what an editor needs to help with the file."""

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from agent.schemas.message import Document, WireKeys
from agent.sections.measure import bytes_text, seconds_text
from agent.sections.tables import LISTS, NEEDED_LISTS, TABLES, VARIANTS
from drivers.modelled import model_of

_AS_WRITTEN = {"duration": seconds_text, "size": bytes_text}
"""By title of a measure: its text for a number."""


class _FileKeys(WireKeys):
    """Describes what stands in the file, where measures are texts, with its defaults."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Show the default as it would be written; what is not given by default has none."""
        described = super().default_schema(schema)
        default = self.encode_default(self.get_default_value(schema))
        written = _AS_WRITTEN.get(described.get("title", ""))
        if default is not None:
            described["default"] = written(default) if written else default
        return described


def configuration() -> Document:
    """Return the JSON Schema of the site configuration. What tables say about each other only `check` can judge."""
    models = [each for name, each in (TABLES | LISTS).items() if name not in VARIANTS]
    models += dict.fromkeys(each for variants in VARIANTS.values() for each in variants.values())
    described, whole = models_json_schema(
        [(model_of(each), "validation") for each in models],
        title="Site configuration of energy-agent",
        description="One plant: its lines, its devices, what is accounted for, and where the records go.",
        schema_generator=_FileKeys,
    )
    tables = {name: described[model_of(each), "validation"] for name, each in TABLES.items()}
    lists: dict[str, Document] = {}
    for name, each in LISTS.items():
        kinds = [described[model_of(kind), "validation"] for kind in dict.fromkeys(VARIANTS.get(name, {}).values())]
        items = {"anyOf": kinds} if kinds else described[model_of(each), "validation"]
        lists[name] = {"type": "array", "items": items, **_least(name)}
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **whole,
        "type": "object",
        "properties": {**tables, **lists},
        "required": ["site", *NEEDED_LISTS],
        "additionalProperties": False,
    }


def _least(name: str) -> Document:
    return {"minItems": 1} if name in NEEDED_LISTS else {}
