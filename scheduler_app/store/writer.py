"""Group commit: writes that wait together, or come while others write, share a transaction, and one fsync."""

import threading
from collections import deque
from contextlib import ExitStack, suppress
from typing import Any, Generic

import sqlalchemy as sa

from scheduler_app.clock import SystemClock
from scheduler_app.errors import StoreUnavailable
from scheduler_app.failpoints import failpoint
from scheduler_app.store.backend import Backend, Opened, T, Work, translated
from scheduler_app.store.lanes import savepoint

CLOCK = SystemClock()
MOST_WRITES_TOGETHER = 250
MOST_STRUNG = 500
# a commit takes about as long
MOMENT = 0.0005


class _Entry(Generic[T]):
    """One write that waits for its commit."""

    __slots__ = ("_bell", "done", "error", "result", "work")

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self._bell = threading.Lock()
        self._bell.acquire()
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def ring(self) -> None:
        """Wake its thread, once or more; a bare lock takes fewer turns at the interpreter than an Event."""
        try:
            self._bell.release()
        except RuntimeError:  # it is awake
            return

    def wait(self, seconds: float) -> bool:
        """Whether it was rung within these seconds; it can be waited for again."""
        return self._bell.acquire(timeout=seconds)


class Writer:
    """Group commit: whoever holds the turn commits for all who wait."""

    def __init__(self, opened: Opened, backend: Backend, patience: float) -> None:
        self._lane = opened.writer
        self._gate = opened.gate
        self._backend = backend
        self._translated = translated(backend.explain)
        self._patience = patience
        self.commits = 0
        self._turn = threading.Lock()
        self._waiting: deque[_Entry[Any]] = deque()
        self._company = 1
        self._leader: _Entry[Any] | None = None
        self._strung: sa.Connection | None = None
        self._string = ExitStack()
        self._number_strung = 0

    def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result after the commit."""
        entry = _Entry(work)
        self._waiting.append(entry)
        leader = self._leader
        if leader is not None and len(self._waiting) >= self._company:
            leader.ring()
        while not entry.done:
            if self._turn.acquire(blocking=False):
                self._lead(entry)
            elif not entry.wait(self._patience):
                self._withdraw(entry)
        if entry.error is not None:
            raise entry.error
        result: T = entry.result
        return result

    def string(self, work: Work[T]) -> T:
        """Run `work` in a transaction that stays open for more of them, until another one writes or `cut` commits them.

        Only for a store that no other program has open: the gate is held meanwhile, and what raises undoes them all.
        """
        with self._turn, self._translated:
            if self._number_strung >= MOST_STRUNG:
                self._end_string()
            connection = self._strung or self._begin_string()
            self.commits += 1
            self._number_strung += 1
            try:
                return work(connection)
            except BaseException as error:
                self._end_string(error)
                raise

    def cut(self) -> None:
        """Commit what was strung together."""
        if self._strung is not None:
            with self._turn, self._translated:
                self._end_string()

    def _begin_string(self) -> sa.Connection:
        with ExitStack() as begun:
            begun.enter_context(self._gate.held(self._patience))
            self._strung = begun.enter_context(self._lane.transaction())
            self._string = begun.pop_all()
        return self._strung

    def _end_string(self, error: BaseException | None = None) -> None:
        self._strung, self._number_strung = None, 0
        self._string.pop_all().__exit__(type(error) if error else None, error, None)

    def _lead(self, entry: _Entry[Any]) -> None:
        """Commit for all who wait, then call the first of those who came meanwhile to lead in turn."""
        try:
            if not entry.done:
                self._gather(entry)
                self._commit_waiting()
        finally:
            self._turn.release()
        if self._waiting:
            with suppress(IndexError):  # another one has begun it
                self._waiting[0].ring()

    def _gather(self, leader: _Entry[Any]) -> None:
        """Wait a moment for as many as shared the last commit.

        Who writes one after the other is back at once. Came they while the leader writes, it would lose the interpreter
        to them at each of its steps, and wait for it longer than the steps take.
        """
        self._leader = leader  # before it looks, so that who comes meanwhile calls it
        if len(self._waiting) < self._company:
            leader.wait(MOMENT)
        self._leader = None

    def _withdraw(self, entry: _Entry[Any]) -> None:
        """Give up a write that nobody has begun; one whose commit is under way is waited for."""
        try:
            self._waiting.remove(entry)
        except ValueError:
            return
        raise StoreUnavailable(f"other writes held the store for {self._patience:g} s; try again")

    def _next_entries(self, most: int = MOST_WRITES_TOGETHER) -> list[_Entry[Any]]:
        entries: list[_Entry[Any]] = []
        try:
            while self._waiting and len(entries) < most:
                entries.append(self._waiting.popleft())
        except IndexError:  # the last one has just withdrawn
            return entries
        return entries

    def _all_waiting(self) -> list[_Entry[Any]]:
        """Return all who wait: the store that has just failed the others would fail them too, after as long a wait."""
        entries: list[_Entry[Any]] = []
        while more := self._next_entries():
            entries += more
        return entries

    def _commit_waiting(self) -> None:
        entries, limit = self._next_entries(), CLOCK.monotonic() + self._patience
        try:
            with self._translated:
                if self._strung is not None:
                    self._end_string()
                with self._gate.held(self._patience):
                    self.commits += 1
                    if not self._run_together(entries, within=limit - CLOCK.monotonic()):
                        self._run_apart(entries)
            self._company = len(entries)
        except BaseException as error:
            if isinstance(error, StoreUnavailable):
                entries += self._all_waiting()
            for entry in entries:
                entry.error = entry.error or error
            if not isinstance(error, Exception):
                raise
        finally:
            for entry in entries:
                entry.done = True
                entry.ring()

    def _run_together(self, entries: list[_Entry[Any]], *, within: float) -> bool:
        """Commit all writes as one, those too that come meanwhile; False when one of several failed: all are undone."""
        try:
            with self._lane.transaction(within=within) as connection:
                for entry in entries:
                    entry.result = entry.work(connection)
                    entries.extend(self._next_entries(MOST_WRITES_TOGETHER - len(entries)))
                failpoint("store.before_commit")
            failpoint("store.after_commit")
        except Exception as error:
            if len(entries) == 1 or self._backend.explain(error) is not None:
                raise
            return False
        return True

    def _run_apart(self, entries: list[_Entry[Any]]) -> None:
        """Commit those of the writes that succeed; each of the others is undone and has its own error."""
        with self._lane.transaction() as connection:
            for entry in entries:
                try:
                    with savepoint(connection):
                        entry.result = entry.work(connection)
                except Exception as error:
                    if self._backend.explain(error) is not None:
                        raise
                    entry.error = error
            failpoint("store.before_commit")
        failpoint("store.after_commit")
