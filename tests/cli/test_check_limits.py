"""`check` refuses a malformed limit by its name, wherever it stands."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler_app.domain.task import default_registry


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder; what is loaded here is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for kept in ("_tasks", "_limited"):
        monkeypatch.setattr(default_registry, kept, {})
    yield tmp_path
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("celery=0", "executor_limits (environment SCHEDULER_EXECUTOR_LIMITS): celery: Input should be greater than"),
        ("celery", "celery: Input should be a valid integer"),
        ("proces=4", "proces: Input should be 'thread', 'process' or 'celery', got 'proces'"),
    ],
)
def test_a_malformed_limit_of_an_executor_is_named(said, monkeypatch, given, says):
    monkeypatch.setenv("SCHEDULER_EXECUTOR_LIMITS", given)
    status, _, err = said("check", "--port", "0")
    assert status == 1
    assert says in err
    assert "words like `celery=20, process=4`" in err


def test_limits_of_executors_stand_in_the_environment_or_in_a_file(said, monkeypatch):
    Path("mine.toml").write_text("[executor_limits]\nthread = 7\n")
    _, out, _ = said("check", "--port", "0", "--config", "mine.toml")
    assert '{"thread": 7}' in out
    monkeypatch.setenv("SCHEDULER_EXECUTOR_LIMITS", "celery=20, process=4")
    status, out, _ = said("check", "--port", "0", "--config", "mine.toml")
    assert (status, '{"celery": 20, "process": 4}' in out) == (0, True)


def test_a_malformed_limit_of_a_task_is_named_with_its_place(said):
    Path("mine.py").write_text("from scheduler_app import task\n\n\n@task(rate_limit='ten/m')\ndef send(): ...\n")
    status, _, err = said("check", "--port", "0", "--tasks", "mine.py")
    assert status == 1
    assert "mine.py:4: task option rate_limit: got 'ten/m'; allowed: starts/period, like '10/m'" in err
