"""The configuration of the agent under trial: every simulated device, both sinks, everything once a second."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SITE = "trial-works"
PLANT = Path(__file__).parents[2] / "simulators" / "plants" / "twenty.toml"

_HEAD = """[site]
name = "{site}"
timezone = "Asia/Shanghai"
electricity_region = "CN-AH"
fuel_parameters = "GB/T 32151.34-2024"

[store]
path = "store.db"

[windows]
publish = "{publish}"

[interval]
length = "{interval}"

[mqtt]
url = "mqtt://127.0.0.1:{mqtt_port}"
telemetry_every = "1s"

[influx]
url = "http://127.0.0.1:{influx_port}"
org = "works"
bucket = "energy"

[http]
listen = "127.0.0.1:{http_port}"
"""
_LINE = """
[[line]]
name = "{name}"
url = "{url}"
"""
_DEVICE = """
[[device]]
name = "{device}"
area = "{line}"
line = "{line}"
unit = {unit}
profile = "{profile}"
every = "1s"
rated_power = "{rated_kw:g} kW"
"""
_OUTPUT = """
[[output]]
name = "steam"
device = "{boiler}"
from = "steam_mass"

[[intensity]]
name = "steam"
accounts = ["{boiler}/natural_gas"]
per = "steam"
"""
_BOILER_KW_PER_T_H = 750.0
_METER_KW = 1000.0


@dataclass(frozen=True, slots=True)
class Device:
    """A simulated device and where it is served."""

    name: str
    line: str
    url: str
    unit: int
    profile: str


def devices(announced: Mapping[str, Any]) -> list[Device]:
    """Return what `energy-simulators plant --json` says it serves."""
    return [
        Device(entry["device"], entry["line"], entry["url"], entry["unit"], entry["profile"])
        for entry in announced["devices"]
    ]


def configuration(served: Sequence[Device], ports: Mapping[str, int], *, interval: str, publish: str) -> str:
    """Return the agent's file for the devices; `ports` are those of mqtt, influx and http."""
    rated_kw = _rated_kw()
    found = [
        _HEAD.format(
            site=SITE, interval=interval, publish=publish, **{f"{name}_port": port for name, port in ports.items()}
        )
    ]
    found += [_LINE.format(name=name, url=url) for name, url in {device.line: device.url for device in served}.items()]
    for device in served:
        found.append(
            _DEVICE.format(
                device=device.name,
                line=device.line,
                unit=device.unit,
                profile=device.profile,
                rated_kw=rated_kw.get(device.name, _METER_KW),
            )
        )
    boilers = [device.name for device in served if device.profile.endswith("boiler")]
    if boilers:
        found.append(_OUTPUT.format(boiler=boilers[0]))
    return "".join(found)


def _rated_kw() -> dict[str, float]:
    plant = tomllib.loads(PLANT.read_text(encoding="utf-8"))
    motors = {entry["name"]: float(entry["rated_power_kw"]) for entry in plant["motor"]}
    boilers = {entry["name"]: float(entry["rated_steam_t_h"]) * _BOILER_KW_PER_T_H for entry in plant["boiler"]}
    return motors | boilers
