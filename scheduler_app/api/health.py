"""What load balancers and init systems ask: is the process there, and may it get work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from flask import Response, current_app

from scheduler_app.api.answers import answer
from scheduler_app.api.contract import Answer, room, serves
from scheduler_app.schemas.health import HealthOut, ReadyOut

EXTENSION = "scheduler_app.ready"


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Whether this process may get work, and what that was judged by; whether it runs an engine, which may be drained.

    Requests are answered all the same by who runs no engine, or a drained one.
    """

    ready: bool
    engine: Literal["here", "drained", "none"] = "none"
    checks: Mapping[str, object] = field(default_factory=dict)


calls = room("health", "Whether the process is there, and may get work. No key is needed.", prefix="")


@serves(calls, "GET /healthz", {200: Answer(model=HealthOut, means="The process answers.")})
def healthz() -> Response:
    """Tell that the process answers.

    200 as long as the process answers, whatever its database does.
    """
    return answer({"status": "ok"})


@serves(
    calls,
    "GET /readyz",
    {200: Answer(model=ReadyOut, means="It may get work."), 503: Answer(model=ReadyOut, means="It may not.")},
)
def readyz() -> Response:
    """Tell whether the process may get work.

    503 while the database or the engine's threads do not work, and while the process stops. Each check is `true`, or a
    sentence that says what is wrong.
    """
    state = cast("Callable[[], Readiness]", current_app.extensions[EXTENSION])()
    body = {"ready": state.ready, "engine": state.engine, "checks": dict(state.checks)}
    return answer(body, 200 if state.ready else 503)
