"""Lists of runs by their end: the same order by whatever way, page by page."""

import random

import pytest
import sqlalchemy as sa

from scheduler_app.services.context import Context
from scheduler_app.store import parts
from scheduler_app.store.tables import runs
from tests.api.conftest import Caller


def given_runs(call: Caller, ctx: Context, drawn: random.Random) -> list[tuple[int, str, str, int | None]]:
    """Twenty runs of two jobs, of which some have ended, several at the same time."""
    for job in "ab":
        call.given_job(job, max_instances=99)
    made = []
    for _ in range(20):
        job = drawn.choice("aab")
        run_id = call.given_run(job)["id"]
        state = drawn.choice(["queued", "running", "succeeded", "succeeded", "failed"])
        ended = drawn.randrange(1, 12) if state in ("succeeded", "failed") else None
        made.append((run_id, job, state, ended))
    change = runs.update().where(runs.c.id == sa.bindparam("run"))
    change = change.values(state=sa.bindparam("to"), finished_at=sa.bindparam("ended"))
    values = [{"run": run, "to": state, "ended": ended} for run, _, state, ended in made]
    ctx.database.write(lambda tx: tx.execute(change, values))
    return made


@pytest.mark.parametrize(
    ("query", "job", "states"),
    [
        ("", "ab", "all"),
        ("&job_id=a", "a", "all"),
        ("&job_id=b&state=failed", "b", "failed"),
        ("&state=failed", "ab", "failed"),
        ("&state=failed,succeeded", "ab", "failed,succeeded"),
        ("&state=queued", "ab", "queued"),
        ("&state=running,failed", "ab", "running,failed"),
    ],
)
@pytest.mark.parametrize("few", [0, 5, 4000])
def test_every_page_continues_the_one_before(
    call: Caller, ctx: Context, monkeypatch: pytest.MonkeyPatch, query: str, job: str, states: str, few: int
) -> None:
    monkeypatch.setattr(parts, "FEW", few)
    made = given_runs(call, ctx, random.Random(few))
    fitting = [row for row in made if row[1] in job and (states == "all" or row[2] in states.split(","))]
    wanted = sorted(fitting, key=lambda row: (-1 if row[3] is None else row[3], row[0]), reverse=True)
    found, cursor = [], ""
    while cursor is not None:
        answer = call("GET", f"/runs?sort=-finished_at&limit=3{query}{cursor and '&cursor=' + cursor}").get_json()
        found += [item["id"] for item in answer["items"]]
        cursor = answer["next_cursor"]
    assert found == [row[0] for row in wanted]
