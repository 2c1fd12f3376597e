"""A test's own store commits several writes at once, and nobody can tell the difference."""

import sqlite3
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from scheduler_app.errors import Conflict
from scheduler_app.store import gathering, schema
from scheduler_app.store.database import Database
from scheduler_app.store.tables import facts


def put(name: str):
    return lambda tx: tx.execute(facts.insert().values(name=name, value="x"))


def refuse(tx: sa.Connection) -> None:
    put("t-refused")(tx)
    raise Conflict("not this one")


def found(database: Database) -> int:
    with database.read() as tx:
        return int(tx.scalar(sa.select(sa.func.count()).select_from(facts).where(facts.c.name.like("t-%"))))


def committed(database: Database) -> int:
    with closing(sqlite3.connect(database.path)) as other:
        return int(other.execute("SELECT count(*) FROM scheduler_facts WHERE name LIKE 't-%'").fetchone()[0])


@pytest.fixture
def store(tmp_path, request):
    database = Database(
        f"sqlite:///{tmp_path / 's.db'}",
        synchronous=getattr(request, "param", "OFF"),
        prepare=lambda opened: schema.upgrade(opened, on_create=lambda _: None),
    )
    database.open()
    yield database
    database.close()


def test_writes_share_a_transaction_until_the_block_ends(store):
    with store.gathering():
        store.write(put("t-a"))
        store.write(put("t-b"))
        assert committed(store) == 0
    assert committed(store) == 2
    store.write(put("t-c"))
    assert committed(store) == 3


def test_who_reads_finds_what_was_written_before(store):
    seen = []
    with store.gathering():
        store.write(put("t-a"))
        seen.append(found(store))
        store.write(put("t-b"))
        reader = threading.Thread(target=lambda: seen.append(found(store)))
        reader.start()
        reader.join(5.0)
        assert committed(store) == 2
    assert seen == [1, 2]


def test_a_write_that_fails_is_undone_alone(store):
    with store.gathering():
        store.write(put("t-a"))
        with pytest.raises(Conflict):
            store.write(refuse)
        with pytest.raises(sa.exc.IntegrityError):
            store.write(put("t-a"))
        store.write(put("t-b"))
    assert committed(store) == found(store) == 2


def test_another_thread_may_write_in_between(store):
    with store.gathering():
        store.write(put("t-a"))
        writer = threading.Thread(target=store.write, args=(put("t-b"),))
        writer.start()
        writer.join(5.0)
        store.write(put("t-c"))
    assert committed(store) == 3


def test_a_transaction_takes_so_many_writes_and_no_more(store):
    with store.gathering():
        for number in range(gathering.MOST):
            store.write(put(f"t-{number}"))
        assert committed(store) == gathering.MOST


def test_what_raises_in_the_block_loses_nothing(store):
    with pytest.raises(KeyboardInterrupt), store.gathering():
        store.write(put("t-a"))
        raise KeyboardInterrupt
    assert committed(store) == 1


@pytest.mark.parametrize("store", ["FULL"], indirect=True)
def test_a_store_that_is_forced_to_disk_commits_each_write(store):
    with store.gathering():
        store.write(put("t-a"))
        assert committed(store) == 1
