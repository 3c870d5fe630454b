"""What a line has done since its start, in numbers."""

from drivers.reading import Outcome
from drivers.value import mutable

_OK = Outcome.OK


@mutable
class LineStats:
    """Counters of a line since its start; bytes include what was dropped, `busy_ns` is the time spent in reads."""

    requests: int = 0
    replies: int = 0
    exceptions: int = 0
    timeouts: int = 0
    bad_replies: int = 0
    reconnects: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    busy_ns: int = 0

    def count(self, outcome: Outcome) -> None:
        """Count an exchange by how it ended; a line that went down is counted when it is made anew."""
        if outcome is _OK:
            self.replies += 1
        elif outcome is Outcome.EXCEPTION:
            self.exceptions += 1
        elif outcome is Outcome.NO_REPLY:
            self.timeouts += 1
        elif outcome is Outcome.BAD_REPLY:
            self.bad_replies += 1
