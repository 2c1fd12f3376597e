"""The page of a run: the verdict, what it did, its log, and what can be done with it."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.store.callers import audit
from scheduler_app.store.tables import logs, runs
from tests.dashboard.conftest import Visitor
from tests.dashboard.world import NOW

Visit = Callable[[str], Visitor]
HOSTILE = "<script>alert(1)</script>"
JOB = "import-bank-statements"


def newest(visitor: Visitor, state: str, job: str | None = None) -> int:
    """The newest run in a state."""
    query = sa.select(sa.func.max(runs.c.id)).where(runs.c.state == state)
    with visitor.database.read() as tx:
        found = tx.execute(query if job is None else query.where(runs.c.job_id == job)).scalar()
    assert found is not None
    return int(found)


def change(visitor: Visitor, run: int, **values: Any) -> None:
    visitor.database.write(lambda tx: tx.execute(runs.update().where(runs.c.id == run).values(**values)))


def write_log(visitor: Visitor, run: int, text: bytes, *, attempt: int = 1, start: int = 0) -> None:
    row = {"run_id": run, "start": start, "size": len(text), "attempt": attempt, "text": text}

    def work(tx: sa.Connection) -> None:
        tx.execute(logs.delete().where(logs.c.run_id == run, logs.c.start >= start))
        tx.execute(logs.insert(), row)

    visitor.database.write(work)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))


def test_a_running_run_says_for_how_long_and_how_far_it_is(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "running")
    began = to_micros(NOW - timedelta(minutes=10))
    progress = {"progress_current": 50.0, "progress_total": 200.0, "progress_message": HOSTILE}
    change(visitor, run, started_at=began, cancel_requested=False, **progress)

    page = visitor.get(f"/runs/{run}")

    assert "Running for 10 m" in text_of(page)
    assert "25 %" in page and "50 of 200" in page and "about 30 m left at this pace" in page
    assert HOSTILE not in page and "&lt;script&gt;alert(1)" in page
    assert f'action="/runs/{run}/cancel"' in page and f'action="/runs/{run}/retry"' not in page


def test_how_much_is_left_is_told_only_after_a_tenth(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "running")
    change(visitor, run, started_at=to_micros(NOW), progress_current=9.0, progress_total=100.0)

    assert "left at this pace" not in visitor.get(f"/runs/{run}")


def test_a_failed_run_shows_its_own_frames_and_folds_those_of_libraries(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "failed", JOB)
    traceback = (
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/bank.py", line 41, in fetch\n    connect(host)\n'
        '  File "/x/lib/python3.11/site-packages/paramiko/transport.py", line 9, in connect\n    raise\n'
        f"OSError: {HOSTILE}\n"
    )
    change(visitor, run, error_type="OSError", error_message=HOSTILE, error_traceback=traceback, attempt=3)

    page = visitor.get(f"/runs/{run}")

    assert "Failed after 3 attempts" in page
    own, folded = page.index("srv/shop/bank.py:41 in fetch"), page.index("1 frame in paramiko")
    assert own < folded < page.index("site-packages/paramiko/transport.py:9")
    assert HOSTILE not in page
    assert f'action="/runs/{run}/retry"' in page and "/cancel" not in page


def test_the_same_error_again_is_said(visit: Visit) -> None:
    visitor = visit("full")
    with visitor.database.read() as tx:
        ids = tx.execute(sa.select(runs.c.id).where(runs.c.job_id == JOB).order_by(runs.c.id.desc()).limit(4))
        newest_four = list(ids.scalars())
    for number, run in enumerate(newest_four[:3]):
        error = {"error_type": "OSError", "error_message": f"port {number} refused", "error_traceback": ""}
        change(visitor, run, state="failed", started_at=1, finished_at=2, **error)
    change(visitor, newest_four[3], error_type=None)

    assert "the same error as the 2 runs before it" in visitor.get(f"/runs/{newest_four[0]}")


def test_a_log_is_lines_with_time_and_level_and_shows_what_a_terminal_would_obey(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "succeeded")
    attempt = 1
    change(visitor, run, attempt=attempt)
    text = (
        f"2026-11-22T15:00:00Z WARNING {HOSTILE}\nprinted \x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2Jend\x00\u202e\n"
    ).encode() + b"\xff\xfe raw\n"
    write_log(visitor, run, text)

    page = visitor.get(f"/runs/{run}")

    assert HOSTILE not in page
    assert '<li class="warn"><b>1</b><time>16:00:00</time><i>warn</i><span>&lt;script&gt;' in page
    assert 'printed <em class="failed">red</em> end\\x00\\u202e' in page
    assert "\\xff\\xfe raw" in page and "\x1b" not in page and "\u202e" not in page
    assert "3 lines" in page


def test_of_a_long_log_a_part_is_shown_and_the_rest_by_offset(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "succeeded")
    change(visitor, run, attempt=1)
    write_log(visitor, run, b"".join(b"line %d\n" % n for n in range(1, 3001)))

    page = visitor.get(f"/runs/{run}")
    older = visitor.get(f"/runs/{run}?attempt=1&until=2501&lines=9999")

    assert "<b>2501</b>" in page and "<b>3000</b>" in page and "<b>2500</b>" not in page
    assert "2,500 lines before" in page
    assert older.count("<b>") - page.count("<b>") == 1500
    assert "<b>501</b>" in older and "<b>2500</b>" in older and "<b>2501</b>" not in older


def test_a_dropped_middle_of_a_log_is_told(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "succeeded")
    change(visitor, run, attempt=1)
    write_log(visitor, run, b"first\n")
    write_log(visitor, run, b"last\n", start=5006)

    assert "5,000 bytes were not kept" in visitor.get(f"/runs/{run}")
    assert "[5000 bytes were not kept]" in visitor.get(f"/runs/{run}/log")


def test_each_attempt_has_its_log(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "succeeded")
    change(visitor, run, attempt=2)
    write_log(visitor, run, b"of the first\n")
    write_log(visitor, run, b"of the second\n", attempt=2, start=13)

    assert "of the second" in visitor.get(f"/runs/{run}") and "of the first" not in visitor.get(f"/runs/{run}")
    assert "of the first" in visitor.get(f"/runs/{run}?attempt=1")
    answer = visitor.open("GET", f"/runs/{run}/log?attempt=1")
    assert answer.text == "of the first\n"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="run-{run}-attempt-1.log"'
    assert answer.content_type == "text/plain; charset=utf-8"


def test_a_run_is_cancelled_and_retried_by_plain_forms_and_that_is_noted(visit: Visit) -> None:
    visitor = visit("full")
    running, failed = newest(visitor, "running"), newest(visitor, "failed", JOB)

    cancelled = visitor.open("POST", f"/runs/{running}/cancel", sent="1")
    retried = visitor.open("POST", f"/runs/{failed}/retry", sent="1")

    assert (cancelled.status_code, cancelled.location) == (303, f"/runs/{running}")
    assert "Stopping after" in visitor.get(f"/runs/{running}")
    assert retried.status_code == 303
    assert "a retry of" in text_of(visitor.get(retried.location))
    with visitor.database.read() as tx:
        noted = tx.execute(sa.select(audit.c.who, audit.c.what)).all()
    assert {("admin", "run.cancelled"), ("admin", "run.retried")} <= {tuple(row) for row in noted}


def test_without_scripts_the_question_before_a_cancel_has_an_address(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "running")

    assert re.search(r'<dialog id="ask-cancel"[^>]* open>', visitor.get(f"/runs/{run}?ask=cancel"))
    assert not re.search(r"<dialog[^>]* open>", visitor.get(f"/runs/{run}"))


def test_a_viewer_is_shown_no_button_and_refused(visit: Visit) -> None:
    visitor = visit("full").as_role("viewer")
    run = newest(visitor, "running")

    page = visitor.get(f"/runs/{run}")

    assert "Cancel run" not in page and "<dialog" not in page
    assert visitor.open("POST", f"/runs/{run}/cancel", sent="1").status_code == 403
    assert visitor.open("POST", f"/runs/{newest(visitor, 'failed')}/retry", sent="1").status_code == 403


def test_every_state_has_a_verdict(visit: Visit) -> None:
    visitor = visit("full")
    run = newest(visitor, "succeeded")
    ended = {"started_at": to_micros(NOW), "finished_at": to_micros(NOW + timedelta(seconds=8)), "attempt": 1}
    waiting = {"started_at": None, "finished_at": None, "attempt": 1, "max_attempts": 3}
    missed = {"missed_since": 1, "missed_until": 2, "missed_count": 14}
    soon = to_micros(NOW + timedelta(seconds=5))
    for values, verdict in (
        ({"state": "succeeded", **ended}, "Succeeded in 8.0 s"),
        ({"state": "succeeded", **ended, "attempt": 2}, "Succeeded at attempt 2"),
        ({"state": "timed_out", **ended}, "Timed out after 8.0 s"),
        ({"state": "lost", **ended, "reason": "crashed"}, "Lost after 8.0 s: its engine died"),
        ({"state": "cancelled", **ended}, "Cancelled after 8.0 s"),
        ({"state": "cancelled", **ended, "started_at": None}, "Cancelled before it started"),
        ({"state": "missed", **ended, "started_at": None, **missed, "reason": "paused"}, "Missed 14 firings: the job"),
        ({"state": "skipped", **ended, "started_at": None, "reason": "overlap"}, "Skipped: the job was still running"),
        ({"state": "queued", **waiting, "reason": None}, "Waits for a free slot"),
        ({"state": "scheduled", **waiting, "reason": "blocked"}, "Waits for another run to end"),
        ({"state": "scheduled", **waiting, "reason": "retry", "ready_at": soon}, "Waits for attempt 2 of 3, in 5 s"),
        ({"state": "scheduled", **waiting, "reason": "jitter", "ready_at": soon}, "Waits for its spread start, in 5 s"),
    ):
        change(visitor, run, **values)
        assert verdict in text_of(visitor.get(f"/runs/{run}")), verdict


def test_a_run_that_there_is_not_is_told_as_a_page(visit: Visit) -> None:
    visitor = visit("full")
    for path in ("/runs/999999999", "/runs/999999999/log"):
        answer = visitor.open("GET", path)
        assert answer.status_code == 404, path
        assert answer.content_type == "text/html; charset=utf-8"
    assert visitor.open("GET", "/runs/99999999999999999999999").status_code == 404
