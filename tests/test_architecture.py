"""Reads the imports of the whole project and holds them against the rooms of the design."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("agent", "drivers", "simulators")
MODULE_LINES = 320
FUNCTION_LINES = 60
SINKS = {f"agent.sinks.{path.stem}" for path in (ROOT / "agent" / "sinks").glob("[a-z]*") if path.suffix in ("", ".py")}
FORBIDDEN_NAMES = frozenset({"base", "common", "helper", "helpers", "manager", "util", "utils"})
SEES_EVERYTHING = "agent.service"
NEIGHBOURS = 20
"""Modules of the project that any other may import."""
DRIVER_RANKS = {"unit": 0, "quantity": 1, "reading": 2, "profile": 3, "plan": 4, "codec": 5, "line": 6}
"""The way up inside drivers; a module not named here has no fixed place, only no cycle."""
PROOFS = {"agent.audit": 0, "agent.replay": 0, "agent.bundle": 1}
"""The rooms that prove what the others have done, on their way up: none sees one of its own rank or above."""
SEES_PROOFS = ("agent.commands", "agent.state", SEES_EVERYTHING)
"""Who may ask them besides: commands, and what tells the state of the whole agent."""
_CHECKS = tuple(
    f"agent.{room}.check" for room in ("corrections", "equipment", "intensity", "output", "rollup", "tariff", "warning")
)
STANDS_ON = {
    "agent.books": (
        *("agent.metering", "agent.carbon", "agent.tariff", "agent.plant"),
        *("agent.config", "agent.sections", "agent.figure", "agent.record", "agent.saved", "agent.tape"),
        "agent.store.FOUND",
    ),
    "agent.config": (
        *("agent.sections", "agent.plant", "agent.carbon", *_CHECKS, "agent.rollup.levels"),
        *("agent.process.worker", "agent.__version__"),
    ),
    "agent.plant": ("agent.sections", "agent.carbon", "agent.metering"),
    "agent.sections": (*("agent.carbon", "agent.metering", "agent.equipment", "agent.record"),),
}
"""All of the agent that a room may need besides itself: none of these reads a device, runs or delivers."""
FRONT_DOORS = {
    "agent.config": ("agent.config.site", "agent.config.crosscheck", "agent.config.carboncheck"),
    "agent.plant": ("agent.plant.plant",),
}
"""What of a room nobody outside imports: its package gives it out."""
WITHOUT_BOOKS = (
    "agent.alarms",
    "agent.api",
    "agent.commissioning",
    "agent.config",
    "agent.delivery",
    "agent.plant",
    "agent.sections",
    "agent.sinks",
    "agent.store",
    "agent.timekeeping",
)
"""Who carries, keeps or is told what the books say, and those they stand on."""
READING = frozenset(
    {
        "pymodbus.framer.FramerRTU",
        "pymodbus.framer.FramerSocket",
        "pymodbus.pdu.DecodePDU",
        "pymodbus.pdu.ModbusPDU",
        "pymodbus.pdu.bit_message.ReadCoilsRequest",
        "pymodbus.pdu.bit_message.ReadDiscreteInputsRequest",
        "pymodbus.pdu.mei_message.ReadDeviceInformationRequest",
        "pymodbus.pdu.register_message.ReadHoldingRegistersRequest",
        "pymodbus.pdu.register_message.ReadInputRegistersRequest",
        "pymodbus.transport.CommParams",
        "pymodbus.transport.CommType",
        "pymodbus.transport.ModbusProtocol",
    }
)
"""All of pymodbus that may be used: nothing here can encode a request that changes a device."""

Finding = str


@dataclass(frozen=True, slots=True)
class Import:
    """A name that a module imports; `deferred` when it happens inside a function."""

    target: str
    line: int
    deferred: bool


@dataclass(frozen=True, slots=True)
class Module:
    """The parsed text of one module."""

    name: str
    text: str
    package: bool = False

    @property
    def imports(self) -> list[Import]:
        """Everything imported, relative names resolved; `from a import b` counts as both `a` and `a.b`."""
        return list(_imports(_tree(self.text), self, deferred=False))


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


Rule = Callable[[Module], Iterable[Finding]]


def _imports(node: ast.AST, module: Module, *, deferred: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, deferred) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            source = _source(child, module)
            yield Import(source, child.lineno, deferred)
            yield from (Import(f"{source}.{alias.name}", child.lineno, deferred) for alias in child.names)
        else:
            inside = deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, module, deferred=inside)


def _source(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    here = module.name.split(".")
    kept = len(here) - node.level + (1 if module.package else 0)
    return ".".join([*here[:kept], *([node.module] if node.module else [])])


def _within(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _refuse(module: Module, why: str, *rooms: str) -> Iterator[Finding]:
    for entry in module.imports:
        if _within(entry.target, *rooms):
            yield f"{module.name}:{entry.line} imports {entry.target}: {why}"


def drivers_know_nothing_above(module: Module) -> Iterator[Finding]:
    if _within(module.name, "drivers"):
        yield from _refuse(module, "drivers know no plant, broker or simulator", "agent", "simulators")


def simulators_know_only_drivers(module: Module) -> Iterator[Finding]:
    if _within(module.name, "simulators"):
        yield from _refuse(module, "simulators may use drivers only, so that they stay an independent check", "agent")


def only_the_demo_reaches_simulators(module: Module) -> Iterator[Finding]:
    if _within(module.name, "agent") and not _within(module.name, "agent.demo"):
        yield from _refuse(module, "only agent/demo may", "simulators")


def drivers_keep_their_order(module: Module) -> Iterator[Finding]:
    rank = _rank(module.name)
    for entry in module.imports:
        other = _rank(entry.target)
        if rank is not None and other is not None and other >= rank and not _within(entry.target, module.name):
            yield f"{module.name}:{entry.line} imports {entry.target}: the order is {' <- '.join(DRIVER_RANKS)}"


def _rank(name: str) -> int | None:
    parts = name.split(".")
    return DRIVER_RANKS.get(parts[1]) if parts[0] == "drivers" and len(parts) > 1 else None


def only_wire_and_request_know_pymodbus(module: Module) -> Iterator[Finding]:
    if module.name not in {"drivers.wire", "drivers.request"}:
        yield from _refuse(module, "only drivers/wire.py and drivers/request.py may", "pymodbus")


def nothing_writes_to_a_device(module: Module) -> Iterator[Finding]:
    # A list of what may be used: a list of what may not would miss the next way to encode a writing function.
    for node in ast.walk(_tree(module.text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = f"{_source(node, module)}." if isinstance(node, ast.ImportFrom) else ""
            for name in (source + alias.name for alias in node.names):
                if _within(name, "pymodbus") and name not in READING:
                    yield f"{module.name}:{node.lineno} imports {name}: the agent cannot write to the plant"


def nothing_is_raised_within_a_group(module: Module) -> Iterator[Finding]:
    # Python before 3.11.4, such as that of Debian 12, wraps what is raised there into another group.
    for node in ast.walk(_tree(module.text)):
        if isinstance(node, ast.TryStar):
            handled = [inner for handler in node.handlers for inner in ast.walk(handler)]
            yield from (
                f"{module.name}:{inner.lineno} raises within except*: raise behind it"
                for inner in handled
                if isinstance(inner, ast.Raise)
            )


def sinks_never_see_each_other(module: Module) -> Iterator[Finding]:
    if module.name.startswith("agent.sinks."):
        own = ".".join(module.name.split(".")[:3])
        for entry in module.imports:
            other = ".".join(entry.target.split(".")[:3])
            if other in SINKS - {own}:
                yield f"{module.name}:{entry.line} imports {entry.target}: each sink is whole by itself"


def lines_know_no_capture(module: Module) -> Iterator[Finding]:
    if _within(module.name, "drivers") and not _within(module.name, "drivers.capture"):
        yield from _refuse(module, "what is captured does not depend on whether it is", "drivers.capture")


def nothing_depends_on_what_proves_it(module: Module) -> Iterator[Finding]:
    rooms = [room for room in PROOFS if _within(module.name, room)]
    if not rooms and not _within(module.name, *SEES_PROOFS):
        yield from _refuse(module, "the accounts are the same whoever proves them", *PROOFS)
    for room in rooms:
        above = [other for other in PROOFS if other != room and PROOFS[other] >= PROOFS[room]]
        yield from _refuse(module, f"{room} is below it or beside it", *above)


def polling_books_nothing(module: Module) -> Iterator[Finding]:
    if _within(module.name, "agent.polling") and module.name != "agent.polling.build":
        why = "whoever polls does not know what becomes of it"
        yield from _refuse(module, why, "agent.recorder", "agent.books", "agent.store", "agent.alarms")


def rooms_stand_on_what_they_are_said_to(module: Module) -> Iterator[Finding]:
    named = {entry.target for entry in module.imports}
    for room, below in STANDS_ON.items():
        if _within(module.name, room):
            for entry in module.imports:
                # `from agent.store import FOUND` counts as the package too, of which it takes no more than that.
                taken = any(other.startswith(f"{entry.target}.") for other in named)
                known = _within(entry.target, room, *below) or taken
                if _within(entry.target, "agent", "asyncio") and not known:
                    yield f"{module.name}:{entry.line} imports {entry.target}: {room} does not stand on it"


def rooms_are_entered_by_their_front_door(module: Module) -> Iterator[Finding]:
    for room, inner in FRONT_DOORS.items():
        if not _within(module.name, room):
            yield from _refuse(module, f"{room} gives out what it is for", *inner)


def who_carries_records_knows_no_books(module: Module) -> Iterator[Finding]:
    if _within(module.name, *WITHOUT_BOOKS):
        yield from _refuse(module, "what is booked is the same whoever carries it", "agent.books")


def the_process_knows_no_plant(module: Module) -> Iterator[Finding]:
    if _within(module.name, "agent.process"):
        for entry in module.imports:
            if _within(entry.target, "agent", "drivers") and not _within(entry.target, "agent.process"):
                yield f"{module.name}:{entry.line} imports {entry.target}: a process is the same whatever it does"


def delivery_knows_no_receiver(module: Module) -> Iterator[Finding]:
    if _within(module.name, "agent.delivery") and module.name != "agent.delivery.build":
        yield from _refuse(module, "what a receiver is comes from agent.sinks", *sorted(SINKS))


def accounts_know_only_what_devices_say(module: Module) -> Iterator[Finding]:
    for room in ("agent.metering", "agent.carbon"):
        if _within(module.name, room):
            for entry in module.imports:
                if _within(entry.target, "agent") and entry.target != "agent" and not _within(entry.target, room):
                    yield f"{module.name}:{entry.line} imports {entry.target}: {room} is computed from drivers alone"


def accounts_are_computed_without_asyncio(module: Module) -> Iterator[Finding]:
    if _within(module.name, "agent.metering", "agent.carbon"):
        yield from _refuse(module, "metering and carbon are pure", "asyncio")


def only_the_service_sees_everything(module: Module) -> Iterator[Finding]:
    named = {entry.target for entry in module.imports if "." in entry.target}
    seen = {name for name in named & project().keys() - {module.name} if not _only_holds(name, named)}
    if module.name != SEES_EVERYTHING and len(seen) > NEIGHBOURS:
        yield f"{module.name} imports {len(seen)} modules, more than {NEIGHBOURS}: only {SEES_EVERYTHING} may"


def _only_holds(package: str, named: set[str]) -> bool:
    # `from agent.books import bodies` names the package too: no neighbour where all that is taken are modules.
    taken = {name for name in named if name.rpartition(".")[0] == package}
    return bool(taken) and taken <= project().keys()


def modules_are_named_after_what_they_hold(module: Module) -> Iterator[Finding]:
    if FORBIDDEN_NAMES & set(module.name.split(".")):
        yield f"{module.name}: name a module after what it holds; {', '.join(sorted(FORBIDDEN_NAMES))} say nothing"


def modules_stay_small(module: Module) -> Iterator[Finding]:
    lines = len(module.text.splitlines())
    if lines > MODULE_LINES:
        yield f"{module.name} has {lines} lines, more than {MODULE_LINES}: two rooms share one wall, make it a package"


def functions_stay_small(module: Module) -> Iterator[Finding]:
    for node in ast.walk(_tree(module.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{module.name}:{node.lineno} {node.name} has {lines} lines, more than {FUNCTION_LINES}"


def _needs(module: Module) -> set[str]:
    # Whoever imports a module runs the packages that hold it first; those that hold the importer run already.
    targets = {entry.target for entry in module.imports if not entry.deferred}
    holding = {
        ".".join(parts[:count]) for parts in (name.split(".") for name in targets) for count in range(1, len(parts))
    }
    return {name for name in targets | holding if not _within(module.name, name)}


def import_cycle(modules: Mapping[str, Module]) -> list[str]:
    """Return the names along a cycle of imports at module level, empty when there is none."""
    graph = {name: _needs(module) & modules.keys() for name, module in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


@cache
def project() -> Mapping[str, Module]:
    modules = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            modules[name] = Module(name, path.read_text(encoding="utf-8"), package=is_package)
    return modules


def _neighbours(count: int) -> str:
    names = [name.partition(".")[2] for name in project() if _within(name, "agent") and name.count(".") == 1]
    return f"from agent import {', '.join(sorted({*names} - {'api'})[:count])}"


EXAMPLES: dict[Rule, tuple[Module, Module]] = {
    # rule: (a module that breaks it, one as near as can be that does not)
    drivers_know_nothing_above: (
        Module("drivers.codec", "from agent.store import Store"),
        Module("drivers.codec", "from drivers.reading import Frame"),
    ),
    simulators_know_only_drivers: (
        Module("simulators.boiler", "def f():\n    import agent.carbon.steam"),
        Module("simulators.boiler", "import drivers.codec"),
    ),
    only_the_demo_reaches_simulators: (
        Module("agent.service", "from simulators import plant"),
        Module("agent.demo.show", "from simulators import plant"),
    ),
    drivers_keep_their_order: (
        Module("drivers.profile", "from . import codec"),
        Module("drivers.codec", "from . import profile"),
    ),
    only_wire_and_request_know_pymodbus: (
        Module("drivers.line", "from pymodbus.framer import FramerRTU"),
        Module("drivers.request", "from pymodbus.framer import FramerRTU"),
    ),
    nothing_writes_to_a_device: (
        Module("drivers.wire", "from pymodbus.pdu.register_message import WriteSingleRegisterRequest"),
        Module("drivers.wire", "from pymodbus.pdu.register_message import ReadHoldingRegistersRequest"),
    ),
    nothing_is_raised_within_a_group: (
        Module("agent.commands.run", "try: pass\nexcept* OSError: raise ValueError"),
        Module("agent.commands.run", "try: pass\nexcept OSError: raise ValueError"),
    ),
    sinks_never_see_each_other: (
        Module("agent.sinks.mqtt", "from agent.sinks.influx import InfluxSink"),
        Module("agent.sinks.mqtt", "from agent.sinks.errors import SinkUnavailable"),
    ),
    lines_know_no_capture: (
        Module("drivers.line", "from drivers.capture import CaptureWriter"),
        Module("drivers.capture.writer", "from drivers.capture.files import Files"),
    ),
    nothing_depends_on_what_proves_it: (
        Module("agent.rollup.derived", "from agent.audit.finding import Finding"),
        Module("agent.bundle.verify", "from agent.audit.finding import Finding"),
    ),
    polling_books_nothing: (
        Module("agent.polling.poller", "from agent.recorder import Recorder"),
        Module("agent.polling.build", "from agent.recorder import Recorder"),
    ),
    rooms_stand_on_what_they_are_said_to: (
        Module("agent.books.taking_up", "from agent.store import Store"),
        Module("agent.books.taking_up", "from agent.store import FOUND"),
    ),
    rooms_are_entered_by_their_front_door: (
        Module("agent.service", "from agent.config.site import SiteConfig"),
        Module("agent.service", "from agent.config import SiteConfig"),
    ),
    who_carries_records_knows_no_books: (
        Module("agent.delivery.forward", "from agent.books.bodies import Body"),
        Module("agent.recorder", "from agent.books.bodies import Body"),
    ),
    the_process_knows_no_plant: (
        Module("agent.process.crew", "from agent.store import Store"),
        Module("agent.process.crew", "from agent.process.notify import notify"),
    ),
    delivery_knows_no_receiver: (
        Module("agent.delivery.forward", "from agent.sinks.mqtt import MqttSink"),
        Module("agent.delivery.forward", "from agent.sinks import Sink"),
    ),
    accounts_know_only_what_devices_say: (
        Module("agent.metering.counter", "from agent.record import rfc3339"),
        Module("agent.metering.counter", "from agent.metering.amount import Delta"),
    ),
    accounts_are_computed_without_asyncio: (
        Module("agent.metering.counter", "import asyncio"),
        Module("agent.delivery.forward", "import asyncio"),
    ),
    only_the_service_sees_everything: (
        Module("agent.api", _neighbours(NEIGHBOURS + 1)),
        Module("agent.api", _neighbours(NEIGHBOURS)),
    ),
    modules_are_named_after_what_they_hold: (Module("agent.utils.time", ""), Module("agent.timekeeping.clock", "")),
    modules_stay_small: (Module("agent.store", "\n" * 321), Module("agent.store", "\n" * 320)),
    functions_stay_small: (
        Module("agent.store", "def f():\n" + "    pass\n" * 60),
        Module("agent.store", "def f():\n" + "    pass\n" * 59),
    ),
}


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    findings = [finding for module in project().values() for finding in rule(module)]

    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.__name__)
def test_the_rule_tells_a_breach_from_its_neighbour(rule: Rule) -> None:
    breach, neighbour = EXAMPLES[rule]

    assert list(rule(breach))
    assert not list(rule(neighbour))


def test_a_package_is_a_neighbour_unless_only_its_modules_are_taken() -> None:
    assert _only_holds("agent.books", {"agent.books", "agent.books.bodies"})
    assert not _only_holds("agent.store", {"agent.store", "agent.store.Store", "agent.store.place"})
    assert not _only_holds("agent.store", {"agent.store"})


def test_the_project_imports_without_cycles() -> None:
    cycle = import_cycle(project())

    assert not cycle, f"import cycle: {' -> '.join(cycle)}; move what both need into a module below them"


def test_a_cycle_is_found_unless_an_import_is_deferred() -> None:
    one = Module("agent.one", "import agent.two")
    two = Module("agent.two", "from agent import one")
    later = Module("agent.two", "def f():\n    from agent import one")

    assert import_cycle({"agent.one": one, "agent.two": two})
    assert not import_cycle({"agent.one": one, "agent.two": later})


def test_a_cycle_through_the_front_door_of_a_room_is_found() -> None:
    door = Module("agent.room", "from agent.room.inner import whole", package=True)
    inner = Module("agent.room.inner", "from agent.other import check")
    other = Module("agent.other", "from agent.room.words import name")
    modules = {each.name: each for each in (door, inner, other, Module("agent.room.words", ""))}

    assert import_cycle(modules)
    assert not import_cycle(modules | {"agent.room": Module("agent.room", "", package=True)})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("agent.config.site", "import asyncio"),
        ("agent.config.site", "from agent.books.ledger import Ledger"),
        ("agent.sections.site", "from agent.config import SiteConfig"),
        ("agent.plant.plant", "from agent.config import SiteConfig"),
        ("agent.books.ledger", "from agent.recorder import Recorder"),
    ],
)
def test_a_room_does_not_stand_on_what_is_beside_or_above_it(name: str, text: str) -> None:
    assert list(rooms_stand_on_what_they_are_said_to(Module(name, text)))


@pytest.mark.parametrize(
    "text",
    [
        "from pymodbus.client import AsyncModbusTcpClient",
        "from pymodbus import pdu",
        "import pymodbus.pdu.register_message",
        "def f():\n    from pymodbus.pdu.bit_message import WriteSingleCoilRequest",
    ],
)
def test_no_way_around_the_list_of_reading_requests_is_left(text: str) -> None:
    assert list(nothing_writes_to_a_device(Module("drivers.wire", text)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("agent.audit.auditor", "from agent.bundle.form import Manifest"),
        ("agent.audit.auditor", "from agent.replay.stage import Stage"),
        ("agent.replay.stage", "from agent import audit"),
        ("agent.corrections.desk", "def f():\n    import agent.bundle.verify"),
    ],
)
def test_a_room_of_proof_sees_none_beside_or_above_it(name: str, text: str) -> None:
    assert list(nothing_depends_on_what_proves_it(Module(name, text)))


def test_all_three_packages_are_looked_at() -> None:
    assert {name.split(".")[0] for name in project()} == set(PACKAGES)
