"""What the code declares, beside what the store has: which jobs a start adds, changes and removes, and in whose name.

Invariants kept here:
- A job is written only where the declaration differs: a restart moves no firing, ends no pause, and keeps history.
- The code owns the task and the trigger. Its other fields are written when the code changes them; what people changed
  besides stays.
- Only what an app declared before is removed by it, and only when no engine lives whose code still declares it.
- Of two versions of an app side by side the newer one, by when it was first seen, is followed until no engine of it
  lives; so an old process that starts last undoes nothing, and one that is alone again does.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import rfc3339
from scheduler_app.domain.job import Job, JobSpec, JobState
from scheduler_app.domain.policy import Overrides
from scheduler_app.domain.task import Registry
from scheduler_app.errors import ConfigurationError, InvalidInput, NotFound, SchedulerError
from scheduler_app.services.admission import admit_policies
from scheduler_app.services.context import Context
from scheduler_app.services.definitions import Start, admit_late, brought_up, update
from scheduler_app.services.jobs import delete, insert, told
from scheduler_app.services.replacing import says_the_same
from scheduler_app.services.trail import Note, noting
from scheduler_app.store import jobs, ledgers, schema
from scheduler_app.store.presence import present

OURS = ("name", "args", "kwargs", "overrides")
VERSIONS_KEPT = 20
Look = Callable[[Callable[[sa.Connection], "Plan"]], "Plan"]
Said = dict[str, Any]
Ledger = dict[str, Any]
NEW_LEDGER: Ledger = {"version": None, "seen": {}, "engines": {}, "jobs": {}}


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A job that the code declares, at a place in it; `wrong` says why it cannot be one."""

    id: str
    place: str
    spec: JobSpec | None = None
    start: Start | None = None
    wrong: str | None = None

    @property
    def said(self) -> Said:
        """What the code says of the job, as it is kept."""
        if self.spec is None:
            return {}
        given = asdict(replace(self.spec, overrides=Overrides()))
        del given["id"]
        return {**given, "overrides": self.spec.overrides.given()}


