"""The whole agent on lines that misbehave, whose first unit is dead, and whose simulators come and go.

What the subscriber is given tells by itself whose it is; the agent must keep answering all the while.
"""

import os
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from agent.timekeeping.clock import WAIT_VARIABLE
from simulators.fault.faults import FAULTS
from tests.servers import free_port, running_mosquitto
from tests.soak.finding import Finding
from tests.soak.rig import SIMULATORS, running
from tests.torture.rig import RunningAgent, subscriber, until
from tests.torture.told import FAMILIES, Told

KINDS = ("tcp", "rtu+tcp", "serial")
_DEAD, _LIVING = 1, (2, 3, 4, 5)
_EVERY_S, _TIMEOUT_S = 0.2, 0.1
_BAUD = 115_200
_MOST_HEALTH_S = 2.0
_MOST_STOP_S = 10.0
_BACK_S = 150.0
"""A device that has often failed is asked once a minute, and the attempt may meet a fault again."""
_SILENT = ("silence", "late", "swap", "slow", "reset", "exception")
"""Faults after which nothing may come in time: thirty times as rare, else hardly anybody would be asked any more."""
_SILENT_PART = 1 / 30
_PROFILE = 'model = "whose am I"\nkind = "sensor"\nsource = "defined by this case"\n\n[points]\n'
_HEAD = """[site]
name = "torture"

[store]
path = "store.db"
commit_every = "100ms"

[http]
listen = "127.0.0.1:{http}"

[mqtt]
url = "mqtt://127.0.0.1:{mqtt}"
telemetry_every = "{every}s"
"""
_LINE = '\n[[line]]\nname = "{line}"\nurl = "{url}"\ntimeout = "{timeout}s"\n'
_DEVICE = """
[[device]]
name = "{line}-{unit}"
area = "hall"
line = "{line}"
unit = {unit}
profile = "whose.toml"
every = "{every}s"
"""


class _Simulator:
    """One line's simulator, which keeps its place when it is started again."""

    def __init__(self, folder: Path, kind: str, chance: float, seed: int) -> None:
        self.name = kind.replace("+", "-")
        self._log = folder / f"{self.name}.log"
        self._folder, self._seed = folder, seed
        units = ",".join(map(str, _LIVING))
        shares = [f"all={chance}", *(f"{name}={chance * _SILENT_PART}" for name in _SILENT)]
        self._command = [str(SIMULATORS), "fault", *shares, "--timeout", str(_TIMEOUT_S), "--units", units, "--json"]
        if kind == "serial":
            self.url = f"rtu://{folder / 'port'}?baud={_BAUD}"
            self._command += ["--serial", str(folder / "port"), "--baud", str(_BAUD)]
        else:
            port = free_port()
            self.url = f"{kind}://127.0.0.1:{port}"
            self._command += ["--port", str(port), *(["--rtu"] if kind == "rtu+tcp" else [])]
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve the line, with other faults than before; return when it is served."""
        self._seed += len(KINDS)
        command = [*self._command, "--seed", str(self._seed)]
        command += ["--served", str(self._folder / f"{self.name}-{self._seed}.jsonl")]
        self._process = self._stack.enter_context(running(command, self._log, stdout=subprocess.PIPE))
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), f"no simulator:\n{self._log.read_text(encoding='utf-8')}"

    def kill(self) -> None:
        """Take the line away as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        # As with an adapter that is pulled out; the number it points at may soon be another terminal's.
        if self.url.startswith("rtu:"):
            (self._folder / "port").unlink(missing_ok=True)
        self.end()

    def end(self) -> None:
        """End what runs."""
        self._stack.close()


@dataclass(slots=True)
class _Health:
    """What `/healthz` answered, and how fast."""

    answers: int = 0
    slowest_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def hangs(self) -> bool:
        """Whether there is no use in waiting for anything."""
        return bool(self.problems)

    def ask(self, port: int) -> None:
        """Ask once; an answer may take as long as it likes, up to a limit."""
        began = time.monotonic()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5 * _MOST_HEALTH_S) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            self.problems.append(f"/healthz: {error.code}, {error.read().decode()}")
        except OSError as error:
            self.problems.append(f"/healthz does not answer: {error}")
        self.answers += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)


@contextmanager
def _watched(port: int) -> Iterator[_Health]:
    """Ask five times a second during the block."""
    health, over = _Health(), threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            health.ask(port)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield health
    finally:
        over.set()
        thread.join()


