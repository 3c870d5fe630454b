"""What a capture costs: bytes on the disk for a steady plant, and processor time and lateness of the agent.

The steady plant: 20 devices once a second, 20 registers each, of which three tremble by one count, one counts up now
and then and one drifts; times with the jitter of a network, transaction numbers drawn at random as a line does.
"""

import random
import statistics
import struct
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from drivers.capture import Captured, CaptureWriter, Closed, read_capture
from drivers.endpoint import Endpoint, parse_endpoint
from drivers.guard import crc16
from drivers.reading import Block, Exchange, Outcome
from tests.bench import fleet
from tests.bench.row import Row

_NS = 1_000_000_000
_UPTIME_NS, _WALL_NS = 86_400 * _NS, 1_795_912_800 * _NS
_DEVICES, _BLOCK = 20, Block(3, 0, 20)
_TCP = {f"line-{number}": parse_endpoint(f"tcp://10.0.0.{number + 1}") for number in range(4)}
_RTU = {"bus": parse_endpoint("rtu:///dev/ttyUSB0?baud=115200")}
_STEADY_S = 1200
_FLEET = fleet.Fleet(1000, 20)
_PAIRS = 3
"""Runs with and without a capture, in turns: other work on the machine then weighs on both."""


class _Device:
    def __init__(self, line: str, unit: int, chance: random.Random, *, still: bool) -> None:
        self.line, self.unit = line, unit
        self._chance, self._still = chance, still
        self._registers = [chance.randrange(100, 3000) for _ in range(_BLOCK.count)]

    def registers(self) -> bytes:
        chance = self._chance
        if not self._still:
            for place in range(3):
                self._registers[place] += chance.choice((-1, 0, 0, 1))
            self._registers[19] += chance.random() < 0.3
            self._registers[10] += chance.choice((-1, 1)) if chance.random() < 0.02 else 0
        return struct.pack(f">{_BLOCK.count}H", *(register & 0xFFFF for register in self._registers))


def steady(lines: dict[str, Endpoint], seconds: int, *, still: bool = False) -> Iterator[Exchange]:
    """Yield what a steady plant gives, in the order in which its exchanges end; `still`: no register ever changes."""
    chance = random.Random(5)  # noqa: S311 - a course of values, no secret
    names = [*lines]
    devices = [
        _Device(names[number % len(names)], number // len(names) + 1, chance, still=still) for number in range(_DEVICES)
    ]
    for second in range(seconds):
        free_ns = {name: _UPTIME_NS + second * _NS + int(abs(chance.gauss(0, 120e3))) for name in names}
        found = []
        for device in devices:
            sent_ns = free_ns[device.line]
            received_ns = sent_ns + 800_000 + int(abs(chance.gauss(0, 150e3)))
            free_ns[device.line] = received_ns + 20_000_000 + int(abs(chance.gauss(0, 80e3)))
            found.append(_exchange(device, chance, sent_ns, received_ns, second + 1, serial=lines[device.line].serial))
        yield from sorted(found, key=lambda exchange: exchange.received_ns)


def _exchange(
    device: _Device, chance: random.Random, sent_ns: int, received_ns: int, poll: int, *, serial: bool
) -> Exchange:
    data = device.registers()
    asked = struct.pack(">BBHH", device.unit, _BLOCK.function, _BLOCK.address, _BLOCK.count)
    answered = struct.pack(">BBB", device.unit, _BLOCK.function, len(data)) + data
    number = chance.randrange(1, 1 << 16)
    request, reply = (
        body + crc16(body).to_bytes(2, "little") if serial else struct.pack(">HHH", number, 0, len(body)) + body
        for body in (asked, answered)
    )
    time_ns = received_ns + _WALL_NS - _UPTIME_NS
    return Exchange(
        device.line, device.unit, _BLOCK, request, reply, data, sent_ns, received_ns, time_ns, Outcome.OK, poll=poll
    )


def on_disk(lines: dict[str, Endpoint], *, still: bool = False) -> tuple[float, float]:
    """Return bytes per exchange in a closed file, and how many exchanges a second are read back."""
    closed: list[Closed] = []
    with tempfile.TemporaryDirectory() as text:
        writer = CaptureWriter(
            Path(text), site="bench", version="0", boot_id="0b5e8a4e-3f6f-4a1e-9a59-6c5d5f0f2f11", max_size=4 << 30,
            on_closed=closed.append,
        )  # fmt: skip
        writer.clock = "synchronised"
        writer.configure("sha256:0", lines)
        writer.start()
        for exchange in steady(lines, _STEADY_S, still=still):
            writer.exchange(exchange)
            writer.booked(exchange.line, 0)
            while writer.status.waiting > 10_000:  # made faster than any plant would
                time.sleep(0.01)
        writer.close()
        began = time.process_time()
        count = sum(isinstance(item, Captured) for item in read_capture([closed[0].path]))
        return closed[0].size / count, count / (time.process_time() - began)


def rows(seconds: float) -> list[Row]:
    """Return every figure of this module; `seconds` is how long the agent runs for each."""
    tcp, read_per_s = on_disk(_TCP)
    told = [
        Row("capture_modbus_tcp_bytes_per_exchange", tcp, "B", target=12.0),
        Row("capture_rtu_bytes_per_exchange", on_disk(_RTU)[0], "B", target=12.0),
        Row("capture_rtu_still_registers_bytes_per_exchange", on_disk(_RTU, still=True)[0], "B", target=12.0),
        Row("capture_read_exchanges_per_s", read_per_s, "1/s", target=100_000.0),
    ]
    runs: dict[bool, list[fleet.Found]] = {False: [], True: []}
    for pair in range(_PAIRS):
        for captured in (False, True) if pair % 2 == 0 else (True, False):
            runs[captured].append(fleet.run(replace(_FLEET, captured=captured), seconds))
    cpu_us = {captured: statistics.median(run.cpu_per_poll_us for run in found) for captured, found in runs.items()}
    late_ms = {captured: statistics.median(run.late_ms(0.99) for run in found) for captured, found in runs.items()}
    told += [
        Row("capture_on_cpu_per_poll_us", cpu_us[True], "µs", cpu_us[False], "without", 1.1 * cpu_us[False]),
        Row("capture_on_late_p99_ms", late_ms[True], "ms", late_ms[False], "without", late_ms[False]),
        Row("capture_on_polls_left_out", float(sum(run.left_out for run in runs[True])), "polls", target=0.0),
    ]
    return told
