"""What acting on a thousand jobs costs: a few statements for each, in transactions that let other writers in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from scheduler_app.services import bulk
from scheduler_app.services.context import Context
from scheduler_app.store import statement
from tests.api.conftest import Caller, every


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Count the statements that are compiled for each use, and those that were compiled once."""
    seen = {"composed": 0, "compiled": 0}
    execute, of = sa.Connection.execute, statement.Statement._of

    def composed(self: sa.Connection, *args: Any, **more: Any) -> Any:
        seen["composed"] += 1
        return execute(self, *args, **more)

    def compiled(self: statement.Statement, tx: sa.Connection) -> Any:
        seen["compiled"] += 1
        return of(self, tx)

    with monkeypatch.context() as patched:
        patched.setattr(sa.Connection, "execute", composed)
        patched.setattr(statement.Statement, "_of", compiled)
        yield seen


@pytest.mark.parametrize("action", ["pause", "resume", "run", "delete"])
def test_an_action_costs_a_job_a_few_statements_none_of_which_is_composed_anew(
    call: Caller, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    jobs = [
        {"id": f"j{at}", "task": "greet", "kwargs": {"name": "Ada"}, "tags": ["many"], "trigger": every(minutes=5)}
        for at in range(200)
    ]
    assert call("POST", "/jobs/batch", {"jobs": jobs}).status_code == 200
    if action == "resume":
        call("POST", "/jobs/actions", {"action": "pause", "filter": {"tag": ["many"]}})
    with counting(monkeypatch) as seen:
        answer = call("POST", "/jobs/actions", {"action": action, "filter": {"tag": ["many"]}})
    assert {item["status"] for item in answer.get_json()["items"]} <= {200, 202, 204}
    assert seen["composed"] < 20
    # one of them notes who did it
    assert seen["compiled"] <= 9 * 200 + 20


def test_other_writers_come_in_between(call: Caller, ctx: Context) -> None:
    jobs = [
        {"id": f"j{at}", "task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)} for at in range(500)
    ]
    call("POST", "/jobs/batch", {"jobs": jobs})
    before = ctx.database.commits
    call("POST", "/jobs/actions", {"action": "pause", "filter": {"state": ["active"]}})
    assert ctx.database.commits - before == 500 // bulk.TOGETHER
