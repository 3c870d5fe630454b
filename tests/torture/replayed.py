"""A captured day of a plant in minutes, with all that can go wrong with it, then replayed from what was captured.

The plant runs fast and is served in this process: devices fall silent, show absurd numbers, and one gets another
meter, which is declared by command. The agent is a process of its own: it is killed and started again, its clock is
set, its configuration is changed while it runs. Then `energy-agent replay` must make every interval again with the
hash that was published.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from agent.store import read_intervals
from agent.timekeeping.clock import WAIT_VARIABLE
from simulators.plant import SimulatedPlant, load_plant
from tests.agent.replay.works import MORE
from tests.servers import Broker, free_port, mosquitto
from tests.soak.finding import Finding
from tests.soak.rig import running
from tests.torture.rig import RunningAgent, until
from tests.torture.shim import Shim, available

_PLANT = Path(__file__).parents[2] / "simulators" / "plants" / "demo.toml"
_HOUR_S = 3600.0
_TURN_S = 0.05
"""Each turn of the plant's clock is one step, or it would have no time to answer."""
_SITE = """[site]
name = "day"
timezone = "Asia/Shanghai"
electricity_region = "CN-AH"

[store]
path = "store.db"
commit_every = "3s"

[[line]]
name = "boiler-house"
url = "{boiler_1}"
timeout = "200ms"

[[line]]
name = "substation"
url = "{main_meter}"
timeout = "200ms"

[[device]]
name = "boiler-1"
area = "boiler-house"
line = "boiler-house"
unit = 1
profile = "generic/steam-boiler"
every = "{every}"

[[device]]
name = "motor-1"
area = "boiler-house"
line = "boiler-house"
unit = 2
profile = "generic/vfd-motor"
every = "{every}"

[[device]]
name = "motor-2"
area = "boiler-house"
line = "boiler-house"
unit = 3
profile = "generic/vfd-motor"
every = "{every}"

[[device]]
name = "main-meter"
area = "substation"
line = "substation"
unit = 4
profile = "eastron/sdm630"
every = "{every}"

[windows]
spans = ["1min"]

[interval]
length = "{interval}"

[mqtt]
url = "mqtt://127.0.0.1:{mqtt}"

[http]
listen = "127.0.0.1:{http}"

[capture]
mode = "full"
directory = "capture"
"""
_FUEL = """
[[fuel]]
carrier = "natural_gas"
ncv = "36.1 MJ/Nm3"
from = 2026-01-01
by = "a laboratory"
document = "report 17"
"""


class Moody(SimulatedPlant):
    """The plant, of which some devices show absurd numbers for a while."""

    def __init__(self, speed: float) -> None:
        self.shows: dict[str, dict[str, float]] = {}
        super().__init__(load_plant(_PLANT), seed=11, speed=speed, step_s=speed * _TURN_S)
        self.replace_meter("motor-1", 50_000.0)  # so that another meter is no dip of a fast one

    def values(self, device: str) -> Mapping[str, float]:
        """Return what a device shows now."""
        return {**super().values(device), **self.shows.get(device, {})}


@dataclass
class Served:
    """A plant that is served by a thread of this process, for as long as it lasts."""

    plant: Moody
    urls: Mapping[str, tuple[str, int]]


@contextmanager
def served(speed: float) -> Iterator[Served]:
    """Serve the plant for the block."""
    plant, ready, over = Moody(speed), threading.Event(), threading.Event()
    found: list[Mapping[str, tuple[str, int]]] = []

    async def serve() -> None:
        async with plant.serving() as urls:
            found.append(urls)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(30), "the plant is not served"
        yield Served(plant, found[0])
    finally:
        over.set()
        thread.join()


