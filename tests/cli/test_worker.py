"""What keeps a worker from starting is one line, as for `serve`; and `check` knows the same options."""

from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--tasks", "no.such.module"), "tasks no.such.module: ModuleNotFoundError"),
        (("--tasks", "missing.py"), "tasks missing.py: there is no such file"),
        (("--data", "/proc/nowhere"), "data /proc/nowhere: cannot make this folder"),
        (("--database", "nonsense"), "database: not an SQLAlchemy URL"),
        (("--config", "missing.toml"), "config missing.toml: No such file or directory"),
        (("--port", "1"), "No such option '--port'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_keeps_a_worker_from_starting_is_one_line(said, tmp_path: Path, monkeypatch, words, says) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = said("worker", *words)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"scheduler-app: {says}")


def test_a_store_that_cannot_be_opened_is_told_in_one_line(said, tmp_path: Path) -> None:
    (tmp_path / "scheduler.db").mkdir()
    status, out, err = said("worker", "--data", tmp_path)
    assert (status, out, err) == (1, "", "scheduler-app: the store does not answer: unable to open database file\n")


def test_check_shows_that_there_is_to_be_no_engine(said, tmp_path: Path) -> None:
    _, out, _ = said("check", "--data", tmp_path, "--port", "0", "--no-engine")
    assert 'engine               "off"' in out
    assert "command line --no-engine" in out
