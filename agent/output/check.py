"""What an `[[output]]` that no device counts says about the other tables."""

from agent.sections.output import OutputSection
from agent.sections.tables import Parsed


def check_arriving(parsed: Parsed, index: int, section: OutputSection) -> None:
    """Note what is wrong with an output that is told by topic or entered."""
    if section.topic and "mqtt" not in parsed.document.data:
        parsed.report(("output", index, "topic"), "a topic without [mqtt]", "add the broker it is on, with url")
    if section.name in parsed.names("device"):
        what = f"'{section.name}' is a device, whose records would have the same place"
        parsed.report(("output", index, "name"), what, "rename one")
