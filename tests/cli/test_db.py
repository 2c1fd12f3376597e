"""`scheduler-app db`: the schema is shown, brought up to date and checked without a service; on both databases."""

from pathlib import Path

import pytest

from scheduler_app.store.database import Database
from scheduler_app.store.schema import HEAD


@pytest.fixture
def empty(request: pytest.FixtureRequest, scheduler_database: str, tmp_path: Path) -> tuple[str, ...]:
    """The options that name a database without a table."""
    if scheduler_database.startswith("sqlite"):
        return ("--data", str(tmp_path), "--database", f"sqlite:///{tmp_path / 'none.db'}")
    return ("--data", str(tmp_path), "--database", request.getfixturevalue("postgresql").fresh())


@pytest.mark.databases
def test_a_store_is_made_shown_and_checked(said, empty, tmp_path: Path):
    status, out, _ = said("db", "current", *empty)
    assert status == 0 and ("no table of ours" in out or "not there yet" in out)
    assert said("db", "check", *empty)[0] == 1
    for _ in range(2):
        status, out, err = said("db", "upgrade", *empty)
        assert (status, out.endswith(f": schema {HEAD}\n"), err) == (0, True, "")
    assert len((tmp_path / "admin.key").read_text().strip()) == 43
    assert said("db", "check", *empty)[0] == 0
    database = Database(empty[3])
    database.write(lambda tx: tx.exec_driver_sql("DROP INDEX scheduler_runs_queue"))
    database.close()
    status, out, err = said("db", "check", *empty)
    assert (status, out) == (1, "")
    assert "index scheduler_runs_queue is missing" in err
