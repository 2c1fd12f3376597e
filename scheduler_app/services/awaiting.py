"""Waiting for the end of a run, by looking at its row: whichever process ends it, that is where it is known."""

import threading
from collections.abc import Callable

from scheduler_app.domain.run import Run
from scheduler_app.services.context import Context
from scheduler_app.services.runs import get_run

SHORTEST = 0.02
LONGEST = 0.25
GROWS = 1.5


def await_end(run_id: int, *, seconds: float, given_up: Callable[[], bool], ctx: Context) -> Run | None:
    """Return a run when it has ended, None if that is not within so many seconds; NotFound when there is none."""
    until, pause = ctx.clock.monotonic() + seconds, SHORTEST
    while (run := get_run(run_id, ctx=ctx)).is_open:
        left = until - ctx.clock.monotonic()
        if left <= 0 or given_up():
            return None
        ctx.clock.wait(threading.Event(), min(pause, left))
        pause = min(LONGEST, pause * GROWS)
    return run
