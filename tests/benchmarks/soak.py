"""`python -m tests.benchmarks soak`: 80 % of the measured maximum for half an hour, then the audit.

A service on SQLite as shipped, recurring jobs that fire each second, and one-offs that a client submits in batches:
first as fast as they are executed, which gives the maximum, then steadily. Memory, open files, lateness and what waits
are looked at all the time, and must be at the end what they were at the end of the first quarter.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.benchmarks import machine
from tests.benchmarks.processes import ROOT, StepError, environment
from tests.benchmarks.servers import Server, family, ours
from tests.benchmarks.soak_plot import write_soak_plot

SHARE = 0.8
RECURRING = 100
BATCH, OPEN = 100, 500
TICK = 0.05
SAMPLES = 360
CALM_SECONDS = 60.0
# what may be more at the end than after the first quarter
MORE_MIB, MORE_FILES, MORE_THREADS, LATER, LATER_MS = 10.0, 5, 2, 2.0, 10.0
WAITING = "SELECT count(*) FROM scheduler_runs WHERE state IN ('scheduled', 'queued', 'running')"
LAST = "SELECT coalesce(max(id), 0) FROM scheduler_runs"
LATENESS = "SELECT (started_at - scheduled_at) / 1000.0 FROM scheduler_runs WHERE id > ? AND started_at IS NOT NULL"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at the service."""

    at: float
    executed: int
    waiting: int
    p50_ms: float
    p99_ms: float
    memory_mib: float
    files: int
    threads: int
    store_mib: float


