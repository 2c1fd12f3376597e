"""The settings in words, made from their model: the table of the README, and a file with every default."""

import json
import textwrap
from typing import Any

from scheduler_app.settings import PREFIX, Settings, allowed

HEAD = f"""\
# Every setting with its default. `scheduler-app serve --config FILE` reads a file like this one; a value on the command
# line or in the environment ({PREFIX}PORT=9000) wins over it. A Flask app has the same settings as
# app.config["{PREFIX}THREADS"] and so on. A name that does not exist is refused.
"""


def as_markdown() -> str:
    """Return a table of every setting."""
    rows = ["| setting | default | allowed | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{name}` | {_default(name)} | {allowed(name)} | {field.description} |")
    return "\n".join(rows) + "\n"


def as_toml() -> str:
    """Return a configuration file that says every default."""
    return "\n".join([HEAD, *(_entry(name) for name in Settings.model_fields)])


def value_of(name: str, settings: Settings) -> Any:
    """Return a setting as a person would write it: null only where there is no word for it."""
    value = settings.model_dump(mode="json")[name]
    if value is None:
        return Settings.model_json_schema()["properties"][name].get("word")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _default(name: str) -> str:
    value = value_of(name, Settings())
    return "none" if value is None else f"`{json.dumps(value)}`"


def _entry(name: str) -> str:
    value, field = value_of(name, Settings()), Settings.model_fields[name]
    meaning = f"{field.description} Allowed: {allowed(name)}."
    comment = "\n".join(textwrap.wrap(meaning, 116, initial_indent="# ", subsequent_indent="# "))
    example = "" if value is not None else "# "
    shown = (field.examples or [""])[0] if value is None else value
    return f"{comment}\n{example}{name} = {json.dumps(shown)}\n"
