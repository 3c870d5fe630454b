"""What a process costs, as the kernel counts it."""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """Monotonic time [s], processor time used so far [s] and resident memory [MiB]."""

    at: float
    cpu_s: float
    resident_mib: float


def sample(pid: int) -> Sample:
    """Return what a process has used so far: see proc(5), /proc/PID/stat and /proc/PID/status."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    resident_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return Sample(time.monotonic(), cpu_s, resident_kib * 1024 / _MIB)


@dataclass(slots=True)
class Footprint:
    """Watches a process from a thread of its own, once a second."""

    pid: int
    samples: list[Sample] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take a last sample and end."""
        self._over.set()
        if self._thread:
            self._thread.join()

    @property
    def largest_mib(self) -> float:
        """Largest resident memory seen."""
        return max(entry.resident_mib for entry in self.samples)

    @property
    def last_mib(self) -> float:
        """Resident memory at the end."""
        return self.samples[-1].resident_mib

    @property
    def cpu_s(self) -> float:
        """Processor time from the start to the end, loading included [s]."""
        return self.samples[-1].cpu_s

    def steady_cpu_percent(self, after_s: float) -> float:
        """Return processor time as a share of one core from `after_s` after the start on, without the loading."""
        first = next((entry for entry in self.samples if entry.at >= self.samples[0].at + after_s), self.samples[0])
        last = self.samples[-1]
        return 100 * (last.cpu_s - first.cpu_s) / max(last.at - first.at, 1e-9)

    def _watch(self) -> None:
        while True:
            try:
                self.samples.append(sample(self.pid))
            except (OSError, StopIteration):
                return  # it has ended by itself
            if self._over.wait(1.0):
                return
