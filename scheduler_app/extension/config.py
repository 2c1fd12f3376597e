"""What Flask-APScheduler's configuration means here: what is kept, what becomes a setting of ours, what is refused."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from apscheduler.executors.base import BaseExecutor
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from tzlocal import get_localzone

from scheduler_app.aps.jobstore import SqlJobStore
from scheduler_app.aps.options import DEFAULT, ELSEWHERE, POLICIES, THREADS, Habits, overrides_of
from scheduler_app.aps.triggers import zone_name
from scheduler_app.domain.spec import UTC_ZONE, shown
from scheduler_app.domain.zone import find_zone
from scheduler_app.errors import ConfigurationError, InvalidInput
from scheduler_app.settings import KEYS, PREFIX, Settings, Source, from_flask, nearest_key
from scheduler_app.store.scratch import temporary_database
from scheduler_app.store.sqlite import sqlite_path

LOG = logging.getLogger("scheduler_app")
JOBS, STORES, EXECUTORS = "SCHEDULER_JOBS", "SCHEDULER_JOBSTORES", "SCHEDULER_EXECUTORS"
DEFAULTS, ZONE, AUTH = "SCHEDULER_JOB_DEFAULTS", "SCHEDULER_TIMEZONE", "SCHEDULER_AUTH"
HOSTS, VIEWS, ENDPOINTS = "SCHEDULER_ALLOWED_HOSTS", "SCHEDULER_VIEWS_ENABLED", "SCHEDULER_ENDPOINT_PREFIX"
PARENTS = frozenset({JOBS, STORES, EXECUTORS, DEFAULTS, ZONE, AUTH, HOSTS, VIEWS, ENDPOINTS})
CONFIG = "SCHEDULER_CONFIG"
ROLE = "SCHEDULER_ROLE"
OUR_STORE = "name the database in SCHEDULER_DATABASE, an SQLAlchemy URL, and leave SCHEDULER_JOBSTORES out"
MOVE = "; scheduler-app import-apscheduler takes its jobs over"


@dataclass(frozen=True, kw_only=True)
class Parent:
    """What an app's configuration says in Flask-APScheduler's words."""

    settings: dict[str, Any] = field(default_factory=dict)
    jobs: tuple[dict[str, Any], ...] = ()
    policies: dict[str, Any] = field(default_factory=dict)
    executors: frozenset[str] = THREADS

    def habits(self, settings: Settings) -> Habits:
        """Return what holds for every job."""
        return Habits(zone=zone_of(settings), policies=self.policies, executors=self.executors)


def read_config(config: Mapping[str, Any]) -> Parent:
    """Read what Flask-APScheduler reads; ConfigurationError names what takes the place of what is refused."""
    warn_of_unknown(config)
    aliases, slots = _executors(_mapping(config, EXECUTORS))
    settings = {**slots, "database": _database(_mapping(config, STORES), config)}
    if VIEWS in config:
        settings["api_enabled"] = config[VIEWS]
    if config.get(ZONE) is not None:
        settings["timezone"] = _zone(config[ZONE])
    return Parent(
        settings={name: value for name, value in settings.items() if value is not None},
        jobs=_jobs(config.get(JOBS) or config.get("JOBS") or ()),
        policies=_defaults(_mapping(config, DEFAULTS)),
        executors=aliases,
    )


def sources(config: Mapping[str, Any], parent: Parent) -> tuple[Source, Source]:
    """Return the settings of an app's configuration, ours before those that Flask-APScheduler's words give."""
    ours = from_flask(config)
    values = {key: value for key, value in ours.values.items() if key != "timezone"}
    if isinstance(values.get("database"), sa.URL):
        values["database"] = values["database"].render_as_string(hide_password=False)
    return replace(ours, values=values), replace(ours, values=parent.settings)


def below_instance(settings: Settings, folder: Path) -> Settings:
    """Return an app's settings: a relative path of SQLite's is below its instance folder, as in Flask-SQLAlchemy."""
    if not (settings.database or "").startswith("sqlite"):
        return settings
    url = sa.make_url(str(settings.database))
    if sqlite_path(url) is None or Path(str(url.database)).is_absolute():
        return settings
    below = url.set(database=str(folder.absolute() / str(url.database)))
    return settings.model_copy(update={"database": below.render_as_string(hide_password=False)})


def warn_of_unknown(config: Mapping[str, Any]) -> None:
    """Log each key SCHEDULER_… that nobody reads, with the nearest one that is read."""
    known = {PREFIX + key.upper() for key in KEYS} | PARENTS | {CONFIG, ROLE}
    for key in config:
        if isinstance(key, str) and key.startswith(PREFIX) and key not in known:
            LOG.warning("app.config: %s is no setting and has no effect; %s", key, nearest_key(key, known))


def zone_of(settings: Settings) -> tzinfo:
    """Return the zone of times without one; ConfigurationError when the setting names none."""
    if settings.timezone is None:
        return find_zone(zone_name(get_localzone()) or "") or UTC_ZONE
    zone = find_zone(settings.timezone)
    if zone is None:
        raise ConfigurationError(f"timezone: {settings.timezone!r} is no IANA zone, like 'Europe/Berlin'")
    return zone


def _zone(value: Any) -> str:
    name = zone_name(value)
    if name is None:
        raise ConfigurationError(f"{ZONE}: {value!r} has no IANA name; give one, like 'Europe/Berlin'")
    return name


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    given = config.get(key) or {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{key} must be a dict, got {shown(given)}")
    return given


def _jobs(given: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(job, Mapping) for job in given):
        raise ConfigurationError(f"{JOBS} must be a list of dicts, each with id, func and trigger")
    for job in given:
        if not isinstance(job.get("id"), str):
            raise ConfigurationError(f"{JOBS}: every job needs an id, so that a restart finds it again; got {job!r}")
    ids = Counter(job["id"] for job in given)
    if twice := [job_id for job_id, times in ids.items() if times > 1]:
        raise ConfigurationError(f"{JOBS}: two jobs have the id {twice[0]!r}; give each its own")
    return tuple(dict(job) for job in given)


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in POLICIES:
            raise ConfigurationError(f"{DEFAULTS}: {name!r} is no policy; {nearest_key(name, POLICIES)}")
    try:
        overrides_of(given)
    except InvalidInput as error:
        raise ConfigurationError(f"{DEFAULTS}: {error.detail}", faults=error.faults) from None
    return dict(given)


def _database(stores: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Return the database that SCHEDULER_JOBSTORES means, unless SCHEDULER_DATABASE says so itself."""
    url: str | None = None
    for alias, store in stores.items():
        if alias != "default":
            raise ConfigurationError(f"{STORES}: {alias!r}: all jobs are kept in one store, 'default'; {OUR_STORE}")
        url = _url_of(store, is_named="SCHEDULER_DATABASE" in config)
    return url