class Day:
    """The plant, the agent's files, and what happens to both."""

    def __init__(self, folder: Path, works: Served, broker: Broker, step_s: float) -> None:
        self.folder, self.plant, self.step_s = folder, works.plant, step_s
        self._urls, self._broker, self._http = works.urls, broker, free_port()
        self.chance = random.Random(5)  # noqa: S311 -- moments, not secrets
        self.configs: list[Path] = []
        self.said: list[str] = []

    def configure(self, *, interval: str = "2s", more: str = "") -> Path:
        """Write the agent's file, and a copy for the replay."""
        text = _SITE.format(
            boiler_1=self._urls["boiler-1"][0],
            main_meter=self._urls["main-meter"][0],
            every="200ms",
            interval=interval,
            mqtt=self._broker.port,
            http=self._http,
        )
        path = self.folder / "site.toml"
        copy = self.folder / f"site-{len(self.configs)}.toml"
        for each in (path, copy):
            each.write_text(text + MORE + more, encoding="utf-8")
        self.configs.append(copy)
        return path

    @contextmanager
    def agent(self, shim: Shim | None, *, wait: str = "0") -> Iterator[RunningAgent]:
        """Run the agent for the block; it waits so long [s] for the time if nobody knows it."""
        log = self.folder / "agent.log"
        environment = {**os.environ, WAIT_VARIABLE: wait, **(shim.environment if shim else {})}
        command = [sys.executable, "-m", "agent", "run", str(self.folder / "site.toml")]
        with running(command, log, stdout=subprocess.DEVNULL, env=environment) as process:
            agent = RunningAgent(process, self._http, log)
            until(lambda: bool(agent.state().get("devices")), "the agent does not start")
            yield agent

    def rest(self, steps: float = 1.0) -> None:
        """Let time pass, in which pieces are made."""
        deadline = time.monotonic() + steps * self.step_s
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            message = ["mosquitto_pub", "-p", str(self._broker.port), "-t", "mes/pieces", "-q", "1"]
            subprocess.run([*message, "-m", str(self.chance.randrange(9))], check=True)

    def outages(self) -> None:
        """Let devices fall silent, one after another and two together."""
        for names in (("motor-1",), ("main-meter",), ("boiler-1", "motor-2")):
            for name in names:
                self.plant.silence(name, True)
            self.rest()
            for name in names:
                self.plant.silence(name, False)
            self.rest(0.5)

    def glitches(self) -> None:
        """Let counters show zero, or far too much, for a poll or two."""
        for name, shown in (("motor-1", 0.0), ("motor-2", 40_000_000.0), ("main-meter", 0.0), ("boiler-1", 0.0)):
            counter = "gas_volume" if name == "boiler-1" else "active_energy_import"
            self.plant.shows[name] = {counter: shown}
            time.sleep(0.4)
            self.plant.shows.pop(name)
            self.rest(0.3)

    def replacement(self) -> None:
        """Put another meter in, and declare it afterwards."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        last = self.plant.replace_meter("motor-1", 3.0)["active_energy_import"]
        self.rest(3)  # until it is booked as unknown, and the interval is closed
        said = ["--at", at, "--last", f"{last:.2f}", "--first", "3.0", "--reason", "worn out", "--author", "Li Wei"]
        self.command("replace-meter", str(self.folder / "site.toml"), "motor-1/electricity", *said)

    def revision(self) -> None:
        """Have everything weighed anew, by factors that have changed."""
        began, ends = (time.strftime("%FT%TZ", time.gmtime(time.time() + hours * _HOUR_S)) for hours in (-1, 1))
        times = ["--from", began, "--to", ends, "--yes", "--yes"]
        said = ["--reason", "analysis", "--author", "Li Wei"]
        self.command("revise", str(self.folder / "site.toml"), *times, *said)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the agent; return what it says."""
        command = [sys.executable, "-m", "agent", *words]
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        self.said.append(f"{words[0]} ends with {said.returncode}: {(said.stdout + said.stderr).strip()[-200:]}")
        return said


