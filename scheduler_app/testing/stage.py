"""An app on simulated time: what the fixtures, the unittest mixin and a test of any other kind stand on."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flask import Flask

from scheduler_app.domain.run import Run
from scheduler_app.engine.execution import Execution, executing
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension.core import Core, Kit, build
from scheduler_app.extension.scheduler import CORE, EXTENSION, Scheduler
from scheduler_app.services import runs
from scheduler_app.settings import KEYS, Settings
from scheduler_app.testing.bench import Bench
from scheduler_app.testing.borrowing import borrowed
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.faults import Faults
from scheduler_app.testing.sleeping import simulated_sleep
from scheduler_app.testing.template import lay_store

Mode = Literal["manual", "inline"]
MODES = ("manual", "inline")
MOST_DRAINED = 10_000
NO_STAGE = (
    "there is no simulated time here: ask for the fixture fake_clock, derive from SchedulerTestMixin, or write "
    "`with simulated(app):`"
)
_stages: list["Stage"] = []


@dataclass(frozen=True)
class How:
    """How runs come about: `manual`, when the test says so, or `inline`, before the call that queued them returns."""

    mode: Mode = "manual"
    raising: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"the mode is 'manual' or 'inline', got {self.mode!r}")


class Stage:
    """An app whose engine a fake clock drives, on a store of its own."""

    def __init__(self, app: Flask, clock: FakeClock, database: str, how: How) -> None:
        self.app = app
        self.scheduler = scheduler_of(app)
        self.clock = clock
        self.faults = Faults()
        self.how = how
        before: Core = app.extensions[CORE]
        changes = {"database": database, **_everything_kept(before.settings)}
        self.core = build(
            app,
            Kit(
                settings=before.settings.model_copy(update=changes),
                registry=before.registry,
                clock=clock,
                whence=before.whence,
                habits=before.desk.habits,
                synchronous="OFF",
                on_wake=self._run_inline,
            ),
        )
        self.core.distribution.is_simulated = True
        self.core.open()  # in a database of the user's it could not be made while a transaction of theirs writes
        self.bench = Bench(self.core.engine, clock, self.faults)
        clock.drive(self.bench)

    def drain(self, most: int = MOST_DRAINED) -> list[Run]:
        """Run what is queued or due now, and what that makes so, and return the runs in the order they ended."""
        seen: dict[int, None] = {}
        left = most

        def note(execution: Execution) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise _NeverEnds(execution.claim.task)
            seen[execution.claim.run_id] = None

        try:
            with self.bench.telling(note):
                self.clock.run_due()
        except _NeverEnds as error:
            raise AssertionError(
                f"drain() made {most} attempts and there is still more to do; the last was of {error.task}: does it "
                "queue itself? A bound of your own: drain(most=…)"
            ) from None
        return [runs.get_run(run_id, ctx=self.core.ctx) for run_id in seen]

    @contextmanager
    def switched(self, how: How) -> Iterator[None]:
        """Let runs come about in another way for a while."""
        before, self.how = self.how, how
        try:
            yield
        finally:
            self.how = before

    def _run_inline(self) -> None:
        """Run at once what a call has just queued, if so wished, and raise what an attempt raised, if so wished."""
        if self.how.mode == "manual":
            return
        raised: list[BaseException] = []
        with self.bench.telling(lambda execution: raised.extend([execution.raised] if execution.raised else [])):
            self.bench.run_within()
        if raised and self.how.raising and executing() is None:
            raise raised[0]


class _NeverEnds(Exception):
    def __init__(self, task: str) -> None:
        super().__init__(task)
        self.task = task


@contextmanager
def simulated(
    app: Flask, *, database: str | None = None, mode: Mode = "manual", raising: bool = False
) -> Iterator[Stage]:
    """Put an app on simulated time until the end of the block; nothing of it is left then.

    The store is a temporary one, or the one whose URL is given. Everything of `scheduler_app.testing` works inside:

        with simulated(create_app()) as stage:
            send_report.delay(user_id=7)
            drain()
            assert_ran(send_report, kwargs={"user_id": 7})
            stage.clock.advance(days=1)
    """
    how = How(mode=mode, raising=raising)
    with ExitStack() as stack:
        url = database if database is not None else stack.enter_context(_temporary_store())
        scheduler_of(app).shutdown(wait=False)
        clock = FakeClock()
        stack.callback(clock.stop)
        clock.start()
        stack.enter_context(simulated_sleep())
        stage = Stage(app, clock, url, how)
        stage.bench.has_store_alone = database is None
        stack.callback(stage.core.close)
        stack.enter_context(borrowed(stage.scheduler, app, stage.core))
        stack.callback(stage.bench.close)
        _stages.append(stage)
        stack.callback(_stages.remove, stage)
        yield stage


def current_stage() -> Stage:
    """Return the stage of the test that runs; RuntimeError when it is on none."""
    if not _stages:
        raise RuntimeError(NO_STAGE)
    return _stages[-1]


def latest_stage() -> Stage | None:
    """Return the stage of the test that runs, if it is on one."""
    return _stages[-1] if _stages else None


def scheduler_of(app: Flask) -> Scheduler:
    """Return the Scheduler of an app; ConfigurationError when it has none."""
    scheduler = app.extensions.get(EXTENSION)
    if not isinstance(scheduler, Scheduler):
        raise ConfigurationError(f"the app {app.name!r} has no Scheduler: call Scheduler(app), or init_app(app), first")
    return scheduler


def own_app(folder: Path) -> Flask:
    """Return an app with a Scheduler, for a test that has none."""
    app = Flask("scheduler_app.testing", instance_path=str(folder))
    app.config["SCHEDULER_ENGINE"] = "off"
    Scheduler(app)
    return app


@contextmanager
def _temporary_store() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="scheduler-") as folder:
        path = Path(folder, "scheduler.db")
        lay_store(path)
        yield f"sqlite:///{path}"


def _everything_kept(settings: Settings) -> dict[str, None]:
    """Return what keeps all history, which a test wants to look at, but for what the app itself has set."""
    return {key: None for key in KEYS if key.startswith("keep_") and key not in settings.model_fields_set}