@dataclass(frozen=True, kw_only=True)
class Version:
    """All that one version of an app's code declares. `engine` is the engine that is started with it, if any.

    `asked` are the jobs that the code looked for while it was loaded, to add them if they are not there. What was
    `dropped` from Python since the start is not added again before the next one.
    """

    app: str
    declared: Sequence[Declaration]
    asked: frozenset[str] = frozenset()
    engine: int | None = None
    complete: bool = True
    dropped: frozenset[str] = frozenset()

    @property
    def starts(self) -> bool:
        """Whether an engine starts with it, and all of the code is loaded."""
        return self.engine is not None and self.complete

    @property
    def print(self) -> str:
        """What tells this version from others that declare something else."""
        said = sorted((given.id, json.dumps(given.said, sort_keys=True, default=str)) for given in self.declared)
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a start does with one job: `before` is None when it adds it, `after` when it removes it."""

    id: str
    before: Job | None
    after: Job | None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a start does, what it cannot, and the ledger that it leaves.

    What `waits` for other engines is tried again. It `follows` a newer version, and changes nothing, as long as engines
    of that live.
    """

    changes: Sequence[Change] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    ledger: dict[str, Any] | None = None
    waits: tuple[str, ...] = ()
    follows: bool = False


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A version whose jobs were admitted, as far as they can be."""

    version: Version
    registry: Registry
    admitted: Mapping[str, tuple[Declaration, Job]]
    faults: Mapping[str, str]


def ready(version: Version, registry: Registry, now: datetime) -> Ready:
    """Admit what a version declares; one job that is wrong keeps none of the others."""
    admitted: dict[str, tuple[Declaration, Job]] = {}
    faults: dict[str, str] = {}
    for given in version.declared:
        try:
            if given.spec is None:
                faults[given.id] = given.wrong or ""
                continue
            job = admit_late(given.spec, registry, now)
            admitted[given.id] = given, job if given.start is None else given.start.apply(job)
        except SchedulerError as error:
            faults[given.id] = error.detail
    return Ready(version=version, registry=registry, admitted=admitted, faults=faults)


def reconcile(version: Version, *, ctx: Context) -> Plan:
    """Bring what the code declares into the store, and return what was done."""
    now = ctx.clock.now()
    wanted = ready(version, ctx.registry, now)

    def work(tx: sa.Connection) -> Plan:
        made = _performed(tx, _without(plan(tx, wanted, now), version.dropped), now, noting(tx, ctx, now))
        if made.ledger is not None:
            ledgers.put(tx, version.app, made.ledger)
        return made

    done = ctx.database.write(work)
    for change in done.changes:
        job = change.after or change.before
        assert job is not None
        told(ctx, job, "deleted" if change.after is None else "added" if change.before is None else "changed", now)
    return done


def compare(version: Version, look: Look, *, ctx: Context) -> Plan:
    """Return what a start would do, with the store as it is, also where there is none; nothing is made or changed."""
    now = ctx.clock.now()
    wanted = ready(version, ctx.registry, now)
    try:
        return look(lambda tx: _seen(tx, wanted, now))
    except NotFound:
        return _first(wanted)


def _seen(tx: sa.Connection, wanted: Ready, now: datetime) -> Plan:
    unknown = schema.unknown_version(tx)
    if unknown is not None and schema.is_there(tx):
        raise ConfigurationError(unknown)
    return plan(tx, wanted, now) if unknown is None else _first(wanted)


def _first(wanted: Ready) -> Plan:
    """Return what a start does to a store that is not there yet."""
    added = [Change(id=job_id, before=None, after=job) for job_id, (_, job) in wanted.admitted.items()]
    return Plan(changes=added, faults=wanted.faults)


def plan(tx: sa.Connection, wanted: Ready, now: datetime) -> Plan:
    """Return what a start with this version would do, as things stand."""
    version, books = wanted.version, ledgers.every(tx)
    before = books.pop(version.app) if version.app in books else NEW_LEDGER
    alive = {str(row.id) for row in present(tx, now)}
    engines = {engine: print_ for engine, print_ in before["engines"].items() if engine in alive}
    others = {print_ for engine, print_ in engines.items() if engine != str(version.engine)}
    engines |= {} if version.engine is None else {str(version.engine): version.print}
    if before["version"] in others and _is_older(version, before):
        kept = {**before, "engines": engines}
        return Plan(follows=True, waits=(version.app,), ledger=kept if kept != before else None)
    taken = _taken(wanted, books, alive)
    waits, removals = _removals(tx, version, before, others)
    ledger = _ledger(wanted, before, {"engines": engines, "jobs": waits}, now)
    return Plan(
        changes=[*_additions(tx, wanted, before["jobs"], taken, now), *removals],
        faults={**wanted.faults, **taken},
        waits=tuple(waits),
        ledger=ledger if ledger != before else None,
    )


def _is_older(version: Version, before: Ledger) -> bool:
    """Whether another version is to be followed: one that was there later, or, without an engine, any other."""
    if version.print == before["version"]:
        return False
    return not version.starts or version.print in before["seen"]


def _taken(wanted: Ready, books: Mapping[str, Ledger], alive: Collection[str]) -> dict[str, str]:
    """Return which jobs another app with living engines declares; an app that is gone may have been renamed."""
    return {
        job_id: f"app {app!r} declares a job of this id too, at {book['jobs'][job_id]['place']}; choose another id"
        for app, book in books.items()
        if set(book["engines"]) & set(alive)
        for job_id in book["jobs"].keys() & wanted.admitted.keys()
    }


def _additions(
    tx: sa.Connection, wanted: Ready, kept: Mapping[str, Any], taken: Collection[str], now: datetime
) -> list[Change]:
    changes: list[Change] = []
    for job_id, (given, job) in wanted.admitted.items():
        if job_id in taken:
            continue
        said, before = kept.get(job_id, {}).get("said", {}), jobs.find(tx, job_id)
        if before is None:
            if said != given.said or not _runs_once(given):
                changes.append(Change(id=job_id, before=None, after=job))
            continue
        after = _wanted(before, job, said, wanted, now)
        fields = tuple(name for name in ("task", "trigger", *OURS) if getattr(before, name) != getattr(after, name))
        if fields or before.state is JobState.BROKEN:
            changes.append(Change(id=job_id, before=before, after=after, fields=fields))
    return changes


def _runs_once(given: Declaration) -> bool:
    """Whether a job that is gone has had its one run, and was forgotten with it."""
    assert given.spec is not None
    return given.spec.trigger is None or given.spec.trigger["type"] == "date"


def _wanted(before: Job, job: Job, said: Said, wanted: Ready, now: datetime) -> Job:
    """Return a job as the code wants it: what the code says as it did is left to people, but for task and trigger."""
    given, _ = wanted.admitted[job.id]
    assert given.spec is not None
    kept = {name: getattr(before, name) for name in OURS if said.get(name, ...) == given.said[name]}
    after = replace(job, key=before.key, created_at=before.created_at, **kept)
    if after.overrides != job.overrides:
        after = replace(after, policies=admit_policies(wanted.registry.get(job.task).overrides, after.overrides))
    goes_on = given.spec.trigger is None or says_the_same(given.spec.trigger, before.trigger, now)
    return _going_on(before, after) if goes_on and before.state is not JobState.BROKEN else after


def _going_on(before: Job, after: Job) -> Job:
    """Return a job that fires as it did, with another content."""
    content = {name: getattr(after, name) for name in ("task", "policies", *OURS)}
    return replace(before, **content)


def _removals(
    tx: sa.Connection, version: Version, before: Ledger, others: Collection[str]
) -> tuple[dict[str, Any], list[Change]]:
    """Return what is declared no more: what must wait, since the code of a living engine still has it, and the rest."""
    declared = {given.id for given in version.declared} | version.asked
    vanished = {job_id: entry for job_id, entry in before["jobs"].items() if job_id not in declared}
    waits = {job_id: entry for job_id, entry in vanished.items() if not version.starts or entry["version"] in others}
    gone = [jobs.find(tx, job_id) for job_id in vanished if job_id not in waits]
    return waits, [Change(id=job.id, before=job, after=None) for job in gone if job is not None]


def _ledger(wanted: Ready, before: Ledger, found: Ledger, now: datetime) -> Ledger:
    """Return the ledger that is left: a job that could not be admitted is still declared, as it was."""
    version, old = wanted.version, before["jobs"]
    is_new = version.starts and version.print != before["version"]
    entries = {
        given.id: {
            "place": given.place,
            "said": given.said if given.id in wanted.admitted else old.get(given.id, {}).get("said", {}),
            "version": version.print,
        }
        for given in version.declared
    }
    entries |= {
        job_id: {**old[job_id], "version": version.print} for job_id in version.asked & old.keys() - entries.keys()
    }
    seen = before["seen"] | ({version.print: rfc3339(now)} if is_new else {})
    return {
        "version": version.print if is_new else before["version"],
        "seen": dict(sorted(seen.items(), key=lambda item: item[1])[-VERSIONS_KEPT:]),
        "engines": found["engines"],
        "jobs": found["jobs"] | entries,
    }


def _without(made: Plan, dropped: frozenset[str]) -> Plan:
    """Leave out the adding of what Python has removed since the start."""
    kept = [change for change in made.changes if change.before is not None or change.id not in dropped]
    return replace(made, changes=kept)


def _performed(tx: sa.Connection, made: Plan, now: datetime, note: Note) -> Plan:
    """Do what is planned; what cannot be, since it comes after a job that is not there, keeps none of the others."""
    faults = dict(made.faults)
    for change in made.changes:
        try:
            _perform(tx, change, now, note)
        except InvalidInput as error:
            faults[change.id] = error.detail
    return replace(made, changes=[change for change in made.changes if change.id not in faults], faults=faults)


def _perform(tx: sa.Connection, change: Change, now: datetime, note: Note) -> None:
    if change.after is None:
        assert change.before is not None
        note.job_deleted(change.before)
        delete(tx, change.before, now)
    elif change.before is None:
        note.job_created(insert(tx, change.after, jobs.values_of(change.after), now))
    else:
        current = brought_up(tx, change.before, change.after, now)
        goes_on = change.after.trigger == change.before.trigger and change.before.state is not JobState.BROKEN
        after = update(tx, current, _going_on(current, change.after) if goes_on else change.after, now)
        note.job_changed(change.before, after)
