"""What a process knows of a server that says nothing: one of its transactions finds out, the others do not wait for it.

Each would else wait its whole time, those behind the limit of connections twice, and the threads that answer requests
would all be taken by calls that cannot succeed.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from scheduler_app.errors import StoreUnavailable


class NoAnswer(psycopg.OperationalError):
    """The server, or the network, is silent."""


class Outage:
    """Whether the server was silent when it was last asked, shared by all of a process who ask it."""

    def __init__(self) -> None:
        self._deciding = threading.Lock()
        self._why: str | None = None
        self._is_looked_into = False

    def face(self, *, may_try: bool) -> bool:
        """Return whether the caller is to find out if it lasts; StoreUnavailable if it may not, or another one does."""
        if self._why is None:
            return False
        with self._deciding:
            if self._why is not None and (self._is_looked_into or not may_try):
                raise StoreUnavailable(f"the store does not answer: {self._why}")
            self._is_looked_into = self._why is not None
            return self._is_looked_into

    def go_on(self, why: str, *, looked: bool) -> None:
        """Note that the server was silent; if that was found out for all, the next who asks looks again."""
        with self._deciding:
            self._why, self._is_looked_into = why, self._is_looked_into and not looked

    def end(self) -> None:
        """Note that the server has answered, if only to refuse."""
        if self._why is not None:
            with self._deciding:
                self._why, self._is_looked_into = None, False


class Places:
    """The connections that a process may use at one time."""

    def __init__(self, most: int, patience: float, outage: Outage) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._patience = patience
        self.outage = outage

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Have one of them, and whether it is to find out if the server is still silent.

        StoreUnavailable when all are in use for too long, or the server is known to be silent.
        """
        waited = not self._free.acquire(blocking=False)
        if waited and not self._free.acquire(timeout=self._patience * 0.9):
            raise StoreUnavailable(f"every connection of this process was in use for {self._patience:g} s; try again")
        try:
            with self._noting(looks := self.outage.face(may_try=not waited)):
                yield looks
        finally:
            self._free.release()

    @contextmanager
    def _noting(self, looks: bool) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            if isinstance(cause, NoAnswer):
                self.outage.go_on(str(cause), looked=looks)
            else:
                self.outage.end()
            raise
