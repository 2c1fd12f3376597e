"""Writes share a transaction, and none of them notices."""

import sqlite3
import threading
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from scheduler_app.errors import Conflict
from scheduler_app.store.tables import facts


def put(name: str):
    return lambda tx: tx.execute(facts.insert().values(name=name, value="x"))


def names(core) -> list[str]:
    with core.database.read() as tx:
        return sorted(tx.scalars(sa.select(facts.c.name).where(facts.c.name.like("t-%"))))


def refuse(tx: sa.Connection) -> None:
    put("t-refused")(tx)
    raise Conflict("not this one")


def test_of_writes_that_share_a_transaction_only_the_one_that_fails_is_undone(scheduler):
    core = scheduler.core
    core.open()
    held, goes_on = threading.Event(), threading.Event()
    outcomes: dict[str, object] = {}

    def hold(tx: sa.Connection) -> None:
        held.set()
        assert goes_on.wait(5.0)

    def write(name: str, work) -> None:
        try:
            core.database.write(work)
            outcomes[name] = "done"
        except (Conflict, sa.exc.IntegrityError) as error:
            outcomes[name] = type(error)

    works = {"hold": hold, "a": put("t-a"), "refused": refuse, "twice": put("t-a"), "b": put("t-b")}
    threads = [threading.Thread(target=write, args=item) for item in works.items()]
    threads[0].start()
    assert held.wait(5.0)
    waiting = core.database.connections._writer._waiting
    for number, thread in enumerate(threads[1:], start=1):
        thread.start()
        limit = threading.Event()
        while len(waiting) < number:
            assert not limit.wait(0.01)
    goes_on.set()
    for thread in threads:
        thread.join(5.0)
    assert outcomes == {"hold": "done", "a": "done", "refused": Conflict, "twice": sa.exc.IntegrityError, "b": "done"}
    assert names(core) == ["t-a", "t-b"]


def test_a_write_that_comes_while_another_one_writes_shares_its_commit(scheduler):
    core = scheduler.core
    core.open()
    before = core.database.commits
    late = threading.Thread(target=core.database.write, args=[put("t-late")])
    waiting = core.database.connections._writer._waiting

    def write(tx: sa.Connection) -> None:
        late.start()
        limit, never = time.monotonic() + 5.0, threading.Event()
        while not waiting:
            assert time.monotonic() < limit
            never.wait(0.01)
        put("t-first")(tx)

    core.database.write(write)
    late.join(5.0)
    assert (names(core), core.database.commits) == (["t-first", "t-late"], before + 1)


def test_a_write_that_fails_alone_leaves_nothing(scheduler):
    core = scheduler.core
    core.open()
    with pytest.raises(Conflict):
        core.database.write(refuse)
    core.database.write(put("t-after"))
    assert names(core) == ["t-after"]


@pytest.mark.sqlite
def test_who_has_waited_at_the_gate_waits_the_less_for_another_program(scheduler):
    core = scheduler.core
    core.open()
    lane = core.database.connections._opened.writer
    with closing(sqlite3.connect(core.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"), lane.transaction(within=0.1):
            pass
        assert time.monotonic() - began < 1.0
        other.execute("ROLLBACK")
        with lane.transaction(within=0.1) as tx:
            put("t-late")(tx)
            usual = tx.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert (names(core), usual) == (["t-late"], core.database.patience * 1000)


def seen_by_others(core) -> list[str]:
    with closing(sqlite3.connect(core.database.path)) as other:
        return [
            name for (name,) in other.execute("SELECT name FROM scheduler_facts WHERE name LIKE 't-%' ORDER BY name")
        ]


@pytest.mark.sqlite
def test_what_is_strung_together_is_committed_as_soon_as_anything_else_reads_or_writes(scheduler):
    core = scheduler.core
    core.open()
    database = core.database
    database.string(put("t-1"))
    database.string(put("t-2"))
    assert seen_by_others(core) == []
    assert names(core) == seen_by_others(core) == ["t-1", "t-2"]
    database.string(put("t-3"))
    database.write(put("t-4"))
    assert seen_by_others(core) == ["t-1", "t-2", "t-3", "t-4"]
    database.string(put("t-5"))
    database.write_alone(put("t-6"))
    database.string(put("t-7"))
    database.cut()
    database.cut()
    assert seen_by_others(core) == [f"t-{number}" for number in range(1, 8)]


@pytest.mark.sqlite
def test_one_that_raises_undoes_those_strung_before_it_and_the_next_begin_anew(scheduler):
    core = scheduler.core
    core.open()
    core.database.string(put("t-1"))
    with pytest.raises(Conflict):
        core.database.string(refuse)
    core.database.string(put("t-2"))
    assert names(core) == ["t-2"]


@pytest.mark.sqlite
def test_a_string_is_committed_when_its_store_is_closed_and_when_another_thread_writes(scheduler):
    core = scheduler.core
    core.open()
    core.database.string(put("t-1"))
    thread = threading.Thread(target=core.database.write, args=[put("t-2")])
    thread.start()
    thread.join(5.0)
    assert seen_by_others(core) == ["t-1", "t-2"]
    core.database.string(put("t-3"))
    core.database.close()
    assert seen_by_others(core) == ["t-1", "t-2", "t-3"]


def test_who_leads_waits_a_moment_for_as_many_as_shared_the_last_commit(scheduler, monkeypatch):
    monkeypatch.setattr("scheduler_app.store.writer.MOMENT", 60.0)
    core = scheduler.core
    core.open()
    writer = core.database.connections._writer
    writer._company, commits = 2, writer.commits
    first = threading.Thread(target=core.database.write, args=(put("t-first"),))
    first.start()
    limit = time.monotonic() + 5.0
    while writer._leader is None:
        assert time.monotonic() < limit, "it did not wait"
        first.join(0.01)
    core.database.write(put("t-second"))
    first.join(5.0)
    assert names(core) == ["t-first", "t-second"]
    assert writer.commits == commits + 1
