"""From a configuration to the tasks that poll its lines."""

import time

from agent.alarms.alarm import Alarm, Severity
from agent.alarms.desk import AlarmDesk
from agent.config import SiteConfig
from agent.polling.asking import Memory
from agent.polling.learning import Learned
from agent.polling.polled import PolledDevice
from agent.polling.poller import LinePoller
from agent.record import AGENT
from agent.recorder import Recorder
from agent.sections import LineSection
from agent.store import Store
from agent.tape import NO_TAPE, Tape
from agent.tape.notes import learned_note
from drivers.line import Line


def line_poller(
    config: SiteConfig,
    section: LineSection,
    recorder: Recorder,
    alarms: AlarmDesk,
    store: Store,
    tape: Tape = NO_TAPE,
) -> LinePoller:
    """Return what polls the devices of a line; `store` keeps what is learned of them, `tape` what they say."""
    devices = [
        PolledDevice(device.name, device.unit, config.profiles[device.name], device.every)
        for device in config.devices
        if device.line == section.name
    ]

    def remember(device: PolledDevice) -> None:
        tape.note(learned_note(device.name, device.learned))
        store.save_state(_state(device), device.learned.to_json(device.profile))
        recorder.learned(device, device.learned.told(device.profile))

    def recall(device: PolledDevice) -> None:
        device.learn(Learned.from_json(store.load_state(_state(device)), device.profile))
        tape.note(learned_note(device.name, device.learned))
        device.pacing.recall(store.load_state(_pace(device)))

    def slow(device: PolledDevice) -> None:
        store.save_state(_pace(device), device.pacing.state())
        recorder.learned(device, "says that it is busy: it is given more time between requests")

    def overload(active: bool, text: str, text_zh: str) -> None:  # noqa: FBT001 -- one of three facts that are told
        name = f"line_overload_{section.name}"
        alarms.set(Alarm(AGENT, name, active, Severity.WARNING, time.time_ns(), text, text_zh))

    line = Line(
        section.name, section.endpoint, timeout_s=section.timeout, pause_s=section.pause_s, on_exchange=tape.exchange
    )
    return LinePoller(
        line,
        devices,
        pause_s=section.pause_s,
        on_frame=recorder.frame,
        on_condition=recorder.condition,
        memory=Memory(remember, recall, slow),
        on_overload=overload,
        tape=tape,
    )


def _state(device: PolledDevice) -> str:
    return f"learned/{device.name}"


def _pace(device: PolledDevice) -> str:
    return f"pace/{device.name}"
