"""Execute one attempt. Whatever a task does, an outcome comes back and the thread lives on."""

import contextvars
import traceback
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from scheduler_app.domain.compact import NULL, compact, parse
from scheduler_app.domain.outcome import Outcome
from scheduler_app.domain.run import Claim, Reason, RunError, RunState
from scheduler_app.domain.task import Registry
from scheduler_app.engine import coroutines
from scheduler_app.engine.coroutines import Ending, outcome_of
from scheduler_app.engine.execution import Execution, enter
from scheduler_app.errors import RunCancelled
from scheduler_app.failpoints import failpoint

MOST_RESULT = 64 * 1024
MOST_TRACEBACK = 64 * 1024
MOST_MESSAGE = 8 * 1024
OURS = frozenset({__file__, coroutines.__file__})


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a task finds: the registered tasks, a context that is entered around each call, who completes coroutines."""

    registry: Registry
    context: Callable[[], AbstractContextManager[Any]]
    complete: Callable[[Coroutine[Any, Any, Any], Execution], Ending]


def execute(execution: Execution, surroundings: Surroundings) -> Outcome:
    """Run the task of an execution, in a fresh context that no request and no other run leaks into."""
    execution.start()
    execution.begin()
    outcome = contextvars.Context().run(_attempt, execution, surroundings)
    execution.log.close()
    return outcome


def _attempt(execution: Execution, surroundings: Surroundings) -> Outcome:
    enter(execution)
    try:
        result = _call(execution, surroundings)
    except RunCancelled as error:
        return _cancelled(execution, error)
    except BaseException as error:  # noqa: BLE001 - the run: SystemExit and KeyboardInterrupt of a task end no thread
        execution.raised = error
        return ended(execution, RunState.FAILED, error=_describe(error))
    return ended(execution, RunState.SUCCEEDED, result=_encode(result, execution))


def _call(execution: Execution, surroundings: Surroundings) -> Any:
    claim = execution.claim
    task = surroundings.registry.get(claim.task)
    args, kwargs = task.bind(parse(claim.args), parse(claim.kwargs))
    with surroundings.context():
        failpoint("run.before_start")
        result = task.function(*args, **kwargs)
        if isinstance(result, Coroutine):
            result = outcome_of(surroundings.complete(result, execution), execution)
        failpoint("run.after_return")
        return result


def _cancelled(execution: Execution, error: RunCancelled) -> Outcome:
    if not execution.cancelled.is_set():
        return ended(execution, RunState.FAILED, error=_describe(error))
    return ended(execution, RunState.CANCELLED, reason=execution.cancel_reason)


def ended(execution: Execution, state: RunState, **more: Any) -> Outcome:
    """Return the outcome of an attempt that ends now."""
    now = execution.clock.now()
    return Outcome(claim=execution.claim, state=state, started_at=execution.started_at or now, finished_at=now, **more)


def timed_out(execution: Execution) -> Outcome:
    """Return the outcome of an attempt whose time is over, while its thread may still be busy."""
    return ended(execution, RunState.TIMED_OUT, error=too_long(execution.claim), reason=Reason.TIMEOUT)


def too_long(claim: Claim) -> RunError:
    """Return the error of an attempt whose time is over."""
    message = f"the attempt took longer than its timeout of {claim.timeout or 0:g} s"
    return RunError(type="TimeoutError", message=message, traceback="")


def crashed(execution: Execution, how: str) -> Outcome:
    """Return the outcome of an attempt whose worker process died under it."""
    execution.log.line(f"The worker process {how}.")
    error = RunError(type="WorkerDied", message=f"its worker process {how}", traceback="")
    return ended(execution, RunState.FAILED, error=error, reason=Reason.CRASHED)


def not_started(execution: Execution) -> Outcome:
    """Return the outcome of a claim that found no process to run in."""
    return ended(execution, RunState.CANCELLED, reason=Reason.NOT_STARTED)


def never_started(execution: Execution) -> Outcome:
    """Return the outcome of a claim that was cancelled before it began."""
    return ended(execution, RunState.CANCELLED, reason=execution.cancel_reason)


def _encode(result: Any, execution: Execution) -> str | None:
    if result is None:
        return NULL
    try:
        text = compact(result)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        execution.log.line(f"The result is not JSON and was not kept: {_message(error)}")
        return None
    if size > MOST_RESULT:
        execution.log.line(f"The result is {size} bytes of JSON and was not kept; at most {MOST_RESULT} are.")
        return None
    return text


def _describe(error: BaseException) -> RunError:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return RunError(
        type=name, message=_clean(_message(error))[:MOST_MESSAGE], traceback=_clean(_cut(_traceback(error)))
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - the run: an exception's own __str__ may raise anything
        return f"<{type(error).__name__} whose text cannot be made>"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, _own_frames(error.__traceback__)))
    except BaseException:  # noqa: BLE001 - the run: formatting calls code of the exception
        return f"{type(error).__name__}: {_message(error)}\n"


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Leave out our frames, which every traceback begins with."""
    while frames is not None and frames.tb_frame.f_code.co_filename in OURS and frames.tb_next is not None:
        frames = frames.tb_next
    return frames


def _cut(text: str) -> str:
    if len(text) <= MOST_TRACEBACK // 2:
        return text
    half = MOST_TRACEBACK // 4
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"


def _clean(text: str) -> str:
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()
