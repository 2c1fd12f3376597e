"""What the README and the configuration say is true of the code."""

import re
import tomllib
from pathlib import Path

from scheduler_app.domain.policy import POLICY_NAMES
from scheduler_app.domain.run import RunState
from scheduler_app.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """Return the settings as the README shows them."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "null" if default is None else str(default if not isinstance(default, tuple) else list(default))
        rows.append(f"| `{name}` | `{shown}` | {field.description} |")
    return "\n".join(rows)


def test_the_settings_of_the_readme_are_those_of_the_code():
    table = README.partition("<!-- settings -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert table == settings_table()


def test_the_default_configuration_file_has_every_default_and_nothing_else():
    text = (ROOT / "config" / "default.toml").read_text()
    given = tomllib.loads(text)
    defaults = Settings().model_dump(mode="json")
    assert Settings.model_validate(given) == Settings()
    assert set(given) | {"database"} == set(defaults)
    assert "# database =" in text


def test_every_policy_and_every_run_state_is_documented():
    undocumented = [name for name in POLICY_NAMES if f"`{name}`" not in README]
    assert undocumented == ["executor"], "this one comes with a later version"
    assert [state for state in RunState if f"`{state}`" not in README] == []


def test_the_readme_opens_with_a_program_of_at_most_twenty_lines():
    program = re.search(r"```python\n(.*?)```", README, re.S)
    assert program is not None
    assert len([line for line in program[1].splitlines() if line.strip()]) <= 15
