"""`energy-agent schema`: JSON Schemas of the configuration and of every message, and the AsyncAPI document."""

from agent.commands.outcome import CommandError, Exit, print_json
from agent.schemas import DOCUMENTS
from drivers.document import nearest


def schema(name: str) -> Exit:
    """Print a document by its name; raise CommandError for a name that is none."""
    if name not in DOCUMENTS:
        raise CommandError(f"there is no schema '{name}': {nearest(name, DOCUMENTS)}")
    print_json(DOCUMENTS[name]())
    return Exit.DONE
