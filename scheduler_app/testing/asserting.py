"""What a test says of jobs and runs, and has happen to them. Each function is a fixture of the same name too."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, TypeAlias

from scheduler_app.domain.job import Job
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.spec import nearest
from scheduler_app.domain.task import Task
from scheduler_app.extension.handles import TaskFunction
from scheduler_app.testing.faults import Point
from scheduler_app.testing.matching import Wanted, jobs_of, moment, runs_of, waits, wanted, was_executed
from scheduler_app.testing.stage import MOST_DRAINED, How, Stage, current_stage
from scheduler_app.testing.telling import arguments, told

AnyTask: TypeAlias = Callable[..., Any] | str


def assert_scheduled(
    task: AnyTask,
    *,
    at: datetime | str | None = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    id: str | None = None,
) -> None:
    """Assert that a task will run: a run of it waits, or a job fires, if `at` is given at exactly that time.

    `kwargs` may name some of the parameters; it does not matter whether the call gave them by place or by name. `id` is
    the job's. A paused job does not count.

        send_report.delay_until(monday, user_id=7)
        assert_scheduled(send_report, at="2026-11-23T09:00:00+01:00", kwargs={"user_id": 7})
    """
    __tracebackhide__ = True
    stage, looked_for = current_stage(), _wanted(task, args, kwargs, at=moment(at), id=id)
    planned, waiting = _scheduled(stage, looked_for)
    if not planned and not waiting:
        raise AssertionError(told(f"No run of {_words(looked_for)} is scheduled.", stage))


def refute_scheduled(
    task: AnyTask,
    *,
    at: datetime | str | None = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    id: str | None = None,
) -> None:
    """Assert the contrary of `assert_scheduled`: no run of the task waits, and no job fires it."""
    __tracebackhide__ = True
    stage, looked_for = current_stage(), _wanted(task, args, kwargs, at=moment(at), id=id)
    planned, waiting = _scheduled(stage, looked_for)
    if planned or waiting:
        raise AssertionError(told(f"A run of {_words(looked_for)} is scheduled, and should not be.", stage))


def assert_ran(
    task: AnyTask,
    *,
    times: int | None = None,
    at: datetime | str | None = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    id: str | None = None,
    state: str = RunState.SUCCEEDED,
    attempts: int | None = None,
) -> list[Run]:
    """Assert that runs of a task ended well, `times` of them if that is given, and return them, the oldest first.

    Runs are counted, not attempts: one that was retried counts once, with `attempts=2`. For runs that ended otherwise
    say so: `state="failed"`. `at` is when it was due, or started; `kwargs` may name some of the parameters.

        fake_clock.advance(days=7)
        assert_ran(send_report, times=5, kwargs={"user_id": 7})
    """
    __tracebackhide__ = True
    stage, looked_for = current_stage(), _wanted(task, args, kwargs, at=moment(at), id=id)
    if state not in tuple(RunState):
        raise ValueError(f"{state!r} is no state of a run{nearest(state, tuple(RunState))}; {', '.join(RunState)} are")
    every = runs_of(stage.core.ctx, looked_for.task.name)
    mine = [run for run in every if looked_for.has_run(run)]
    fitting = [run for run in mine if run.state == state and attempts in (None, run.attempt)]
    if len(fitting) != times if times is not None else not fitting:
        sentence = _did_not(looked_for, mine, len(fitting), (state, times, attempts))
        if every and not mine:
            sentence += " Others of the task are below."
        raise AssertionError(told(sentence, stage))
    return fitting


def refute_ran(
    task: AnyTask,
    *,
    at: datetime | str | None = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    id: str | None = None,
) -> None:
    """Assert that no attempt of a task was made, not even one that failed.

    fake_clock.advance(days=2)  # a weekend
    refute_ran(send_report)
    """
    __tracebackhide__ = True
    stage, looked_for = current_stage(), _wanted(task, args, kwargs, at=moment(at), id=id)
    found = runs_of(stage.core.ctx, looked_for.task.name)
    count = len([run for run in found if looked_for.has_run(run) and was_executed(run)])
    if count:
        raise AssertionError(told(f"{_words(looked_for)} ran {_times(count)}, and should not have.", stage))


def drain(most: int = MOST_DRAINED) -> list[Run]:
    """Run what is queued or due now, and what that makes so, until nothing is left; return the runs.

    The clock stands still: what is due later, a retry for example, waits for `fake_clock.advance`. After `most`
    attempts it gives up with an AssertionError.

        client.post("/reports")
        assert [run.result for run in drain()] == ["sent"]
    """
    __tracebackhide__ = True
    return current_stage().drain(most)


def fail_next(task: AnyTask, exception: BaseException | type[BaseException] = RuntimeError, *, times: int = 1) -> None:
    """Let the next attempt of a task, or so many, raise an exception in place of calling it; retries go on as ever.

    fail_next(send_report, ConnectionError("no mail server"))
    """
    raisable = isinstance(exception, BaseException) or (
        isinstance(exception, type) and issubclass(exception, BaseException)
    )
    if not raisable:
        raise TypeError(f"fail_next takes an exception to raise, got {exception!r}")
    current_stage().faults.fail(_task(task).name, exception, times)


def crash_next(task: AnyTask, *, at: Literal["end", "start"] = "end", times: int = 1) -> None:
    """Let the process die, as by `kill -9`, in the next attempt of a task, or in so many.

    All that the task did is done, and nobody knows: another engine finds the run and starts it again, with one more in
    `run.crashes`; `at_most_once` becomes `lost`. With `at="start"` it dies before the task's first line.

        crash_next(charge)
        charge.delay(order=7)
        drain()
        assert payments == [7]  # done once, though the task ran twice
    """
    current_stage().faults.crash(_task(task).name, Point(at), times)


@contextmanager
def inline(*, raising: bool = False) -> Iterator[None]:
    """Let what a call queues run before the call returns; with `raising` it raises what an attempt raised.

    with inline():
        assert send_report.delay(user_id=7).result == "sent"
    """
    with current_stage().switched(How(mode="inline", raising=raising)):
        yield


@contextmanager
def manual() -> Iterator[None]:
    """Let nothing run before the test says so, which is how it is unless you choose `inline`."""
    with current_stage().switched(How()):
        yield


def _task(given: AnyTask) -> Task:
    """Return a task by what was decorated, its function or its name; UnknownTask names the nearest one."""
    __tracebackhide__ = True
    registry = current_stage().core.registry
    if isinstance(given, str):
        return registry.get(given)
    if isinstance(given, TaskFunction):
        return given.task
    for task in registry:
        if task.function is given:
            return task
    raise TypeError(f"{given!r} is no task: give what @task or @scheduler.task has decorated, or the name of one")


def _wanted(task: AnyTask, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, **more: Any) -> Wanted:
    __tracebackhide__ = True
    return wanted(_task(task), args, kwargs, **more)


def _scheduled(stage: Stage, looked_for: Wanted) -> tuple[list[Job], list[Run]]:
    stage.core.desk.settle()
    ctx, name = stage.core.ctx, looked_for.task.name
    planned = [job for job in jobs_of(ctx, name) if looked_for.has_job(job)]
    return planned, [run for run in runs_of(ctx, name) if waits(run) and looked_for.has_run(run)]


def _words(looked_for: Wanted) -> str:
    """Return what is looked for: `send_report(user_id=7) of job daily at …`."""
    words = looked_for.task.name
    if looked_for.arguments:
        words += arguments(None, (), looked_for.arguments)
    if looked_for.id is not None:
        words += f" of job {looked_for.id!r}"
    return words if looked_for.at is None else f"{words} at {looked_for.at.isoformat()}"


def _did_not(looked_for: Wanted, mine: Sequence[Run], got: int, asked: tuple[str, int | None, int | None]) -> str:
    """Return the sentence that says what was to happen, what happened, and what may be the matter."""
    state, times, attempts = asked
    ended = state.replace("_", " ") if attempts is None else f"{state.replace('_', ' ')} at attempt {attempts}"
    if times is None:
        sentence = f"No run of {_words(looked_for)} {ended}."
    else:
        sentence = f"{_words(looked_for)} {ended} {_times(got)}, not {_times(times)}."
    others = sorted({run.state for run in mine if run.state != state and not waits(run)})
    failed = next((run for run in reversed(mine) if run.error is not None and run.state in others), None)
    if failed is not None and failed.error is not None:
        sentence += f" It {failed.state.replace('_', ' ')}: {failed.error.type}: {failed.error.message}"
    elif others:
        sentence += f" Other runs of it are {' and '.join(others)}."
    if any(waits(run) for run in mine):
        sentence += " A run of it waits: call drain() or fake_clock.run_due(), or advance the clock to its time."
    return sentence


def _times(number: int) -> str:
    return {0: "0 times", 1: "once", 2: "twice"}.get(number, f"{number} times")
