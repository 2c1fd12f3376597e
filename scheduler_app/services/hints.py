"""Hints of what changed in the store, whichever process changed it, for pages that look again when they are told.

Nobody is told what changed, only that it did, so a hint too many does no harm; one that is lost would. Therefore each
look goes back a little behind the last one, since what commits later may have an earlier time or id, and what was told
already is remembered. While nobody listens nothing is read; while some do, one of them looks for all.

That a job was changed is known from the audit, that it fired from its runs.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scheduler_app.clock import to_micros
from scheduler_app.services.context import Context
from scheduler_app.store import changes
from scheduler_app.store.changes import Mark, Recent

LOOK_EVERY = 0.5
STALE = 5.0
BEHIND_RUNS = 200
BEHIND_NOTES = 20
BEHIND_MICROS = 5_000_000
REMEMBERED = 5_000
KEPT = 1_000
ALL = "all"
PARTS = ("run", "ended", "job", "noted")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """Something changed: a `run` or a `job` by its id, the `scheduler`, or, when there is too much to tell, `all`.

    `version` is when that was seen, in microseconds since 1970: the larger, the later.
    """

    kind: str
    id: int | str | None
    version: int


class Place:
    """Where a listener stands among the hints; its text leads there again, in any process."""

    def __init__(self, mark: Mark, number: int) -> None:
        self.mark = mark
        self.number = number

    def __str__(self) -> str:
        return ".".join(str(getattr(self.mark, name)) for name in PARTS)

    @staticmethod
    def mark_of(text: str) -> Mark | None:
        """Return the mark that a text leads to, None when it is no such text."""
        parts = text.split(".")
        if len(parts) != len(PARTS) or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
            return None
        return Mark(**{name: int(part) for name, part in zip(PARTS, parts, strict=True)})


class Hints:
    """Reads what changed for all who listen in this process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._mark = Mark()
        self._told: OrderedDict[tuple[str, object], object] = OrderedDict()
        self._running: set[int] = set()
        self._whole: object = None
        self._hints: deque[tuple[int, Hint]] = deque(maxlen=KEPT)
        self._number = 0

    def begin(self, last_id: str | None) -> tuple[Place, list[Hint]]:
        """Return where a listener stands who begins now, with what it missed since the place that it had before."""
        with self._lock:
            self._look()
            place = Place(self._mark, self._number)
        mark = None if last_id is None else Place.mark_of(last_id)
        if mark is None:
            return place, []
        return place, self._missed(mark)

    def after(self, place: Place) -> tuple[Place, list[Hint]]:
        """Return what came since a place, and the place behind it."""
        with self._lock:
            self._look()
            found = [hint for number, hint in self._hints if number > place.number]
            if self._hints and self._hints[0][0] > place.number + 1:
                found = [self._all()]
            return Place(self._mark, self._number), found

    def _missed(self, mark: Mark) -> list[Hint]:
        with self._ctx.database.read() as tx:
            recent = changes.since(tx, _behind(mark))
        if recent.full:
            return [self._all()]
        now = to_micros(self._ctx.clock.now())
        runs = [Hint(kind="run", id=run, version=now) for run in {**recent.runs, **recent.running}]
        jobs = {*recent.jobs, *filter(None, map(_job_of, recent.noted.values()))}
        return [*runs, *(Hint(kind="job", id=job, version=now) for job in sorted(jobs))]

    def _all(self) -> Hint:
        return Hint(kind=ALL, id=None, version=to_micros(self._ctx.clock.now()))

    def _look(self) -> None:
        """Look for all, unless somebody has just done so. After nobody listened for a while, begin anew."""
        now = self._ctx.clock.monotonic()
        if self._looked_at is None or now - self._looked_at > STALE:
            with self._ctx.database.read() as tx:
                self._mark = changes.mark(tx)
            self._told.clear()
            self._take()  # what is told from here on is new
            self._looked_at = now
        elif now - self._looked_at >= LOOK_EVERY:
            for hint in self._take():
                self._number += 1
                self._hints.append((self._number, hint))
            self._looked_at = now

    def _take(self) -> list[Hint]:
        with self._ctx.database.read() as tx:
            recent = changes.since(tx, _behind(self._mark))
        self._mark = recent.mark
        news = list(self._news(recent, to_micros(self._ctx.clock.now())))
        return [self._all()] if recent.full and news else news

    def _news(self, recent: Recent, now: int) -> Iterator[Hint]:
        left = self._running - set(recent.running) - set(recent.runs)
        self._running = set(recent.running)
        for run, state in {**recent.runs, **recent.running}.items():
            if self._is_news(("run", run), state):
                yield Hint(kind="run", id=run, version=now)
        for run in sorted(left):
            yield Hint(kind="run", id=run, version=now)
        added = [job for job, version in recent.jobs.items() if self._is_news(("job", job), version)]
        noted = [_job_of(subject) for number, subject in recent.noted.items() if self._is_news(("note", number), True)]
        for job in sorted({*added, *filter(None, noted)}):
            yield Hint(kind="job", id=job, version=now)
        if recent.whole != self._whole:
            self._whole = recent.whole
            yield Hint(kind="scheduler", id=None, version=now)

    def _is_news(self, name: tuple[str, object], state: object) -> bool:
        is_news = self._told.get(name) != state
        self._told[name] = state
        self._told.move_to_end(name)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return is_news


def _behind(mark: Mark) -> Mark:
    return replace(
        mark,
        run=max(0, mark.run - BEHIND_RUNS),
        ended=max(0, mark.ended - BEHIND_MICROS),
        job=max(0, mark.job - BEHIND_NOTES),
        noted=max(0, mark.noted - BEHIND_NOTES),
    )


def _job_of(subject: str | None) -> str | None:
    """Return the job that a change is about, if it is about one."""
    kind, _, job = (subject or "").partition(":")
    return job if kind == "job" else None
