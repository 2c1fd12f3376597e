"""What may be set: each setting once, with its type, default, bounds and meaning.

A value comes from, first wins: the command line, the environment (`SCHEDULER_…`), the TOML file or `app.config`, the
default. An unknown key in a file fails with the nearest name.
"""

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from scheduler_app.errors import ConfigurationError, Fault

PREFIX = "SCHEDULER_"
CONFIG = "config"
OPTIONS = {"engine": "no-engine"}
SECRET = frozenset({"database", "broker"})
FOREVER = "forever"
ALL = "all"
AUTO = "auto"
TYPES = {
    "array": "a list, or words separated by commas",
    "boolean": "true or false",
    "object": "a table of whole numbers from 1 to 10000, or words like `celery=20, process=4`",
    "string": "text",
}


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _unlimited(word: str) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value == word else value)


def _numbers(value: object) -> object:
    """Read `celery=20, process=4`, as an environment variable says it; what cannot be read is left for the fault."""
    words = _words(value)
    if not isinstance(value, str) or not isinstance(words, list):
        return value
    pairs = [word.partition("=") for word in words]
    return {name.strip(): number.strip() for name, _, number in pairs}


def _without_slash(value: object) -> object:
    return value[:-1] if isinstance(value, str) and len(value) > 1 and value.endswith("/") else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Days = Annotated[
    float | None, Field(ge=0, le=36500, allow_inf_nan=False, json_schema_extra={"word": FOREVER}), _unlimited(FOREVER)
]
Number = Annotated[int | None, Field(ge=1, json_schema_extra={"word": ALL}), _unlimited(ALL)]
Limits = Annotated[
    Mapping[Literal["thread", "process", "celery"], Annotated[int, Field(ge=1, le=10_000)]], BeforeValidator(_numbers)
]
Processes = Annotated[int | None, Field(ge=0, le=1000, json_schema_extra={"word": AUTO}), _unlimited(AUTO)]


