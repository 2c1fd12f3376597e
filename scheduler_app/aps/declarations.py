"""The jobs that the code of one app declares, and when they are brought into the store.

That is with the first use of the store, so that importing an app opens none; and with the start of an engine, which
alone removes what is declared no more. What waits for other engines is looked at again.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scheduler_app.aps.options import parent_in
from scheduler_app.domain.after import parents_first
from scheduler_app.domain.text import one_line
from scheduler_app.services.context import Context
from scheduler_app.services.declaring import Declaration, Look, Plan, Version, compare, reconcile

LOG = logging.getLogger("scheduler_app")
AGAIN_AFTER = 10.0
STILL_FOR = 2.0
SOON = 0.5
NEVER = float("inf")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the code said of a job, and where."""

    given: dict[str, Any]
    place: str


class Declarations:
    """What one app declares; `read` understands what the code said.

    Where it `may_grow`, since the engine was started while the code is still being loaded, nothing is removed until it
    has not grown for a while.
    """

    def __init__(self, app: str, ctx: Context, read: Callable[[Declared], Declaration]) -> None:
        self.app = app
        self.said: list[Declared] = []
        self.may_grow = False
        self._grown_at = 0.0
        self._ctx = ctx
        self._read = read
        self._settling = threading.RLock()
        self.asked: frozenset[str] = frozenset()
        self._number = 0
        self._settled: tuple[int, int | None] = (0, None)
        self._again_at = NEVER
        self._told: set[str] = set()
        self._dropped: frozenset[str] = frozenset()

    def begin(self) -> None:
        """Note that an engine is started: what Python removed before comes back."""
        self._dropped = frozenset()

    @contextmanager
    def dropping(self, *ids: str) -> Iterator[None]:
        """Remove jobs from Python: a start that is under way does not bring them back."""
        with self._settling:
            yield
            self._dropped |= {*ids}

    def say(self, *said: Declared) -> None:
        """Declare jobs; what is said of an id takes the place of what was said of it before."""
        ids = {one.given["id"] for one in said}
        self.said = [one for one in self.said if one.given["id"] not in ids] + [*said]
        self._number += len(said)
        self._dropped -= ids

    def ask(self, *ids: str) -> None:
        """Remember that the code looked for jobs while it was loaded: those that are there it would have added."""
        self.asked |= {*ids}

    def settle(self, engine: int | None = None) -> None:
        """Bring what was declared since into the store; all of it when an engine starts."""
        with self._settling:
            number, known = self._settled
            now = self._ctx.clock.monotonic()
            if number != self._number:
                self._grown_at = now
            elif engine in (None, known) and now < self._again_at:
                return
            self.may_grow = self.may_grow and now < self._grown_at + STILL_FOR
            number, version = self._number, self._version(engine if engine is not None else known)
            self._tell(reconcile(version, ctx=self._ctx), version)
            self._settled = number, version.engine

    def _version(self, engine: int | None) -> Version:
        """Read what was said; to read may load modules, which say more."""
        ordered = parents_first(
            self.said, key=lambda one: str(one.given.get("id")), parent=lambda one: parent_in(one.given)
        )
        declared = [self._read(said) for said in ordered]
        complete = not self.may_grow
        return Version(
            app=self.app, declared=declared, asked=self.asked, engine=engine, complete=complete, dropped=self._dropped
        )

    def _tell(self, done: Plan, version: Version) -> None:
        wait = SOON if not version.complete else AGAIN_AFTER
        is_over = version.complete and not done.waits
        self._again_at = NEVER if is_over or version.engine is None else self._ctx.clock.monotonic() + wait
        for change in done.changes:
            what = "removed" if change.after is None else "added" if change.before is None else "changed"
            LOG.info("job %s is %s, as the code of %s declares", change.id, what, self.app)
        for job_id, why in done.faults.items():
            self._once(logging.ERROR, f"job {job_id} of the configuration or of @scheduler.task is not added: {why}")
        if done.follows:
            self._once(
                logging.WARNING,
                f"the jobs that this process declares are left as a newer version of {self.app} declares them, whose "
                "engines live; if that is another app, give each its own SCHEDULER_APP_NAME",
            )

    def _once(self, level: int, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            LOG.log(level, "%s", one_line(what))

    def compare(self, look: Look) -> Plan:
        """Return what a start would do; `look` shows the store as it stands. Nothing is written."""
        return compare(self._version(engine=0), look, ctx=self._ctx)
