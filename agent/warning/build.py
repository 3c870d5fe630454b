"""What a configuration watches: its own `[[alarm]]` tables, and what is watched without being asked."""

from collections.abc import Iterator

from agent.alarms.alarm import Severity
from agent.books.agreement import FIGURE as COUNTER_CHECK
from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S
from agent.plant import Account
from agent.record import AGENT
from agent.sections import DeviceSection
from agent.sections.equipment import FeederSection, MotorSection
from agent.sections.tariff import TariffSection
from agent.sections.warning import MARGIN, AlarmSection, WhileSection
from agent.warning.accounted import budgets_of
from agent.warning.budget import budget_figure, week_figure
from agent.warning.rule import Rule
from agent.warning.text import figure_label
from agent.warning.watch import Guard, Value, Watch
from drivers.quantity import VOCABULARY

_GAP_POLLS = 3
"""Polls that may be missed before nothing is known; accounts count their gaps alike."""
_FIGURE_EVERY_S = 60.0
"""Some figures come once a minute, however often windows are published."""
_DEVIATION_PERCENT = 5.0
_IDLE_PERCENT = 20.0
_RUNNING = 0.01
"""Share of rated power above which a motor runs."""
_POWER_FACTOR = 0.85
_LOADED = 0.05
"""Share of rated power below which a power factor says nothing."""
_IDLE_MARGIN_PERCENT = 2.0
_PENALTY_S = 3600
"""The first intervals of a month say little of its power factor."""


_PER = {"day": "日", "month": "月", "year": "年"}


def watches(config: SiteConfig) -> tuple[Watch, ...]:
    """Return all that is watched; an `[[alarm]]` takes the place of what is built in with its name and place."""
    places = {device.name: f"{device.area}/{device.name}" for device in config.devices}
    weekly = [_weekly(config, section, places) for section in config.alarms if section.account is not None]
    declared = [_declared(config, section, places) for section in config.alarms if section.account is None]
    found = {
        (watch.key, watch.name): watch for watch in (*_built_in(config, places), *_budgets(config), *declared, *weekly)
    }
    return tuple(found.values())


def figure_gap_ns(config: SiteConfig) -> int:
    """Return how long a figure may stay away before it is not known [ns]."""
    return round(_GAP_POLLS * max(config.windows.publish, _FIGURE_EVERY_S) * NS_PER_S)


def _quantity_gap_ns(config: SiteConfig, device: DeviceSection, word: str) -> int:
    profile = config.profiles[device.name]
    every_s = profile.points[profile.index[word]].every_s or device.every
    return round(_GAP_POLLS * max(every_s, device.every) * NS_PER_S)


def _gap_ns(config: SiteConfig, device: str | None, word: str | None) -> int:
    section = next((each for each in config.devices if each.name == device), None)
    return _quantity_gap_ns(config, section, word) if section and word else figure_gap_ns(config)


def _declared(config: SiteConfig, section: AlarmSection, places: dict[str, str]) -> Watch:
    key = places[section.device] if section.device else AGENT
    place = section.area or key
    quantity = VOCABULARY.get(section.quantity or "")
    label, label_zh = (quantity.label, quantity.label_zh) if quantity else figure_label(section.figure or "")
    gap_ns = _gap_ns(config, section.device, section.quantity)
    rule = Rule(section.above, section.below, section.hysteresis, round(section.lasting * NS_PER_S), gap_ns)
    return Watch(
        name=section.name,
        key=key,
        value=Value(place, section.quantity or "", section.figure or "", section.span),
        rule=rule,
        severity=Severity(section.severity),
        unit=quantity.unit.symbol.removeprefix("1") if quantity else "",
        label=label,
        label_zh=label_zh,
        change_s=section.change_in,
        drift_s=section.drift_from,
        guard=_guard(config, section, section.condition, place) if section.condition else None,
    )


def _weekly(config: SiteConfig, section: AlarmSection, places: dict[str, str]) -> Watch:
    account = section.account or ""
    plant = config.plant()
    read = account in {each.name for each in (*plant.accounts, *plant.outputs)}
    key = places[account.partition("/")[0]] if read else AGENT
    rule = Rule(
        section.above, section.below, section.hysteresis, round(section.lasting * NS_PER_S), figure_gap_ns(config)
    )
    label, label_zh = f"{account} against the same hour a week before", f"{account} 与上周同一小时的偏差"
    value = Value(key, figure=week_figure(account))
    return Watch(section.name, key, value, rule, Severity(section.severity), "%", label, label_zh)


def _budgets(config: SiteConfig) -> Iterator[Watch]:
    """Yield two alarms of each budget: one for yellow, one for red."""
    plant = config.plant()
    places = {account.name: account.key for account in (*plant.accounts, *plant.outputs)}
    for budget in budgets_of(config, places):
        value = Value(budget.place, figure=budget_figure(budget.name))
        label, label_zh = (
            f"budget {budget.name} of the {budget.per} used",
            f"预算 {budget.name} 本{_PER[budget.per]}已用",
        )
        for color, limit, severity in (
            ("yellow", budget.yellow, Severity.WARNING),
            ("red", 100.0, Severity.CRITICAL),
        ):
            rule = Rule(above=limit, gap_ns=figure_gap_ns(config))
            name = f"budget-{budget.name}-{color}"
            yield Watch(name, budget.place, value, rule, severity, "%", label, label_zh)


