"""Captured exchanges put together to polls, and the frames that polls gave."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.config import SiteConfig
from agent.polling import doubt
from agent.polling.learning import Learned
from agent.polling.polled import Cadence, PolledDevice
from agent.timekeeping.waiting import Held
from drivers.errors import LineError, NoReply, Refused
from drivers.reading import Block, Exchange, Outcome

MISSING = NoReply("no reply")
"""Stands for an exchange that a capture does not have."""


class UnknownPollError(Exception):
    """Raised for a frame of which no exchange is known."""


class Polls:
    """The devices of a configuration, each with the exchanges of its poll under way."""

    def __init__(self, config: SiteConfig) -> None:
        self._devices = {
            (device.line, device.unit): PolledDevice(
                device.name, device.unit, config.profiles[device.name], device.every
            )
            for device in config.devices
        }
        self._by_name = {device.name: device for device in self._devices.values()}
        self.under_way: dict[tuple[str, int], list[Exchange]] = {}
        """Exchanges of the latest poll of each line and unit."""

    def take(self, exchange: Exchange) -> None:
        """Take an exchange behind those of its poll, or as the first of another one."""
        place = (exchange.line, exchange.unit)
        under_way = self.under_way.get(place)
        if under_way is None or under_way[0].poll != exchange.poll:
            self.under_way[place] = [exchange]
        else:
            under_way.append(exchange)

    def name(self, line: str, unit: int) -> str:
        """Return the name of a device, empty when the configuration does not have it."""
        device = self._devices.get((line, unit))
        return device.name if device else ""

    def number(self, line: str, unit: int) -> int:
        """Return the number of the poll of a unit under way, 0 for none."""
        exchanges = self.under_way.get((line, unit))
        return exchanges[0].poll if exchanges else 0

    def learn(self, device: str, holes: Sequence[Sequence[int]], max_registers: int | None) -> None:
        """Ask a device from now on only for what it has."""
        if device in self._by_name:
            self._by_name[device].learn(Learned(tuple(Block(*hole) for hole in holes), max_registers))

    def plain(self, line: str, unit: int, cadence: int) -> Held:
        """Return what a poll gave in which each block has the last exchange; what has none got no reply."""
        chosen, exchanges = self._poll(line, unit, cadence)
        blocks = chosen.blocks
        results: dict[Block, Exchange | LineError]
        if [exchange.block for exchange in exchanges] == [*blocks]:  # as nearly always
            results = dict(zip(blocks, exchanges, strict=True))
            return _held(chosen, results)
        results = {exchange.block: exchange for exchange in exchanges}
        if results.keys() != set(blocks):
            found = {block: results[block] for block in blocks if block in results}
            missing = MISSING if found else _error_of(exchanges[-1])
            results = {block: found.get(block, missing) for block in blocks}
        return _held(chosen, results)

    def asked(self, line: str, unit: int, cadence: int, asked: Sequence[Sequence[Any]]) -> Held:
        """Return what a poll gave of which it is told which exchanges counted."""
        chosen, exchanges = self._poll(line, unit, cadence)
        known = {(*_place(exchange.block), exchange.attempt): exchange for exchange in exchanges}
        results: dict[Block, Exchange | LineError] = {}
        for function, address, count, of in asked:
            block = Block(function, address, count)
            if of is None:
                results[block] = MISSING
                continue
            *place, accepted = of
            if tuple(place) not in known:
                raise UnknownPollError(f"the exchange {place} of a poll of unit {unit} is not in the capture")
            exchange = known[tuple(place)]
            results[block] = exchange if accepted else _error_of(exchange)
        return _held(chosen, results)

    def stranger(self, line: str, unit: int, cadence: int) -> Held:
        """Return what there is where another device has given its identity, in the last exchange."""
        chosen, exchanges = self._poll(line, unit, cadence)
        device = chosen.device
        return Held(device, chosen, doubt.stranger(device.name, device.profile, exchanges[-1]))

    def _poll(self, line: str, unit: int, cadence: int) -> tuple[Cadence, list[Exchange]]:
        device, exchanges = self._devices.get((line, unit)), self.under_way.get((line, unit))
        if device is None or not exchanges or not 0 <= cadence < len(device.cadences):
            raise UnknownPollError(f"no poll of unit {unit} on line '{line}' is in the capture")
        return device.cadences[cadence], exchanges


def _held(cadence: Cadence, results: Mapping[Block, Exchange | LineError]) -> Held:
    device = cadence.device
    frame = cadence.codec.decode(device.name, results)
    if len(results) > 1:  # the time of one alone is that of the frame
        frame = doubt.aged(frame, device.planned, results, cadence.every_s)
    return Held(device, cadence, frame)


def _error_of(exchange: Exchange) -> LineError:
    if exchange.outcome is Outcome.EXCEPTION:
        return Refused(exchange.exception, exchange)
    return NoReply("no reply", exchange)


def _place(block: Block) -> tuple[int, int, int]:
    return block.function, block.address, block.count
