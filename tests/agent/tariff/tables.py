"""Published periods and prices that the tests of tariffs share, and ways to build tariffs from tables.

Hubei: 国网湖北省电力有限公司, 代理购电工商业用户电价表 for 2026-01-01 to 2026-01-31, two-part tariff at
1-10(20) kV, with the hours of its note 2 (鄂发改价管(2024)77号), as reprinted by the city of Xiaogan
(xgszsj.xiaogan.gov.cn/tzxg/tzcb/202601/t20260108_568308.shtml).

Anhui: hours by 皖发改价格(2025)302号, as quoted in the price tables of 国网安徽 from July 2025 on; the prices are
made up.
"""

import tomllib
from zoneinfo import ZoneInfo

from agent.sections.tariff import CalendarSection, TariffSection
from agent.tariff.build import tariffs
from agent.tariff.tariff import Tariff

SHANGHAI = ZoneInfo("Asia/Shanghai")
CALENDAR = """
holidays = ["2026-01-01/2026-01-03", "2026-02-15/2026-02-23", "2026-10-01/2026-10-07"]
workdays = ["2026-01-04", "2026-02-14", "2026-02-28", "2026-10-10"]
"""
HUBEI_DAYS = """
[[day]]
season = ["07-01/08-31"]
[day.hours]
sharp = ["20:00-22:00"]
peak = ["16:00-20:00", "22:00-24:00"]
flat = ["06:00-12:00", "14:00-16:00"]
valley = ["00:00-06:00", "12:00-14:00"]

[[day]]
[day.hours]
sharp = ["18:00-20:00"]
peak = ["16:00-18:00", "20:00-24:00"]
flat = ["06:00-12:00", "14:00-16:00"]
valley = ["00:00-06:00", "12:00-14:00"]
"""
HUBEI_PRICE = """
[[price]]
from = 2026-01-01
until = 2026-01-31
sharp = 1.049999
peak = 0.848961
flat = 0.651886
valley = 0.432924
funds = 0.0452
demand = 42.0
capacity = 26.3
"""
HUBEI_HEAD = """
name = "grid"
meter = "main-meter/electricity"
reactive = ["main-reactive"]
power_factor = 0.90
two_part = "demand"
capacity = "630 kVA"
source = "国网湖北 2026-01"
"""
HUBEI = HUBEI_HEAD + HUBEI_DAYS + HUBEI_PRICE
ANHUI = """
name = "grid"
meter = "main-meter/electricity"

[[day]]
season = ["07-01/09-30"]
days = ["holiday"]
[day.hours]
peak = ["16:00-24:00"]
flat = ["00:00-02:00", "09:00-11:00", "15:00-16:00"]
valley = ["02:00-09:00"]
deep_valley = ["11:00-15:00"]

[[day]]
season = ["07-01/09-30"]
[day.hours]
peak = ["16:00-24:00"]
flat = ["00:00-02:00", "09:00-11:00", "13:00-16:00"]
valley = ["02:00-09:00", "11:00-13:00"]

[[day]]
season = ["12-01/01-31"]
[day.hours]
peak = ["15:00-23:00"]
flat = ["06:00-12:00", "14:00-15:00"]
valley = ["12:00-14:00", "23:00-06:00"]

[[day]]
days = ["holiday"]
[day.hours]
peak = ["06:00-08:00", "16:00-22:00"]
flat = ["08:00-11:00", "15:00-16:00", "22:00-23:00"]
valley = ["23:00-06:00"]
deep_valley = ["11:00-15:00"]

[[day]]
[day.hours]
peak = ["06:00-08:00", "16:00-22:00"]
flat = ["08:00-11:00", "14:00-16:00", "22:00-23:00"]
valley = ["11:00-14:00", "23:00-06:00"]

[[price]]
from = 2025-07-01
peak = 1.1
flat = 0.7
valley = 0.3
deep_valley = 0.24
"""


def tariff_of(text: str, *, calendar: str = CALENDAR, zone: ZoneInfo = SHANGHAI) -> Tariff:
    """Return the tariff a table describes."""
    section = TariffSection.from_file(tomllib.loads(text))
    (found,) = tariffs([section], CalendarSection.from_file(tomllib.loads(calendar)), zone)
    return found
