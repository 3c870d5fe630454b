"""Each answer of a broker and of a database: nothing counts as delivered that was not.

What a receiver really took is known only to the fakes; what the agent believes is the cursor of its store and its
dead letters. Everything up to the cursor must have been taken, or lie among the dead letters because it was refused.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.board import Board
from agent.delivery.forward import Forwarder
from agent.sections.influx import InfluxConfig
from agent.sections.mqtt import MqttConfig
from agent.sinks import Sink
from agent.sinks.influx import InfluxSink
from agent.sinks.mqtt import MqttSink
from agent.store import Store
from tests.soak.finding import Finding
from tests.torture.fakes import Answer, FakeBroker, FakeDatabase, in_thread
from tests.torture.oracle import committed
from tests.torture.rig import rig, until

_RECORDS = 60
_FIRST, _EACH = 9, 7
"""The first number that is refused, and how often one is."""
_RELENTS = 2
"""So often a receiver refuses before it takes a record, where it does relent."""
_PUBACKS = (0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99)
_SET_ASIDE = {0x90, 0x99}
_HOLD = {0x87}
_CONNACKS = (0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A,
             0x9B, 0x9C, 0x9D, 0x9F)  # fmt: skip
_PATIENCE_S = 20.0
_MORE_S = 1.0
"""A receiver that takes nothing is tried for so long after its first refusal."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One receiver and what is expected: which records end as dead letters, and whether all others arrive."""

    name: str
    serving: AbstractAsyncContextManager[int]
    taken: Callable[[], set[int]]
    sink: Callable[[int, Path], Sink]
    dead: frozenset[int] = frozenset()
    arrives: bool = True
    """Whether everything else must arrive before patience ends; else nothing at all may have been refused for good."""


def _chosen(seq: int) -> bool:
    return seq >= _FIRST and (seq - _FIRST) % _EACH == 0


_CHOSEN = frozenset(filter(_chosen, range(1, _RECORDS + 1)))


def _mqtt(port: int, folder: Path) -> Sink:
    return MqttSink(MqttConfig(url=f"mqtt://127.0.0.1:{port}"), site="torture", board=Board(), folder=folder)


def _influx(port: int, folder: Path) -> Sink:
    return InfluxSink(InfluxConfig(url=f"http://127.0.0.1:{port}", org="works"), folder=folder)


def _broker_trials() -> Iterator[Trial]:
    for code in _PUBACKS:
        left = dict.fromkeys(_CHOSEN, 10**9 if code in _SET_ASIDE | _HOLD | {0x10} else _RELENTS)

        def puback(seq: int, code: int = code, left: dict[int, int] = left) -> int:
            if not left.get(seq):
                return 0
            left[seq] -= 1
            return code

        broker = FakeBroker(puback)
        dead = _CHOSEN if code in _SET_ASIDE else frozenset[int]()
        yield Trial(f"PUBACK {code:#04x}", broker.serving(), broker.said_taken, _mqtt, dead, code not in _HOLD)
    for code in _CONNACKS:
        broker = FakeBroker(lambda _seq: 0, connack=code)
        yield Trial(f"CONNACK {code:#04x}", broker.serving(), broker.said_taken, _mqtt, arrives=False)


def _database_trials() -> Iterator[Trial]:
    def relenting(*answers: Answer) -> Callable[[list[int]], Answer]:
        told = list(answers)
        return lambda seqs: told.pop(0) if told else Answer(204, frozenset(seqs))

    def always(answer: Answer) -> Callable[[list[int]], Answer]:
        return lambda _seqs: answer

    def strict(status: int, *, partly: bool) -> Callable[[list[int]], Answer]:
        def judge(seqs: list[int]) -> Answer:
            good = frozenset(seqs) - _CHOSEN
            return Answer(204, good) if good == set(seqs) else Answer(status, good if partly else frozenset())

        return judge

    def small(seqs: list[int]) -> Answer:
        return Answer(413) if len(seqs) > 4 else Answer(204, frozenset(seqs))

    judges: list[tuple[str, Callable[[list[int]], Answer], frozenset[int], bool]] = [
        ("204", relenting(), frozenset(), True),
        ("400, none taken", strict(400, partly=False), _CHOSEN, True),
        ("400, partly taken", strict(400, partly=True), _CHOSEN, True),
        ("422, partly taken", strict(422, partly=True), _CHOSEN, True),
        ("413 above 4 lines", small, frozenset(), True),
        *(
            (f"{status}, twice", relenting(Answer(status), Answer(status)), frozenset[int](), True)
            for status in (500, 502, 503, 504, 429)
        ),
        ("429 with Retry-After", relenting(Answer(429, headers=(("Retry-After", "1"),))), frozenset(), True),
        ("503 with Retry-After", relenting(Answer(503, headers=(("Retry-After", "1"),))), frozenset(), True),
        ("cut before the answer, twice", relenting(Answer(204, cut=True), Answer(204, cut=True)), frozenset(), True),
        *(
            (f"{status}, always", always(Answer(status)), frozenset[int](), False)
            for status in (401, 403, 404, 400, 422)
        ),
        ("200 of a portal, always", always(Answer(200)), frozenset(), False),
        ("307 to elsewhere, always", always(Answer(307, headers=(("Location", "/"),))), frozenset(), False),
    ]
    for name, judge, dead, arrives in judges:
        database = FakeDatabase(judge)
        yield Trial(f"HTTP {name}", database.serving(), database.said_taken, _influx, dead, arrives)


