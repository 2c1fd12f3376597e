"""`concurrency_key`: a mutex across jobs. Whatever frees it, the next run starts; never do two hold it."""

from itertools import pairwise

import pytest

from scheduler_app import current_run
from scheduler_app.services import jobs, runs
from scheduler_app.services.changes import JobChanges
from scheduler_app.store import claims, engines, rescues
from scheduler_app.store.identity import Identity

NEVER = {"trigger": "date", "run_date": "2030-01-01T00:00:00Z"}

CONTAINER = f"{Identity.of_this_process().host.partition('/')[0]}/of another container"


class Line:
    """Jobs of which nothing runs by itself: runs are added by hand, and claimed and ended as the test says."""

    def __init__(self, scheduler, fake_clock, task) -> None:
        self.ctx = scheduler.core.ctx
        self.scheduler = scheduler
        self.clock = fake_clock
        self.task = task
        self.engine = self.write(
            lambda tx: engines.register(
                tx,
                Identity.of_this_process().values() | {"host": CONTAINER},
                tasks=["nothing"],
                slots=10,
                now=fake_clock.now(),
            )
        )

    def write(self, work):
        return self.scheduler.core.database.write(work)

    def job(self, job_id: str, key: str | None = "printer", **policies):
        self.scheduler.add_job(job_id, self.task, concurrency_key=key, **NEVER, **policies)
        return job_id

    def run(self, job_id: str) -> int:
        return jobs.run_job(job_id, ctx=self.ctx).id

    def change(self, job_id: str, **policies) -> None:
        jobs.change_job(job_id, JobChanges(fields={}, policies=policies), ctx=self.ctx)

    def claim(self) -> list:
        def work(tx):
            rows = claims.candidates(tx, ["nothing"], executor="thread", limit=10)
            return claims.take(tx, rows, engine=self.engine, token=1, alone=False, now=self.clock.now())

        return self.write(work)

    def end_all(self) -> None:
        """Let the engine stop in the middle: what runs is queued again, uncharged."""
        self.write(lambda tx: rescues.take_over(tx, self.engine, now=self.clock.now(), reason="crashed"))

    def states(self, *ids: int) -> list[str]:
        return [str(runs.get_run(run_id, ctx=self.ctx).state) for run_id in ids]


@pytest.fixture
def line(scheduler, fake_clock, nothing):
    return Line(scheduler, fake_clock, nothing)


def test_of_two_jobs_with_one_key_one_runs_and_the_other_waits_blocked(line):
    line.job("a"), line.job("b"), line.job("c", key="scanner")
    first, second, other = line.run("a"), line.run("b"), line.run("c")
    assert line.states(first, second, other) == ["queued", "scheduled", "queued"]
    assert runs.get_run(second, ctx=line.ctx).reason == "blocked"


def test_the_settle_that_frees_the_key_queues_the_next(line, fake_clock):
    line.job("a"), line.job("b")
    ids = [line.run(job) for job in ("a", "b", "a", "b")]
    fake_clock.run_due()
    assert line.states(*ids) == ["succeeded"] * 4


def test_no_two_runs_of_a_key_overlap_on_simulated_time(scheduler, fake_clock):
    spans = []

    @scheduler.task
    def print_page() -> None:
        started = fake_clock.now()
        current_run.sleep(40)
        spans.append((started, fake_clock.now()))

    for number in range(3):
        scheduler.add_job(f"job{number}", print_page, trigger="interval", minutes=1, concurrency_key="printer")
    fake_clock.advance(minutes=10)
    spans.sort()
    assert len(spans) > 10
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_a_one_off_waits_for_the_key_too(line, scheduler):
    line.job("a")
    line.run("a")
    job = scheduler.add_job("once", line.task, concurrency_key="printer")
    assert job.last_run is not None
    assert line.states(job.last_run.id) == ["scheduled"]
    assert job.last_run.state == "scheduled"


def test_the_next_is_the_one_of_the_highest_priority_then_the_first_that_was_ready(line, fake_clock):
    line.job("a"), line.job("low", priority=-1), line.job("high", priority=5), line.job("mid")
    first = line.run("a")
    waiting = {job: line.run(job) for job in ("low", "mid", "high")}
    runs.cancel_run(first, ctx=line.ctx)
    assert line.states(waiting["high"], waiting["mid"], waiting["low"]) == ["queued", "scheduled", "scheduled"]
    runs.cancel_run(waiting["high"], ctx=line.ctx)
    assert line.states(waiting["mid"], waiting["low"]) == ["queued", "scheduled"]


def test_a_cancel_of_the_queued_run_lets_the_next_start(line):
    line.job("a"), line.job("b")
    first, second = line.run("a"), line.run("b")
    runs.cancel_run(first, ctx=line.ctx)
    assert line.states(first, second) == ["cancelled", "queued"]


