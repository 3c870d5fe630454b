"""`energy-agent scan`: which units answer on a line, who they say they are, and which profiles fit them."""

import asyncio
from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

from agent.commands.bench import check_unit, endpoint_of, open_line, refuse_beside_an_agent, told
from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.progress import Progress
from agent.commands.table import print_table, print_text
from agent.commissioning.sweep import Found, Sweep, identify, one_for_all, sweep
from agent.counted import counted
from drivers.endpoint import Endpoint, parse_endpoint
from drivers.errors import LineDown
from drivers.hint import likely_cause
from drivers.profile import Profile
from drivers.profile_file import catalogue, load_profile
from drivers.value import frozen

_ALL_UNITS = tuple(range(1, 248))
_FEW_UNITS = tuple(range(1, 11))
_BAUDS = (9600, 19200, 4800, 38400, 115200, 2400)
_PARITIES = ("N", "E", "O")
_PATIENCE = {"rtu": (0.15, 0.3), "rtu+tcp": (0.3, 0.8), "tcp": (1.2,), "tls": (1.2,)}
"""Time to wait for a reply, try by try [s]; gateways need a second to say that nobody answered them."""
_FUNCTIONS = (3, 4)
_VENDOR, _PRODUCT, _REVISION, _NAME, _MODEL = 0, 1, 2, 4, 5
_IDENTITY_TIMEOUT_S = 1.0


@frozen(kw_only=True)
class Asked:
    """What was typed."""

    url: str
    units: Sequence[int] | None
    settings: bool
    timeout: float | None
    as_json: bool


class _Scan:
    """One scan: what it found stays here, so that Ctrl-C loses nothing."""

    def __init__(self, asked: Asked, endpoint: Endpoint) -> None:
        self.asked = asked
        self.endpoint = endpoint
        self.known = Sweep()
        self.units = tuple(asked.units or _ALL_UNITS)
        self.one_for_all = False
        self.ended = False
        self.hint = ""
        self._profiles: list[Profile] = []

    async def run(self) -> None:
        """Find the settings where that is asked, then the units, then what they are; raise LineDown."""
        if self.asked.settings:
            await self._find_settings()
        await self._find_units()
        first = next(iter(self.known.found.values()), None)
        self.one_for_all = first is not None and not self.endpoint.serial and one_for_all(self.known, self.units)
        if self.one_for_all and first is not None:
            self.known.found = {first.unit: first}
        await self._look_closer()
        self.ended = True

    async def _find_settings(self) -> None:
        """Ask a few units under each common setting of a serial port, until somebody answers."""
        few = self.asked.units or _FEW_UNITS
        tried = [self.endpoint, *_settings(self.endpoint)]
        with Progress("settings") as progress:
            for number, endpoint in enumerate(tried):
                progress.at(number, len(tried), f"now {_said(endpoint)}")
                known = Sweep()
                try:
                    await self._swept(endpoint, few, 0, known, lambda *_: None)
                except LineDown:
                    if number == 0:
                        raise
                    continue  # not every adapter takes every setting
                if known.found:
                    self.endpoint = endpoint
                    return

    async def _find_units(self) -> None:
        waiting: Sequence[int] = self.units
        for attempt in range(len(self._patience())):
            again = "" if attempt == 0 else ", second try"
            with Progress(f"units{again}") as progress:

                def at(done: int, whole: int, progress: Progress = progress) -> None:
                    found = ", ".join(map(str, sorted(self.known.found)))
                    progress.at(done, whole, f"found {found}" if found else "")

                self.known.silent, self.known.garbled = [], []
                await self._swept(self.endpoint, waiting, attempt, self.known, at)
            waiting = sorted({*self.known.silent, *self.known.garbled})

    async def _swept(self, endpoint: Endpoint, units: Sequence[int], attempt: int, known: Sweep, progress: Any) -> None:
        line = open_line(endpoint.url, timeout_s=self._patience()[attempt])
        try:
            await sweep(line, units, _FUNCTIONS[attempt], known, progress)
            hint = likely_cause(line.evidence)
            self.hint = hint.text if hint else ""
        finally:
            await line.close()

    async def _look_closer(self) -> None:
        """Ask who is who."""
        self._profiles = [load_profile(name) for name in catalogue()]
        line = open_line(self.endpoint.url, timeout_s=max(_IDENTITY_TIMEOUT_S, self.asked.timeout or 0.0))
        try:
            with Progress("identifying") as progress:
                for number, unit in enumerate(sorted(self.known.found)):
                    progress.at(number, len(self.known.found), f"unit {unit}")
                    await identify(line, self.known.found[unit], self._profiles)
        finally:
            await line.close()

    def _patience(self) -> tuple[float, ...]:
        if self.asked.timeout is not None:
            return (self.asked.timeout,) * len(_PATIENCE[self.endpoint.scheme])
        return _PATIENCE[self.endpoint.scheme]


