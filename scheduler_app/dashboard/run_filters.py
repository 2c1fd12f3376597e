"""Which runs the page of runs shows: the filters in its address, and how they are told."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import url_for
from werkzeug.datastructures import MultiDict

from scheduler_app.domain.run import Origin, RunState
from scheduler_app.domain.spec import nearest, shown
from scheduler_app.errors import Fault, InvalidInput
from scheduler_app.store.by_measure import NEWEST
from scheduler_app.store.runs import RunFilter, RunPlace

SORTS = ("-id", "-duration", "-lateness", "-finished_at")
MOST_WORDS = 100
PAGES_KEPT = 30
LARGEST = 2**63 - 1
SORTED = {
    "-duration": f"the longest first, among the newest {NEWEST:,} that ended",
    "-lateness": f"the latest first, among the newest {NEWEST:,} that ended",
    "-finished_at": "the last that ended first",
}
# the rest of the calendar cannot be drawn around
YEARS = range(1970, 9000)
TIMES = {"since": "from", "until": "to", "ended_since": "ended from", "ended_until": "ended before"}


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The filters as they stand in the address; `places` are where the pages so far began, the present one last."""

    where: RunFilter
    places: tuple[RunPlace, ...] = ()

    @property
    def after(self) -> RunPlace | None:
        """Where the present page begins."""
        return self.places[-1] if self.places else None

    def address(self, endpoint: str = "pages.list_runs", /, **changes: Any) -> str:
        """Return the address with some filters changed, on the first page."""
        return url_for(endpoint, **_parameters(replace(self.where, **changes)))

    @property
    def order(self) -> str:
        """How the list is sorted, in words, if not as usual."""
        return SORTED.get(self.where.sort, "")

    def page(self, *places: RunPlace) -> str:
        """Return the address of a page of the list."""
        parameters = _parameters(self.where)
        if places:
            parameters["page"] = ",".join(f"{place.value}-{place.id}" for place in places[-PAGES_KEPT:])
        return url_for("pages.list_runs", **parameters)

    def within(self, start: datetime | None, end: datetime | None) -> str:
        """Return the address with another span of time: of when runs ended, where the filter goes by that."""
        names = ("ended_since", "ended_until") if self.where.has_ended else ("since", "until")
        return self.address(**dict(zip(names, (start, end), strict=True)))

    def told(self, zone: ZoneInfo) -> list[tuple[str, str]]:
        """Return each filter in words, with the address without it."""
        return list(self._told(zone))

    def _told(self, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
        where = self.where
        for field, name in (("states", "state"), ("job_ids", "job"), ("tasks", "task"), ("origins", "origin")):
            values = getattr(where, field)
            if values:
                yield f"{name} {', '.join(values)}", self.address(**dict[str, Any]({field: ()}))
        for field, word in TIMES.items():
            at = getattr(where, field)
            if at is not None:
                yield f"{word} {at.astimezone(zone):%-d %b %H:%M}", self.address(**dict[str, Any]({field: None}))


def read(args: MultiDict[str, str], zone: ZoneInfo) -> Filters:
    """Return the filters of an address; times without an offset are of the page's zone. InvalidInput names a fault."""
    sort = args.get("sort", SORTS[0])
    if sort not in SORTS:
        raise _fault("sort", f"must be one of {', '.join(SORTS)}, got {shown(sort)}{nearest(sort, SORTS)}")
    where = RunFilter(
        states=_words(args, "state", tuple(RunState)),
        job_ids=_words(args, "job") or _words(args, "job_id"),
        tasks=_words(args, "task"),
        origins=_words(args, "origin", tuple(Origin)),
        since=_moment(args, "from", zone),
        until=_moment(args, "to", zone),
        ended_since=_moment(args, "finished_from", zone),
        ended_until=_moment(args, "finished_to", zone),
        sort=sort,
    )
    return Filters(where=where, places=tuple(_places(args.get("page", ""))))


def _words(args: MultiDict[str, str], name: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
    words = [word.strip() for value in args.getlist(name) for word in value.split(",") if word.strip()]
    for word in words[: MOST_WORDS + 1]:
        if allowed and word not in allowed:
            raise _fault(name, f"must be one of {', '.join(allowed)}, got {shown(word)}{nearest(word, allowed)}")
    if len(words) > MOST_WORDS:
        raise _fault(name, f"has {len(words)} values; at most {MOST_WORDS}")
    return tuple(dict.fromkeys(words))


def _moment(args: MultiDict[str, str], name: str, zone: ZoneInfo) -> datetime | None:
    given = args.get(name, "").strip()
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(ZoneInfo("UTC"))
        if moment.year in YEARS:
            return moment
    except (ValueError, OverflowError):
        pass
    raise _fault(name, f"must be a time like 2026-11-22T12:00, got {shown(given)}")


def _places(text: str) -> Iterator[RunPlace]:
    for word in text.split(",") if text else ():
        value, _, run = word.rpartition("-")
        if not (_is_number(value.removeprefix("-")) and _is_number(run)):
            raise _fault("page", f"must be an address that this list has given, got {shown(text)}")
        yield RunPlace(value=max(-(2**63), min(LARGEST, int(value))), id=min(LARGEST, int(run)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19


def _fault(name: str, what: str) -> InvalidInput:
    return InvalidInput.of(Fault(pointer=f"/{name}", detail=f"{name} {what}"))


def _parameters(where: RunFilter) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "state": ",".join(where.states),
        "job": ",".join(where.job_ids),
        "task": ",".join(where.tasks),
        "origin": ",".join(where.origins),
        "from": _text(where.since),
        "to": _text(where.until),
        "finished_from": _text(where.ended_since),
        "finished_to": _text(where.ended_until),
        "sort": "" if where.sort == SORTS[0] else where.sort,
    }
    return {name: value for name, value in parameters.items() if value}


def _text(at: datetime | None) -> str:
    return "" if at is None else at.isoformat().replace("+00:00", "Z")
