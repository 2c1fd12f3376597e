"""Looking for jobs by words: how far that goes depends on how many there are, and is told.

Up to 20,000 jobs are looked through, for words that stand anywhere in an id, a name, a task or a tag. Beyond that
nothing is looked through: what begins with the words is found by indexes, in the case in which it is written.
"""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from scheduler_app.store import jobs, searching
from scheduler_app.store.jobs import JobFilter

LOOKED_THROUGH = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """A filter in which the words have become what the store can find; `is_cut`: there are more than are found."""

    where: JobFilter
    is_cut: bool = False


def is_vast(tx: sa.Connection, where: JobFilter) -> bool:
    """Whether there are too many jobs, in the states that are wanted, to look through."""
    return jobs.count_up_to(tx, JobFilter(states=where.states), LOOKED_THROUGH + 1) > LOOKED_THROUGH


def searched(tx: sa.Connection, where: JobFilter) -> Search:
    """Return how the words of a filter are looked for."""
    words = where.words
    if not words:
        return Search(where=where)
    where = replace(where, words=None)
    if not is_vast(tx, where):
        return Search(where=replace(where, contains=words))
    found = searching.beginning_with(tx, words)
    if found.by_id_alone:
        return Search(where=replace(where, id_prefix=words))
    wanted = found.keys if where.keys is None else tuple(sorted({*found.keys} & {*where.keys}))
    return Search(where=replace(where, keys=wanted), is_cut=found.is_cut)
