"""A works with meters on every level: a site with a roof and a battery, a hall with its own meter, and an office."""

METERS = (
    ("main", "substation", 'meters = "site"\naccuracy = 0.005'),
    ("check", "substation", 'meters = "main"\naccuracy = 0.01'),
    ("hall-meter", "substation", 'meters = "hall"'),
    ("press", "hall", ""),
    ("pump", "hall", ""),
    ("roof", "hall", ""),
    ("store", "yard", ""),
    ("office", "house", ""),
    ("fan-meter", "house", 'meters = "fan"'),
)
ADDED = (
    ("main/fed_in", "main", "export"),
    ("roof/electricity", "roof", "generation"),
    ("store/electricity", "store", "discharge"),
    ("store/charged", "store", "charge"),
)
_FAN = """
[[device]]
name = "fan"
area = "hall"
line = "hall"
unit = 30
profile = "fan.toml"
"""
FAN_PROFILE = """
model = "a fan that knows its speed only"
kind = "fan"
source = "made for a test"
function = 3
type = "uint16"

[points]
speed = { address = 0, unit = "rpm" }
"""


def works() -> str:
    """Return the tables of the devices and accounts of the works."""
    devices = "".join(
        f'\n[[device]]\nname = "{name}"\narea = "{area}"\nline = "hall"\nunit = {unit}\nprofile = "generic/vfd-motor"\n'
        f'every = "10s"\n{more}\n'
        for unit, (name, area, more) in enumerate(METERS, 11)
    )
    accounts = "".join(
        f'\n[[account]]\nname = "{name}"\ndevice = "{device}"\ncarrier = "electricity"\n'
        f'from = "active_energy_import"\ndirection = "{direction}"\n'
        for name, device, direction in ADDED
    )
    return devices + _FAN + accounts
