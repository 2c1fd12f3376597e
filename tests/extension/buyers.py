"""A shop whose orders and shipments share a transaction: a process of it that buys, and is killed in the middle."""

import random
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from scheduler_app import Scheduler

metadata = sa.MetaData()
orders = sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True), sqlite_autoincrement=True)
shipments = sa.Table("shipments", metadata, sa.Column("order_id", sa.Integer, primary_key=True))


class Shop:
    """An app, its Scheduler, and the engine of SQLAlchemy's that it works with."""

    def __init__(self, url: str, folder: Path) -> None:
        self.app = Flask("shop", instance_path=str(folder))
        self.app.config |= {"SCHEDULER_DATABASE": url, "SCHEDULER_ENGINE": "off"}
        self.scheduler = Scheduler(self.app)
        self.engine = sa.create_engine(url)
        self.ship = self.scheduler.task(self._ship, name="ship")

    def _ship(self, order: int) -> None:
        """Ship an order; a second attempt after a crash finds it shipped."""
        with self.engine.begin() as connection:
            if connection.execute(sa.select(shipments).where(shipments.c.order_id == order)).first() is None:
                connection.execute(shipments.insert().values(order_id=order))

    def buy(self, luck: random.Random) -> None:
        """Add an order and its shipment in one transaction, which ends in one of three ways."""
        with Session(self.engine) as session:
            order = session.execute(orders.insert().returning(orders.c.id)).scalar_one()
            with session.begin_nested() as savepoint:
                self.ship.delay(
                    session.execute(orders.insert().returning(orders.c.id)).scalar_one(), in_transaction=session
                )
                if luck.random() < 0.3:
                    savepoint.rollback()
            self.ship.delay(order, in_transaction=session)
            if luck.random() < 0.7:
                session.commit()

    def close(self) -> None:
        self.scheduler.shutdown()
        self.scheduler.core.close()
        self.engine.dispose()


def buy_for_ever(url: str, folder: Path, seed: int) -> None:
    """Buy, and ship, until somebody kills this process."""
    shop, luck = Shop(url, folder), random.Random(seed)
    shop.scheduler.start()
    while True:
        try:
            shop.buy(luck)
        except sa.exc.OperationalError as error:  # SQLite's one writer may be busy
            if "database is locked" not in str(error):
                raise