def _guard(config: SiteConfig, section: AlarmSection, guard: WhileSection, place: str) -> Guard:
    gap_ns = _gap_ns(config, section.device, guard.quantity)
    value = Value(place, guard.quantity or "", guard.figure or "", guard.span)
    return Guard(value, Rule(guard.above, guard.below, gap_ns=gap_ns))


def _built_in(config: SiteConfig, places: dict[str, str]) -> Iterator[Watch]:
    plant = config.plant()
    for key in dict.fromkeys(account.key for account in plant.accounts if _checked(account)):
        rule = Rule(_DEVIATION_PERCENT, -_DEVIATION_PERCENT, 1.0, 30 * 60 * NS_PER_S, figure_gap_ns(config))
        yield _built("counter-check", key, COUNTER_CHECK, rule)
    of_account = {account.name: account.key for account in plant.accounts}
    for tariff in config.tariffs:
        yield from _of_tariff(config, tariff, of_account[tariff.meter])
    for section in config.equipment:
        if isinstance(section, MotorSection):
            yield from _idle(config, section, places)
        elif isinstance(section, FeederSection):
            power = _power_of(config, section.device)
            rated_kw = next(device.rated_power for device in config.devices if device.name == section.device)
            loaded = _above(config, places, power, _LOADED * rated_kw) if power and rated_kw else None
            rule = Rule(None, _POWER_FACTOR, 0.01, 15 * 60 * NS_PER_S, figure_gap_ns(config))
            yield _built("low-power-factor", places[section.device], "power_factor", rule, loaded, span="now")


def _of_tariff(config: SiteConfig, tariff: TariffSection, key: str) -> Iterator[Watch]:
    """Yield what is watched of a tariff: the agreed demand, and the power factor that makes the bill dearer."""
    gap_ns = figure_gap_ns(config)
    if tariff.contract_demand is not None:
        rule = Rule(tariff.contract_demand, margin=MARGIN * tariff.contract_demand, gap_ns=gap_ns)
        for name, figure in (("demand-about-to-exceed", "demand_forecast"), ("demand-exceeded", "demand")):
            yield _built(name, key, figure, rule, severity=Severity.CRITICAL)
    if tariff.power_factor is not None:
        rule = Rule(below=tariff.power_factor, for_ns=_PENALTY_S * NS_PER_S, gap_ns=gap_ns)
        yield _built("power-factor-penalty", key, "power_factor", rule, span="month")


def _idle(config: SiteConfig, motor: MotorSection, places: dict[str, str]) -> Iterator[Watch]:
    """Yield the watch over a motor that runs for nothing: by its load rate, by what it draws where that is unknown."""
    meter = _power_of(config, motor.electricity_account.partition("/")[0])
    if not meter:
        return
    running, lasting_ns = _above(config, places, meter, _RUNNING * motor.rated_power), 15 * 60 * NS_PER_S
    if motor.no_load_power is not None:
        rule = Rule(None, _IDLE_PERCENT, _IDLE_MARGIN_PERCENT, lasting_ns, figure_gap_ns(config))
        yield _built("idle-motor", places[motor.device], "motor_load_rate", rule, running)
        return
    low, margin = (share / 100 * motor.rated_power for share in (_IDLE_PERCENT, _IDLE_MARGIN_PERCENT))
    rule = Rule(None, low, margin, lasting_ns, running.rule.gap_ns)
    power = VOCABULARY["active_power"]
    yield Watch(
        name="idle-motor",
        key=places[motor.device],
        value=running.value,
        rule=rule,
        severity=Severity.WARNING,
        unit=power.unit.symbol,
        label=power.label,
        label_zh=power.label_zh,
        guard=running,
        built_in=True,
    )


def _checked(account: Account) -> bool:
    return account.check is not None and not account.integrates


def _power_of(config: SiteConfig, device: str) -> str:
    """Return a device that reads its power, empty when it does not."""
    return device if "active_power" in config.profiles[device].index else ""


def _above(config: SiteConfig, places: dict[str, str], device: str, limit_kw: float) -> Guard:
    gap_ns = _gap_ns(config, device, "active_power")
    return Guard(Value(places[device], "active_power"), Rule(limit_kw, gap_ns=gap_ns))


def _built(
    name: str,
    key: str,
    figure: str,
    rule: Rule,
    guard: Guard | None = None,
    *,
    span: str | None = None,
    severity: Severity = Severity.WARNING,
) -> Watch:
    label, label_zh = figure_label(figure)
    value = Value(key, figure=figure, span=span)
    return Watch(name, key, value, rule, severity, "", label, label_zh, guard=guard, built_in=True)
