"""The tables of who executes: engines, and Celery workers, each of which may be many processes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler_app.services.scheduler import SchedulerView
from scheduler_app.store.engines import LIVE, EngineRow, EngineState

BOXES = 32
# a beat comes every 10 s
SLOW = timedelta(seconds=25)
DAY = timedelta(days=1)
STATES = {"running": ("succeeded", "alive"), "dead": ("lost", "gone")}
PREFORK = "prefork"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine as a row of the table. `busy` of its slots are taken, as `boxes` show, and it holds `held` runs."""

    row: EngineRow
    shape: str
    state: str
    held: int
    busy: int
    boxes: int
    is_replaced: bool
    is_last: bool

    @property
    def is_alive(self) -> bool:
        """Whether it takes, or ends, work."""
        return self.row.state in LIVE

    @property
    def is_drained(self) -> bool:
        """Whether it waits to be resumed."""
        return self.row.drained_at is not None


@dataclass(frozen=True, kw_only=True)
class CeleryWorker:
    """A Celery worker as a row of the table: its main process, with the slots of all processes of its pool."""

    node: str
    pid: int
    pool: str
    shape: str
    state: str
    slots: int
    running: int
    beat_at: datetime


def engines_of(view: SchedulerView) -> Iterator[Engine]:
    """Yield the engines that live, the oldest first, and those that are gone; who was replaced, for a day."""
    replaced = [row for row in view.replaced if row.beat_at > view.now - DAY]
    takers = [row for row in view.alive if row.state is EngineState.RUNNING]
    for row in (*reversed(view.alive), *view.gone, *replaced):
        held = sum(view.holdings.get(row.id, {}).values()) if row.state in LIVE else 0
        shape, state = _state_of(row)
        yield Engine(
            row=row,
            shape=shape,
            state=state,
            held=held,
            busy=min(held, row.slots),
            boxes=min(BOXES, row.slots),
            is_replaced=row in replaced,
            is_last=takers == [row],
        )


def _state_of(row: EngineRow) -> tuple[str, str]:
    if row.state is EngineState.DRAINING:
        return ("paused", "drained") if row.drained_at else ("queued", "stopping")
    return STATES[row.state]


def workers_of(view: SchedulerView) -> Iterator[CeleryWorker]:
    """Yield the Celery workers that live, and those that died within a day."""
    crews: dict[tuple[str, int], list[EngineRow]] = defaultdict(list)
    for row in view.engines:
        if row.is_celery and (row.state in LIVE or row.state is EngineState.DEAD):
            crews[row.host, _main_of(row)].append(row)
    workers = [_worker(pid, rows, view) for (_, pid), rows in crews.items()]
    lately = [worker for worker in workers if worker.state != "gone" or worker.beat_at > view.now - DAY]
    yield from sorted(lately, key=lambda worker: (worker.state == "gone", worker.node, worker.pid))


def _main_of(row: EngineRow) -> int:
    """Return the main process of a worker; only with a pool of processes is it another one than the engine's."""
    return row.parent_pid if row.celery_pool in (PREFORK, None) else row.pid


def _worker(pid: int, rows: Sequence[EngineRow], view: SchedulerView) -> CeleryWorker:
    living = [row for row in rows if row.state in LIVE]
    beat_at = max(row.beat_at for row in rows)
    slow = beat_at < view.now - SLOW
    shape, state = ("lost", "gone") if not living else ("missed", "slow") if slow else ("succeeded", "online")
    return CeleryWorker(
        node=rows[0].node,
        pid=pid,
        pool=rows[0].celery_pool or "—",
        shape=shape,
        state=state,
        slots=sum(row.executors.get("celery", {}).get("slots", 0) for row in living),
        running=sum(sum(view.holdings.get(row.id, {}).values()) for row in living),
        beat_at=beat_at,
    )
