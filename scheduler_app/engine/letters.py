"""Claims, news and outcomes as an engine and its worker processes write them to each other.

The token of a claim stays with the engine: a worker process can settle nothing, and counts nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from scheduler_app.domain.outcome import Outcome
from scheduler_app.domain.run import Claim, Progress, RunError, RunState
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.runner import ended
from scheduler_app.store.logs import LogPiece

CLAIM = TypeAdapter(Claim)
MOMENT = TypeAdapter(datetime)
BYTES_AS_TEXT = "latin-1"


def order_of(claim: Claim, now: datetime) -> dict[str, Any]:
    """Return the order to execute a claim, with the time that the engine goes by."""
    work = replace(claim, token=0, is_counted=False)
    return {"run": CLAIM.dump_python(work, mode="json"), "now": MOMENT.dump_python(now, mode="json")}


def read_order(message: Mapping[str, Any]) -> tuple[Claim, datetime]:
    """Read what `order_of` wrote."""
    return CLAIM.validate_python(message["run"]), MOMENT.validate_python(message["now"])


def news_of(execution: Execution) -> dict[str, Any]:
    """Return what an execution logged and reported since the last time."""
    log = [[piece.start, piece.data.decode(BYTES_AS_TEXT)] for piece in execution.unwritten()]
    progress = execution.progress
    execution.written()
    return {"log": log, "progress": None if progress is None else asdict(progress)}


def take_news(execution: Execution, message: Mapping[str, Any]) -> None:
    """Keep with an execution what its worker process wrote of it."""
    log: Sequence[tuple[int, str]] = message["log"]
    execution.log.add(LogPiece(start=start, data=text.encode(BYTES_AS_TEXT)) for start, text in log)
    if message["progress"] is not None and message["progress"] != _reported(execution):
        execution.progress = Progress(**message["progress"])


def _reported(execution: Execution) -> dict[str, Any] | None:
    return None if execution.progress is None else asdict(execution.progress)


def end_of(outcome: Outcome, *, fit: bool) -> dict[str, Any]:
    """Return how an attempt ended; `fit` when its process may execute another one."""
    error = None if outcome.error is None else asdict(outcome.error)
    end = {"state": outcome.state, "result": outcome.result, "error": error, "reason": outcome.reason}
    return {"end": end, "fit": fit}


def read_end(execution: Execution, end: Mapping[str, Any]) -> Outcome:
    """Return the outcome that `end_of` wrote, by the engine's time."""
    error = None if end["error"] is None else RunError(**end["error"])
    return ended(execution, RunState(end["state"]), result=end["result"], error=error, reason=end["reason"])
