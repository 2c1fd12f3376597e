"""A store that is laid for a test is the one that a first start makes."""

import sqlite3
from pathlib import Path

from scheduler_app.services.opening import prepare
from scheduler_app.store.database import Database
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.template import lay_store


def content_of(path: Path) -> list[str]:
    store = sqlite3.connect(path)
    lines = list(store.iterdump())
    store.close()
    return lines


def test_what_is_laid_is_what_the_migrations_make(tmp_path: Path):
    lay_store(tmp_path / "laid" / "scheduler.db")
    database = Database(
        f"sqlite:///{tmp_path / 'made' / 'scheduler.db'}",
        prepare=lambda store: prepare(store, database.path.parent, FakeClock()),
    )
    with database.read():
        pass
    database.close()
    laid, made = (content_of(tmp_path / name / "scheduler.db") for name in ("laid", "made"))
    assert [line for line in laid if 'INTO "scheduler_api_keys"' not in line] == [
        line for line in made if 'INTO "scheduler_api_keys"' not in line
    ]


def test_it_opens_as_it_is_with_the_key_beside_it(tmp_path: Path):
    path = tmp_path / "scheduler.db"
    lay_store(path)
    before = content_of(path)
    key = (tmp_path / "admin.key").read_text()
    database = Database(f"sqlite:///{path}", prepare=lambda store: prepare(store, tmp_path, FakeClock()))
    with database.read():
        pass
    database.close()
    assert content_of(path) == before
    assert (tmp_path / "admin.key").read_text() == key
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir() if file.is_file()} == {0o600}


def test_a_store_that_is_there_is_left_as_it_is(tmp_path: Path):
    path = tmp_path / "scheduler.db"
    path.write_bytes(b"mine")
    lay_store(path)
    assert [file.name for file in tmp_path.iterdir()] == ["scheduler.db"]
    assert path.read_bytes() == b"mine"
