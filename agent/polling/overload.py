"""Whether a line has more to do than it can: polls left out for want of time, minute by minute. Pure."""

from drivers.value import mutable

_MINUTE_S = 60.0
_RAISED, _CLEARED = 0.05, 0.01
"""Share of the polls of a minute that is left out."""


@mutable
class Overload:
    """What one line made and left out; `since` is the monotonic time [s] at which the minute began."""

    since: float
    active: bool | None = None
    """None until a minute is over."""
    share: float = 0.0
    """Share of the last whole minute's polls that was left out."""
    _made: int = 0
    _skipped: int = 0

    def begin(self, now: float) -> None:
        """Begin a minute anew: what was left out before came of asking everybody for the first time."""
        self.since, self._made, self._skipped = now, 0, 0

    def add(self, skipped: int) -> None:
        """Count one poll made, and those left out before the next."""
        self._made += 1
        self._skipped += skipped

    def judge(self, now: float) -> bool:
        """At the end of a minute, judge it; return whether something has changed, or is known at all."""
        if now - self.since < _MINUTE_S:
            return False
        polls = self._made + self._skipped
        self.share = self._skipped / polls if polls else 0.0
        self.begin(now)
        before = self.active
        self.active = self.share >= (_CLEARED if before else _RAISED)
        return self.active is not before

    def text(self, line: str) -> str:
        """Return what is to be said of the line."""
        if not self.active:
            return f"line {line} keeps its cadences"
        remedy = "poll its devices less often, raise the baud rate, or move some to another line"
        return f"line {line} leaves out {self.share * 100:.0f} % of its polls because it is too slow for them: {remedy}"

    def text_zh(self, line: str) -> str:
        """Return the same in Chinese."""
        if not self.active:
            return f"线路 {line} 已按周期采集"
        remedy = "请降低采集频率、提高波特率或把部分设备移到其他线路"
        return f"线路 {line} 过载（{self.share * 100:.0f} % 的采集因来不及而跳过）。{remedy}"  # noqa: RUF001 -- Chinese punctuation
