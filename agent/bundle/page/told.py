"""What events tell, in Chinese: records tell it in English, and the page shows both.

Each text that has figures is taken apart by its template, so that the sentence is the same with the same figures. An
event that is told in other words, by another version, is named by what it is.
"""

# ruff: noqa: RUF001 -- Chinese punctuation

import re
from functools import cache

_LONGEST = 1000
"""Texts that are longer were written by nobody but a forger, and taken apart for long."""
TEXTS: tuple[tuple[str, str], ...] = (
    (
        "a reading of {value} cannot be booked: check type and order in the profile",
        "读数 {value} 无法记入：请检查寄存器表中的类型和字节顺序",
    ),
    (
        "a reading is not later than the one before ({value}): refused until time goes on",
        "读数的时刻不晚于前一个（{value}）：在时间继续之前不接受",
    ),
    (
        "a reading cannot be booked: {error}: nothing is booked until one can: see the agent's log",
        "读数无法记账：{error}：在可以记账之前不计用量：请查看程序日志",
    ),
    ("an increment of {value} cannot be booked", "增量 {value} 无法记入"),
    ("{more} more is above the rating: booked", "增量 {more} 超过额定值：已记入"),
    ("{value} is above the rating: held", "{value} 超过额定值：暂不记入"),
    ("{value} is above the rating: booked after all", "{value} 超过额定值：仍予记入"),
    ("{value} is above the rating: discarded", "{value} 超过额定值：已舍弃"),
    ("{value} is above the rating: booked", "{value} 超过额定值：已记入"),
    (
        "{value} lasts far above the rating: nothing is booked: correct rated_power or the profile, and reload",
        "{value} 持续远超额定值，不记入：请更正 rated_power 或设备模板，然后重新加载",
    ),
    ("{last} -> {value} is too much: held", "{last} → {value} 增加过多：暂不记入"),
    (
        "readings go on from {value}, {rate} more per hour: booked after all",
        "读数从 {value} 继续，每小时增加 {rate}：仍予记入",
    ),
    (
        "the counter went on at {first} after {last}: nothing booked between",
        "计数器在 {last} 之后由 {first} 继续：其间不记入",
    ),
    ("{value} after {last} was out of line: discarded", "{last} 之后的读数 {value} 离群：已舍弃"),
    (
        "the counter began at {first}, {author} declares ({reason}): {amount} booked",
        "{author}申报：计数器从 {first} 开始（{reason}）：记入 {amount}",
    ),
    (
        "the counter was replaced at {last} by one at {first}, {author} declares ({reason}): {amount} booked",
        "{author}申报：计数器在 {last} 处更换，新表从 {first} 开始（{reason}）：记入 {amount}",
    ),
    (
        "{author} declares: last reading {last}, first reading {first} ({reason})",
        "{author}申报：旧表末次读数 {last}，新表首次读数 {first}（{reason}）",
    ),
    ("{author} declares: first reading {first} ({reason})", "{author}申报：首次读数 {first}（{reason}）"),
    (
        "{author} takes back: last reading {last}, first reading {first} ({reason}): {revised} intervals revised",
        "{author}撤回申报：旧表末次读数 {last}，新表首次读数 {first}（{reason}）：修订了 {revised} 个区间",
    ),
    (
        "{author} takes back: last reading {last}, first reading {first} ({reason}): {revised} interval revised",
        "{author}撤回申报：旧表末次读数 {last}，新表首次读数 {first}（{reason}）：修订了 {revised} 个区间",
    ),
    (
        "{author} takes back: first reading {first} ({reason}): {revised} intervals revised",
        "{author}撤回申报：首次读数 {first}（{reason}）：修订了 {revised} 个区间",
    ),
    (
        "{author} takes back: first reading {first} ({reason}): {revised} interval revised",
        "{author}撤回申报：首次读数 {first}（{reason}）：修订了 {revised} 个区间",
    ),
    (
        "{author} enters {amount} for {start} to {end} ({reason})",
        "{author}录入 {amount}，期间 {start} 至 {end}（{reason}）",
    ),
    (
        "1 interval revised, {left} not settled yet: ask again later: {reason}",
        "修订了 1 条区间记录，另有 {left} 条尚未结清，请稍后再试：{reason}",
    ),
    ("1 interval revised: {reason}", "修订了 1 条区间记录：{reason}"),
    (
        "{count} intervals revised, {left} not settled yet: ask again later: {reason}",
        "修订了 {count} 条区间记录，另有 {left} 条尚未结清，请稍后再试：{reason}",
    ),
    ("{count} intervals revised: {reason}", "修订了 {count} 条区间记录：{reason}"),
    ("the clock was set by {by} s: times go with it", "时钟被调整 {by} 秒：时间随之改变"),
    (
        "the clock was set by {by} s: times go on by the monotonic clock, nobody has synchronised it",
        "时钟被调整 {by} 秒：无人校准，时间仍按单调时钟计",
    ),
    (
        (
            "{polls} poll made before the time was known was not kept: "
            "of what counters say no amount is lost, but when it was used is known less exactly"
        ),
        "时间得知之前的 {polls} 次轮询未保留：计数器的用量没有丢失，但用在何时不太准确",
    ),
    (
        (
            "{polls} polls made before the time was known were not kept: "
            "of what counters say no amount is lost, but when it was used is known less exactly"
        ),
        "时间得知之前的 {polls} 次轮询未保留：计数器的用量没有丢失，但用在何时不太准确",
    ),
    (
        (
            "the store has lost its last commits, records {first} to {last}: check the disk, and whether somebody has "
            "put back an older copy"
        ),
        "存储丢失了最后提交的记录 {first} 至 {last}：请检查磁盘，以及是否有人放回了旧副本",
    ),
    ("{device} has all that its profile asks for", "{device} 具备寄存器表所要求的全部内容"),
    (
        "{device} says that it is busy: it is given more time between requests",
        "{device} 表示忙：两次请求之间给予更多时间",
    ),
    (
        "{device} refuses {what}: not asked for any more; without values: {missing}",
        "{device} 拒绝 {what}：不再请求；因此没有值：{missing}",
    ),
    ("{device} refuses {what}: not asked for any more", "{device} 拒绝 {what}：不再请求"),
)
"""Templates of what is told, each with its Chinese one; the first that fits is taken."""
NAMES = {
    "first": "账户的第一个读数",
    "rollover": "计数器越过其位数或上限",
    "glitch": "离群的读数被舍弃",
    "reset": "计数器从接近零重新开始",
    "replacement": "计数器从另一数值继续",
    "implausible": "读数不可信，或超过额定值",
    "gap": "读数中断",
    "unbooked": "读数无法记账，在可以记账之前不计用量",
    "clock": "时钟校准后记入",
    "manual": "由人录入",
    "declared": "有人申报了换表或初始读数",
    "withdrawn": "有人撤回了换表或初始读数的申报",
    "entered": "有人录入了用量",
    "revised": "区间记录按现行因子重新折算",
    "unreadable": "以前运行留下的账簿无法读取，已另存",
    "clock_step": "时钟被调整",
    "polls_given_up": "时间得知之前的轮询未全部保留",
    "device_learned": "设备拒绝某些请求，此后改变请求方式",
    "store_damaged": "存储文件损坏，或丢失了记录",
    "store_displaced": "存储文件被移走",
    "store_found": "此前的存储文件重新出现",
    "state_unreadable": "保存的报警状态无法读取，已另存",
}
"""What events are, by rule or name."""


def in_chinese(name: str, told: str) -> str:
    """Return what an event tells in Chinese, or only what it is; empty for one that is not known here."""
    if len(told) <= _LONGEST:
        for pattern, chinese in _patterns():
            if found := pattern.fullmatch(told):
                return chinese.format(**found.groupdict())
    return NAMES.get(name, "")


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(_expression(english), re.DOTALL), chinese) for english, chinese in TEXTS)


def _expression(template: str) -> str:
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
