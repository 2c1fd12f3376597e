"""Engines in processes of their own, without a web part, on a clock that the test moves.

Run as a module it is such a process, `python -m tests.faults.lone_engine FOLDER [DATABASE]`, until its input ends.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask

from scheduler_app.app.loading import load_tasks
from scheduler_app.domain.job import Job, JobSpec
from scheduler_app.domain.policy import Overrides
from scheduler_app.domain.run import Run
from scheduler_app.domain.task import Registry, default_registry
from scheduler_app.extension.core import Core, Kit, build
from scheduler_app.services import audit, jobs, runs
from scheduler_app.settings import Settings
from scheduler_app.store import run_pages
from scheduler_app.store.runs import RunFilter
from tests.faults.moved_clock import MovedClock
from tests.service.harness import TASKS, Mark, wait_until

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


def core_on(folder: Path, database: str | None, registry: Registry) -> Core:
    """Put an app's parts together on the clock of a folder, and on a store: that of the folder, or another."""
    clock = MovedClock(folder / "clock")
    app = Flask("lone_engine", instance_path=str(folder))
    return build(app, Kit(settings=Settings(data=folder, database=database), registry=registry, clock=clock))


class LoneEngine:
    """One engine in a process of its own."""

    def __init__(self, folder: Path, database: str | None, name: str, env: dict[str, str]) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.lone_engine", str(folder), *filter(None, [database])],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, "WITNESS": str(folder / "witness"), **env},
            )

    def said(self) -> str:
        return self.log.read_text()

    def is_started(self) -> bool:
        assert self.process.poll() is None, self.said()
        return "started" in self.said()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stand_still(self) -> None:
        """Stop the process where it is, until SIGCONT."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: self._stat()[0] == "T", within=10.0)

    def _stat(self) -> list[str]:
        """What proc(5) says of it, from the state on."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()

    def cpu_seconds(self) -> float:
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30.0)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10.0)
        if self.process.stdin is not None:
            self.process.stdin.close()


@dataclass
class Lab:
    """A store with engines in processes of their own, looked at through the services."""

    folder: Path
    clock: MovedClock
    core: Core
    engines: list[LoneEngine] = field(default_factory=list)

    def engine(self, **env: str) -> LoneEngine:
        """Start an engine and wait until it works."""
        engine = LoneEngine(self.folder, self.core.settings.database, f"engine-{len(self.engines)}", env)
        self.engines.append(engine)
        wait_until(engine.is_started, within=60.0, what=f"an engine that works: {engine.log}")
        return engine

    def add(self, task: str, *, id: str | None = None, trigger: Any = None, **more: Any) -> Job:
        kwargs = more.pop("kwargs", {})
        spec = JobSpec(id=id, task=task, args=[], kwargs=kwargs, trigger=trigger, overrides=Overrides(**more))
        return jobs.create_job(spec, ctx=self.core.ctx)

    def job(self, job_id: str) -> Job:
        return jobs.get_job(job_id, ctx=self.core.ctx)

    def run(self, run_id: int) -> Run:
        return runs.get_run(run_id, ctx=self.core.ctx)

    def runs(self, *job_ids: str) -> list[Run]:
        with self.core.database.read() as tx:
            found = run_pages.page(tx, RunFilter(job_ids=job_ids), after=None, limit=100_000)
        return [run for run, _ in found]

    def one_off(self, task: str, **more: Any) -> int:
        """Add a job that runs now and return its run's id."""
        last = self.add(task, **more).last_run
        assert last is not None
        return last.id

    def marks(self, word: str) -> list[Mark]:
        file = self.folder / "witness"
        marks = [Mark.of(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [mark for mark in marks if mark.word == word]

    def rest(self, *job_ids: str) -> None:
        """Pause these jobs and wait until nothing is left to do."""
        for job_id in job_ids:
            jobs.pause_job(job_id, reason=None, ctx=self.core.ctx)
        wait_until(lambda: not any(run.is_open for run in self.runs()), within=20.0)

    def breaches(self) -> list[str]:
        """Audit the store, at the time that its clock shows."""
        with self.core.database.read() as tx:
            return [f"{b.job} {b.run}: {b.found}" for b in audit.audit(tx, self.clock.now()).breaches]


@contextmanager
def a_lab(folder: Path, rate: float = 1.0, database: str | None = None) -> Iterator[Lab]:
    """A lab for a block; whatever it started is killed after it."""
    clock = MovedClock.made(folder / "clock", rate)
    registry = Registry()
    before, default_registry._tasks = default_registry._tasks, {}
    try:
        load_tasks([str(TASKS)], demo=False)
        registry._tasks = default_registry._tasks
    finally:
        default_registry._tasks = before
    lab = Lab(folder, clock, core_on(folder, database, registry))
    try:
        lab.core.open()
        yield lab
    finally:
        for engine in lab.engines:
            engine.kill()
        lab.core.close()


def main(folder: Path, database: str | None = None) -> None:
    """Be an engine until the input ends."""
    logging.basicConfig(level=logging.INFO)
    load_tasks([str(TASKS)], demo=False)
    core = core_on(folder, database, default_registry)
    core.open()
    core.engine.start()
    wait_until(lambda: core.engine.id is not None, within=60.0)
    print("started", flush=True)
    sys.stdin.read()
    core.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
