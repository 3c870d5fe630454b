"""From a configuration to the tasks that poll its lines."""

import time
from collections.abc import Iterable
from functools import partial

from agent.alarms.alarm import Alarm, Severity
from agent.alarms.desk import AlarmDesk
from agent.config import SiteConfig
from agent.polling.asking import Memory
from agent.polling.learning import Learned
from agent.polling.polled import PolledDevice
from agent.polling.poller import LinePoller
from agent.record import AGENT
from agent.recorder import Recorder
from agent.sections import DeviceSection, LineSection
from agent.store import Store
from agent.tape import Tape
from agent.tape.notes import learned_note
from drivers.line import Line


def line_pollers(
    config: SiteConfig,
    sections: Iterable[LineSection],
    recorder: Recorder,
    alarms: AlarmDesk,
    store: Store,
    tape: Tape,
) -> list[LinePoller]:
    """Return what polls the devices of each line; `store` keeps what is learned of them, `tape` what they say."""
    devices: dict[str, list[DeviceSection]] = {}
    for device in config.devices:
        devices.setdefault(device.line, []).append(device)
    # Made once for all lines, of which there may be a thousand.
    memory, exchange, frame, state = (
        _memory(recorder, store, tape),
        tape.exchange,
        recorder.frame,
        recorder.device_state,
    )
    return [
        LinePoller(
            Line(
                section.name,
                section.endpoint,
                timeout_s=section.timeout,
                pause_s=section.pause_s,
                on_exchange=exchange,
            ),
            [
                PolledDevice(device.name, device.unit, config.profiles[device.name], device.every)
                for device in devices.get(section.name, ())
            ],
            pause_s=section.pause_s,
            on_frame=frame,
            on_state=state,
            memory=memory,
            on_overload=partial(_overload, alarms, section.name),
            tape=tape,
        )
        for section in sections
    ]


def _memory(recorder: Recorder, store: Store, tape: Tape) -> Memory:
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

    return Memory(remember, recall, slow)


def _overload(alarms: AlarmDesk, line: str, active: bool, text: str, text_zh: str) -> None:  # noqa: FBT001 -- one of three facts that are told
    alarms.set(Alarm(AGENT, f"line_overload_{line}", active, Severity.WARNING, time.time_ns(), text, text_zh))


def _state(device: PolledDevice) -> str:
    return f"learned/{device.name}"


def _pace(device: PolledDevice) -> str:
    return f"pace/{device.name}"