class Settings(BaseModel):
    """Every setting of the service and of the extension."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str | None = Field(
        None,
        description="Where jobs and runs are kept, an SQLAlchemy URL; without one, the file `scheduler.db` in `data`.",
        examples=["sqlite:////var/lib/scheduler/scheduler.db", "postgresql+psycopg://user:password@host/name"],
    )
    database_file: Path | None = Field(
        None, description="A file that holds the URL of `database`, so that a password stands in no environment."
    )
    pooler: bool = Field(
        False, description="Whether a transaction pooler, such as PgBouncer, stands before PostgreSQL."
    )
    data: Path = Field(Path("data"), description="The folder of the embedded store and of the admin key.")
    host: str = Field("127.0.0.1", description="The address that `serve` listens on.")
    port: int = Field(8000, ge=0, le=65535, description="The port that `serve` listens on; 0 takes a free one.")
    hosts: Words = Field((), description="Host names that requests may carry, besides loopback and `host`.")
    proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="How many reverse proxies stand before `serve`, one behind the other, each of which sets "
        "`X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix`; 0: these headers mean nothing.",
    )
    tasks: Words = Field((), description="Python files or modules whose tasks `serve` offers.")
    task_modules: Words = Field(
        (), description="Packages whose functions may be named as `package.module:function`, as APScheduler does."
    )
    timezone: str | None = Field(
        None, description="The zone of triggers from Python that name none; null: the zone of this machine."
    )
    demo: bool = Field(True, description="Whether `serve` offers the demo tasks.")
    app: str | None = Field(
        None,
        description="How a worker process builds the Flask app, `module:factory`, for tasks with executor `process`.",
        examples=["myapp:create_app"],
    )
    threads: int = Field(10, ge=1, le=1000, description="Runs that an engine executes in threads at one time.")
    processes: Processes = Field(
        None,
        description="Runs that an engine executes in worker processes at one time; `auto`: one for each processor.",
    )
    process_runs: int = Field(
        1000, ge=1, le=1_000_000, description="After how many runs a worker process is replaced by a new one."
    )
    process_idle: float = Field(
        300, ge=1, le=86_400, allow_inf_nan=False, description="Seconds after which an idle worker process is ended."
    )
    process_grace: float = Field(
        5,
        ge=0,
        le=60,
        allow_inf_nan=False,
        description="Seconds from the SIGTERM to the SIGKILL of a run in a process that is cancelled or timed out.",
    )
    executor_limits: Limits = Field(
        default_factory=dict,
        description="Runs that execute at one time over all engines of a store, for each executor that has a limit.",
        examples=[{"celery": 20, "process": 4}],
    )
    broker: str | None = Field(
        None,
        description="The broker through which Celery's workers get runs of executor `celery`.",
        examples=["redis://127.0.0.1:6379/0"],
    )
    web_threads: int = Field(40, ge=1, le=1000, description="Requests that `serve` answers at one time.")
    event_streams: int | None = Field(
        None,
        ge=0,
        le=24,
        description="Streams of `/events`, and calls with `Prefer: wait`, that a process holds open, each of which "
        "takes a thread of the server; null: as many as `serve` has threads for, less 8, and 2 in another server.",
    )
    engine: Literal["auto", "on", "off"] = Field(
        "auto", description="Whether this process runs an engine; `auto`: when it serves requests."
    )
    api_prefix: Annotated[str | None, BeforeValidator(_without_slash)] = Field(
        "/scheduler", pattern=r"^(/[A-Za-z0-9._~-]+)+$", description="Where a Flask app serves the API; null: nowhere."
    )
    login_url: str | None = Field(
        None,
        description="Where a Flask app with a `role` sends who wants a page and is not signed in; null: 401.",
        examples=["/login"],
    )
    session_idle: float = Field(
        28_800,
        ge=300,
        le=604_800,
        allow_inf_nan=False,
        description="Seconds without a request after which who is signed in with a key is signed out.",
    )
    api_enabled: bool = Field(
        False, description="Whether a Flask app serves the routes of Flask-APScheduler too, without a key."
    )
    app_name: str | None = Field(
        None,
        description="Whose the jobs are that the code of a Flask app declares; null: the app's own name. "
        "Apps that share a store need different ones.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="What `serve` logs.")
    keep_succeeded_days: Days = Field(7, description="How long runs that succeeded are kept.")
    keep_failed_days: Days = Field(30, description="How long runs that failed are kept.")
    keep_timed_out_days: Days = Field(30, description="How long runs that timed out are kept.")
    keep_cancelled_days: Days = Field(30, description="How long runs that were cancelled are kept.")
    keep_lost_days: Days = Field(30, description="How long runs that were lost are kept.")
    keep_missed_days: Days = Field(30, description="How long firings that were missed are kept.")
    keep_skipped_days: Days = Field(30, description="How long firings that were skipped are kept.")
    keep_audit_days: Days = Field(365, description="How long it is kept who changed what.")
    keep_runs_per_job: Number = Field(20_000, description="How many runs of a job are kept, the newest.")
    minute_counts_hours: int = Field(
        48, ge=48, le=8760, description="How many hours it is kept how many runs ended in each minute."
    )
    hour_counts_days: int = Field(
        400, ge=8, le=36500, description="How many days it is kept how many runs ended in each hour."
    )


KEYS = tuple(Settings.model_fields)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where values come from; `origin` tells of a key how a person would name the place. `faults` are of the whole."""

    values: Mapping[str, Any]
    origin: Callable[[str], str]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sought:
    """What sources give together: the settings, defaults for wrong values; every fault; where each value is from."""

    settings: Settings
    faults: tuple[Fault, ...]
    origins: Mapping[str, str]

    def required(self) -> Settings:
        """Return the settings; ConfigurationError tells every fault at once."""
        if self.faults:
            raise ConfigurationError("; ".join(fault.detail for fault in self.faults), faults=self.faults)
        return self.settings


def load(*sources: Source) -> Settings:
    """Merge sources, the first that has a key wins; ConfigurationError tells every fault at once."""
    return seek(*sources).required()


