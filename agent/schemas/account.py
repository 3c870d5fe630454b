"""The messages about amounts: rolling windows and the record of account."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, RootModel

from agent.schemas.device import FactorMeta, Placed
from agent.schemas.evidence import Evidence
from agent.schemas.message import Chained, Count, Figures, Number, QualityText, Recorded, Share, Time

_TOGETHER: dict[str, Any] = {
    "dependentRequired": {
        "scope": ["co2_kg"],
        "co2_kg": ["scope"],
        "co2_location_kg": ["co2_market_kg"],
        "co2_market_kg": ["co2_location_kg"],
        "ch4_kg": ["n2o_kg", "co2e_kg", "gwp"],
        "co2e_kg": ["ch4_kg", "n2o_kg", "gwp"],
        "counted": ["counted_unit"],
        "green_kwh": ["certificates", "co2_market_kg"],
        "tariff": ["tariff_period"],
        "tariff_period": ["tariff"],
        "price_cny_per_kwh": ["tariff", "cost_cny"],
        "cost_cny": ["price_cny_per_kwh"],
    }
}


class Weighed(Figures):
    """An amount, and what it comes to as energy, standard coal and CO2."""

    account: str
    """Name of the account: device and word."""
    amount: Number
    """What went through the meter [`unit`]."""
    unit: str
    """Unit of `amount`, such as `Nm3` or `kWh`."""
    energy_kwh: Number | None = None
    """Its energy [kWh], below zero for what is exported; absent for an output."""
    kgce: Number | None = None
    """The same as standard coal [kgce]; absent for an output."""
    kgce_equivalent: Number | None = None
    """Electricity only, where a coal rate is given: standard coal [kgce] by the equivalent value."""
    scope: Literal[1, 2] | None = None
    """1: emitted here. 2: emitted where bought electricity or heat was made. Absent where no CO2 is counted."""
    co2_kg: Number | None = None
    """CO2 [kg]; for electricity by location."""
    co2_location_kg: Number | None = None
    """Electricity only: CO2 [kg] by the average of the grid."""
    co2_market_kg: Number | None = None
    """Electricity only: CO2 [kg] by what was contracted."""
    ch4_kg: Number | None = None
    """Methane [kg], where the factor set has it."""
    n2o_kg: Number | None = None
    """Nitrous oxide [kg], where the factor set has it."""
    co2e_kg: Number | None = None
    """CO2, CH4 and N2O together [kgCO2e], by `gwp`."""
    gwp: str | None = None
    """Report whose global warming potentials over 100 years were used, such as `AR5`."""
    unverified: Literal[True] | None = None
    """There when the figures rest on a factor nobody here has checked."""
    coverage: Share
    """Share of the time that was measured, or for which somebody entered an amount."""
    estimated: Share
    """Share of the amount whose course was not measured."""


class AccountWindow(Placed, Weighed, Recorded):
    """The rolling sum of one account."""

    model_config = ConfigDict(json_schema_extra={**_TOGETHER, "not": {"required": ["intensity"]}})

    schema_: Literal["energy-agent/window/1"] = Field(alias="schema")
    span: str = Field(examples=["15min"])
    """Length of the window, as the configuration writes it."""
    time: Time
    """End of the window."""
    quality: QualityText | None = None
    """What is in doubt about it; absent when it was measured as a whole."""
    mean_power_kw: Number | None = None
    """Mean power over the part of the window that lies behind the start of the agent [kW]."""


class IntensityWindow(Recorded):
    """Energy and CO2 per output, over one span. The figures per output are absent while nothing is made."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"anyOf": [{"required": ["account"]}, {"required": ["device"]}]},
            "patternProperties": {
                "^(energy_kwh|kgce|co2_kg|co2_market_kg|water_m3)_per_[a-z0-9_]+$": {"type": "number"}
            },
        }
    )

    schema_: Literal["energy-agent/window/1"] = Field(alias="schema")
    intensity: str
    """Name of the intensity."""
    span: str = Field(examples=["15min"])
    """Length of the window, as the configuration writes it."""
    time: Time
    """End of the window."""
    output: str
    """Name of what is made."""
    output_amount: Number
    """How much was made [`output_unit`]."""
    output_unit: str
    """Unit of `output_amount`, such as `t`."""
    energy_kwh: Number
    """Energy of all accounts of the intensity [kWh]."""
    kgce: Number
    """The same as standard coal [kgce]."""
    co2_kg: Number | None = None
    """CO2 [kg], electricity by location; absent when that of an account is not known."""
    co2_market_kg: Number | None = None
    """CO2 [kg], electricity by what was contracted; absent when that of an account is not known."""
    water_m3: Number | None = None
    """Water of the accounts of water [m3]; absent where the intensity has none."""
    incomplete: list[str] | None = None
    """Accounts whose CO2 is not known, which is why it is not given here."""
    coverage: Share
    """The least coverage among the accounts and the output."""
    estimated: Share
    """The largest estimated share among the accounts and the output."""
    quality: QualityText | None = None
    """What is in doubt about it; absent when all was measured as a whole."""
    unverified: Literal[True] | None = None
    """There when the figures rest on a factor nobody here has checked."""


class Window(RootModel[AccountWindow | IntensityWindow]):
    """Rolling sums: of one account, or of an intensity (`energy_kwh_per_t` and the like)."""


