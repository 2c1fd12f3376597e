"""What lies ahead, in one statement: whether everything is paused, and when something is due next."""

from datetime import datetime

import sqlalchemy as sa

from scheduler_app.store.claims import NEXT_READY
from scheduler_app.store.dues import NEXT_DUE
from scheduler_app.store.facts import PAUSE, pause_of
from scheduler_app.store.pauses import NEXT_LAPSE
from scheduler_app.store.rows import due_moment
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import BLOCKED, facts, jobs, runs
from scheduler_app.values import value

AHEAD = Statement(
    sa.select(
        sa.select(facts.c.value).where(facts.c.name == PAUSE).scalar_subquery().label("pause"),
        NEXT_DUE.select.scalar_subquery().label("due"),
        NEXT_DUE.select.offset(sa.literal_column("1")).scalar_subquery().label("then"),
        NEXT_READY.select.scalar_subquery().label("ready"),
        NEXT_LAPSE.select.scalar_subquery().label("lapse"),
        sa.or_(
            sa.exists().where(sa.text("scheduler_runs.state = 'queued'")).select_from(runs),
            sa.exists().where(sa.text(f"scheduler_runs.{BLOCKED}")).select_from(runs),
            sa.exists().where(sa.text("after_job IS NOT NULL")).select_from(jobs),
        ).label("busy"),
    )
)


@value
class Outlook:
    """Since when everything is paused; when a job fires, and whether it is one alone; when a run may be queued, and
    when a pause ends next.

    `busy` tells whether the end of a run may start another one: any is queued, waits for a place, or comes after runs.
    """

    paused_since: datetime | None
    due: datetime | None
    is_one_due: bool
    ready: datetime | None
    lapse: datetime | None
    busy: bool

    @property
    def next_at(self) -> datetime | None:
        """Return when there is something to do next."""
        if self.ready is None and self.lapse is None:
            return self.due
        return min(at for at in (self.due, self.ready, self.lapse) if at is not None)


def look_ahead(tx: sa.Connection) -> Outlook:
    """Return what lies ahead."""
    (row,) = AHEAD.rows(tx)
    due, then = due_moment(row.due), due_moment(row.then)
    return Outlook(
        paused_since=pause_of(row.pause),
        due=due,
        is_one_due=due is not None and (then is None or then > due),
        ready=due_moment(row.ready),
        lapse=due_moment(row.lapse),
        busy=bool(row.busy),
    )
