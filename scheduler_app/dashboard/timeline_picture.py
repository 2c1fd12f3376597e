"""The picture of the timeline: a row for each job, places in percent of the width and pixels of the height."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler_app.domain.job import JobState
from scheduler_app.domain.run import RunState
from scheduler_app.domain.track import FAILURES
from scheduler_app.services.outlooks import Collision, Planned, Slots, Timeline, TimelineRow

ROW, TOP, SLOTS_HIGH = 34, 44, 46
NARROW, TOUCHING, LABEL = 0.25, 0.12, 7.0
CELLS = 170
MINUTE = timedelta(minutes=1)
WORST = (RunState.LOST, RunState.FAILED, RunState.TIMED_OUT, RunState.RUNNING, RunState.SUCCEEDED, RunState.CANCELLED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The span of time that is shown."""

    start: datetime
    end: datetime
    now: datetime

    def x(self, at: datetime) -> float:
        """Return where a moment stands, in percent; at the edge what lies outside."""
        return 100 * min(1.0, max(0.0, (at - self.start) / (self.end - self.start)))

    @property
    def now_x(self) -> float | None:
        """Where now stands, None outside of the picture."""
        return self.x(self.now) if self.start <= self.now <= self.end else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One run, or `count` runs that are too close together to be told apart."""

    x: float
    width: float
    state: str
    run_id: int
    count: int = 1
    usual: float = 0.0

    @property
    def is_bad(self) -> bool:
        """Whether it is drawn cut."""
        return self.state in FAILURES


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A job with what it has in the window."""

    source: TimelineRow
    y: int
    shape: str
    blocks: tuple[Block, ...]
    planned: tuple[tuple[float, float], ...]
    remark: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """Where firings collide: in a minute, or in some that are too close together to be told apart."""

    at: datetime
    firings: int
    x: float
    width: float
    jobs: tuple[str, ...]
    has_label: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """How many slots are busy at most, over a small part of the width."""

    x: float
    width: float
    height: float
    planned: bool


@dataclass(frozen=True, kw_only=True)
class Picture:
    """All of it."""

    window: Window
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    slots: int
    most_busy: int

    @property
    def height(self) -> int:
        """How high it is."""
        return TOP + ROW * len(self.rows) + SLOTS_HIGH + 8


def draw(timeline: Timeline, rows: Sequence[TimelineRow], window: Window) -> Picture:
    """Return the picture of some rows of a timeline."""
    most, cells = _cells(timeline.slots, window)
    return Picture(
        window=window,
        rows=tuple(_row(row, TOP + ROW * number, window) for number, row in enumerate(rows)),
        columns=tuple(_columns(timeline.collisions, window)),
        cells=tuple(cells),
        slots=timeline.slots.total,
        most_busy=most,
    )


def _row(row: TimelineRow, y: int, window: Window) -> Row:
    states = [bar.state for bar in row.bars]
    job = row.job
    shape = states[-1] if states else RunState.SCHEDULED
    if job.state in (JobState.PAUSED, JobState.BROKEN):
        shape = RunState.RUNNING if RunState.RUNNING in states else job.state  # type: ignore[assignment]
    elif RunState.RUNNING in states:
        shape = RunState.RUNNING
    blocks = list(_blocks(row, window))
    held = job.state in (JobState.PAUSED, JobState.BROKEN)
    return Row(
        source=row,
        y=y,
        shape=str(shape),
        blocks=(*_merged(block for block in blocks if not block.is_bad), *_merged(b for b in blocks if b.is_bad)),
        planned=tuple(
            (window.x(p.at), max(0.4, window.x(p.at + timedelta(seconds=p.usual or 0)) - window.x(p.at)))
            for p in _apart(row, window)
        ),
        remark=f"{job.state}{f': {job.reason}' if job.reason else ''}" if held else "",
    )


def _apart(row: TimelineRow, window: Window) -> Iterator[Planned]:
    """Yield the firings to come that do not lie on one another."""
    last = -1.0
    for planned in row.planned:
        x = window.x(planned.at)
        if x - last >= NARROW:
            last = x
            yield planned


def _blocks(row: TimelineRow, window: Window) -> Iterator[Block]:
    usual = next((planned.usual for planned in row.planned if planned.usual), None)
    for bar in row.bars:
        x, end = window.x(bar.begin), window.x(bar.end or window.now)
        to_come = 0.0
        if bar.end is None and usual:
            to_come = max(0.0, window.x(bar.begin + timedelta(seconds=usual)) - end)
        yield Block(x=x, width=end - x, state=bar.state, run_id=bar.run_id, count=bar.count, usual=to_come)


def _merged(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield blocks; neighbours that are too narrow to be told apart are one, in the worst state of them."""
    last: Block | None = None
    for block in blocks:
        if last is not None and _touch(last, block):
            width = max(last.x + last.width, block.x + block.width) - last.x
            worst = min((last.state, block.state), key=lambda state: WORST.index(RunState(state)))
            last = replace(last, width=width, state=worst, run_id=block.run_id, count=last.count + block.count)
            continue
        if last is not None:
            yield _seen(last)
        last = block
    if last is not None:
        yield _seen(last)


def _touch(last: Block, block: Block) -> bool:
    is_narrow = block.width < NARROW and (last.width < NARROW or last.count > 1)
    return is_narrow and block.state != RunState.RUNNING and block.x - (last.x + last.width) < TOUCHING


def _seen(block: Block) -> Block:
    """Return a block that is wide enough to be seen."""
    width = max(block.width, 0.3)
    return replace(block, x=min(block.x, 100 - width), width=width)


def _columns(collisions: Iterable[Collision], window: Window) -> Iterator[Column]:
    """Yield a column for each collision; those that touch are one, told by the largest of them."""
    last: Column | None = None
    label = window.now_x or -LABEL
    for collision in collisions:
        x = window.x(collision.at)
        width = max(0.6, window.x(collision.at + MINUTE) - x)
        if last is not None and x - (last.x + last.width) < TOUCHING:
            jobs = tuple(dict.fromkeys((*last.jobs, *collision.jobs)))
            firings = max(last.firings, collision.firings)
            last = replace(last, width=x + width - last.x, firings=firings, jobs=jobs)
            continue
        if last is not None:
            yield last
        has_label = x - label >= LABEL and x < 100 - LABEL
        label = x if has_label else label
        last = Column(
            at=collision.at, firings=collision.firings, x=x, width=width, jobs=collision.jobs, has_label=has_label
        )
    if last is not None:
        yield last


def _cells(slots: Slots, window: Window) -> tuple[int, list[Cell]]:
    step = (window.end - window.start) / CELLS
    most = [0] * CELLS
    busy = 0
    changes = iter([*slots.busy])
    change = next(changes, None)
    for number in range(CELLS):
        end = window.start + (number + 1) * step
        most[number] = busy
        while change is not None and change.at < end:
            busy = change.slots
            most[number] = max(most[number], busy)
            change = next(changes, None)
    top = max(most)
    scale = SLOTS_HIGH / (max(top, 1) * 1.15)
    return top, [
        Cell(
            x=100 * number / CELLS,
            width=100 / CELLS,
            height=round(value * scale, 1),
            planned=window.start + number * step > window.now,
        )
        for number, value in enumerate(most)
        if value
    ]
