"""What may be set: each setting once, with its type, default, bounds and meaning.

A value comes from, first wins: the command line, the environment (`SCHEDULER_…`), the TOML file or `app.config`, the
default. An unknown key in a file fails with the nearest name.
"""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from scheduler_app.errors import ConfigurationError, Fault

PREFIX = "SCHEDULER_"


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Settings(BaseModel):
    """Every setting of the service and of the extension."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str | None = Field(
        None, description="Where jobs and runs are kept, an SQLAlchemy URL; null: a file in `data`."
    )
    data: Path = Field(Path("data"), description="The folder of the embedded store and of the admin key.")
    host: str = Field("127.0.0.1", description="The address that `serve` listens on.")
    port: int = Field(8000, ge=0, le=65535, description="The port that `serve` listens on; 0 takes a free one.")
    hosts: Words = Field((), description="Host names that requests may carry, besides loopback and `host`.")
    tasks: Words = Field((), description="Python files or modules whose tasks `serve` offers.")
    task_modules: Words = Field(
        (), description="Packages whose functions may be named as `package.module:function`, as APScheduler does."
    )
    timezone: str | None = Field(
        None, description="The zone of triggers from Python that name none; null: the zone of this machine."
    )
    demo: bool = Field(True, description="Whether `serve` offers the demo tasks.")
    threads: int = Field(10, ge=1, le=1000, description="Runs that an engine executes at one time.")
    web_threads: int = Field(40, ge=1, le=1000, description="Requests that `serve` answers at one time.")
    engine: Literal["auto", "on", "off"] = Field(
        "auto", description="Whether this process runs an engine; `auto`: when it serves requests."
    )
    api_prefix: str | None = Field(
        "/scheduler", pattern=r"^(/[A-Za-z0-9._~-]+)+$", description="Where a Flask app serves the API; null: nowhere."
    )
    api_enabled: bool = Field(
        False, description="Whether a Flask app serves the routes of Flask-APScheduler too, without a key."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="What `serve` logs.")


KEYS = tuple(Settings.model_fields)


def load(*sources: tuple[str, Mapping[str, Any]]) -> Settings:
    """Merge named sources, the first that has a key wins; ConfigurationError tells every fault at once."""
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    faults: list[Fault] = []
    for name, source in sources:
        for key, value in source.items():
            if key not in KEYS:
                faults.append(_unknown(key, name))
            elif key not in values:
                values[key], origin[key] = value, name
    settings, wrong = _validated(values, origin)
    faults += wrong
    if settings is None or faults:
        raise ConfigurationError("; ".join(fault.detail for fault in faults), faults=faults)
    return settings


def _validated(values: dict[str, Any], origin: dict[str, str]) -> tuple[Settings | None, list[Fault]]:
    try:
        return Settings.model_validate(values), []
    except ValidationError as error:
        return None, [_fault(item, origin) for item in error.errors(include_url=False)]


def _fault(item: Any, origin: dict[str, str]) -> Fault:
    key = str(item["loc"][0])
    got = "" if key == "database" else f", got {item['input']!r}"
    return Fault(pointer=f"/{key}", detail=f"{key} ({origin[key]}): {item['msg']}{got}")


def _unknown(key: str, source: str) -> Fault:
    nearest = get_close_matches(key, KEYS, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are: {', '.join(KEYS)}"
    return Fault(pointer=f"/{key}", detail=f"{key} ({source}): there is no such setting; {hint}")


def from_environment(environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the settings that environment variables `SCHEDULER_…` give; unknown ones are not ours."""
    given = {key.removeprefix(PREFIX).lower(): value for key, value in environ.items() if key.startswith(PREFIX)}
    return "environment", {key: value for key, value in given.items() if key in KEYS}


def from_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the settings in a TOML file; ConfigurationError when it cannot be read."""
    try:
        return str(path), tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"config {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"config {path}: {error}") from None


def nearest_key(key: str, known: Iterable[str]) -> str:
    """Return the tail of a sentence that names the known key nearest to `key`."""
    nearest = get_close_matches(key, list(known), n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"known are: {', '.join(sorted(known))}"


def from_flask(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the settings in a Flask app's configuration: its keys `SCHEDULER_…` that are ours."""
    given = {key.removeprefix(PREFIX).lower(): value for key, value in config.items() if key.startswith(PREFIX)}
    return "app.config", {key: value for key, value in given.items() if key in KEYS}
