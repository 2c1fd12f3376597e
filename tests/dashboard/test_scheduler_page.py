"""The page of the scheduler: engines are drained and forgotten, Celery workers have a table of their own."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from scheduler_app.services.context import Context
from scheduler_app.store import engines
from scheduler_app.store.engines import EngineState
from tests.dashboard.conftest import Browser, read, text_of
from tests.dashboard.world import NOW

WHO = {"host": "h", "process_start": "1", "parent_pid": 1, "parent_start": "1", "version": "1.4.0"}
Given = Callable[..., int]


@pytest.fixture
def given_engine(ctx: Context) -> Given:
    """Add the row of an engine."""

    def add(node: str, *, pid: int = 7, state: str = "running", begun: float = 60, beat: float = 2, **more: Any) -> int:
        who = (
            WHO
            | {"node": node, "pid": pid}
            | {name: more.pop(name) for name in ("parent_pid", "celery_pool") if name in more}
        )
        at = NOW - timedelta(seconds=begun)
        engine = ctx.database.write(lambda tx: engines.register(tx, who, tasks=["ping"], slots=4, now=at, **more))
        told = engines.Beat(tasks=["ping"], passed_at=NOW, lag=0.03, claims=1.8)
        ctx.database.write(lambda tx: engines.raise_beat(tx, engine, told, NOW - timedelta(seconds=beat)))
        if state == "dead":
            ctx.database.write(lambda tx: engines.declare_dead(tx, engine, beat=2))
        elif state != "running":
            ctx.database.write(lambda tx: engines.set_state(tx, engine, EngineState(state)))
        return engine

    return add


def rows_of(page: str, title: str) -> list[str]:
    """The rows of the table of a section, as text."""
    section = page.split(f'aria-labelledby="{title}-title"')[1].split("</section>")[0]
    return [text_of(row).strip() for row in re.findall(r"<tr[ >].*?</tr>", section, re.DOTALL)][1:]


def actions(page: str) -> list[str]:
    return [
        a["action"] or "" for tag, a in read(page).marks if tag == "form" and "/engines/" in (a.get("action") or "")
    ]


def test_an_engine_is_drained_and_taken_back_without_a_script(browser: Browser, given_engine: Given) -> None:
    first, second = given_engine("app-1"), given_engine("app-2", pid=8)
    browser.given_job("nightly")

    asked = browser.get(f"/scheduler?ask=drain-{first}")
    assert f'id="ask-drain-{first}" aria-labelledby="ask-drain-{first}-title" open' in asked
    assert "The other engines take what is due." in asked
    browser.post(f"/scheduler/engines/{first}/drain")
    drained = browser.get("/scheduler")
    browser.post(f"/scheduler/engines/{second}/drain")
    both, overview = browser.get("/scheduler"), browser.get("/")
    browser.post(f"/scheduler/engines/{first}/resume")

    assert [row.split()[:6] for row in rows_of(drained, "engines")] == [
        ["app-1", "pid", "7", "·", "1.4.0", "drained"],
        ["app-2", "pid", "8", "·", "1.4.0", "alive"],
    ]
    assert "0.03 s" in rows_of(drained, "engines")[1] and "1.8/min" in rows_of(drained, "engines")[1]
    assert "One of them is drained." in text_of(drained)
    assert "No other engine takes runs" in drained, "the question about the last one says so"
    assert "Every engine is drained: jobs fire, and nothing starts." in text_of(both)
    assert "Every engine is drained" in overview
    assert sorted(actions(browser.get("/scheduler"))) == [
        f"/scheduler/engines/{first}/drain",
        f"/scheduler/engines/{second}/resume",
    ]


def test_a_gone_engine_stays_until_it_is_forgotten_or_replaced(browser: Browser, given_engine: Given) -> None:
    gone = given_engine("app-3", state="dead", begun=9 * 86400, beat=3 * 86400)
    given_engine("app-4", state="dead", begun=600, beat=500)
    given_engine("app-4", begun=400)
    given_engine("app-5", state="stopped")

    before = browser.get("/scheduler")
    browser.post(f"/scheduler/engines/{gone}/forget")
    browser.post(f"/scheduler/engines/{gone}/forget", status=404)
    after = browser.get("/scheduler")

    told = [(row.split()[0], row.split()[5]) for row in rows_of(before, "engines")]
    assert told == [("app-4", "alive"), ("app-3", "gone"), ("app-4", "gone")]
    assert "replaced" in rows_of(before, "engines")[2]
    assert "One engine left at" in text_of(before) and "1 of 2 engines" in text_of(before)
    assert "left" not in text_of(after).split("Engines")[0] and "1 engine" in text_of(after)


def test_of_two_engines_on_a_host_the_first_is_gone_though_a_later_one_lives(
    browser: Browser, given_engine: Given
) -> None:
    given_engine("box", state="dead", begun=600, beat=20)
    given_engine("box", pid=8, begun=500)
    assert [row.split()[5] for row in rows_of(browser.get("/scheduler"), "engines")] == ["alive", "gone"]


def test_celery_workers_have_a_table_of_their_own(browser: Browser, given_engine: Given) -> None:
    given_engine("app-1")
    slots = {"celery": {"slots": 1}}
    for pid in (11, 12):
        given_engine("w1", pid=pid, parent_pid=10, celery_pool="prefork", executors=slots)
    given_engine("w1", pid=13, parent_pid=10, celery_pool="prefork", executors=slots, state="dead")
    given_engine("w2", pid=20, celery_pool="threads", executors={"celery": {"slots": 8}}, beat=41)
    given_engine("w3", pid=30, celery_pool="solo", executors=slots, state="dead")

    page = browser.get("/scheduler")

    assert [" ".join(row.split()) for row in rows_of(page, "workers")] == [
        "w1 pid 10 online prefork 0 of 2 2 s ago",
        "w2 pid 20 slow threads 0 of 8 41 s ago",
        "w3 pid 30 gone solo 0 of 0 2 s ago",
    ]
    assert [row.split()[0] for row in rows_of(page, "engines")] == ["app-1"]
    assert "1 engine" in text_of(page)


def test_who_may_not_drain_is_shown_no_button_and_refused(browser: Browser, given_engine: Given) -> None:
    engine, gone = given_engine("app-1"), given_engine("app-2", state="dead")
    for role in ("viewer", "operator"):
        page = browser.as_(role).get("/scheduler")
        assert actions(page) == [] and "Drain" not in page and "Forget" not in page
        for path in (f"{engine}/drain", f"{engine}/resume", f"{gone}/forget"):
            browser.as_(role).post(f"/scheduler/engines/{path}", status=403)
    browser.post(f"/scheduler/engines/{engine}/forget", status=409)
