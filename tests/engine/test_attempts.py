"""What a run's earlier attempts did: kept when another follows, told by the API and the page, pruned with the run."""

import threading
from datetime import timedelta
from itertools import pairwise

import sqlalchemy as sa

from scheduler_app import current_run
from scheduler_app.dashboard.run_attempts import attempts_of
from scheduler_app.dashboard.run_line import line_of
from scheduler_app.domain.track import NO_STATS
from scheduler_app.services import runs
from scheduler_app.store import pruning
from scheduler_app.store.tables import attempts as kept_attempts
from scheduler_app.testing.clock import START


def test_each_attempt_that_another_follows_is_kept_with_its_run(scheduler, fake_clock):
    @scheduler.task(max_retries=2, retry_delay=60, retry_backoff=1, retry_jitter=0)
    def fail() -> None:
        fake_clock.wait(threading.Event(), current_run.attempt * 10)
        if current_run.attempt < 3:
            raise ValueError("not\nyet")

    ctx = scheduler.core.ctx
    run = fail.delay()
    fake_clock.advance(seconds=30)
    assert run.state == "scheduled"
    waiting = attempts_of(run.run, runs.earlier_attempts(run.run, ctx=ctx), fake_clock.now())
    assert [(one.number, one.state, one.seconds) for one in waiting] == [(1, "failed", 10)]

    fake_clock.advance(minutes=10)
    past = runs.earlier_attempts(run.run, ctx=ctx)
    assert [(one.number, one.state, one.started_at - START, one.finished_at - START) for one in past] == [
        (1, "failed", timedelta(0), timedelta(seconds=10)),
        (2, "failed", timedelta(seconds=70), timedelta(seconds=90)),
    ]
    assert past[0].error == "ValueError: not yet"

    tried = attempts_of(run.run, past, fake_clock.now())
    assert [(one.number, one.state, one.seconds) for one in tried] == [
        (1, "failed", 10),
        (2, "failed", 20),
        (3, "succeeded", 30),
    ]
    bars = line_of(run.run, NO_STATS, tried, fake_clock.now()).bars
    assert [bar.label for bar in bars] == ["1 · 10 s", "2 · 20 s", "3 · 30 s"]
    assert bars[0].width < bars[1].width < bars[2].width
    assert all(left.x + left.width < right.x for left, right in pairwise(bars))

    ctx.database.write(lambda tx: pruning.prune(tx, [run.id]))
    with ctx.database.read() as tx:
        assert tx.execute(sa.select(kept_attempts)).all() == []
