"""The most memory that this process holds from some point on, as Linux counts it."""

import ctypes
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def field(name: str) -> int:
    """A field of the process' status, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def settle() -> None:
    """Gives what was freed back to the system, and forgets the peak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    # By a 5 Linux is told to forget it: proc_pid_clear_refs(5).
    RESET.write_text("5")


class Memory:
    """The growth of the peak from before a workload is built: of the whole, and of the calls after the first one."""

    def __init__(self) -> None:
        self.before: int | None = None
        self.first = 0

    def start(self) -> None:
        """Counts from here on, where the system tells."""
        if RESET.exists():
            settle()
            self.before = field("VmRSS")

    def built(self) -> None:
        """Notes that the first call is done."""
        if self.before is not None:
            self.first = field("VmHWM") - self.before
            settle()

    def growth(self) -> dict[str, int | None]:
        """Both, in bytes; None where they are not known."""
        if self.before is None:
            return {"whole": None, "calls": None}
        calls = field("VmHWM") - self.before
        return {"whole": max(self.first, calls), "calls": calls}
