"""Whatever a task does, its run ends with what happened, and the next run finds an engine that works."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from scheduler_app.store.tables import engines
from tests.faults.forms import form
from tests.faults.lone_engine import a_lab
from tests.service.harness import Service, wait_until

KEPT = 512 * 1024
MEGABYTES = form(5, 100)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("plain", "ValueError", "plain"),
        ("unspeakable", "witness_tasks.Unspeakable", "<Unspeakable whose text cannot be made>"),
        ("exit", "SystemExit", "3"),
        ("interrupt", "KeyboardInterrupt", ""),
        ("group", "ExceptionGroup", "several (2 sub-exceptions)"),
        ("surrogate", "ValueError", "half a \\ud800 character and a \\0"),
    ],
)
def test_what_a_task_raises_is_kept(shared: Service, kind: str, error: str, message: str) -> None:
    run = shared.run_now("raises", kwargs={"kind": kind})
    assert (run["state"], run["error"]["type"], run["error"]["message"]) == ("failed", error, message)
    assert "in raises" in run["error"]["traceback"] or "Unspeakable" in run["error"]["traceback"]


@pytest.mark.parametrize("kind", ["cycle", "generator", "nan", "object", "large", "surrogate"])
def test_a_result_that_cannot_be_kept_is_left_out_and_the_log_says_so(shared: Service, kind: str) -> None:
    run = shared.run_now("returns", kwargs={"kind": kind})
    assert (run["state"], run["result"], run["error"]) == ("succeeded", None, None)
    assert "was not kept" in shared.log_of(run["id"])


def test_a_task_that_uses_up_the_stack_fails_with_a_short_traceback(shared: Service) -> None:
    run = shared.run_now("recursion")
    assert (run["state"], run["error"]["type"]) == ("failed", "RecursionError")
    assert len(run["error"]["traceback"]) < 64 * 1024
    assert shared.run_now("work")["state"] == "succeeded"


def whole_log(service: Service, run: int) -> list[dict[str, Any]]:
    """Every part of a log, read as a client should."""
    parts = [service.get(f"/runs/{run}/log")]
    while not parts[-1]["complete"] and len(parts) < 100:
        parts.append(service.get(f"/runs/{run}/log", offset=parts[-1]["next_offset"]))
    return parts


def test_of_a_long_log_the_first_and_the_last_512_kib_are_kept(shared: Service) -> None:
    run = shared.run_now("prints", kwargs={"megabytes": MEGABYTES}, within=form(20.0, 300.0))
    parts = whole_log(shared, run["id"])
    size, text = parts[-1]["size"], "".join(part["text"] for part in parts)
    lines = text.splitlines()
    assert len(text) + sum(part["omitted"] for part in parts) == size
    assert text[:KEPT] == "".join(f"{number:062d}\n" for number in range(KEPT // 63 + 1))[:KEPT]
    assert lines[-1] == f"{MEGABYTES * 1024 * 1024 // 64 - 1:062d}"
    assert 2 * KEPT <= len(text) <= 2 * KEPT + 64 * 1024


def test_what_a_task_logs_and_prints_is_kept_in_order(shared: Service) -> None:
    first, *others = shared.log_of(shared.run_now("logs")["id"]).splitlines()
    assert first.endswith("DEBUG by its own logger")
    assert others == ["by print", "half a line"]


@pytest.mark.slow
def test_a_task_that_holds_the_interpreter_for_20_s_is_not_taken_for_dead(tmp_path: Path, database: str | None) -> None:
    """Of the engines' clock, that is: in the short form it runs five times as fast."""
    rate = form(5.0, 1.0)
    with a_lab(tmp_path, rate, database) as lab:
        lab.engine()
        lab.engine()
        greedy = lab.one_off("greedy", kwargs={"seconds": 20.0 / rate})
        wait_until(lambda: lab.marks("begin"), within=5.0)
        others = [lab.one_off("work") for _ in range(5)]
        wait_until(
            lambda: {lab.run(run).state for run in others} == {"succeeded"}, within=10.0, what="the other engine"
        )
        assert lab.run(greedy).state == "running"
        wait_until(lambda: lab.run(greedy).state == "succeeded", within=30.0)
        assert set(Counter(mark.run for mark in lab.marks("begin")).values()) == {1}
        with lab.core.database.read() as tx:
            assert list(tx.execute(sa.select(engines.c.state)).scalars()) == ["running", "running"]
        assert lab.breaches() == []
