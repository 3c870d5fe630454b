"""From a configuration to the tasks that poll its lines."""

from agent.config import SiteConfig
from agent.polled import PolledDevice
from agent.poller import LinePoller
from agent.recorder import Recorder
from agent.sections import LineSection
from drivers.line import Line
from drivers.plan import plan


def line_poller(config: SiteConfig, section: LineSection, recorder: Recorder) -> LinePoller:
    """Return what polls the devices of a line."""
    devices = [
        PolledDevice(
            device.name,
            device.unit,
            config.profiles[device.name],
            plan(config.profiles[device.name], every_s=device.every),
        )
        for device in config.devices
        if device.line == section.name
    ]
    line = Line(section.name, section.endpoint, timeout_s=section.timeout, pause_s=section.pause_s)
    return LinePoller(
        line, devices, timeout_s=section.timeout, on_frame=recorder.frame, on_condition=recorder.condition
    )
