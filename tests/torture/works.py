"""The plant under torture and the agent's file for it: motors on Modbus/TCP lines, both sinks, everything fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.soak.works import Device

SITE = "torture"
_PER_LINE = 10

_PLANT = '[plant]\nname = "torture"\nstart_hour = 8.0\n'
_PLANT_LINE = '\n[[line]]\nname = "{line}"\nkind = "tcp"\n'
_PLANT_MOTOR = """
[[motor]]
name = "{name}"
line = "{line}"
unit = {unit}
profile = "generic/vfd-motor"
load = "fan"
rated_power_kw = 200.0
rated_speed_rpm = 1480
rated_efficiency_percent = 95.0
rated_power_factor = 0.86
"""
_HEAD = """[site]
name = "{site}"

[store]
path = "store.db"
max_size = "{max_size}"
commit_every = "{commit_every}"

[windows]
spans = ["1min"]
publish = "{publish}"

[interval]
length = "{interval}"

[http]
listen = "127.0.0.1:{http}"
"""
_MQTT = '\n[mqtt]\nurl = "mqtt://{host}:{port}"\ntelemetry_every = "{every}"\n'
_INFLUX = '\n[influx]\nurl = "http://{host}:{port}"\norg = "works"\nbucket = "energy"\n'
_LINE = '\n[[line]]\nname = "{line}"\nurl = "{url}"\n'
_DEVICE = """
[[device]]
name = "{name}"
area = "hall"
line = "{line}"
unit = {unit}
profile = "{profile}"
every = "{every}"
rated_power = "400 kW"
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a case may set in the agent's file; `ports` are those of http and, where wanted, mqtt and influx."""

    ports: Mapping[str, int]
    every: str = "200ms"
    interval: str = "1s"
    publish: str = "1s"
    commit_every: str = "100ms"
    max_size: str = "256MiB"
    host: str = "127.0.0.1"
    """Where the receivers are."""


def plant_file(motors: int) -> str:
    """Return a plant of so many motors, ten on a line."""
    parts = [_PLANT]
    for number in range(motors):
        line, unit = f"line-{number // _PER_LINE + 1}", number % _PER_LINE + 1
        if unit == 1:
            parts.append(_PLANT_LINE.format(line=line))
        parts.append(_PLANT_MOTOR.format(name=f"motor-{number + 1}", line=line, unit=unit))
    return "".join(parts)


def agent_file(served: Sequence[Device], settings: Settings) -> str:
    """Return the agent's configuration for these devices."""
    found = [
        _HEAD.format(
            site=SITE,
            max_size=settings.max_size,
            commit_every=settings.commit_every,
            publish=settings.publish,
            interval=settings.interval,
            http=settings.ports["http"],
        )
    ]
    if "mqtt" in settings.ports:
        found.append(_MQTT.format(host=settings.host, port=settings.ports["mqtt"], every=settings.every))
    if "influx" in settings.ports:
        found.append(_INFLUX.format(host=settings.host, port=settings.ports["influx"]))
    found += [_LINE.format(line=line, url=url) for line, url in {d.line: d.url for d in served}.items()]
    found += [
        _DEVICE.format(name=d.name, line=d.line, unit=d.unit, profile=d.profile, every=settings.every) for d in served
    ]
    return "".join(found)
