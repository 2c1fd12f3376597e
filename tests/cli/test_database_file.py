"""The URL of the store may stand in a file, so that its password is in no environment and no list of processes."""

import tomllib
from pathlib import Path

import pytest

from scheduler_app.settings import Settings, from_environment, from_toml, load

ROOT = Path(__file__).parents[2]
URL = "postgresql+psycopg://me:s3cret@/nowhere?host=/nowhere"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "database"
    file.write_text(f"{URL}\n")
    return file


def test_the_file_is_read_and_the_password_shown_nowhere(said, file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCHEDULER_DATABASE_FILE", str(file))
    status, out, err = said("check", "--port", "0")
    assert status == 1
    assert f"database (file {file}): postgresql+psycopg://me:***@/nowhere: the store does not answer" in err
    assert "s3cret" not in out + err


def test_the_first_place_that_names_either_wins(file: Path, tmp_path: Path):
    toml = tmp_path / "mine.toml"
    toml.write_text('database = "sqlite:////tmp/other.db"\n')
    assert load(from_environment({"SCHEDULER_DATABASE_FILE": str(file)}), from_toml(toml)).database == URL
    given = {"SCHEDULER_DATABASE": "sqlite:////tmp/first.db"}
    toml.write_text(f'database_file = "{file}"\n')
    assert load(from_environment(given), from_toml(toml)).database == "sqlite:////tmp/first.db"


@pytest.mark.parametrize(
    ("content", "also", "says"),
    [
        (None, {}, "No such file or directory"),
        ("\n", {}, "the file is empty"),
        (URL, {"SCHEDULER_DATABASE": URL}, "give database or database_file, not both"),
    ],
)
def test_a_file_that_gives_no_url_is_a_fault(said, file: Path, monkeypatch: pytest.MonkeyPatch, content, also, says):
    file.unlink() if content is None else file.write_text(content)
    for name, value in {"SCHEDULER_DATABASE_FILE": str(file), **also}.items():
        monkeypatch.setenv(name, value)
    status, out, err = said("check", "--port", "0")
    assert (status, out) == (1, "")
    assert f"database_file (environment SCHEDULER_DATABASE_FILE): {says}, got {file}" in err
    assert "s3cret" not in err


def test_the_example_for_postgresql_is_a_configuration():
    given = tomllib.loads((ROOT / "config" / "postgresql.toml").read_text())
    assert Settings.model_validate(given).database_file == Path("/etc/scheduler/database")
