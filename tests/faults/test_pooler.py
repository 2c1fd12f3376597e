"""Behind a transaction pooler each transaction may have another connection: nothing is kept on one, nothing listens."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from scheduler_app.store import claims, facts, schema
from scheduler_app.store.database import Database
from tests import postgres
from tests.faults.test_postgresql import assert_nothing_lost_or_doubled, fires
from tests.service.harness import Service

pytestmark = [
    pytest.mark.pgbouncer,
    pytest.mark.skipif(postgres.PGBOUNCER is None, reason="there is no pgbouncer: apt-get install pgbouncer"),
]


@pytest.fixture
def pooled(postgresql: postgres.Server) -> Iterator[str]:
    """The URL of an empty database, through the pooler."""
    url = postgresql.fresh()
    with postgresql.pooler() as query:
        yield url + query


def test_threads_that_share_three_connections_read_and_write_without_prepared_statements(pooled: str):
    database = Database(pooled, pooler=True, prepare=lambda store: schema.upgrade(store, on_create=lambda _: None))

    def work(number: int) -> None:
        for turn in range(20):
            database.write(lambda tx, turn=turn: facts.put(tx, f"t-{number}", {"turn": turn}))
            with database.read() as tx:
                assert facts.get(tx, f"t-{number}") == {"turn": turn}
                assert not claims.is_any_queued(tx, ["tick"], executor="thread")

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == [None] * 8
    with database.read() as tx:
        prepared = tx.execute(sa.text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    database.close()
    assert prepared == 0


@pytest.mark.slow
def test_services_behind_it_fire_on_time_and_nothing_is_lost_or_doubled(pooled: str, tmp_path: Path):
    (tmp_path / "pooler.toml").write_text(f'pooler = true\ndatabase = "{pooled}"\n')
    services = [Service(tmp_path, options=["--config", str(tmp_path / "pooler.toml")]) for _ in range(2)]
    try:
        for service in services:
            service.start()
        fires(services[0])
        assert_nothing_lost_or_doubled(services[0])
    finally:
        for service in services:
            service.clean_up()