def scan(asked: Asked) -> Exit:
    """Scan a line and print what was found; Ctrl-C ends the search, not the answer."""
    endpoint = endpoint_of(asked.url)
    for unit in asked.units or ():
        check_unit(unit, endpoint)
    if asked.settings and not endpoint.device:
        raise CommandError("--settings all is for a serial port: a gateway's own page sets those of its line")
    refuse_beside_an_agent(endpoint)
    search = _Scan(asked, endpoint)
    try:
        asyncio.run(search.run())
    except KeyboardInterrupt:
        say("stopped: this was found so far")
    except LineDown as error:
        if not search.known.found:
            raise CommandError(told(error), Exit.UNREACHABLE) from error
        say(f"{told(error)}: this was found before")
    if asked.as_json:
        print_json(_json(search))
    else:
        _show(search)
    return Exit.DONE if search.known.found else Exit.NO


def _settings(endpoint: Endpoint) -> Iterator[Endpoint]:
    """Return the same port with the common settings besides its own."""
    for baud in _BAUDS:
        for parity in _PARITIES:
            if (baud, parity) == (endpoint.baud, endpoint.parity):
                continue
            yield parse_endpoint(f"rtu://{endpoint.device}?baud={baud}&parity={parity}&stop={endpoint.stop}")


def _said(endpoint: Endpoint) -> str:
    return f"{endpoint.baud} Bd, {endpoint.data_bits}{endpoint.parity}{endpoint.stop}"


def _show(search: _Scan) -> None:
    found = [search.known.found[unit] for unit in sorted(search.known.found)]
    if not found:
        _show_nothing(search)
        return
    url = search.endpoint.url
    answer = counted(len(found), "unit answers", "units answer")
    print_text(f"{url}: {answer}, of {_ranges(search.units)}")
    rows = [(one.unit, f"{one.took_ms:.0f} ms", _identity(one), _profile(one)) for one in found]
    print_table("", ("unit", "reply", "says it is", "profile"), rows, right=("reply",))
    if search.one_for_all:
        print_text("Every number gives the same reply: this is one device that heeds no unit number; take any.")
    if search.known.garbled:
        numbers = ", ".join(map(str, search.known.garbled[:10]))
        print_text(f"Damaged replies at {numbers}: two devices with one number, or a disturbed line.")
    print_text("\nFor the configuration (name and area are yours to choose):\n")
    for text in _tables(url, found):
        print_text(text)
    for one in found:
        there = f"{quote(url)} --unit {one.unit}"
        if search.ended and not one.fitting:
            print_text(f"Unit {one.unit} fits no profile. To see its registers: energy-agent decode {there}")
            print_text("To begin a profile, add what its display shows, as many values as you like:")
            print_text(f"energy-agent decode {there} --as voltage_l1=230.1 --profile my-meter.toml", indent="  ")
        elif search.ended and len(found) == 1:
            print_text(f"Next: energy-agent read {there} --profile {one.fitting[0].profile}")


def _show_nothing(search: _Scan) -> None:
    print_text(f"{search.endpoint.url}: nobody answers, of {_ranges(search.units)}")
    if search.hint:
        print_text(search.hint[:1].upper() + search.hint[1:])
    if search.endpoint.device and not search.asked.settings:
        print_text(f"Next: energy-agent scan {quote(search.asked.url)} --settings all")


def _ranges(units: Sequence[int]) -> str:
    """Return numbers as they are typed: "1-40,50"."""
    texts, first, last = [], units[0], units[0]
    for unit in [*units[1:], -1]:
        if unit != last + 1:
            texts.append(f"{first}-{last}" if last > first else str(first))
            first = unit
        last = unit
    return ",".join(texts)


def _identity(found: Found) -> str:
    said = found.identification
    texts = [said.get(number, "").strip() for number in (_VENDOR, _NAME, _PRODUCT, _MODEL, _REVISION)]
    return " ".join(dict.fromkeys(text for text in texts if text))[:40] or "-"


def _profile(found: Found) -> str:
    if not found.guesses:
        return "not asked yet"
    if not found.fitting:
        best = found.guesses[0]
        return f"none fits (nearest {best.profile}: {best.why})" if best.bits > 0 else "none fits"
    best, *others = found.fitting
    rest = f"; or {', '.join(guess.profile for guess in others)}" if others else ""
    return f"{best.profile}: {best.why}{rest}"


def _tables(url: str, found: Sequence[Found]) -> Iterator[str]:
    """Return the tables of the configuration, ready to paste."""
    yield f'[[line]]\nname = "line-1"\nurl = "{url}"\n'
    for one in found:
        best = one.fitting[0].profile if one.fitting else None
        name = f"{best.rpartition('/')[2] if best else 'device'}-{one.unit}"
        profile = f'profile = "{best}"' if best else 'profile = "…"  # yours: energy-agent decode helps to write it'
        yield f'[[device]]\nname = "{name}"\narea = "area-1"\nline = "line-1"\nunit = {one.unit}\n{profile}\n'


def _json(search: _Scan) -> dict[str, Any]:
    return {
        "url": search.endpoint.url,
        "complete": search.ended,
        "one_for_all": search.one_for_all,
        "hint": search.hint if not search.known.found else "",
        "garbled": search.known.garbled,
        "units": [
            {
                "unit": one.unit,
                "took_ms": one.took_ms,
                "identification": {str(number): text for number, text in one.identification.items()},
                "guesses": [
                    {"profile": guess.profile, "fits": guess.fits, "bits": guess.bits, "why": guess.why}
                    for guess in one.guesses
                ],
            }
            for _, one in sorted(search.known.found.items())
        ],
    }
