"""All checks on what a run left behind, and their table."""

from rich.console import Console
from rich.table import Table

from tests.soak.accounts import chained, conserved
from tests.soak.delivery import at_subscriber, in_database
from tests.soak.finding import Finding
from tests.soak.rig import Evidence
from tests.soak.values import on_time, to_the_bit

_MOST_STOP_S = 10.0
_LOADED_S = 5.0


def findings(evidence: Evidence) -> list[Finding]:
    """Return the outcome of every check."""
    values, frames = to_the_bit(evidence)
    return [
        on_time(evidence, frames),
        at_subscriber(evidence),
        in_database(evidence),
        values,
        conserved(evidence, frames),
        chained(evidence),
        ended(evidence),
        cost(evidence),
    ]


def ended(evidence: Evidence) -> Finding:
    """Expect that the agent ended in time, cleanly and without a complaint."""
    finding = Finding("the end")
    finding.figures["exit code"] = f"{evidence.exit_code}"
    finding.figures["from SIGTERM to the end"] = f"{evidence.stop_s:.2f} s"
    finding.expect(evidence.exit_code == 0, f"exit code {evidence.exit_code}")
    finding.expect(evidence.stop_s <= _MOST_STOP_S, f"it took {evidence.stop_s:.1f} s to end")
    complaints = [line for line in evidence.log.splitlines() if not line.startswith("INFO")]
    finding.problems += complaints
    for sink in evidence.state["sinks"]:
        finding.expect(
            not sink["errors"] and not sink["rejected"],
            f"sink {sink['sink']}: {sink['errors']} errors, {sink['rejected']} refused: {sink['last_error']}",
        )
    return finding


def cost(evidence: Evidence) -> Finding:
    """Report what the agent's process used."""
    footprint = evidence.footprint
    finding = Finding("what the agent used")
    finding.figures["resident memory"] = f"max {footprint.largest_mib:.1f} MiB, at the end {footprint.last_mib:.1f} MiB"
    finding.figures["processor, once loaded"] = f"{footprint.steady_cpu_percent(_LOADED_S):.2f} % of a core"
    finding.figures["processor in all"] = f"{footprint.cpu_s:.2f} s"
    first = next(message for message in evidence.messages if message.kind == "telemetry")
    finding.figures["start to first value at the subscriber"] = (
        f"{(first.received_ns - evidence.started_ns) / 1e9:.2f} s"
    )
    store = evidence.state["store"]
    finding.figures["store"] = f"{store['bytes'] / 2**20:.1f} MiB, {store['commits']:,} commits"
    return finding


def show(found: list[Finding], console: Console) -> None:
    """Print the figures and problems of all checks."""
    table = Table(show_header=False)
    for finding in found:
        mark = "[bold green]passed[/]" if not finding.problems else "[bold red]FAILED[/]"
        table.add_row(f"[bold]{finding.title}[/]", mark)
        for name, text in finding.figures.items():
            table.add_row(f"  {name}", text)
        for problem in finding.told:
            table.add_row("", f"[red]{problem}[/]")
        table.add_section()
    console.print(table)