class Watch:
    """Looks at a service from outside: its processes and its store."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.samples: list[Sample] = []
        self._server = server
        self._store = folder / "scheduler.db"
        self._began = time.monotonic()
        self._last = self.number(LAST)

    def number(self, query: str) -> int:
        """Return the number that a query gives."""
        with closing(self._connect()) as store:
            return int(store.execute(query).fetchone()[0])

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)

    def look(self) -> Sample:
        """Take a sample of what was since the last one."""
        with closing(self._connect()) as store:
            late = [late for (late,) in store.execute(LATENESS, (self._last,))]
        last, pids = self.number(LAST), family(self._server.pid)
        cuts = quantiles(late, n=100, method="inclusive") if len(late) > 1 else [0.0] * 99
        sample = Sample(
            at=time.monotonic() - self._began,
            executed=last - self._last,
            waiting=self.number(WAITING),
            p50_ms=cuts[49],
            p99_ms=cuts[98],
            memory_mib=sum(_status(pid, "VmRSS") for pid in pids) / 1024,
            files=sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
            threads=sum(_status(pid, "Threads") for pid in pids),
            store_mib=self._store.stat().st_size / 2**20,
        )
        self._last = last
        self.samples.append(sample)
        return sample


def _status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def submit(server: Server, jobs: int) -> None:
    """Submit one-offs that run now."""
    if jobs and server.post("/api/v1/jobs/batch", {"jobs": [{"task": "noop"}] * jobs}).get("errors"):
        raise StepError("jobs were refused")


def add_recurring(server: Server) -> None:
    """Add what fires each second."""
    trigger = {"type": "interval", "seconds": 1}
    jobs = [{"id": f"each-second-{number}", "task": "noop", "trigger": trigger} for number in range(RECURRING)]
    server.post("/api/v1/jobs/batch", {"jobs": jobs})


def most(server: Server, watch: Watch, seconds: float) -> float:
    """Return how many one-offs are executed a second when there are always some to execute."""
    began, submitted, waiting = time.monotonic(), 0, watch.number(WAITING)
    while time.monotonic() < began + seconds:
        if watch.number(WAITING) < OPEN:
            submit(server, BATCH)
            submitted += BATCH
        else:
            time.sleep(0.005)
    ended = time.monotonic()
    return (submitted + waiting - watch.number(WAITING)) / (ended - began)


def hold(server: Server, watch: Watch, rate: float, seconds: float) -> int:
    """Submit steadily for so long, look meanwhile, and return how many were submitted."""
    began = time.monotonic()
    submitted, looked = 0, began
    while (passed := time.monotonic() - began) < seconds:
        due = min(int(rate * passed) - submitted, 1000)
        submit(server, due)
        submitted += due
        if time.monotonic() >= looked + max(1.0, seconds / SAMPLES):
            looked = time.monotonic()
            tell(watch.look())
        time.sleep(max(0.0, TICK - (time.monotonic() - began - passed)))
    return submitted


def settle(watch: Watch) -> None:
    """Wait until nothing but what recurs is open."""
    limit = time.monotonic() + CALM_SECONDS
    while watch.number(WAITING) > RECURRING:
        if time.monotonic() > limit:
            raise StepError(f"{watch.number(WAITING)} runs wait {CALM_SECONDS:g} s after the last submit")
        time.sleep(0.1)


def audited(folder: Path) -> tuple[bool, str]:
    """Return whether the audit finds nothing, and what it says."""
    words = [sys.executable, "-m", "scheduler_app", "audit", "--data", str(folder)]
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    return done.returncode == 0, (done.stdout + done.stderr).strip()


def judged(samples: Sequence[Sample], wanted: float) -> dict[str, tuple[bool, str]]:
    """Compare the last quarter with the second one, and what was executed with what was wanted a second."""
    quarter = max(1, len(samples) // 4)
    before, after = samples[quarter : 2 * quarter] or samples[:1], samples[-quarter:]
    found = {name: (_middle(before, name), _middle(after, name)) for name in asdict(after[0])}
    bounds = {
        "memory_mib": found["memory_mib"][0] + MORE_MIB,
        "files": found["files"][0] + MORE_FILES,
        "threads": found["threads"][0] + MORE_THREADS,
        "p50_ms": found["p50_ms"][0] * LATER + LATER_MS,
        "p99_ms": found["p99_ms"][0] * LATER + LATER_MS,
    }
    kept = sum(sample.executed for sample in samples) / samples[-1].at
    return {
        "executed a second": (kept >= 0.98 * wanted, f"{kept:,.0f} of {wanted:,.0f}"),
        **{name: (found[name][1] <= most, "{:.1f} → {:.1f}".format(*found[name])) for name, most in bounds.items()},
    }


def _middle(samples: Sequence[Sample], name: str) -> float:
    return median(getattr(sample, name) for sample in samples)


def tell(sample: Sample) -> None:
    """Show progress."""
    print(
        f"{sample.at:7.0f} s  {sample.executed:7,} runs  {sample.waiting:5} wait  late {sample.p50_ms:.1f} / "
        f"{sample.p99_ms:.1f} ms  {sample.memory_mib:.0f} MiB  {sample.files} files  {sample.threads} threads",
        flush=True,
    )


def soak(folder: Path, seconds: float) -> dict[str, Any]:
    """Measure the maximum, hold the share of it, and return what was found."""
    with ours(folder) as server:
        add_recurring(server)
        rate = SHARE * most(server, Watch(server, folder), max(3.0, min(30.0, seconds / 10)))
        print(f"the maximum is {rate / SHARE:,.0f} one-offs a second beside {RECURRING} firings; now {rate:,.0f}")
        settle(watch := Watch(server, folder))
        submitted = hold(server, watch := Watch(server, folder), rate, seconds)
        settle(watch)
        is_clean, said = audited(folder)
    verdicts = judged(watch.samples, submitted / seconds + RECURRING) | {"audit": (is_clean, said)}
    return {
        "minutes": seconds / 60,
        "rate": rate,
        "submitted": submitted,
        "steady": {name: {"ok": is_ok, "found": text} for name, (is_ok, text) in verdicts.items()},
        "samples": [asdict(sample) for sample in watch.samples],
    }


def main(words: Sequence[str]) -> int:
    """Soak, report, and return 1 when something was not steady."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    parser.add_argument("--out", type=Path, help="folder for the store and the results, on the disk to measure")
    given = parser.parse_args(words)
    out = given.out or Path(tempfile.mkdtemp(prefix="scheduler-soak-"))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="store-", dir=out) as store:
        where = machine.describe(Path(store))
        found = soak(Path(store), given.minutes * 60)
    (out / "soak.json").write_text(json.dumps({"machine": where, **found}, indent=2) + "\n")
    note = f"{where['cpu']}, {where['cores']} cores, Python {where['python']}; revision {where['revision']}"
    write_soak_plot(out / "soak.svg", found, note)
    print()
    for name, verdict in found["steady"].items():
        print(f"{'ok ' if verdict['ok'] else 'NOT'} {name}: {verdict['found']}")
    print(f"\nResults in {out / 'soak.json'} and {out / 'soak.svg'}")
    return 0 if all(verdict["ok"] for verdict in found["steady"].values()) else 1
