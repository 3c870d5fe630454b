"""The figures of what draws or carries electricity: motors, transformers, compressors, pumps, fans, feeders, rooms."""

from collections.abc import Callable, Iterator

from agent.equipment import electrical
from agent.equipment.consumption import (
    COMPRESSOR_NORM,
    FAN_NORM,
    PUE_NORM,
    PUMP_NORM,
    per_volume_kwh_m3,
    pue,
    specific_power,
)
from agent.equipment.demand import highest_kw
from agent.equipment.gather import Inputs, Moment
from agent.equipment.motor import NORM as MOTOR_NORM
from agent.equipment.motor import TABLE as MOTOR_TABLE
from agent.equipment.motor import Motor
from agent.equipment.transformer import NORM as TRANSFORMER_NORM
from agent.equipment.transformer import TABLE as TRANSFORMER_TABLE
from agent.figure import NOW, Figure
from agent.sections.equipment import (
    CompressorSection,
    FeederSection,
    MotorSection,
    MoverSection,
    ServerRoomSection,
    TransformerSection,
)

_DEMAND_S = 900.0


def motor(section: MotorSection, place: str, span: str, moment: Moment) -> Iterator[Figure]:
    """Yield load rate and efficiency at the mean input power of the span."""
    inputs = moment.over(place, span)
    power = inputs.mean_kw(section.electricity_account)
    inputs.declared("rated_power_kw", section.rated_power)
    inputs.declared("rated_efficiency_percent", section.efficiency_percent)
    no_load = inputs.declared("no_load_power_kw", section.no_load_power)
    nameplate = Motor(section.rated_power, section.efficiency_percent, no_load)
    norm = f"{MOTOR_NORM}; {MOTOR_TABLE}" if section.efficiency_grade else MOTOR_NORM
    yield inputs.figure("motor_load_rate", "%", norm, lambda: nameplate.load_rate(power) * 100)
    yield inputs.figure("motor_efficiency", "%", norm, lambda: nameplate.efficiency(power) * 100)


def transformer(section: TransformerSection, place: str, _span: str, moment: Moment) -> Iterator[Figure]:
    """Yield load rate, losses and best load rate of this moment."""
    inputs = moment.over(place, NOW)
    nameplate = section.nameplate
    for key, value in (
        ("capacity_kva", nameplate.capacity_kva),
        ("no_load_loss_kw", nameplate.no_load_kw),
        ("load_loss_kw", nameplate.load_kw),
    ):
        inputs.declared(key, value)
    norm = f"{TRANSFORMER_NORM}; {TRANSFORMER_TABLE}" if section.efficiency_grade else TRANSFORMER_NORM
    best = moment.over(place, NOW)
    best.values = inputs.values | {"load_fluctuation": section.load_fluctuation}
    load = _apparent(section.device, inputs)
    yield inputs.figure("transformer_load_rate", "%", norm, lambda: nameplate.load_rate(load()) * 100)
    yield inputs.figure("transformer_loss", "kW", norm, lambda: nameplate.loss_kw(load()))
    yield best.figure(
        "transformer_best_load_rate", "%", norm, lambda: nameplate.best_load_rate(section.load_fluctuation) * 100
    )


def _apparent(device: str, inputs: Inputs) -> Callable[[], float]:
    """Take what tells the apparent power; return how it follows [kVA]."""
    if inputs.has(device, "active_power", "reactive_power") and not inputs.has(device, "apparent_power"):
        active, reactive = inputs.reading(device, "active_power"), inputs.reading(device, "reactive_power")
        return lambda: electrical.apparent_kva(active, reactive)
    apparent = inputs.reading(device, "apparent_power")
    return lambda: abs(apparent)


def compressor(section: CompressorSection, place: str, span: str, moment: Moment) -> Iterator[Figure]:
    """Yield the specific power."""
    inputs = moment.over(place, span)
    drawn = inputs.amounts([section.electricity_account], "kWh", "electricity_kwh")
    air = inputs.amounts([section.air], "m3", "air_m3")
    yield inputs.figure("compressor_specific_power", "kW/(m3/min)", COMPRESSOR_NORM, lambda: specific_power(drawn, air))


def mover(section: MoverSection, place: str, span: str, moment: Moment) -> Iterator[Figure]:
    """Yield what a pump or fan draws per volume."""
    inputs = moment.over(place, span)
    drawn = inputs.amounts([section.electricity_account], "kWh", "electricity_kwh")
    moved = inputs.amounts([section.volume], "m3", "volume_m3")
    norm = PUMP_NORM if section.kind == "pump" else FAN_NORM
    yield inputs.figure(f"{section.kind}_unit_consumption", "kWh/m3", norm, lambda: per_volume_kwh_m3(drawn, moved))


def feeder(section: FeederSection, place: str, span: str, moment: Moment) -> Iterator[Figure]:
    """Yield power factor and unbalance of this moment, and the load factor of the span."""
    yield _power_factor(section.device, moment.over(place, NOW))
    yield _voltage_unbalance(section.device, moment.over(place, NOW))
    currents = moment.over(place, NOW)
    phases = [currents.reading(section.device, f"current_l{phase}") for phase in (1, 2, 3)]
    yield currents.figure("current_unbalance", "%", electrical.PHASE_NORM, lambda: electrical.deviation_percent(phases))
    loads = moment.over(place, span)
    mean = loads.mean_kw(section.electricity_account)
    highest = highest_kw(moment.ledger, section.electricity_account, loads.hours() * 3600, _DEMAND_S)
    if highest is None:
        loads.missing.append("less than one demand period of 15 min is known")
    else:
        loads.values["highest_demand_kw"] = highest
    yield loads.figure(
        "load_factor",
        "",
        electrical.LOAD_FACTOR_NORM,
        lambda: electrical.load_factor(mean, highest or 0.0),
        unverified=False,
    )


def _power_factor(device: str, inputs: Inputs) -> Figure:
    active = inputs.reading(device, "active_power")
    apparent = _apparent(device, inputs)
    return inputs.figure(
        "power_factor",
        "",
        electrical.POWER_FACTOR_NORM,
        lambda: electrical.power_factor(active, apparent()),
        unverified=False,
    )


def _voltage_unbalance(device: str, inputs: Inputs) -> Figure:
    lines = ("voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1")
    if not inputs.has(device, *lines) and inputs.has(device, "voltage_l1", "voltage_l2", "voltage_l3"):
        phases = [inputs.reading(device, f"voltage_l{phase}") for phase in (1, 2, 3)]
        return inputs.figure(
            "phase_voltage_unbalance", "%", electrical.PHASE_NORM, lambda: electrical.deviation_percent(phases)
        )
    voltages = [inputs.reading(device, word) for word in lines]
    return inputs.figure(
        "voltage_unbalance", "%", electrical.UNBALANCE_NORM, lambda: electrical.negative_sequence_percent(voltages)
    )


def server_room(section: ServerRoomSection, place: str, span: str, moment: Moment) -> Iterator[Figure]:
    """Yield the power usage effectiveness."""
    inputs = moment.over(place, span)
    total = inputs.amounts(section.total, "kWh", "total_kwh")
    computers = inputs.amounts(section.computers, "kWh", "computers_kwh")
    yield inputs.figure("pue", "", PUE_NORM, lambda: pue(total, computers))
