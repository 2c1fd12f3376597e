"""No page reads all runs or all jobs: what it shows is kept, or found through an index, however many there are."""

import re
from collections.abc import Callable

import pytest

from scheduler_app.store.lanes import driver_of
from tests.dashboard.conftest import Visitor

Visit = Callable[[str], Visitor]
SCANNED = re.compile(r"SCAN scheduler_(runs|jobs)(?! USING (COVERING )?INDEX)")


@pytest.mark.parametrize("path", ["/", "/scheduler", "/week"])
def test_a_page_scans_neither_runs_nor_jobs(visit: Visit, path: str) -> None:
    visitor = visit("full")
    visitor.database.write_alone(lambda tx: tx.exec_driver_sql("ANALYZE"))
    visitor.get(path)
    statements: list[str] = []
    with visitor.database.read() as tx:
        driver_of(tx).set_trace_callback(statements.append)

    visitor.get(path)

    with visitor.database.read() as tx:
        driver_of(tx).set_trace_callback(None)
        asked = {statement for statement in statements if statement.lstrip().upper().startswith(("SELECT", "WITH"))}
        plans = {sql: driver_of(tx).execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in asked}
    assert len(plans) > 5
    assert [(sql, step[3]) for sql, plan in plans.items() for step in plan if SCANNED.search(step[3])] == []