def _url_of(store: Any, *, is_named: bool) -> str | None:
    if isinstance(store, SqlJobStore):
        return store.url
    kind = _kind(store)
    if kind in ("memory", "MemoryJobStore") or isinstance(store, MemoryJobStore):
        return None if is_named else temporary_database()
    if kind == "SqlJobStore" and isinstance(store, Mapping) and "url" in store:
        return str(store["url"])
    if kind in ("sqlalchemy", "SQLAlchemyJobStore"):
        return _beside(store) if not is_named else None
    raise ConfigurationError(f"{STORES}: {kind} pickles its jobs, or is not known here; {OUR_STORE}{MOVE}")


def _beside(store: Any) -> str | None:
    """Return the database of an APScheduler's SQL store: ours are other tables in it, and no pickle is read."""
    url = str(store.get("url", "")) if isinstance(store, Mapping) else store.engine.url.render_as_string(False)
    if url in ("", "sqlite://", "sqlite:///:memory:"):
        return temporary_database()
    return url


def _kind(given: Any) -> str:
    """Return what kind of job store or executor a value means: its plugin's name, or its class's."""
    if not isinstance(given, Mapping):
        return type(given).__name__
    named = given.get("type") or given.get("class") or "a dict without type"
    return str(getattr(named, "__name__", named)).replace(":", ".").rpartition(".")[2]


def _executors(given: Mapping[str, Any]) -> tuple[frozenset[str], dict[str, int | None]]:
    """Return the names under which executors may be named, and how many threads and processes they have."""
    slots: dict[str, int | None] = {}
    for alias, executor in given.items():
        if _is_pool(executor, "threadpool", ThreadPoolExecutor):
            slots |= {"threads": _workers(executor)} if alias == DEFAULT else {}
        elif _is_pool(executor, "processpool", ProcessPoolExecutor) and alias in ELSEWHERE:
            slots["processes"] = _workers(executor)
        else:
            raise ConfigurationError(
                f"{EXECUTORS}: {_kind(executor)} cannot be {alias!r} here; allowed: a thread pool, 'default': "
                "{'type': 'threadpool', 'max_workers': 10}, which SCHEDULER_THREADS = 10 says too, and a process pool, "
                "'processpool': {'type': 'processpool', 'max_workers': 4}, which SCHEDULER_PROCESSES = 4 says too"
            )
    return THREADS | given.keys(), slots


def _is_pool(executor: Any, name: str, kind: type[BaseExecutor]) -> bool:
    if isinstance(executor, BaseExecutor):
        return isinstance(executor, kind)
    return _kind(executor) in (name, kind.__name__)


def _workers(executor: Any) -> int | None:
    if isinstance(executor, Mapping):
        return executor.get("max_workers")
    pool = getattr(executor, "_pool", executor)
    return int(pool._max_workers)