class Interval(Placed, Weighed, Chained):
    """The record of account: one per account and interval, immutable; a correction is a new `revision`."""

    model_config = ConfigDict(
        json_schema_extra={
            **_TOGETHER,
            "oneOf": [{"required": ["output"]}, {"required": ["energy_kwh", "kgce", "factor"]}],
        }
    )

    schema_: Literal["energy-agent/interval/1"] = Field(alias="schema")
    start: Time
    """Start, included."""
    end: Time
    """End, excluded."""
    revision: Annotated[int, Field(ge=0)]
    """0, then one more for each correction; the highest counts."""
    reason: str | None = None
    """Why this revision was made, such as `late_data`."""
    quality: QualityText
    """`good` when the interval was measured as a whole; else what is in doubt about it."""
    counted: Number | None = None
    """Where the amount was weighed by pressure and temperature: what the counter went on by [`counted_unit`]."""
    counted_unit: str | None = None
    """Unit of `counted`, and of the readings of the evidence."""
    green_kwh: Number | None = None
    """Electricity only: the part of the amount that is green by contract and counts zero in `co2_market_kg`."""
    certificates: list[str] | None = None
    """Certificates of the contracts that hold for it."""
    tariff: str | None = None
    """Name of the tariff the account pays by; absent where none is configured."""
    tariff_period: Literal["sharp", "peak", "flat", "valley", "deep_valley"] | None = None
    """Period of the tariff the interval lies in."""
    price_cny_per_kwh: Number | None = None
    """Price of a kWh in it, government funds included; absent where no valid price is known."""
    cost_cny: Number | None = None
    """What the amount costs at that price; demand and power factor are charged by the month."""
    output: str | None = None
    """Name of the output this tells of, which weighs nothing; absent for an account."""
    evidence: Evidence
    kgce_equivalent_source: str | None = None
    """Which coal rate `kgce_equivalent` is by, of which year and from where."""
    factor: FactorMeta | None = None
    """Factor by which CO2 was computed; without CO2, the coefficient of standard coal. Absent for an output."""
    market_factor: FactorMeta | None = None
    """Factor of `co2_market_kg`; electricity only."""


class Source(Figures):
    """Which interval records a roll-up was added up from."""

    from_seq: Count
    """The lowest number among them."""
    to_seq: Count
    """The highest number among them."""
    hash: str
    """SHA-256 over their hashes by start, account after account; of one record its own hash, of a month over its
    days."""


class Balanced(Figures):
    """What the record of a balance says besides: all in [`unit`], or in %. Its `amount` is what was used in all."""

    import_amount: Number | None = None
    """What came in from outside."""
    export_amount: Number | None = None
    """What left."""
    generation_amount: Number | None = None
    """What was generated."""
    charge_amount: Number | None = None
    """What went into storages."""
    discharge_amount: Number | None = None
    """What came out of storages."""
    metered_amount: Number | None = None
    """What the meters behind say; absent, as what follows from it, where one of them has said nothing."""
    allowed_amount: Number | None = None
    """By how much both sides may differ, by the accuracy of their meters."""
    rest_amount: Number | None = None
    """What nobody metered: `amount` - `metered_amount`."""
    rest_percent: Number | None = None
    """Its share [%] of `amount`."""
    disagreement_amount: Number | None = None
    """By how much the meters behind say more, beyond what is allowed; 0 while they agree."""
    disagreement_percent: Number | None = None
    """Its share [%] of `amount`."""
    net_import_amount: Number | None = None
    """What came in less what left."""
    self_consumption_amount: Number | None = None
    """What was generated and did not leave."""
    self_consumption_percent: Number | None = None
    """Its share [%] of what was generated."""
    storage_net_amount: Number | None = None
    """What came out of storages less what went in."""
    missing: Annotated[list[str], Field(min_length=1)] | None = None
    """Accounts behind that did not tell of all of the period."""


class Rollup(Placed, Weighed, Balanced, Recorded):
    """The intervals of a period added up, in the revision in force; those of a virtual account also one by one.

    A balance is recorded like a virtual account. A figure that one of its intervals does not have is absent. A later
    revision counts, as of intervals.
    """

    model_config = ConfigDict(
        json_schema_extra={"dependentRequired": {"ch4_kg": ["n2o_kg"], "shift": ["period"], "scope": ["co2_kg"]}}
    )

    schema_: Literal["energy-agent/rollup/1"] = Field(alias="schema")
    period: Literal["interval", "hour", "shift", "day", "month"]
    """What it covers, by the wall clock of the site; `interval` only of virtual accounts and balances."""
    shift: str | None = None
    """Name of the shift."""
    start: Time
    """Start, included."""
    end: Time
    """End, excluded; an interval belongs to the period it starts in."""
    revision: Count
    """0, then one more for each correction; the highest counts."""
    reason: str | None = None
    """Why this revision was made: the reason of the interval's."""
    quality: QualityText
    """`good` when the period was measured as a whole; else what is in doubt about it."""
    green_kwh: Number | None = None
    """Electricity only: the part of the amount that is green by contract."""
    cost_cny: Number | None = None
    """What the intervals cost; absent where one of them has no price."""
    measured_s: Number
    """Time that was measured [s]; of a virtual account that of its least measured member."""
    estimated_amount: Number
    """The part of the amount whose course was not measured [`unit`]."""
    intervals: Count
    """How many intervals are in it."""
    expected: Count
    """How many intervals the period has; more than `intervals` where some were never recorded or are no more kept."""
    source: Source
    """What it was added up from."""
    output: str | None = None
    """Name of the output this tells of, which weighs nothing; absent for an account."""
    virtual: list[str] | None = None
    """Accounts a virtual account or a balance is worked out from; absent for others."""
