# ruff: noqa: RUF001 - Chinese text has Chinese punctuation
"""From what came over a line to what is most likely wrong with it: pure.

How wrong settings look follows from the character frame of MODBUS over Serial Line V1.02, section 2.5: a receiver
with another baud rate finds no stop bits where they should be; one with another parity finds the parity bit where
it expects the stop bit, which Linux hands on as a zero byte (termios(3), neither IGNPAR nor PARMRK); on crossed
wires the line rests at the level of a start bit, which reads as breaks or zero bytes.
"""

from collections.abc import Iterable
from enum import Enum

from drivers.errors import GATEWAY_CODES
from drivers.guard import SHORTEST_RTU_FRAME, crc16, data_bytes
from drivers.reading import Exchange, Outcome
from drivers.value import frozen

_RAW = 64
_DAMAGED_SHARE = 0.1
_ASCII_START = 0x3A
_TIMES = 1.5
"""A reply this much longer or shorter than due was not read at the rate it was sent."""


@frozen
class PortErrors:
    """What a serial port's driver counted since the port was opened; zeros where it does not count."""

    framing: int = 0
    parity: int = 0
    breaks: int = 0


_NO_ERRORS = PortErrors()


@frozen
class LineEvidence:
    """What the last exchanges of a line were like; numbers are exchanges."""

    scheme: str = "rtu"
    accepted: int = 0
    refusals: tuple[int, ...] = ()
    """Exception codes, as often as they came."""
    silent: int = 0
    """Not one byte came."""
    echoes: int = 0
    """Only the request itself came back."""
    strangers: tuple[int, ...] = ()
    """Units, other than the one asked, whose sound frames came."""
    checksums: int = 0
    """A frame that begins and is as long as the reply, with a wrong checksum."""
    zeroed: int = 0
    """A frame as long as the reply, with zeros where its first bytes should stand."""
    garbage: int = 0
    """Bytes that make no frame."""
    foreign: int = 0
    """A frame of the other framing: RTU where Modbus/TCP is due, or the other way round."""
    received: int = 0
    due: int = 0
    """Bytes that came in the exchanges with garbage, and that should have come."""
    raw: bytes = b""
    """The last bytes that did not make a reply, without echo."""
    port: PortErrors = _NO_ERRORS


@frozen
class Hint:
    """The most likely cause of a line's trouble, and the remedy."""

    text: str
    text_zh: str


class _Sight(Enum):
    ECHO = "echoes"
    CHECKSUM = "checksums"
    ZEROED = "zeroed"
    GARBAGE = "garbage"
    FOREIGN = "foreign"


def evidence(scheme: str, exchanges: Iterable[Exchange | None], port: PortErrors = _NO_ERRORS) -> LineEvidence:
    """Return what exchanges on a line of this URL scheme show; None stands for one that was accepted."""
    accepted = silent = received = due = 0
    refusals, strangers = [], []
    counts = dict.fromkeys(_Sight, 0)
    raw = b""
    for exchange in exchanges:
        if exchange is None or exchange.outcome is Outcome.OK:
            accepted += 1
        elif exchange.outcome is Outcome.EXCEPTION:
            refusals.append(exchange.exception)
        elif not exchange.reply:
            silent += exchange.outcome is Outcome.NO_REPLY
        else:
            reply = exchange.reply.removeprefix(exchange.request)
            raw = (raw + reply)[-_RAW:]
            unit = _stranger(scheme, exchange.unit, reply)
            if unit is not None:
                strangers.append(unit)
                continue
            sight = _sight(scheme, exchange, reply)
            counts[sight] += 1
            if sight is _Sight.GARBAGE:
                received += len(reply)
                due += _due(exchange)
    return LineEvidence(
        scheme=scheme,
        accepted=accepted,
        refusals=tuple(refusals),
        silent=silent,
        strangers=tuple(strangers),
        received=received,
        due=due,
        raw=raw,
        port=port,
        **{sight.value: count for sight, count in counts.items()},
    )


def _due(exchange: Exchange) -> int:
    return SHORTEST_RTU_FRAME + data_bytes(exchange.block)


def _stranger(scheme: str, unit: int, reply: bytes) -> int | None:
    if scheme in ("tcp", "tls"):
        other = reply[6] if len(reply) > 8 and reply[2:4] == b"\0\0" else unit  # noqa: PLR2004 - header and PDU
    else:
        other = reply[0] if len(reply) >= SHORTEST_RTU_FRAME and crc16(reply) == 0 else unit
    return other if other != unit else None


