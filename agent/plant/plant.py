"""The plant: areas, devices, and what is accounted for at each.

An account is an amount that only grows: energy or matter of one carrier, read from a counter or integrated from
a power or a flow. An output is accounted the same way, but is what the plant makes and carries no emission.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from agent.plant.condition import ConditionError, ConditionSource, condition_source
from agent.sections import AccountSection, DeviceSection, IntensitySection, OutputSection
from agent.sections.carbon import Direction
from drivers.document import nearest
from drivers.profile import Profile
from drivers.quantity import Kind, Quantity
from drivers.unit import UNITS, Unit
from drivers.value import frozen

_INTEGRALS: dict[str, tuple[str, float]] = {
    "kW": ("kWh", 1.0),
    "Nm3/h": ("Nm3", 1.0),
    "t/h": ("t", 1.0),
    "m3/h": ("m3", 1.0),
}
"""Unit of a gauge -> (unit of its integral over hours, factor)."""
_HEAT_GJ_PER_KWH = 0.0036


class PlantError(Exception):
    """Raised when an account or output cannot be formed; says what, what to do, and by which `key` it was said."""

    def __init__(self, what: str, remedy: str = "", *, key: str = "from") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy
        self.key = key


Feed = Literal["read", "total", "increment", "entered"]
"""Where amounts come from: read from a device, told by another system as a sum or piece by piece, or by people."""


@frozen
class Account:
    """One thing accounted for at one device.

    `source` is the quantity that is read and `unit` that of the amount; `factor` turns the integral of a gauge
    over hours into that unit. `carrier` is None for an output.
    """

    name: str
    area: str
    device: str
    carrier: str | None
    source: Quantity
    unit: str
    factor: float
    modulus: float | None
    resolution: float
    check: Quantity | None
    rated_kw: float | None
    gap_after_s: float
    direction: Direction = "import"
    condition: ConditionSource | None = None
    """Pressure and temperature by which the counter's unit is weighed; then `unit` is that of the weighed amount."""
    feed: Feed = "read"
    meters: str = ""
    """What it measures all of: `site`, an area, a device, or `none`; empty for what is used where the device stands."""
    accuracy: float = 0.02
    """Share by which it may be wrong."""

    @property
    def integrates(self) -> bool:
        """Whether the amount is the integral of a gauge instead of the difference of a counter."""
        return self.source.kind is Kind.GAUGE

    @property
    def leaves(self) -> bool:
        """Whether what it counts leaves the site, so that its energy and emission are below zero."""
        return self.direction == "export"

    @property
    def key(self) -> str:
        """Where records of this account belong: area and device."""
        return f"{self.area}/{self.device}"


@frozen
class Intensity:
    """Energy and emission of some accounts per amount of an output, and the water of others."""

    name: str
    accounts: tuple[str, ...]
    output: str
    water: tuple[str, ...] = ()


@frozen
class Plant:
    """Everything accounted for, in the order of the configuration."""

    accounts: tuple[Account, ...]
    outputs: tuple[Account, ...]
    intensities: tuple[Intensity, ...]


def _quantity(profile: Profile, name: str, device: str, *, key: str) -> Quantity:
    found = next((point.quantity for point in profile.points if point.name == name), None)
    if found is None:
        known = [point.name for point in profile.points if point.quantity]
        raise PlantError(f"'{name}' is not read from {device}", nearest(name, known), key=key)
    return found


def integral_of(quantity: Quantity) -> tuple[str, float] | None:
    """Return the unit of a power's or flow's integral over hours, and the factor to it; None for anything else."""
    if quantity.name == "heat_power":
        return "GJ", _HEAT_GJ_PER_KWH
    return _INTEGRALS.get(quantity.unit.symbol) if quantity.kind is Kind.GAUGE else None


def _account(
    device: DeviceSection, profile: Profile, *, name: str, carrier: str | None, source: str, check: str | None
) -> Account:
    quantity = _quantity(profile, source, device.name, key="from")
    point = profile.points[profile.index[source]]
    if quantity.kind is Kind.COUNTER:
        unit, factor = quantity.unit.symbol, 1.0
    elif integral := integral_of(quantity):
        unit, factor = integral
    else:
        raise PlantError(f"'{source}' is neither a counter nor a power or flow", "name a quantity that can be summed")
    every_s = max(point.every_s or device.every, device.every)
    return Account(
        name=name,
        area=device.area,
        device=device.name,
        carrier=carrier,
        source=quantity,
        unit=unit,
        factor=factor,
        modulus=point.modulus,
        resolution=point.resolution,
        check=_quantity(profile, check, device.name, key="check") if check else None,
        rated_kw=device.rated_power,
        gap_after_s=3 * every_s,
        meters=device.meters or "",
        accuracy=device.accuracy,
    )


def accounts_of(device: DeviceSection, profile: Profile) -> list[Account]:
    """Return the accounts that a device's profile declares."""
    return [
        _account(
            device,
            profile,
            name=f"{device.name}/{spec.name}",
            carrier=spec.carrier,
            source=spec.from_,
            check=spec.check,
        )
        for spec in profile.accounts
    ]


def added_account(section: AccountSection, device: DeviceSection, profile: Profile) -> Account:
    """Return the account an `[[account]]` table describes; raise PlantError when it cannot be formed."""
    if not section.name.startswith(f"{device.name}/"):
        what = f"the name '{section.name}' does not start with its device"
        raise PlantError(what, f"call it '{device.name}/…'", key="name")
    formed = _account(
        device, profile, name=section.name, carrier=section.carrier, source=section.source, check=section.check
    )
    try:
        condition = condition_source(section, section.carrier, formed.unit, profile, device.every)
    except ConditionError as error:
        raise PlantError(error.what, error.remedy, key=error.key) from error
    unit = condition.unit if condition else formed.unit
    meters = section.meters or formed.meters
    return replace(formed, unit=unit, direction=section.direction, condition=condition, meters=meters)


def output(section: OutputSection, device: DeviceSection | None, profile: Profile | None) -> Account:
    """Return what an `[[output]]` table describes; raise PlantError when it cannot be formed."""
    if device and profile and section.source:
        return _account(device, profile, name=section.name, carrier=None, source=section.source, check=None)
    unit = section.unit or ""
    known = UNITS.get(unit) or Unit(unit, "output")
    return Account(
        name=section.name,
        area=section.area,
        device=section.name,
        carrier=None,
        source=Quantity(section.topic or "entered", known, Kind.COUNTER, section.name, section.name),
        unit=unit,
        factor=1.0,
        modulus=None,
        resolution=0.0,
        check=None,
        rated_kw=None,
        gap_after_s=3 * section.every,
        feed=section.counts if section.topic else "entered",
    )


def build_plant(
    devices: Sequence[DeviceSection],
    profiles: Mapping[str, Profile],
    accounts: Sequence[AccountSection],
    outputs: Sequence[OutputSection],
    intensities: Sequence[IntensitySection],
) -> Plant:
    """Form all accounts of a checked configuration; an `[[account]]` takes the place of one with its name."""
    by_name = {device.name: device for device in devices}
    formed = {account.name: account for device in devices for account in accounts_of(device, profiles[device.name])}
    for section in accounts:
        formed[section.name] = added_account(section, by_name[section.device], profiles[section.device])
    return Plant(
        accounts=tuple(formed.values()),
        outputs=tuple(
            output(section, by_name.get(section.device or ""), profiles.get(section.device or ""))
            for section in outputs
        ),
        intensities=tuple(Intensity(entry.name, entry.accounts, entry.per, entry.water) for entry in intensities),
    )
