"""The vocabulary: one word per thing a device can say, with its canonical unit and its label.

A profile names its points with these words; topics, JSON keys, database fields and pages use the same
ones. `total` in a label means the sum of the phases; `_l1`, `_l2`, `_l3` are the phases.
"""

from collections.abc import Iterator
from enum import StrEnum

from drivers.unit import UNITS, Unit
from drivers.value import frozen


class Kind(StrEnum):
    """How a quantity behaves in time."""

    GAUGE = "gauge"
    COUNTER = "counter"
    STATE = "state"
    """A code, a word of bits or a switch: shown, never averaged or summed."""
    TEXT = "text"


@frozen
class Quantity:
    """A word of the vocabulary."""

    name: str
    unit: Unit
    kind: Kind
    label: str
    label_zh: str

    @property
    def key(self) -> str:
        """JSON key of values of this quantity: the name and the canonical unit's suffix."""
        said = not self.unit.key or self.name.endswith(f"_{self.unit.key}")
        return self.name if said else f"{self.name}_{self.unit.key}"


# name | canonical unit | label | label zh-CN; a name ending in * stands for the total and the phases.
_GAUGES = """
voltage | V | voltage | 电压
voltage_ln | V | mean line-to-neutral voltage | 平均相电压
voltage_ll | V | mean line-to-line voltage | 平均线电压
voltage_l1 | V | L1-N voltage | A相电压
voltage_l2 | V | L2-N voltage | B相电压
voltage_l3 | V | L3-N voltage | C相电压
voltage_l1_l2 | V | L1-L2 voltage | AB线电压
voltage_l2_l3 | V | L2-L3 voltage | BC线电压
voltage_l3_l1 | V | L3-L1 voltage | CA线电压
voltage_unbalance | % | voltage unbalance | 电压不平衡度
voltage_thd* | % | voltage total harmonic distortion | 电压总谐波畸变率
current* | A | current | 电流
current_n | A | neutral current | 中性线电流
current_unbalance | % | current unbalance | 电流不平衡度
current_thd* | % | current total harmonic distortion | 电流总谐波畸变率
active_power* | kW | active power | 有功功率
reactive_power* | kvar | reactive power | 无功功率
apparent_power* | kVA | apparent power | 视在功率
power_factor* | 1 | power factor | 功率因数
phase_angle* | ° | phase angle | 相位角
frequency | Hz | frequency | 频率
active_power_demand | kW | active power demand | 有功需量
active_power_demand_max | kW | maximum active power demand | 最大有功需量
current_demand | A | current demand | 电流需量
generation_power | kW | generated active power | 发电功率
battery_power | kW | battery power, charging positive | 电池功率（充电为正）
state_of_charge | % | state of charge | 荷电状态
output_power | kW | drive output power | 输出功率
output_current | A | drive output current | 输出电流
output_voltage | V | drive output voltage | 输出电压
output_frequency | Hz | drive output frequency | 输出频率
dc_voltage | V | direct-current link voltage | 直流母线电压
speed | rpm | speed | 转速
torque | N·m | torque | 转矩
torque_percent | % | torque, of rated | 转矩百分比
load_percent | % | load, of rated | 负载率
motor_temperature | °C | motor temperature | 电机温度
drive_temperature | °C | drive temperature | 变频器温度
bearing_temperature | °C | bearing temperature | 轴承温度
winding_temperature | °C | winding temperature | 绕组温度
vibration | mm/s | vibration velocity | 振动速度
gas_flow | Nm3/h | gas flow at 0 °C and 101.325 kPa | 燃气流量（标况0 °C）
gas_flow_actual | m3/h | gas flow at operating conditions | 燃气工况流量
gas_pressure | kPa | gas pressure | 燃气压力
gas_temperature | °C | gas temperature | 燃气温度
steam_flow | t/h | steam flow | 蒸汽流量
steam_pressure | MPa | steam pressure, gauge | 蒸汽压力（表压）
steam_temperature | °C | steam temperature | 蒸汽温度
feed_water_flow | t/h | feed-water flow | 给水流量
feed_water_temperature | °C | feed-water temperature | 给水温度
blowdown_flow | t/h | blow-down flow | 排污流量
stack_temperature | °C | stack gas temperature | 排烟温度
stack_oxygen | % | oxygen in stack gas, dry | 烟气含氧量
stack_co | ppm | carbon monoxide in stack gas | 烟气一氧化碳
stack_nox | mg/m3 | nitrogen oxides in stack gas | 烟气氮氧化物
furnace_pressure | kPa | furnace pressure | 炉膛压力
furnace_temperature | °C | furnace temperature | 炉膛温度
drum_level | % | drum water level | 汽包水位
firing_rate | % | burner firing rate | 燃烧负荷
boiler_efficiency | % | efficiency shown by the boiler | 锅炉显示效率
ambient_temperature | °C | ambient temperature | 环境温度
heat_power | kW | heat flow | 热功率
supply_temperature | °C | supply temperature | 供水温度
return_temperature | °C | return temperature | 回水温度
water_flow | m3/h | water flow | 水流量
water_pressure | kPa | water pressure | 水压
coal_flow | t/h | coal feed | 给煤量
oil_flow | t/h | oil flow | 燃油流量
air_flow | m3/h | air flow at inlet conditions | 空气流量（进口状态）
air_pressure | kPa | air pressure, gauge | 空气压力（表压）
temperature | °C | temperature | 温度
pressure | kPa | pressure, gauge | 压力（表压）
differential_pressure | kPa | differential pressure | 差压
humidity | % | relative humidity | 相对湿度
level | % | level | 液位
valve_position | % | valve position | 阀位
"""  # noqa: RUF001 -- Chinese punctuation
_COUNTERS = """
active_energy_import* | kWh | imported active energy | 正向有功电能
active_energy_export* | kWh | exported active energy | 反向有功电能
active_energy_total | kWh | imported plus exported active energy | 组合有功电能
active_energy_import_t1 | kWh | imported active energy, sharp tariff | 尖时段正向有功电能
active_energy_import_t2 | kWh | imported active energy, peak tariff | 峰时段正向有功电能
active_energy_import_t3 | kWh | imported active energy, flat tariff | 平时段正向有功电能
active_energy_import_t4 | kWh | imported active energy, valley tariff | 谷时段正向有功电能
reactive_energy_import* | kvarh | imported reactive energy | 正向无功电能
reactive_energy_export* | kvarh | exported reactive energy | 反向无功电能
apparent_energy | kVAh | apparent energy | 视在电能
generation_energy | kWh | generated energy | 发电量
battery_energy_charge | kWh | energy charged | 充电电量
battery_energy_discharge | kWh | energy discharged | 放电电量
gas_volume | Nm3 | gas volume at 0 °C and 101.325 kPa | 燃气体积（标况0 °C）
gas_volume_actual | m3 | gas volume at operating conditions | 燃气工况体积
steam_mass | t | steam mass | 蒸汽量
feed_water_mass | t | feed-water mass | 给水量
blowdown_mass | t | blow-down mass | 排污量
heat_energy | GJ | heat | 热量
water_volume | m3 | water volume | 用水量
coal_mass | t | coal mass | 耗煤量
oil_mass | t | oil mass | 燃油量
oil_volume | m3 | oil volume | 燃油体积
air_volume | m3 | air volume at inlet conditions | 空气体积（进口状态）
product_mass | t | product mass | 产品产量
product_count | count | product count | 产品件数
run_hours | h | run time | 运行时间
start_count | count | starts | 启动次数
"""  # noqa: RUF001 -- Chinese punctuation
_STATES = """
running | bool | running | 运行
ready | bool | ready | 就绪
fault | bool | fault | 故障
remote | bool | under remote control | 远控
alarm | bool | alarm | 报警
status_word | word | status word | 状态字
fault_code | word | fault code | 故障代码
alarm_code | word | alarm code | 报警代码
operating_mode | word | operating mode | 运行方式
"""
_TEXTS = """
serial_number | text | serial number | 序列号
model_name | text | model | 型号
firmware_version | text | firmware version | 固件版本
"""
_PHASES = (("", "", ""), ("_l1", "L1 ", "A相"), ("_l2", "L2 ", "B相"), ("_l3", "L3 ", "C相"))


def _rows(table: str, kind: Kind) -> Iterator[Quantity]:
    for row in table.strip().splitlines():
        name, unit, label, label_zh = (cell.strip() for cell in row.split("|"))
        phases = _PHASES if name.endswith("*") else _PHASES[:1]
        for suffix, prefix, prefix_zh in phases:
            yield Quantity(name.removesuffix("*") + suffix, UNITS[unit], kind, prefix + label, prefix_zh + label_zh)


VOCABULARY: dict[str, Quantity] = {
    quantity.name: quantity
    for table, kind in (
        (_GAUGES, Kind.GAUGE),
        (_COUNTERS, Kind.COUNTER),
        (_STATES, Kind.STATE),
        (_TEXTS, Kind.TEXT),
    )
    for quantity in _rows(table, kind)
}
"""Every quantity by name."""
