"""The jobs as a page lists them: those that need a look, those of a tag, and how each has done.

Nothing here walks all jobs: a count ends at 10,000, a page begins at a place, what needs a look is found by its runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

import sqlalchemy as sa

from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.track import NO_STATS, JobStats
from scheduler_app.services.context import Context
from scheduler_app.services.searching import is_vast, searched
from scheduler_app.store import attention, jobs, numbers, orders, orphans, tracks
from scheduler_app.store.jobs import JobFilter, JobPlace
from scheduler_app.store.numbers import MOST_COUNTED

MOST_TAGS = 500
NEWEST = 500
MOST_FAILING = 200
DAY = timedelta(hours=24)
LOOKS = ("failing", "broken", "missed", "running", "paused")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which jobs are wanted: one of LOOKS, a tag, words of an id, name, task or tag; in which order; by tag or flat."""

    look: str | None = None
    tag: str | None = None
    words: str | None = None
    sort: str = "id"
    by_tag: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """Where a job stands in a list: under which tag, if the list is by tag, and its place."""

    place: JobPlace
    tag: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Which part of a list is wanted: up to `limit` jobs after a spot, or, `backward`, before it."""

    at: Spot | None = None
    backward: bool = False
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A job of the list; an orphan names a task that no engine has."""

    job: Job
    spot: Spot
    stats: JobStats
    is_running: bool
    is_missed: bool
    is_orphan: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Jobs under one tag, "" for those without; None when the list is flat. `number` is counted up to 10,001."""

    tag: str | None
    number: int
    rows: list[Row]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A page of the list; there are others before or after it. `number` is counted up to 10,001.

    `is_vast`: there are so many jobs that words are looked for at the beginning only. `is_cut`: the search finds more.
    """

    groups: list[Group]
    number: int
    has_before: bool
    has_after: bool
    looks: dict[str, int]
    tags: list[str]
    is_vast: bool
    is_cut: bool

    @property
    def rows(self) -> list[Row]:
        """The rows of all groups."""
        return [row for group in self.groups for row in group.rows]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The keys of the jobs that need a look now."""

    failing: tuple[int, ...]
    missed: tuple[int, ...]
    running: tuple[int, ...]


def list_jobs(choice: Choice, window: Window, *, ctx: Context) -> Listing:
    """Return a page of the jobs that are wanted."""
    now = ctx.clock.now()
    with ctx.database.read() as tx:
        known = _standing(tx, now)
        states = numbers.of_jobs(tx)
        search = searched(tx, _where(choice, known))
        where = search.where
        tags = jobs.tags(tx, MOST_TAGS)
        further = replace(window, limit=window.limit + 1)
        found = _by_tag(tx, where, tags, further) if choice.by_tag else _flat(tx, where, further)
        more = len(found) > window.limit
        shown = found[-window.limit :] if window.backward else found[: window.limit]
        elsewhere = window.at is not None
        return Listing(
            groups=_groups(tx, where, _rows(tx, shown, known)),
            number=jobs.count_up_to(tx, where, MOST_COUNTED + 1) if more or elsewhere else len(shown),
            has_before=more if window.backward else elsewhere,
            has_after=elsewhere if window.backward else more,
            looks=_looks(tx, known, states),
            tags=tags,
            is_vast=is_vast(tx, where),
            is_cut=search.is_cut,
        )


def matching_ids(choice: Choice, *, limit: int, ctx: Context) -> list[str]:
    """Return the ids of the first jobs, by id, that a choice means now."""
    with ctx.database.read() as tx:
        where = replace(searched(tx, _where(choice, _standing(tx, ctx.clock.now()))).where, sort="id")
        return [job.id for job, _ in orders.page(tx, where, after=None, limit=limit)]


def _standing(tx: sa.Connection, now: datetime) -> Standing:
    suspects = attention.lately_failed(tx, NEWEST)[:MOST_FAILING]
    stats = tracks.of_jobs(tx, suspects)
    return Standing(
        failing=tuple(key for key in suspects if stats.get(key, NO_STATS).failing_since is not None),
        missed=tuple(attention.lately_missed(tx, now - DAY, NEWEST)),
        running=tuple(attention.running(tx)),
    )


def _where(choice: Choice, known: Standing) -> JobFilter:
    where = JobFilter(tags=(choice.tag,) if choice.tag else (), sort=choice.sort, words=choice.words)
    if choice.look in (JobState.BROKEN, JobState.PAUSED):
        return replace(where, states=(choice.look,))
    return replace(where, keys=getattr(known, choice.look)) if choice.look else where


def _looks(tx: sa.Connection, known: Standing, states: Mapping[str, int]) -> dict[str, int]:
    counted = {look: states.get(look, 0) for look in ("broken", "paused")}
    for look in ("failing", "missed", "running"):
        keys = getattr(known, look)
        counted[look] = jobs.count_up_to(tx, JobFilter(keys=keys), len(keys)) if keys else 0
    return {look: counted[look] for look in LOOKS}


def _flat(tx: sa.Connection, where: JobFilter, window: Window) -> list[tuple[Job, Spot]]:
    place = None if window.at is None else window.at.place
    found = orders.page(tx, where, after=place, limit=window.limit, backward=window.backward)
    return [(job, Spot(place=place)) for job, place in found]


def _by_tag(tx: sa.Connection, where: JobFilter, tags: Sequence[str], window: Window) -> list[tuple[Job, Spot]]:
    """Walk the tags from the one at the spot on, until there are enough jobs; those without a tag come last."""
    at, backward = window.at, window.backward
    order = [*tags, ""][::-1] if backward else [*tags, ""]
    begin = order.index(at.tag) if at is not None and at.tag in order else 0
    found: list[tuple[Job, Spot]] = []
    for tag in order[begin:]:
        here = at.place if at is not None and tag == at.tag else None
        left = window.limit - len(found)
        page = orders.page(tx, replace(where, first_tag=tag), after=here, limit=left, backward=backward)
        some = [(job, Spot(place=place, tag=tag)) for job, place in page]
        found = some + found if backward else found + some
        if len(found) == window.limit:
            break
    return found


def _rows(tx: sa.Connection, found: Sequence[tuple[Job, Spot]], known: Standing) -> list[Row]:
    stats = tracks.of_jobs(tx, [job.key for job, _ in found])
    unknown = set(orphans.unknown_tasks(tx))
    return [
        Row(
            job=job,
            spot=spot,
            stats=stats.get(job.key, NO_STATS),
            is_running=job.key in known.running,
            is_missed=job.key in known.missed,
            is_orphan=job.task in unknown,
        )
        for job, spot in found
    ]


def _groups(tx: sa.Connection, where: JobFilter, rows: Iterable[Row]) -> list[Group]:
    return [
        Group(
            tag=tag,
            number=0 if tag is None else jobs.count_up_to(tx, replace(where, first_tag=tag), MOST_COUNTED + 1),
            rows=list(some),
        )
        for tag, some in groupby(rows, key=lambda row: row.spot.tag)
    ]
