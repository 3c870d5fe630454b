"""How busy a line will be: from its baud rate, what is to be read, the pauses and the typical time of a reply. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from agent.sections import DeviceSection, LineSection
from drivers.endpoint import Endpoint
from drivers.plan import PlannedBlock, plan
from drivers.profile import Profile

FULL, HIGH = 1.0, 0.7
"""Shares of the time: what cannot be done, and what leaves little room for time-outs."""
_REPLY_S = {True: 0.02, False: 0.005}
"""What a device takes to begin its answer, typically: on a serial line, over TCP [s]."""
_MBAP_BYTES, _REQUEST_PDU, _REPLY_HEAD = 7, 5, 2
_RTU_EXTRA = 3
_CONVERTER_CHAR_S = 10 / 9600
"""One byte behind a converter whose baud rate nobody tells [s]: the usual 9600."""
_PERIODS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
_CONNECTIONS = 4
"""So many lines may go to one host without a word: the least that multi-port converters accept."""


def request_s(endpoint: Endpoint, pause_s: float, planned: PlannedBlock) -> float:
    """Return how long one request occupies its line [s]: bytes on the wire, the device's thought, the pause."""
    block = planned.block
    framing = _RTU_EXTRA if endpoint.serial else _MBAP_BYTES
    data = block.count * 2 if block.function >= 3 else (block.count + 7) // 8  # noqa: PLR2004 -- 3, 4 are registers
    sizes = (_REQUEST_PDU + framing, _REPLY_HEAD + data + framing)
    transfer_s = endpoint.transfer_seconds(*sizes)
    if endpoint.serial and not endpoint.device:
        transfer_s = sum(sizes) * _CONVERTER_CHAR_S
    return transfer_s + _REPLY_S[endpoint.serial] + pause_s


def load(endpoint: Endpoint, pause_s: float, requests: Iterable[PlannedBlock]) -> float:
    """Return the share of its time for which a line is busy with repeated requests."""
    return sum(request_s(endpoint, pause_s, planned) / planned.every_s for planned in requests)


def fitting_every_s(
    line: LineSection, devices: Sequence[DeviceSection], profiles: Mapping[str, Profile]
) -> float | None:
    """Return the cadence [s] that leaves room on the line if nothing is read more often; None when none does."""
    endpoint, pause_s = line.endpoint, line.pause_s
    # By the name of one of them: many devices share profile and cadence.
    alike: dict[tuple[str, float], list[str]] = {}
    for device in devices:
        alike.setdefault((device.profile, device.every), []).append(device.name)
    for every_s in _PERIODS_S:
        share = 0.0
        for (_, own_s), names in alike.items():
            planned = plan(profiles[names[0]], every_s=max(own_s, every_s))
            share += len(names) * load(endpoint, pause_s, planned)
        if share <= HIGH:
            return every_s
    return None


def crowded_hosts(lines: Iterable[LineSection]) -> dict[str, int]:
    """Return the hosts to which so many connections go that they may refuse some, with their number."""
    counts = Counter(line.endpoint.host for line in lines if line.endpoint.host)
    return {host: count for host, count in counts.items() if count > _CONNECTIONS}
