"""What an alarm tells people, in English and Chinese, with value, limit and unit."""

from agent.sections.measure import seconds_text
from agent.warning.watch import Watch

FIGURES = {
    "motor_load_rate": "电机负载率",
    "motor_efficiency": "电机效率",
    "transformer_load_rate": "变压器负载率",
    "transformer_loss": "变压器损耗",
    "transformer_best_load_rate": "变压器经济负载率",
    "compressor_specific_power": "空压机比功率",
    "pump_unit_consumption": "水泵单耗",
    "fan_unit_consumption": "风机单耗",
    "current_unbalance": "电流不平衡度",
    "voltage_unbalance": "电压不平衡度",
    "phase_voltage_unbalance": "相电压不平衡度",
    "load_factor": "负荷率",
    "power_factor": "功率因数",
    "boiler_efficiency_direct": "锅炉正平衡效率",
    "boiler_efficiency_indirect": "锅炉反平衡效率",
    "boiler_efficiency_divergence": "锅炉正反平衡效率差",
    "boiler_efficiency_diverges": "锅炉正反平衡效率超差",
    "boiler_steam_per_fuel": "单位燃料产汽量",
    "demand": "需量",
    "demand_forecast": "需量预测",
    "demand_max": "最大需量",
    "counter_check_deviation": "电度与功率积分偏差",
    "energy_cost": "电度电费",
    "energy_price": "电价",
    "demand_charge": "需量电费",
    "capacity_charge": "容量电费",
    "power_factor_adjustment": "功率因数调整率",
    "power_factor_charge": "功率因数调整电费",
    "electricity_cost": "电费合计",
    "pue": "PUE",
}
"""Chinese label of figures that have one."""


_BALANCED = {
    "_disagreement_share": "计量不符率",
    "_disagreement": "计量不符量",
    "_rest_share": "未计量占比",
    "_rest": "未计量部分",
    "_net_import": "净购入",
    "_consumption": "用量",
    "_self_consumption_share": "自用率",
    "_self_consumption": "自用量",
    "_generation": "自发量",
    "_storage_net": "储能净放出",
}
"""Chinese labels of the figures of balances, by what stands behind the name of the balance."""


def figure_label(name: str) -> tuple[str, str]:
    """Return the English and Chinese label of a figure."""
    english = name.replace("_", " ")
    if name in FIGURES:
        return english, FIGURES[name]
    end = max((each for each in _BALANCED if name.endswith(each)), key=len, default="")
    return english, f"{name.removesuffix(end)} {_BALANCED[end]}" if end else name


def _number(value: float, unit: str) -> str:
    return f"{value:.6g} {unit}".rstrip()


def raised(watch: Watch, unit: str, value: float, limit: float) -> tuple[str, str]:
    """Return what to tell when an alarm is raised."""
    where, more = watch.value.place.rpartition("/")[2], value > limit
    english, chinese = _subject(watch)
    side, side_zh = ("above", "高于") if more else ("below", "低于")
    told = f"{where}: {english} {_number(value, unit)}, {side} the limit {_number(limit, unit)}"
    return told, f"{where} {chinese} {_number(value, unit)}，{side_zh}限值 {_number(limit, unit)}"  # noqa: RUF001 -- Chinese punctuation


def ended(watch: Watch, unit: str, value: float, limit: float, *, applies: bool) -> tuple[str, str]:
    """Return what to tell when an alarm has ended; one that does not apply ends whatever its value."""
    where = watch.value.place.rpartition("/")[2]
    english, chinese = _subject(watch)
    if not applies:
        return f"{where}: {english} is not looked at now", f"{where} {chinese}：监测条件不再成立"  # noqa: RUF001 -- Chinese punctuation
    told = f"{where}: {english} back at {_number(value, unit)}, limit {_number(limit, unit)}"
    return told, f"{where} {chinese}恢复至 {_number(value, unit)}，限值 {_number(limit, unit)}"  # noqa: RUF001 -- Chinese punctuation


def unknown(text: str, text_zh: str) -> tuple[str, str]:
    """Return what to tell when the value of an active alarm is not measured any more."""
    return f"{text}; unknown now, no value comes", f"{text_zh}；目前无数据，状态未知"  # noqa: RUF001 -- Chinese punctuation


def unwatched(watch_name: str) -> tuple[str, str]:
    """Return what to tell when the configuration has the alarm no more."""
    return f"alarm {watch_name} has left the configuration", f"报警 {watch_name} 已从配置中移除"


def _subject(watch: Watch) -> tuple[str, str]:
    if watch.change_s is not None:
        span = seconds_text(watch.change_s)
        return f"{watch.label}, change within {span}", f"{watch.label_zh}在 {span} 内的变化"
    if watch.drift_s is not None:
        span = seconds_text(watch.drift_s)
        return f"{watch.label}, deviation from its mean of {span},", f"{watch.label_zh}与其 {span} 均值的偏差"
    return watch.label, watch.label_zh
