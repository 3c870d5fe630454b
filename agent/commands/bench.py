"""A line in the hands of somebody who commissions it: opened from a URL, refused while an agent reads it."""

from agent.commands.outcome import CommandError, Exit
from agent.commissioning.port import STOP_THE_AGENT, agent_on
from drivers.endpoint import Endpoint, parse_endpoint
from drivers.errors import EndpointError, LineDown, LineError, Refused
from drivers.line import Line

_IN_USE = "in use by another program"
_LAST_SERIAL_UNIT, _LAST_UNIT = 247, 255
_PAUSE_S = 0.02
_ADVICE = {
    1: "the device knows no such function: try --function 3 instead of 4, or the other way round",
    2: "no such address in this device: check whether the manual counts from 1 (then take one less) or prints "
    "30001/40001 (take the number behind), and that the profile is the device's",
    3: "the device takes no such count: ask for fewer registers, and for an even count",
    4: "the device could not do it: try again, then look at its own display for a fault",
    6: "the device is busy: try again in a moment, and poll it more slowly",
    10: "the gateway has no way to that unit: check the gateway's table of units and its serial settings",
    11: "behind the gateway the unit did not answer: check the unit number there, the wiring (A/B) behind it, and "
    "the gateway's baud rate and parity",
}


def endpoint_of(url: str) -> Endpoint:
    """Return the endpoint of a URL that was typed; raise CommandError."""
    try:
        return parse_endpoint(url)
    except EndpointError as error:
        raise CommandError(str(error)) from error


def refuse_beside_an_agent(endpoint: Endpoint) -> None:
    """Raise CommandError while an agent has the same serial port open: two masters take each other's replies."""
    process = agent_on(endpoint)
    if process is not None:
        what = f"{endpoint.device}: energy-agent (process {process}) reads this line"
        raise CommandError(f"{what}: {STOP_THE_AGENT}", Exit.UNREACHABLE)


def open_line(url: str, *, timeout_s: float) -> Line:
    """Return a line for a URL that was typed, not yet connected; raise CommandError."""
    endpoint = endpoint_of(url)
    refuse_beside_an_agent(endpoint)
    return Line("line", endpoint, timeout_s=timeout_s, pause_s=_PAUSE_S if endpoint.serial else 0.0)


def check_unit(unit: int, endpoint: Endpoint) -> None:
    """Raise CommandError for a unit number that the line cannot have."""
    last = _LAST_SERIAL_UNIT if endpoint.serial else _LAST_UNIT
    if not 1 <= unit <= last:
        raise CommandError(f"unit {unit} cannot be asked on this line: give one from 1 to {last}")


def told(error: LineError) -> str:
    """Return what a failure means and what to do about it, in one line."""
    text = str(error).removeprefix("line: ")
    if isinstance(error, Refused) and error.code in _ADVICE:
        return f"{text}: {_ADVICE[error.code]}"
    if isinstance(error, LineDown) and _IN_USE in text:
        return f"{text}; if it is the agent, {STOP_THE_AGENT}"
    return text
