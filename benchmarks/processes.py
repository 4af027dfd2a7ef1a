"""What other processes use: read from /proc."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Processor time of a process and all its threads, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def stolen_s() -> float:
    """Processor time that the host gave to others while this machine wanted it, over all cores, since it started."""
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / _TICKS


def resident_mb(pid: int) -> tuple[float, float]:
    """Resident memory now, and at its highest (MB of 10**6 bytes)."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, highest = (int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, highest
