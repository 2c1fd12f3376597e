"""Who an engine is, so that others on the same host can tell at once that its process is gone.

A process is named by its pid and its start time (proc(5), field 22), since pids are used again. A host is named by
its boot and the pid name space: two containers of one host do not see each other's processes and must not judge them.
"""

import os
import platform
import socket
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

PROC = Path("/proc")
ZOMBIE = "Z"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The process an engine lives in."""

    node: str
    host: str
    pid: int
    process_start: str
    parent_pid: int
    parent_start: str
    version: str

    @classmethod
    def of_this_process(cls) -> "Identity":
        """Return who we are."""
        pid, parent = os.getpid(), os.getppid()
        return cls(
            node=socket.gethostname(),
            host=host(),
            pid=pid,
            process_start=_start_of(pid) or "unknown",
            parent_pid=parent,
            parent_start=_start_of(parent) or "unknown",
            version=version("scheduler_app"),
        )

    def shares_host(self, host: str) -> bool:
        """Whether another engine's host is this one, be it in another container."""
        return host.partition("/")[0] == self.host.partition("/")[0]

    def values(self) -> dict[str, Any]:
        """Return the identity as the store keeps it."""
        return asdict(self)


@cache
def host() -> str:
    """Return a name of this host and pid name space that no other has, until it boots again."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink(PROC / 'self/ns/pid')}"
    except OSError:
        return f"{platform.node()}/{platform.system()}"


def is_gone(pid: int, process_start: str) -> bool:
    """Whether a process of this host has ended (a zombie has); False when that cannot be told."""
    if not PROC.joinpath("self/stat").exists():
        return not _exists(pid)
    return _start_of(pid) != process_start


def _start_of(pid: int) -> str | None:
    """Return the start time of a live process in clock ticks since boot, None when it is gone."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")  # a process may be called anything
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == ZOMBIE else fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
