"""Lists of runs by their end: the same order by whatever way, page by page."""

import random
from datetime import timedelta
from itertools import product

import pytest
import sqlalchemy as sa

from scheduler_app.clock import from_micros, rfc3339
from scheduler_app.services.context import Context
from scheduler_app.store import by_measure, parts
from scheduler_app.store.tables import runs
from tests.api.conftest import Caller

SECOND = timedelta(seconds=1)


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


@pytest.mark.parametrize("sort", ["duration", "lateness"])
def test_the_longest_and_the_latest_of_the_newest_are_paged(call: Caller, ctx: Context, monkeypatch, sort) -> None:
    drawn = random.Random(sort)
    made = given_runs(call, ctx, drawn)
    begin = sa.bindparam("begin")
    due = sa.bindparam("due")
    change = runs.update().where(runs.c.id == sa.bindparam("run")).values(started_at=begin, scheduled_at=due)
    values = [{"run": run, "begin": drawn.randrange(-9, 3), "due": drawn.randrange(-20, 5)} for run, *_ in made]
    ctx.database.write(lambda tx: tx.execute(change, values))
    told = {row["run"]: row for row in values}

    def measure(run: int, ended: int) -> int:
        return ended - told[run]["begin"] if sort == "duration" else told[run]["begin"] - told[run]["due"]

    for query, job, states, newest in (
        ("", "ab", ("succeeded", "failed"), 5000),
        ("&job_id=a&state=succeeded", "a", ("succeeded",), 5000),
        ("&job_id=a,b", "ab", ("succeeded", "failed"), 5000),
        ("&state=failed,lost", "ab", ("failed",), 5000),
        ("&task=greet", "ab", ("succeeded", "failed"), 6),
    ):
        monkeypatch.setattr(by_measure, "NEWEST", newest)
        ended = [row for row in made if row[1] in job and row[2] in states and row[3] is not None]
        last = sorted(ended, key=lambda row: row[3] or 0, reverse=True)
        wanted = sorted((measure(row[0], row[3] or 0) for row in last[:newest]), reverse=True)
        found, cursor = [], ""
        while cursor is not None:
            answer = call("GET", f"/runs?sort=-{sort}&limit=3{query}{cursor and '&cursor=' + cursor}").get_json()
            found += [item["id"] for item in answer["items"]]
            cursor = answer["next_cursor"]
        ends = {row[0]: row[3] or 0 for row in made}
        got = [measure(run, ends[run]) for run in found]
        assert len({*found}) == len(found) == len(wanted), query
        assert got == sorted(got, reverse=True), query
        assert got == wanted or newest < len(ended), query


@pytest.mark.parametrize("few", [4, 4000])
def test_runs_are_filtered_by_when_they_ended(
    call: Caller, ctx: Context, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(parts, "FEW", few)
    made = given_runs(call, ctx, random.Random(7))
    change = runs.update().where(runs.c.finished_at.is_not(None)).values(finished_at=runs.c.finished_at * 1_000_000)
    ctx.database.write(lambda tx: tx.execute(change))
    span = [rfc3339(from_micros(0) + seconds * SECOND) for seconds in (1, 10)]
    for sort, state, job in product(("-id", "-finished_at"), ("", "failed", "succeeded,failed"), ("", "a")):
        fitting = {
            run
            for run, of, how, ended in made
            if ended is not None and 1 <= ended < 10 and of in (job or "ab") and how in (state or how)
        }
        filters = {"state": state, "job_id": job, "finished_from": span[0], "finished_to": span[1]}
        query = "&".join(f"{name}={value}" for name, value in filters.items() if value)
        found, cursor = [], ""
        while cursor is not None:
            answer = call("GET", f"/runs?sort={sort}&limit=3&{query}{cursor and '&cursor=' + cursor}").get_json()
            found += [item["id"] for item in answer["items"]]
            cursor = answer["next_cursor"]
        assert (len(found), set(found)) == (len(fitting), fitting)
        assert fitting, "or nothing was tested"