def seek(*sources: Source) -> Sought:
    """Merge sources, the first that has a key wins, and find every fault."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    faults: list[Fault] = []
    for source in map(_with_url, sources):
        faults += source.faults
        for key, value in source.values.items():
            if key not in KEYS:
                faults.append(unknown(key, source.origin(key)))
            elif key not in values:
                values[key], origins[key] = value, source.origin(key)
    wrong = _faults(values, origins)
    right = {key: value for key, value in values.items() if f"/{key}" not in {fault.pointer for fault in wrong}}
    settings = Settings.model_validate(right)
    return Sought(settings=settings, faults=(*faults, *wrong), origins=origins)


def _with_url(source: Source) -> Source:
    """Put the URL that stands in a file in its place: a source that names the file gives `database`."""
    given = source.values.get("database_file")
    if given is None:
        return source
    origin = source.origin("database_file")
    try:
        url = Path(str(given)).read_text().strip()
        wrong = "the file is empty" if not url else None
    except (OSError, ValueError) as error:
        url, wrong = "", getattr(error, "strerror", None) or "it holds no text"
    if "database" in source.values:
        wrong = "give database or database_file, not both"
    if wrong is not None:
        return replace(source, faults=(*source.faults, fault("database_file", origin, f"{wrong}, got {given}")))
    names = {"database": f"file {given}"}
    return replace(
        source,
        values={**source.values, "database": url},
        origin=lambda key: names.get(key) or source.origin(key),
    )


def _faults(values: dict[str, Any], origins: Mapping[str, str]) -> list[Fault]:
    try:
        Settings.model_validate(values)
    except ValidationError as error:
        return [_fault(item, origins) for item in error.errors(include_url=False)]
    return []


def _fault(item: Any, origins: Mapping[str, str]) -> Fault:
    key = str(item["loc"][0])
    got = "" if key in SECRET else f", got {_shown(item['input'])}"
    inside = "".join(f"{part}: " for part in item["loc"][1:] if part != "[key]")
    return fault(key, origins[key], f"{inside}{item['msg']}{got}; allowed: {allowed(key)}")


def _shown(value: object) -> str:
    """Return a value as it was written; text that is a number is shown as one."""
    return value if isinstance(value, str) and value.removeprefix("-").isdecimal() else repr(value)


def fault(key: str, origin: str, what: str) -> Fault:
    """Return what is wrong with a setting."""
    return Fault(pointer=f"/{key}", detail=f"{key} ({origin}): {what}")


def unknown(key: str, origin: str, known: Collection[str] = KEYS) -> Fault:
    """Return the fault of a setting that does not exist, with the nearest one that does."""
    nearest = get_close_matches(key, known, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are: {', '.join(known)}"
    return fault(key, origin, f"there is no such setting; {hint}")


def allowed(key: str) -> str:
    """Return in words what a setting may be."""
    schema = Settings.model_json_schema()["properties"][key]
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    words = [_in_words(kind) for kind in kinds]
    return ", or ".join([*words, *([f"`{schema['word']}`"] if "word" in schema else [])])


def _in_words(kind: Mapping[str, Any]) -> str:
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind["type"] in ("integer", "number"):
        name = "a whole number" if kind["type"] == "integer" else "a number"
        least, most = kind.get("minimum", 0), kind.get("maximum")
        return f"{name} from {least:g} on" if most is None else f"{name} from {least:g} to {most:g}"
    return "a path like `/scheduler`" if "pattern" in kind else TYPES[kind["type"]]


def from_command_line(given: Mapping[str, Any]) -> Source:
    """Return the settings given as options."""
    return Source(values=given, origin=lambda key: f"command line --{OPTIONS.get(key, key.replace('_', '-'))}")


def from_environment(environ: Mapping[str, str]) -> Source:
    """Return the settings that environment variables `SCHEDULER_…` give; unknown ones are not ours."""
    given = {key.removeprefix(PREFIX).lower(): value for key, value in environ.items() if key.startswith(PREFIX)}
    return Source(
        values={key: value for key, value in given.items() if key in KEYS},
        origin=lambda key: f"environment {PREFIX}{key.upper()}",
    )


def strange_variables(environ: Mapping[str, str]) -> list[Fault]:
    """Return the environment variables `SCHEDULER_…` that set nothing: misspelt, or meant for something else."""
    known = [PREFIX + key.upper() for key in (*KEYS, CONFIG)]
    strange = [name for name in environ if name.startswith(PREFIX) and name.upper() not in known]
    return [unknown(name, "environment", known) for name in sorted(strange)]


def from_toml(path: Path) -> Source:
    """Return the settings in a TOML file; one that cannot be read is a fault."""
    origin = f"file {path}"
    try:
        return Source(values=tomllib.loads(path.read_text(encoding="utf-8")), origin=lambda _: origin)
    except OSError as error:
        wrong = str(error.strerror)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        wrong = str(error)
    detail = f"config {path}: {wrong}"
    return Source(values={}, origin=lambda _: origin, faults=(Fault(pointer="/config", detail=detail),))


def nearest_key(key: str, known: Iterable[str]) -> str:
    """Return the tail of a sentence that names the known key nearest to `key`."""
    nearest = get_close_matches(key, list(known), n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"known are: {', '.join(sorted(known))}"


def from_flask(config: Mapping[str, Any]) -> Source:
    """Return the settings in a Flask app's configuration: its keys `SCHEDULER_…` that are ours."""
    given = {key.removeprefix(PREFIX).lower(): value for key, value in config.items() if key.startswith(PREFIX)}
    return Source(
        values={key: value for key, value in given.items() if key in KEYS},
        origin=lambda key: f"app.config {PREFIX}{key.upper()}",
    )