def replayed(folder: Path, *, hours: float, seconds: float) -> Finding:
    """Run so many simulated hours of the plant in about so many seconds, then replay them."""
    finding = Finding(f"{hours:g} h of a plant in {seconds:g} s, captured and replayed")
    with ExitStack() as stack:
        works = stack.enter_context(served(hours * _HOUR_S / seconds))
        broker = mosquitto(folder)
        stack.enter_context(broker.server)
        day = Day(folder, works, broker, seconds / 16)
        day.configure()
        shim = Shim(folder, path=folder / "store.db") if available() else None
        _live(day, shim, finding)
        if shim:
            shim.close()
    _judge(day, finding)
    return finding


def _live(day: Day, shim: Shim | None, finding: Finding) -> None:
    """Let everything happen."""
    if shim:
        shim.booted()
        shim.clock(-_HOUR_S, synchronised=False)  # the time is not known at first
    with day.agent(shim, wait="600" if shim else "0") as agent:
        day.rest(0.5)
        if shim:
            shim.clock(0.0, synchronised=True)
        day.rest()
        day.outages()
        day.glitches()
        agent.kill()
    day.rest(0.5)
    with day.agent(shim) as agent:
        day.rest()
        if shim:
            shim.clock(40.0, synchronised=True)
            day.rest(0.5)
            shim.clock(0.0, synchronised=True)
        day.replacement()
        day.rest()
        day.configure(interval="5s", more=_FUEL)
        agent.process.send_signal(signal.SIGHUP)
        day.rest(1.5)
        day.revision()
        day.rest()
        agent.kill()
    with day.agent(shim) as agent:
        day.rest(0.5)
        code, _ = agent.stop()
    finding.expect(code == 0, f"exit code {code}")
    finding.expect("Traceback" not in agent.log, "the agent's log holds a traceback")


def _judge(day: Day, finding: Finding) -> None:
    """Replay, and hold every record against the store's."""
    out = day.folder / "out"
    configs = [word for path in day.configs for word in ("--config", str(path))]
    said = day.command("replay", str(day.folder / "capture"), *configs, "--out", str(out), "--json")
    if said.returncode not in {0, 1}:
        finding.problems.append(f"replay ends with {said.returncode}: {said.stderr.strip()[-300:]}")
        return
    summary: dict[str, Any] = json.loads(said.stdout)
    finding.expect(summary["mode"] == "verified", f"replayed as {summary['mode']}")
    finding.expect(summary.get("different") == 0, f"{summary.get('different')} differ, the first: {summary['first']}")
    finding.expect(summary.get("unknown") == 0, f"not recomputable: {summary['unknown_because']}")
    finding.problems += [str(remark) for remark in summary["remarks"]]
    made = [orjson.loads(line) for line in (out / "intervals.jsonl").read_bytes().splitlines()]
    stored = [orjson.loads(each.payload) for each in read_intervals(day.folder / "store.db", 0, 1 << 62, None)]
    hashes, again = {each["hash"] for each in stored}, {each["hash"] for each in made}
    finding.expect(bool(stored), "nothing was recorded")
    finding.expect(not hashes - again, f"{len(hashes - again)} published intervals were not made again")
    finding.expect(not again - hashes, f"{len(again - hashes)} intervals were made that were never published")
    rules = sorted({rule for each in made for rule in each["evidence"]["rules"]})
    reasons = sorted({str(each["reason"]).partition(":")[0] for each in made if "reason" in each})
    finding.figures["exchanges, polls"] = f"{summary['exchanges']:,}, {summary['polls']:,}"
    finding.figures["intervals"] = f"{summary.get('identical', 0):,} identical of {len(stored):,} published"
    finding.figures["recorded, lost with the power, recorded anew"] = str(summary["withdrawn"])
    finding.figures["rules, reasons"] = ", ".join([*rules, *reasons])
    finding.figures["replayed with"] = f"{summary['exchanges_per_s']:,} exchanges/s, many short intervals included"
    wanted = {"gap", "glitch", "normal", "integral", "first", "replacement"} - set(rules)
    finding.expect(not wanted, f"nothing was booked as {', '.join(sorted(wanted))}")
    missing = {"declared_reading", "factor_change"} - set(reasons)
    finding.expect(not missing, f"nothing was revised for {', '.join(sorted(missing))}: {day.said[:-1]}")
