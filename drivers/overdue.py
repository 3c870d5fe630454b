"""Modbus/TCP replies that nobody waits for any more: known by their transaction number, taken out of the stream. Pure.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3.
"""

_HEADER = 6
_SHORTEST, _LONGEST = 3, 254
_MOST = 64
"""Numbers remembered; what is later than that many other silences is a reason for doubt."""


class Overdue:
    """The requests of one connection that were given up, and what has come of a reply to one of them."""

    __slots__ = ("_held", "_numbers", "expected")

    def __init__(self) -> None:
        self.expected = False
        """Whether anything may still come; nothing of what comes has to be looked at while not."""
        self._numbers: dict[int, None] = {}
        self._held = b""

    def add(self, number: int) -> None:
        """Expect a late reply with this transaction number."""
        self.expected = True
        self._numbers[number] = None
        if len(self._numbers) > _MOST:
            del self._numbers[next(iter(self._numbers))]

    def forget(self, number: int) -> None:
        """Expect no late reply with a number that is used again."""
        self._numbers.pop(number, None)

    def rest(self, data: bytes) -> bytes:
        """Return what is no late reply of the bytes that came next, which begin a frame or go on with a late one."""
        data, self._held = self._held + data, b""
        while data and self._numbers:
            length = int.from_bytes(data[4:_HEADER], "big")
            late = len(data) < 2 or int.from_bytes(data[:2], "big") in self._numbers  # noqa: PLR2004 - a number's bytes
            sound = len(data) < _HEADER or (data[2:4] == b"\0\0" and _SHORTEST <= length <= _LONGEST)
            if not late or not sound:
                return data
            if len(data) < _HEADER or len(data) < _HEADER + length:
                self._held = data
                return b""
            self.forget(int.from_bytes(data[:2], "big"))
            data = data[_HEADER + length :]
        self.expected = bool(self._numbers)
        return data

    def behind(self, received: bytes) -> bytes:
        """Return the bytes of a reply without late ones that stand behind its first frame."""
        if not self._numbers:
            return received
        end = _HEADER + int.from_bytes(received[4:_HEADER], "big")
        if len(received) <= max(end, _HEADER):
            return received
        return received[:end] + self.rest(received[end:])