def _sight(scheme: str, exchange: Exchange, reply: bytes) -> _Sight:
    if not reply:
        return _Sight.ECHO
    if scheme in ("tcp", "tls"):
        rtu = len(reply) >= SHORTEST_RTU_FRAME and crc16(reply) == 0
        return _Sight.FOREIGN if rtu else _Sight.GARBAGE
    if len(reply) > 8 and reply[2:4] == b"\0\0" and int.from_bytes(reply[4:6], "big") == len(reply) - 6:  # noqa: PLR2004 - header and PDU
        return _Sight.FOREIGN
    head = bytes((exchange.unit, exchange.block.function, data_bytes(exchange.block) & 0xFF))
    if reply.startswith(head):
        return _Sight.CHECKSUM
    zeroed = len(reply) == _due(exchange) and all(got in (0, meant) for got, meant in zip(reply[:3], head, strict=True))
    return _Sight.ZEROED if zeroed and any(reply) else _Sight.GARBAGE


def likely_cause(seen: LineEvidence) -> Hint | None:
    """Return what most likely keeps the line from working, None when nothing seen speaks of a cause."""
    if seen.accepted or seen.refusals:
        return _of_a_working_line(seen)
    if seen.strangers:
        return _stranger_hint(seen)
    if seen.foreign:
        return _FOREIGN_RTU if seen.scheme in ("tcp", "tls") else _FOREIGN_TCP
    if seen.scheme in ("tcp", "tls"):
        return _SILENT_NETWORK if seen.silent else None
    return _of_the_port(seen) or _of_the_bytes(seen) or (_SILENT_SERIAL if seen.silent else None)


def _of_a_working_line(seen: LineEvidence) -> Hint | None:
    damaged = seen.checksums + seen.zeroed + seen.garbage
    failed = damaged + seen.silent + len(seen.strangers)
    if damaged > _DAMAGED_SHARE * (seen.accepted + failed):
        return _DAMAGED
    if not seen.accepted:
        return _GATEWAY if GATEWAY_CODES.issuperset(seen.refusals) else _REFUSED
    if seen.strangers:
        return _CROSS_TALK
    return _ONE_SILENT if seen.silent else None


def _of_the_port(seen: LineEvidence) -> Hint | None:
    """Judge by what the port's driver counted, the surest sign where it does."""
    port = seen.port
    most = max(port.framing, port.parity, port.breaks)
    if not most:
        return None
    if most == port.breaks:
        return _CROSSED
    return _PARITY if most == port.parity else _BAUD


def _of_the_bytes(seen: LineEvidence) -> Hint | None:
    """Judge by the bytes themselves."""
    if seen.raw and not any(seen.raw):
        return _CROSSED
    if seen.raw and set(seen.raw) <= {0x00, 0xFF}:
        return _FLOATING
    if seen.zeroed:
        return _PARITY
    if seen.checksums:
        return _DAMAGED_ALWAYS
    if seen.garbage:
        return _garbage_hint(seen)
    return _ECHO if seen.echoes else None


def _garbage_hint(seen: LineEvidence) -> Hint:
    if seen.raw[0] == _ASCII_START or b"\r\n" in seen.raw:
        return _ASCII
    if seen.received > _TIMES * seen.due:
        return _BAUD_TOO_HIGH
    return _BAUD_TOO_LOW if seen.received * _TIMES < seen.due else _BAUD


def _stranger_hint(seen: LineEvidence) -> Hint:
    units = ", ".join(map(str, sorted(set(seen.strangers))))
    return Hint(
        f"unit {units} answers in place of the one asked: correct the unit number here or in the device",
        f"应答的是单元 {units}，而不是所询问的单元：请更正此处或设备中的单元号",
    )


