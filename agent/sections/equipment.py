"""`[[equipment]]`: what stands on nameplates and test reports, by kind of machine.

Accounts and outputs are named as elsewhere in the file. What is not declared is not guessed: the figure that needs it
then says what is missing.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from agent.equipment.motor import Motor
from agent.equipment.tables import MOTORS, TRANSFORMERS, motor_efficiency_percent, transformer_losses_kw
from agent.equipment.transformer import Transformer
from agent.sections.measure import Capacity, Power
from agent.sections.section import Name, Section
from drivers.declared import Within, key, rule

Percent = Annotated[float, Within(ge=0, le=100)]
Grade = Literal[1, 2, 3]
Alternatives = Sequence[tuple[str, ...]]
"""Groups of quantities, one of which is enough."""
_LOAD: Alternatives = (("apparent_power",), ("active_power", "reactive_power"))
_INDIRECT = ("flue_gas_m", "flue_gas_n", "q3", "q4", "q5", "q6")


class EquipmentSection(Section):
    """What every kind of equipment declares: its kind, and over which of the `[windows] spans` its figures go."""

    open: ClassVar[bool] = True

    kind: Literal["boiler", "motor", "transformer", "compressor", "pump", "fan", "feeder", "server_room"]
    device: str = ""
    span: str | None = None

    @property
    def accounts(self) -> Mapping[str, tuple[str, ...]]:
        """Accounts and outputs it names, or means by default, by key."""
        return {}

    @property
    def readings(self) -> Sequence[Alternatives]:
        """Quantities that its device must read; of each entry one of the groups."""
        return ()


class _Declared(EquipmentSection):
    open: ClassVar[bool] = False


class BoilerSection(_Declared):
    """A boiler: its fuel, what it gives, and the losses its last test found."""

    kind: Literal["boiler"]
    device: str
    fuel: tuple[str, ...] = ()
    steam: str | None = None
    steam_state: Literal["saturated", "superheated"] | None = None
    steam_moisture: Percent | None = None
    heat: str | None = None
    flue_gas_m: float | None = key(None, ge=0, le=5)
    flue_gas_n: float | None = key(None, ge=0, le=10)
    q3: Percent | None = None
    q4: Percent | None = None
    q5: Percent | None = None
    q6: Percent | None = None

    @rule
    def _together(self) -> None:
        if self.steam and self.heat:
            raise ValueError("give either steam, or the heat of hot water; remove one")
        if self.steam and not self.steam_state:
            raise ValueError("steam needs steam_state; add 'saturated' or 'superheated'")
        if self.steam_state == "saturated" and self.steam_moisture is None:
            raise ValueError("saturated steam needs steam_moisture; add the one of the last test, in %")
        if bool(self.fuel) != bool(self.steam or self.heat):
            raise ValueError("the direct efficiency needs fuel, and steam or heat; add what is missing")
        given = [name for name in _INDIRECT if getattr(self, name) is not None]
        if given and len(given) < len(_INDIRECT):
            missing = ", ".join(name for name in _INDIRECT if name not in given)
            raise ValueError(f"the indirect efficiency also needs {missing}; add them, 0 where there is no such loss")
        if not given and not self.fuel:
            raise ValueError("nothing to work out; add fuel and steam, or flue_gas_m, flue_gas_n and q3 to q6")

    @property
    def accounts(self) -> Mapping[str, tuple[str, ...]]:
        """Fuel, and what it gives."""
        return {"fuel": self.fuel, "steam": _one(self.steam), "heat": _one(self.heat)}

    @property
    def readings(self) -> Sequence[Alternatives]:
        """The state of its steam, and of its flue gas."""
        words: list[str] = []
        if self.steam:
            words += ["steam_pressure", "feed_water_temperature"]
        if self.steam_state == "superheated":
            words.append("steam_temperature")
        if self.flue_gas_m is not None:
            words += ["stack_oxygen", "stack_temperature", "ambient_temperature"]
        return [[(word,)] for word in words]


def _one(name: str | None) -> tuple[str, ...]:
    return (name,) if name else ()


class _Driven(_Declared):
    device: str
    electricity: str | None = None

    @property
    def electricity_account(self) -> str:
        """The account of what it draws."""
        return self.electricity or f"{self.device}/electricity"

    @property
    def accounts(self) -> Mapping[str, tuple[str, ...]]:
        """What it draws."""
        return {"electricity": (self.electricity_account,)}


class MotorSection(_Driven):
    """A motor: rated power, and efficiency as a figure or by its grade."""

    kind: Literal["motor"]
    rated_power: Power
    rated_efficiency: float | None = key(None, gt=0, lt=100)
    efficiency_grade: Grade | None = None
    poles: Literal[2, 4, 6, 8] | None = None
    no_load_power: Power | None = None

    @rule
    def _efficient(self) -> None:
        if self.rated_efficiency is None:
            if self.efficiency_grade is None or self.poles is None:
                raise ValueError("give rated_efficiency, or efficiency_grade and poles; both stand on the nameplate")
            if self.rated_power not in MOTORS:
                known = ", ".join(f"{power:g}" for power in MOTORS)
                raise ValueError(
                    f"the table of GB 18613 has no {self.rated_power:g} kW ({known}); give rated_efficiency"
                )
        elif self.efficiency_grade is not None:
            raise ValueError("rated_efficiency and efficiency_grade say the same; remove one")
        motor = self.nameplate
        if motor and motor.no_load_kw > motor.rated_losses_kw:
            raise ValueError(
                f"no_load_power is more than all losses at rated power, {motor.rated_losses_kw:.3g} kW; correct it"
            )

    @property
    def efficiency_percent(self) -> float:
        """Rated efficiency, declared or by GB 18613 [%]."""
        grade, poles = self.efficiency_grade or 3, self.poles or 4
        return self.rated_efficiency or motor_efficiency_percent(self.rated_power, poles, grade) or 0.0

    @property
    def nameplate(self) -> Motor | None:
        """What its figures go by; None without the no-load power."""
        if self.no_load_power is None:
            return None
        return Motor(self.rated_power, self.efficiency_percent, self.no_load_power)


class TransformerSection(_Declared):
    """A transformer: capacity, and losses as figures or by its grade."""

    kind: Literal["transformer"]
    device: str
    capacity: Capacity
    no_load_loss: Power | None = None
    load_loss: Power | None = None
    efficiency_grade: Grade | None = None
    load_fluctuation: float = key(1.0, ge=1, le=10)

    @rule
    def _lossy(self) -> None:
        declared = (self.no_load_loss is not None, self.load_loss is not None)
        if self.efficiency_grade is None and not all(declared):
            raise ValueError("give no_load_loss and load_loss, or efficiency_grade; they stand in the test report")
        if self.efficiency_grade is not None:
            if any(declared):
                raise ValueError("losses and efficiency_grade say the same; remove one")
            if self.capacity not in TRANSFORMERS:
                known = ", ".join(f"{capacity:g}" for capacity in TRANSFORMERS)
                raise ValueError(
                    f"the table of GB 20052 has no {self.capacity:g} kVA ({known}); give no_load_loss and load_loss"
                )

    @property
    def readings(self) -> Sequence[Alternatives]:
        """Its load."""
        return (_LOAD,)

    @property
    def nameplate(self) -> Transformer:
        """What its figures go by."""
        graded = transformer_losses_kw(self.capacity, self.efficiency_grade) if self.efficiency_grade else None
        no_load, load = graded or (self.no_load_loss or 0.0, self.load_loss or 0.0)
        return Transformer(self.capacity, no_load, load)


class CompressorSection(_Driven):
    """A compressor: what it draws, and the air it delivers, as volume at inlet conditions."""

    kind: Literal["compressor"]
    air: str

    @property
    def accounts(self) -> Mapping[str, tuple[str, ...]]:
        """What it draws and delivers."""
        return {**super().accounts, "air": (self.air,)}


class MoverSection(_Driven):
    """A pump or a fan: what it draws, and the volume it moves."""

    kind: Literal["pump", "fan"]
    volume: str

    @property
    def accounts(self) -> Mapping[str, tuple[str, ...]]:
        """What it draws and moves."""
        return {**super().accounts, "volume": (self.volume,)}


class FeederSection(_Driven):
    """A feeder with an electricity meter."""

    kind: Literal["feeder"]


class ServerRoomSection(_Declared):
    """A server room: accounts of all it draws, and of its computers."""

    kind: Literal["server_room"]
    area: Name
    total: tuple[str, ...] = key(min_length=1)
    computers: tuple[str, ...] = key(min_length=1)

    @property
    def accounts(self) -> Mapping[str, tuple[str, ...]]:
        """What it draws."""
        return {"total": self.total, "computers": self.computers}


EQUIPMENT: Mapping[str, type[EquipmentSection]] = {
    "boiler": BoilerSection,
    "motor": MotorSection,
    "transformer": TransformerSection,
    "compressor": CompressorSection,
    "pump": MoverSection,
    "fan": MoverSection,
    "feeder": FeederSection,
    "server_room": ServerRoomSection,
}
"""The table of each kind."""
