"""What a database has to offer so that the rest of the store is the same on all of them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import sqlalchemy as sa

from scheduler_app.errors import StoreUnavailable
from scheduler_app.store.lanes import Lanes

T = TypeVar("T")
Work = Callable[[sa.Connection], T]


class Gateway(Protocol):
    """What stands before the writers of a database, where the database itself does not let one in at a time."""

    def held(self, patience: float) -> AbstractContextManager[None]:
        """Be inside; StoreUnavailable when that is not possible within `patience` seconds."""

    def close(self) -> None:
        """Let go of what was opened."""


class Probe(Protocol):
    """Asks, on a connection of its own, whether others have committed something that is due. Then rest so long."""

    rest: float

    def has_changed(self) -> bool:
        """Whether there may be something since the last time it was asked."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What one process has open of a database; in the `patient` lane a statement may take as long as it needs."""

    reader: Lanes
    writer: Lanes
    patient: Lanes
    gate: Gateway


class Backend(Protocol):
    """A kind of database at a URL. Making one opens nothing.

    `path` is the file of an embedded database, None for a server.
    """

    path: Path | None

    def open(self) -> Opened:
        """Open it for a process."""

    def explain(self, error: Exception) -> str | None:
        """Say, without a secret, that the store is busy, gone or damaged; None for the fault of one statement."""

    def version(self, tx: sa.Connection) -> str:
        """Return the version in use, and what is to be known about it."""

    def probe(self) -> Probe:
        """Return what sees the commits of others."""

    def look(self, work: Work[T]) -> T:
        """Run `work` on a snapshot, making and changing nothing; NotFound when there is no such database."""


def shown(url: sa.URL) -> str:
    """Return a URL as it may be shown: without a password, and without options, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def translated(explain: Callable[[Exception], str | None]) -> AbstractContextManager[None]:
    """Turn what the driver raises when the store is busy or gone into StoreUnavailable."""
    return _Translated(explain)


class _Translated(AbstractContextManager[None]):
    __slots__ = ("_explain",)

    def __init__(self, explain: Callable[[Exception], str | None]) -> None:
        self._explain = explain

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception) and (what := self._explain(error)) is not None:
            raise StoreUnavailable(what) from error