def test_a_delete_of_the_job_that_holds_the_key_lets_the_next_start(line):
    line.job("a"), line.job("b")
    first, second = line.run("a"), line.run("b")
    jobs.delete_job("a", ctx=line.ctx)
    assert line.states(first, second) == ["cancelled", "queued"]


def test_a_running_run_of_a_deleted_job_holds_the_key_until_it_ends(line, fake_clock):
    line.job("a"), line.job("b")
    first, second = line.run("a"), line.run("b")
    line.claim()
    jobs.delete_job("a", ctx=line.ctx)
    assert line.states(first, second) == ["running", "scheduled"]
    line.end_all()
    fake_clock.run_due()
    assert line.states(first, second) == ["succeeded", "succeeded"]


def test_a_rescued_run_keeps_the_key_and_goes_first(line):
    line.job("a"), line.job("b", priority=50)
    first, second = line.run("a"), line.run("b")
    line.claim()
    line.end_all()
    assert line.states(first, second) == ["queued", "scheduled"]


def test_a_lost_run_frees_the_key(line):
    line.job("a", delivery="at_most_once"), line.job("b")
    first, second = line.run("a"), line.run("b")
    line.claim()
    line.end_all()
    assert line.states(first, second) == ["lost", "queued"]


def test_a_retry_frees_the_key_while_it_waits_and_takes_its_turn_then(scheduler, fake_clock, line):
    @scheduler.task(max_retries=1, retry_delay=60, retry_jitter=0)
    def fail() -> None:
        raise ValueError

    scheduler.add_job("fails", fail, concurrency_key="printer", **NEVER)
    line.job("b")
    failing, second = line.run("fails"), line.run("b")
    fake_clock.run_due()
    assert line.states(failing, second) == ["scheduled", "succeeded"]
    holder = line.run("b")
    line.claim()
    fake_clock.advance(minutes=2)
    assert (runs.get_run(failing, ctx=line.ctx).reason, *line.states(holder)) == ("blocked", "running")
    line.end_all()
    fake_clock.run_due()
    assert line.states(failing, holder) == ["failed", "succeeded"]


def test_a_change_of_the_key_takes_the_waiting_runs_along(line):
    line.job("a"), line.job("b"), line.job("c", key="scanner")
    holder, waiting, scanning = line.run("a"), line.run("b"), line.run("c")
    line.change("b", concurrency_key="scanner")
    assert line.states(holder, waiting, scanning) == ["queued", "scheduled", "queued"]
    runs.cancel_run(scanning, ctx=line.ctx)
    assert line.states(waiting) == ["queued"]


def test_a_change_to_no_key_lets_a_waiting_run_start(line):
    line.job("a"), line.job("b")
    holder, waiting = line.run("a"), line.run("b")
    line.change("b", concurrency_key=None)
    assert line.states(holder, waiting) == ["queued", "queued"]


def test_a_change_of_the_holders_key_lets_the_next_start(line):
    line.job("a"), line.job("b")
    holder, waiting = line.run("a"), line.run("b")
    line.change("a", concurrency_key="scanner")
    assert line.states(holder, waiting) == ["queued", "queued"]


def test_a_queued_run_whose_new_key_is_held_lines_up(line):
    line.job("a"), line.job("b", key=None)
    holder, queued = line.run("a"), line.run("b")
    line.change("b", concurrency_key="printer")
    assert line.states(holder, queued) == ["queued", "scheduled"]


def test_a_rescued_run_whose_job_has_a_new_key_lines_up_for_that(line):
    line.job("a"), line.job("b", key=None)
    moved = line.run("b")
    line.claim()
    line.change("b", concurrency_key="printer")
    holder = line.run("a")
    line.end_all()
    assert line.states(holder, moved) == ["queued", "scheduled"]
    runs.cancel_run(holder, ctx=line.ctx)
    assert line.states(moved) == ["queued"]


def test_more_instances_let_waiting_runs_start_and_fewer_make_queued_ones_wait(line):
    line.job("a", key=None)
    ids = [line.run("a") for _ in range(4)]
    assert line.states(*ids) == ["queued", "scheduled", "scheduled", "scheduled"]
    line.change("a", max_instances=3)
    assert line.states(*ids) == ["queued", "queued", "queued", "scheduled"]
    line.change("a", max_instances=2)
    assert line.states(*ids) == ["queued", "queued", "scheduled", "scheduled"]


def test_a_key_counts_across_jobs_even_with_more_instances(line):
    line.job("a", max_instances=5)
    ids = [line.run("a") for _ in range(3)]
    assert line.states(*ids) == ["queued", "scheduled", "scheduled"]