_SILENT_SERIAL = Hint(
    "not one byte comes: most likely the device is off, A and B are crossed (swap them) or the unit number is wrong; "
    "after that baud rate and parity, for a device does not answer what it cannot read",
    "没有收到任何字节：最可能是设备未通电、A/B 线接反（请对调）或单元号错误；"
    "其次检查波特率和校验，设备读不懂请求时不会应答",
)
_SILENT_NETWORK = Hint(
    "the other end is connected but does not answer: most likely the unit number is wrong, or the device behind the "
    "gateway is off; a serial server that passes raw RTU frames is rtu+tcp://",
    "已建立连接但没有应答：最可能是单元号错误，或网关后面的设备未通电；透传 RTU 帧的串口服务器应写 rtu+tcp://",
)
_ONE_SILENT = Hint(
    "others on this line answer, so its settings are right: check power, wiring and unit number of what is silent",
    "同一线路上的其他设备有应答，说明线路设置正确：请检查无应答设备的电源、接线和单元号",
)
_CROSSED = Hint(
    "the line rests at the wrong level (breaks, zero bytes): most likely A and B are crossed: swap them",
    "线路空闲电平不对（中断信号、全零字节）：最可能是 A/B 线接反，请对调",
)
_FLOATING = Hint(
    "only 00 and FF come, bytes that a floating line makes up: most likely the bias resistors or the common ground "
    "are missing, or the adapter does not switch from sending to receiving",
    "只收到 00 和 FF，这是悬空线路产生的字节：最可能是缺少偏置电阻或公共地线，或转换器收发切换不正常",
)
_PARITY = Hint(
    "replies come in their right length with bytes spoilt: most likely the parity is wrong: try E, N and O, "
    "and stop=2 with N",
    "应答长度正确但部分字节损坏：最可能是校验位设置错误，请依次尝试 E、N、O，N 时可试 stop=2",
)
_BAUD = Hint(
    "bytes come that make no frame: most likely the baud rate is wrong: take the device's (9600 and 19200 are usual)",
    "收到的字节无法组成报文：最可能是波特率错误，请按设备设置（常见为 9600 和 19200）",
)
_BAUD_TOO_HIGH = Hint(
    "more bytes come than a reply has: most likely the baud rate is set higher than the device's: try a lower one",
    "收到的字节多于应答应有的长度：最可能是波特率设置高于设备，请尝试更低的波特率",
)
_BAUD_TOO_LOW = Hint(
    "fewer bytes come than a reply has: most likely the baud rate is set lower than the device's: try a higher one",
    "收到的字节少于应答应有的长度：最可能是波特率设置低于设备，请尝试更高的波特率",
)
_ASCII = Hint(
    "text comes instead of frames: most likely the device speaks Modbus ASCII or another protocol: set it to "
    "Modbus RTU",
    "收到的是文本而不是报文：最可能设备使用 Modbus ASCII 或其他协议，请将其设为 Modbus RTU",
)
_DAMAGED_ALWAYS = Hint(
    "replies come, but each is damaged: most likely two devices have this unit number and answer at once; "
    "else check termination (120 Ω at both ends), shielding and parity",
    "有应答但全部损坏：最可能是两台设备单元号相同而同时应答；否则检查终端电阻（两端各 120 Ω）、屏蔽和校验",
)
_DAMAGED = Hint(
    "part of the replies is damaged, so the settings are right and the wiring is not: check termination (120 Ω at "
    "both ends), shielding, branches and distance to drives",
    "部分应答损坏，说明设置正确而接线有问题：请检查终端电阻（两端各 120 Ω）、屏蔽、分支线以及与变频器的距离",
)
_ECHO = Hint(
    "only the echo of the requests comes: the adapter works, and nobody answers: check power, A and B, unit number, "
    "baud rate and parity",
    "只收到请求的回声：转换器正常，但没有设备应答：请检查电源、A/B 线、单元号、波特率和校验",
)
_CROSS_TALK = Hint(
    "units answer that were not asked: most likely a device answers later than the time-out (raise it), or a second "
    "master asks on this line (remove it)",
    "未被询问的单元有应答：最可能是某设备应答晚于超时时间（请加大 timeout），或线路上有第二个主站（请移除）",
)
_GATEWAY = Hint(
    "the gateway answers that it does not reach the device: check power, wiring and unit number behind the gateway, "
    "and its serial settings",
    "网关应答称无法访问设备：请检查网关后面的电源、接线、单元号及其串口设置",
)
_REFUSED = Hint(
    "the device answers but refuses every read: most likely the profile is one of another device type or firmware",
    "设备有应答但拒绝所有读取：最可能是设备模板属于其他型号或固件版本",
)
_FOREIGN_RTU = Hint(
    "RTU frames come over the network: write rtu+tcp:// in place of tcp://, or set the converter to Modbus/TCP",
    "网络上收到的是 RTU 报文：请将 tcp:// 改为 rtu+tcp://，或将转换器设为 Modbus/TCP",
)
_FOREIGN_TCP = Hint(
    "Modbus/TCP frames come: write tcp:// in place of rtu+tcp://",
    "收到的是 Modbus/TCP 报文：请将 rtu+tcp:// 改为 tcp://",
)