def answers(folder: Path, *, seconds: float) -> Finding:
    """Try every answer by itself, all at once; then the agent's process with receivers that answer at random."""
    finding = Finding("each answer of a broker and of a database")
    trials = [*_broker_trials(), *_database_trials()]

    async def everything() -> None:
        await asyncio.gather(*(_try(finding, trial, folder / f"trial-{n}") for n, trial in enumerate(trials)))

    asyncio.run(everything())
    others = len(trials) - len(_PUBACKS) - len(_CONNACKS)
    finding.figures["answers tried"] = f"{len(_PUBACKS)} PUBACK, {len(_CONNACKS)} CONNACK, {others} HTTP"
    _at_random(finding, folder, seconds)
    return finding


async def _try(finding: Finding, trial: Trial, folder: Path) -> None:
    store = Store(folder / "store.db", max_size=16 << 20, commit_every_s=0.05, sinks=("mqtt", "influx"), site="torture")
    await store.open()
    for number in range(_RECORDS):
        body = {"site": "torture", "area": "hall", "device": "motor-1", "values": {"speed_rpm": float(number)}}
        store.append("telemetry", "hall/motor-1", 1_700_000_000_000_000_000 + number * 10**9, body)
    await store.flush()
    async with trial.serving as port:
        sink = trial.sink(port, folder)
        forwarder = Forwarder(store, sink, first_pause_s=0.05, longest_pause_s=0.2)
        task = asyncio.create_task(forwarder.run())
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and store.unsettled(sink.name):
            if not trial.arrives and forwarder.status()["last_error"]:
                deadline = min(deadline, time.monotonic() + _MORE_S)
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.close()
    file = committed(folder / "store.db")
    dead = {seq for name, seq in file.dead if name == sink.name}
    taken, believed = trial.taken(), file.believed(sink.name)
    waiting = set(range(1, _RECORDS + 1)) - believed - dead
    finding.expect(believed <= taken, f"{trial.name}: counted as delivered and never taken: {sorted(believed - taken)}")
    finding.expect(dead == trial.dead, f"{trial.name}: set aside {sorted(dead)}, expected {sorted(trial.dead)}")
    if trial.arrives:
        finding.expect(not waiting, f"{trial.name}: {len(waiting)} records do not get through: {forwarder.status()}")
    else:
        finding.expect(bool(waiting), f"{trial.name}: everything counts as delivered")
        finding.expect(bool(forwarder.status()["last_error"]), f"{trial.name}: no reason is shown")


class Moody:
    """Answers at random while `moody`, well afterwards; what it refuses for good it refuses always."""

    def __init__(self) -> None:
        self.moody = True
        self._chance = random.Random(4)  # noqa: S311 -- moods, not secrets
        self.bad_moods = Counter[str]()
        """How often each receiver would not take what it takes later."""
        self.broker = FakeBroker(self._puback)
        self.database = FakeDatabase(self._judge)

    @staticmethod
    def _bad(seq: int) -> bool:
        return seq % 97 == 5

    def _puback(self, seq: int) -> int:
        if self._bad(seq):
            return 0x99
        if self.moody and self._chance.random() < 0.01:
            self.bad_moods["mqtt"] += 1
            return self._chance.choice((0x80, 0x83, 0x91, 0x97))
        return 0

    def _judge(self, seqs: list[int]) -> Answer:
        good = frozenset(seq for seq in seqs if not self._bad(seq))
        if self.moody and self._chance.random() < 0.3:
            self.bad_moods["influx"] += 1
            status = self._chance.choice((500, 503, 429))
            return Answer(status, cut=self._chance.random() < 0.3)
        return (
            Answer(204, good)
            if good == set(seqs)
            else Answer(400, good if self._chance.random() < 0.5 else frozenset())
        )

    async def serve(self, over: asyncio.Event, tell: Callable[[Any], None]) -> None:
        async with self.broker.serving() as mqtt, self.database.serving() as influx:
            tell({"mqtt": mqtt, "influx": influx})
            await over.wait()


@contextmanager
def _moody() -> Iterator[tuple[Moody, dict[str, int]]]:
    receivers = Moody()
    with in_thread(receivers.serve) as ports:
        yield receivers, ports


def _at_random(finding: Finding, folder: Path, seconds: float) -> None:
    place = folder / "process"
    place.mkdir()
    with rig(place, motors=10) as parts, _moody() as (receivers, ports):
        parts.write_config(ports={**parts.settings.ports, **ports})
        with parts.agent() as agent:
            until(agent.online, "the agent does not start")
            time.sleep(seconds)
            until(lambda: len(receivers.bad_moods) == 2, "a receiver was never in a bad mood")
            receivers.moody = False
            agent.catch_up(timeout_s=120)
            sinks = {entry["sink"]: entry for entry in agent.state()["sinks"]}
            code, _ = agent.stop()
        last = committed(parts.store)
    finding.expect(code == 0, f"exit code {code}")
    for name, taken in (("mqtt", receivers.broker.taken), ("influx", receivers.database.taken)):
        dead = {seq for sink, seq in last.dead if sink == name}
        # The broker is sent all classes; the store no longer holds what every receiver has.
        others = {seq for seq, kind in receivers.broker.kinds.items() if kind in ("health", "event", "evidence")}
        unwanted = others if name == "influx" else set()
        believed = last.believed(name) - unwanted
        finding.expect(
            believed <= taken, f"{name}: counted as delivered and never taken: {sorted(believed - taken)[:9]}"
        )
        finding.expect(all(Moody._bad(seq) for seq in dead), f"{name}: set aside without being refused for good")
        finding.expect(sinks[name]["errors"] > 0, f"{name}: bad moods count as no failure")
        finding.figures[f"{name} answering at random"] = (
            f"{len(believed):,} of {last.last_seq:,} taken, {len(dead)} set aside, {sinks[name]['errors']} failures"
        )
