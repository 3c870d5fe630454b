"""The configuration file that the demo writes and the agent reads, like any other site's."""

from collections.abc import Mapping

TEXT = """# The demo's plant. The demo wrote this file; the agent reads it as it would any other.

[site]
name = "demo"
timezone = "Asia/Shanghai"
electricity_region = "CN-AH"
fuel_parameters = "GB/T 32151.34-2024"

[store]
path = "store.db"
max_size = "{store_size}"
commit_every = "200ms"
{lines}
[[device]]
name = "boiler-1"
area = "boiler-house"
line = "{boiler_1_line}"
unit = {boiler_1_unit}
profile = "generic/steam-boiler"
every = "1s"
rated_power = "2.8 MW"

[[device]]
name = "motor-1"
area = "boiler-house"
line = "{motor_1_line}"
unit = {motor_1_unit}
profile = "generic/vfd-motor"
every = "1s"
rated_power = "15 kW"

[[device]]
name = "motor-2"
area = "boiler-house"
line = "{motor_2_line}"
unit = {motor_2_unit}
profile = "generic/vfd-motor"
every = "1s"
rated_power = "7.5 kW"

[[device]]
name = "main-meter"
area = "substation"
line = "{main_meter_line}"
unit = {main_meter_unit}
profile = "eastron/sdm630"
every = "1s"
rated_power = "100 kW"
meters = "site"          # all that comes in: what the motors do not take is the rest

[[output]]
name = "steam"
device = "boiler-1"
from = "steam_mass"

[[intensity]]
name = "steam"
accounts = ["boiler-1/natural_gas", "motor-1/electricity", "motor-2/electricity"]
per = "steam"

[windows]
spans = ["10s", "30s", "1min", "5min"]
tick = "1s"
publish = "1s"

[interval]
length = "10s"           # a plant uses 15min; the demo has less time

[mqtt]
url = "mqtt://127.0.0.1:{mqtt_port}"
version = "3.1.1"        # the embedded broker speaks no MQTT 5
root = "energy"
telemetry_every = "1s"

[http]
listen = "127.0.0.1:{http_port}"
"""

_LINE = """
[[line]]
name = "{name}"
url = "{url}"
timeout = "200ms"        # simulated machines answer at once; so one that is back is soon found
"""


def text(endpoints: Mapping[str, tuple[str, int]], mqtt_port: int, http_port: int, *, store_size: str) -> str:
    """Return the configuration for devices served at `endpoints` (URL and unit by device name)."""
    names = {url: f"line-{number}" for number, url in enumerate(dict.fromkeys(url for url, _ in endpoints.values()), 1)}
    lines = "".join(_LINE.format(name=name, url=url) for url, name in names.items())
    places: dict[str, object] = {}
    for device, (url, unit) in endpoints.items():
        places |= {f"{device.replace('-', '_')}_line": names[url], f"{device.replace('-', '_')}_unit": unit}
    return TEXT.format(lines=lines, mqtt_port=mqtt_port, http_port=http_port, store_size=store_size, **places)
