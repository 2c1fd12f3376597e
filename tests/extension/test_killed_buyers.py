"""A process that commits orders and jobs together is killed at random: each order has one run, each run its order."""

import multiprocessing
import random
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from scheduler_app.services.audit import audit
from scheduler_app.store.tables import runs
from tests.extension.buyers import Shop, buy_for_ever, metadata, orders, shipments
from tests.extension.conftest import until
from tests.faults.forms import SEED, form

ROUNDS = form(4, 60)
# what a killed process has open is nobody's; what it has imported is shared by all of them
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.extension.buyers"])


def kept(shop: Shop) -> tuple[Counter[int], Counter[int]]:
    """The orders that are committed, and those that the runs are for."""
    with shop.engine.connect() as connection:
        bought = Counter(connection.execute(sa.select(orders.c.id)).scalars())
        found = Counter(int(args.strip("[]")) for args in connection.execute(sa.select(runs.c.args)).scalars())
    return bought, found


@pytest.mark.slow
@pytest.mark.databases
@pytest.mark.long
def test_whenever_it_is_killed_each_order_has_one_run_and_each_run_its_order(scheduler_database: str, tmp_path: Path):
    print(f"seed {SEED}")
    luck = random.Random(SEED)
    shop = Shop(scheduler_database, tmp_path)
    metadata.create_all(shop.engine)
    before = 0
    for _ in range(ROUNDS):
        buyers = [
            PROCESSES.Process(target=buy_for_ever, args=(scheduler_database, tmp_path, luck.randrange(2**32)))
            for _ in range(2)
        ]
        for buyer in buyers:
            buyer.start()
        until(lambda before=before: kept(shop)[0].total() > before + 2)
        time.sleep(luck.uniform(0.0, 0.05))
        for buyer in buyers:
            assert buyer.is_alive()
            buyer.kill()
        for buyer in buyers:
            buyer.join()
        bought, found = kept(shop)
        assert bought == found
        before = bought.total()
    shop.scheduler.start()
    until(lambda: Counter(shipped(shop)) == bought, seconds=60)
    core = shop.scheduler.core
    until(lambda: core.ctx.database.look(lambda tx: audit(tx, core.clock.now())).breaches == [])
    shop.close()


def shipped(shop: Shop) -> list[int]:
    with shop.engine.connect() as connection:
        return list(connection.execute(sa.select(shipments.c.order_id)).scalars())
