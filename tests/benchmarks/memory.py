"""How much memory this process has; what is measured from its start loads nothing else for that."""

import resource
from pathlib import Path


def resident_mib() -> float:
    """Return the memory that this process has now; where that is not told, the most it had."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
