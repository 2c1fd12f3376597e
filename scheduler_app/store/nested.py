"""Stores inside a transaction: a use case that writes to one takes part in it, or leaves nothing behind."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import sqlalchemy as sa

from scheduler_app.store.lanes import savepoint, undone

T = TypeVar("T")


class Store(Protocol):
    """What a use case needs of a store."""

    def read(self) -> AbstractContextManager[sa.Connection]:
        """Read one consistent snapshot."""

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in a write transaction and return its result."""


class Joined:
    """A transaction that has begun, as a store: each write is a savepoint of it."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Read what the transaction sees."""
        yield self._tx

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work`; what it did is undone when it raises."""
        with savepoint(self._tx):
            return work(self._tx)


class Rehearsal:
    """A store in which every write is undone: what a dry run works on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> AbstractContextManager[sa.Connection]:
        """Read one consistent snapshot."""
        return self._store.read()

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work`, undo it, and return what it returned."""

        def rehearse(tx: sa.Connection) -> T:
            with undone(tx):
                return work(tx)

        return self._store.write(rehearse)
