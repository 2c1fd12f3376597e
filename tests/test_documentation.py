"""What the README and the configuration say is true of the code."""

import re
import tomllib
from pathlib import Path

import pytest

from scheduler_app.domain.policy import POLICY_NAMES
from scheduler_app.domain.run import RunState
from scheduler_app.settings import Settings
from tests.reference import rewritten

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", rewritten(), ids=lambda path: path.name)
def test_the_settings_reference_is_what_the_model_gives(path):
    assert path.read_text() == rewritten()[path], "write it anew: python -m tests.reference"


def test_the_default_configuration_file_has_every_default_and_nothing_else():
    text = (ROOT / "config" / "default.toml").read_text()
    given = tomllib.loads(text)
    assert Settings.model_validate(given) == Settings()
    named = re.findall(r"^(?:# )?(\w+) = ", text, re.M)
    assert named == list(Settings.model_fields)
    assert set(named) - set(given) == {
        "app",
        "app_name",
        "broker",
        "database",
        "database_file",
        "event_streams",
        "login_url",
        "timezone",
    }


def test_every_policy_and_every_run_state_is_documented():
    assert [name for name in POLICY_NAMES if f"`{name}`" not in README] == []
    assert [state for state in RunState if f"`{state}`" not in README] == []


def test_the_readme_opens_with_a_program_of_at_most_twenty_lines():
    program = re.search(r"```python\n(.*?)```", README, re.S)
    assert program is not None
    assert len([line for line in program[1].splitlines() if line.strip()]) <= 15
