"""Runs: what happened across all of them?"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, request, stream_with_context

from scheduler_app.clock import rfc3339
from scheduler_app.dashboard import preferences, run_bars, run_filters
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.reasons import outcome_of
from scheduler_app.dashboard.run_bars import Bars
from scheduler_app.dashboard.run_filters import Filters
from scheduler_app.dashboard.saved import saved_of
from scheduler_app.domain.run import Origin, Run, RunState
from scheduler_app.services import runs, scheduler
from scheduler_app.services.context import Context
from scheduler_app.services.runs import Page

ON_A_PAGE = 50
AT_A_TIME = 500
# what a spreadsheet takes for a formula when a cell begins with it (OWASP, CSV Injection)
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
COLUMNS = (
    *("id", "job_id", "task", "state", "reason", "origin", "scheduled_at", "started_at", "finished_at", "duration"),
    *("lateness", "attempt", "max_attempts", "executor", "engine", "outcome"),
)


@dataclass(frozen=True, kw_only=True)
class RunsPage:
    """What the page shows beside its frame."""

    filters: Filters
    list: Page
    bars: Bars
    nodes: dict[int, str]

    @property
    def previous(self) -> str | None:
        """The address of the page before."""
        places = self.filters.places
        return self.filters.page(*places[:-1]) if places else None

    @property
    def next(self) -> str | None:
        """The address of the next page."""
        return None if self.list.after is None else self.filters.page(*self.filters.places, self.list.after)


def register(pages: Blueprint) -> None:
    """Serve the page, and all that it lists as CSV."""
    pages.add_url_rule("/runs", "list_runs", list_runs)
    pages.add_url_rule("/runs.csv", "export_runs", export_runs)


def list_runs() -> str:
    """Show runs, and how many ended how."""
    ctx, zone = context(), preferences.zone()
    filters = run_filters.read(request.args, zone)
    found = runs.list_runs(filters.where, after=filters.after, limit=ON_A_PAGE, ctx=ctx)
    bars = run_bars.draw(filters.where, ctx.clock.now(), zone, ctx=ctx)
    nodes = {engine.id: engine.node for engine in scheduler.view_scheduler(ctx=ctx).engines}
    page = RunsPage(filters=filters, list=found, bars=bars, nodes=nodes)
    saved = saved_of("runs", filters.address())
    return render(
        "runs.html", page=page, saved=saved, outcome=outcome_of, states=tuple(RunState), origins=tuple(Origin)
    )


def export_runs() -> Response:
    """Send all runs of the filter as CSV (RFC 4180), page by page, so that no more than one is in memory."""
    filters = run_filters.read(request.args, preferences.zone())
    rows = stream_with_context(_csv(filters, context()))
    headers = {"Content-Disposition": 'attachment; filename="runs.csv"'}
    return Response(rows, content_type="text/csv; charset=utf-8", headers=headers)


def _csv(filters: Filters, ctx: Context) -> Iterator[str]:
    yield _lines([COLUMNS])
    after = None
    while True:
        page = runs.list_runs(filters.where, after=after, limit=AT_A_TIME, ctx=ctx)
        yield _lines([_cells(run) for run in page.runs])
        after = page.after
        if after is None:
            return


def _cells(run: Run) -> tuple[object, ...]:
    times = (None if at is None else rfc3339(at) for at in (run.scheduled_at, run.started_at, run.finished_at))
    return (
        *(run.id, tame(run.job_id), tame(run.task), run.state, tame(run.reason or ""), run.origin, *times),
        *(run.duration, run.lateness, run.attempt, run.max_attempts, run.executor, run.engine, tame(outcome_of(run))),
    )


def tame(text: str) -> str:
    """Return a text as a spreadsheet shows it: never as a formula."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def _lines(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