def misbehaving(folder: Path, *, seconds: float, chance: float, longest_s: float, seed: int = 14) -> Finding:
    """Poll for so long while lines are taken away for up to `longest_s`; each fault strikes that share of replies."""
    finding = Finding(f"the agent on {len(KINDS)} lines with {len(FAULTS)} faults, their first unit dead")
    rng = random.Random(seed)  # noqa: S311 -- moments, not secrets
    with ExitStack() as stack:
        lines = [_Simulator(folder, kind, chance, seed + number) for number, kind in enumerate(KINDS)]
        for line in lines:
            stack.callback(line.end)
            line.start()
        broker = stack.enter_context(running_mosquitto(folder, settings="max_queued_messages 0"))
        told = Told(stack.enter_context(subscriber(broker.port, folder)), every_s=_EVERY_S, timeout_s=_TIMEOUT_S)
        http = free_port()
        config = _configured(folder, lines, http=http, mqtt=broker.port)
        command = [sys.executable, "-m", "agent", "run", str(config)]
        options = {"stdout": subprocess.DEVNULL, "env": {**os.environ, WAIT_VARIABLE: "0"}}
        process = stack.enter_context(running(command, folder / "agent.log", **options))
        agent = RunningAgent(process, http, folder / "agent.log")
        until(lambda: _read_since(told, lines, agent.started_ns), "not every living device is read", timeout_s=_BACK_S)
        with _watched(http) as health:
            _come_and_go(finding, told, health, lines, rng, seconds=seconds, longest_s=longest_s)
        _ended(finding, agent)
    _judge(finding, told, health)
    struck = _struck(folder)
    finding.figures["replies struck"] = ", ".join(f"{name} {struck[name]:,}" for name in FAULTS)
    finding.expect(sum(struck.values()) > 0, "no fault struck")
    return finding


def _struck(folder: Path) -> Counter[str]:
    """Count the faults in the simulators' logs, whose last line a kill may have cut off."""
    return Counter(
        name
        for file in folder.glob("*.jsonl")
        for line in file.read_bytes().splitlines()
        if line.endswith(b"}")
        for name in orjson.loads(line)["faults"]
    )


def _configured(folder: Path, lines: list[_Simulator], **ports: int) -> Path:
    points = []
    for family in FAMILIES:
        for at, (name, raw) in enumerate(zip(family.names, ("uint16", "uint16", "uint32"), strict=True)):
            place = f'address = {family.address + at}, function = {family.function}, type = "{raw}"'
            points.append(f'{name} = {{ {place}, unit = "{family.unit}" }}\n')
    (folder / "whose.toml").write_text(_PROFILE + "".join(points), encoding="utf-8")
    parts = [_HEAD.format(every=_EVERY_S, **ports)]
    parts += [_LINE.format(line=line.name, url=line.url, timeout=_TIMEOUT_S) for line in lines]
    units = (_DEAD, *_LIVING)
    parts += [_DEVICE.format(line=line.name, unit=unit, every=_EVERY_S) for line in lines for unit in units]
    file = folder / "energy-agent.toml"
    file.write_text("".join(parts), encoding="utf-8")
    return file


def _read_since(told: Told, lines: list[_Simulator], since_ns: int) -> bool:
    last = told.read_on().last_ns
    return all(last.get(f"{line.name}-{unit}", 0) > since_ns for line in lines for unit in _LIVING)


def _come_and_go(
    finding: Finding,
    told: Told,
    health: _Health,
    lines: list[_Simulator],
    rng: random.Random,
    *,
    seconds: float,
    longest_s: float,
) -> None:
    """Take lines away, the first time all of them, and bring them back; expect each of their devices to follow."""
    ends = time.monotonic() + seconds
    kills, slowest_s, gone = 0, 0.0, lines
    while time.monotonic() < ends:
        for line in gone:
            line.kill()
        kills += len(gone)
        time.sleep(rng.uniform(longest_s / 2, longest_s))
        for line in gone:
            line.start()
        back, since_ns = time.monotonic(), time.time_ns()
        until(lambda: health.hangs or _read_since(told, gone, since_ns), "", timeout_s=_BACK_S)  # noqa: B023 -- asked within this turn
        if not _read_since(told, gone, since_ns):
            names = ", ".join(line.name for line in gone)
            finding.problems.append(f"{names}: not every living device was read again after the restart")
            break
        slowest_s = max(slowest_s, time.monotonic() - back)
        gone = rng.sample(lines, rng.randint(1, len(lines)))
        time.sleep(rng.uniform(0.5, 1.0))
    finding.figures["simulators killed and started again"] = str(kills)
    finding.figures["from a start until every living device was read"] = f"at most {slowest_s:.1f} s"


def _ended(finding: Finding, agent: RunningAgent) -> None:
    code, took_s = agent.stop()
    finding.expect(code == 0, f"exit code {code}")
    finding.expect(took_s <= _MOST_STOP_S, f"it took {took_s:.1f} s to end")
    finding.expect("Traceback" not in agent.log, "the agent's log holds a traceback")
    finding.figures["ended after SIGTERM"] = f"exit code {code} in {took_s:.2f} s"


def _judge(finding: Finding, told: Told, health: _Health) -> None:
    told.read_on()
    finding.problems += [f"a wrong value was published: {text}" for text in told.wrong]
    finding.expect(told.checked > 0, "no value came")
    finding.problems += health.problems
    slow = health.slowest_s
    finding.expect(health.answers > 0 and slow <= _MOST_HEALTH_S, f"/healthz took up to {slow:.2f} s")
    finding.figures["values checked / wrong / marked stale"] = f"{told.checked:,} / {len(told.wrong)} / {told.stale:,}"
    finding.figures["blocks without a value"] = f"{told.missing:,}"
    finding.figures["oldest value not marked"] = f"{told.oldest_s:.2f} s before the end of its poll"
    finding.figures["/healthz"] = f"{health.answers:,} answers, the slowest after {slow:.3f} s"
