"""The jobs that the code of one app declares, and when they are brought into the store.

That is with the first use of the store, so that importing an app opens none; and with the start of an engine, which
alone removes what is declared no more. What waits for other engines is looked at again.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scheduler_app.domain.text import one_line
from scheduler_app.services.context import Context
from scheduler_app.services.declaring import Declaration, Look, Plan, Version, compare, reconcile

LOG = logging.getLogger("scheduler_app")
AGAIN_AFTER = 10.0
SOON = 1.0
NEVER = float("inf")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the code said of a job, and where."""

    given: dict[str, Any]
    place: str


class Declarations:
    """What one app declares. `read` understands what the code said; `complete` tells whether all of it is loaded."""

    def __init__(self, app: str, ctx: Context, read: Callable[[Declared], Declaration]) -> None:
        self.app = app
        self.said: list[Declared] = []
        self.is_complete: Callable[[], bool] = lambda: True
        self._ctx = ctx
        self._read = read
        self._settling = threading.RLock()
        self._settled: tuple[int, int | None] = (0, None)
        self._again_at = NEVER
        self._told: set[str] = set()

    def settle(self, engine: int | None = None) -> None:
        """Bring what was declared since into the store; all of it when an engine starts."""
        with self._settling:
            number, known = self._settled
            is_known = number == len(self.said) and engine in (None, known)
            if is_known and self._ctx.clock.monotonic() < self._again_at:
                return
            version = self._version(engine if engine is not None else known)
            self._tell(reconcile(version, ctx=self._ctx), version)

    def _version(self, engine: int | None) -> Version:
        """Read what was said; to read may load modules, which say more."""
        complete = self.is_complete()
        declared: list[Declaration] = []
        for said in self.said:  # the list may grow meanwhile
            declared.append(self._read(said))
        return Version(app=self.app, declared=declared, engine=engine, complete=complete)

    def _tell(self, done: Plan, version: Version) -> None:
        self._settled = len(version.declared), version.engine
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
