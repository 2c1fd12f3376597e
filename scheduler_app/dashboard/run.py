"""Run: what happened, what is happening?"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from scheduler_app.dashboard import loglines, preferences, tracebacks
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.loglines import Lines
from scheduler_app.dashboard.reasons import ORIGINS, outcome_of
from scheduler_app.dashboard.run_attempts import Attempt, attempts_of
from scheduler_app.dashboard.run_line import RunLine, line_of
from scheduler_app.dashboard.tracebacks import Group
from scheduler_app.dashboard.verdicts import ENDED_WORDS, verdict_of
from scheduler_app.dashboard.words import duration, plural
from scheduler_app.domain.policy import Delivery
from scheduler_app.domain.run import Run, RunState
from scheduler_app.services import retrying, runs, stories
from scheduler_app.services.stories import Story

LINES_AT_FIRST = 500
MOST_LINES = 2000
TELLING_FROM = 0.1
# no id is larger (schemas.fields), and no database would take it
RUN = "<int(max=9223372036854775807):run_id>"
SEE_OTHER = 303


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """How far a run says it is: `share` from 0 to 1, None when it does not say of how much."""

    share: float | None
    told: str
    left: float | None


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """What the page shows beside its frame."""

    story: Story
    now: datetime
    verdict: str
    remark: str
    line: RunLine
    attempts: tuple[Attempt, ...]
    gauge: Gauge | None
    lines: Lines
    groups: tuple[Group, ...]
    arguments: tuple[tuple[str, str], ...]
    result: str | None
    asks: str | None

    @property
    def run(self) -> Run:
        """The run."""
        return self.story.run

    @property
    def may_do_twice(self) -> bool:
        """Whether a retry may do a second time what was to be done at most once."""
        job = self.story.job
        return job is not None and job.policies.delivery is Delivery.AT_MOST_ONCE and self.run.started_at is not None

    @property
    def timeout_at(self) -> datetime | None:
        """When the attempt that runs is stopped."""
        job = self.story.job
        if self.run.state is not RunState.RUNNING or self.run.started_at is None:
            return None
        return self.run.started_at + timedelta(seconds=job.policies.timeout) if job and job.policies.timeout else None


def register(pages: Blueprint) -> None:
    """Serve the page, its log as a file, and what can be done with a run."""
    pages.add_url_rule(f"/runs/{RUN}", "show_run", show_run)
    pages.add_url_rule(f"/runs/{RUN}/log", "download_log", download_log)
    pages.add_url_rule(f"/runs/{RUN}/cancel", "cancel_run", cancel_run, methods=["POST"])
    pages.add_url_rule(f"/runs/{RUN}/retry", "retry_run", retry_run, methods=["POST"])


def show_run(run_id: int) -> str:
    """Show a run."""
    story = stories.tell(run_id, attempt=_number("attempt"), ctx=context())
    page = _page(story, context().clock.now())
    told = {"origins": ORIGINS, "outcome": outcome_of, "words_of": ENDED_WORDS, "shown": loglines.shown}
    return render("run.html", active="pages.list_runs", page=page, time_of_day=time_of_day, **told)


def time_of_day(at: datetime, exact: bool = False) -> str:
    """Tell the time of day of a moment to the second, or to the millisecond."""
    local = at.astimezone(preferences.zone())
    return f"{local:%H:%M:%S}" + (f".{local.microsecond // 1000:03d}" if exact else "")


def download_log(run_id: int) -> Response:
    """Send what is kept of an attempt's log."""
    text = stories.read_text(run_id, attempt=_number("attempt"), ctx=context())
    name = f"run-{run_id}-attempt-{text.attempt}.log"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(b"".join(loglines.plain(text.chunks)), content_type="text/plain; charset=utf-8", headers=headers)


def cancel_run(run_id: int) -> Answer:
    """Cancel a run."""
    runs.cancel_run(run_id, ctx=context())
    return redirect(url_for("pages.show_run", run_id=run_id), SEE_OTHER)


def retry_run(run_id: int) -> Answer:
    """Run the work of a run once more."""
    retried = retrying.retry_run(run_id, ctx=context())
    return redirect(url_for("pages.show_run", run_id=retried.run.id), SEE_OTHER)


def _number(name: str) -> int | None:
    given = request.args.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None


def _page(story: Story, now: datetime) -> RunPage:
    run = story.run
    attempts = attempts_of(run, story.attempts, now)
    return RunPage(
        story=story,
        now=now,
        verdict=verdict_of(run, now),
        remark=remark_of(story, now),
        line=line_of(run, story.stats, attempts, now),
        attempts=attempts,
        gauge=gauge_of(run, now),
        lines=loglines.window(story.log.chunks, until=_number("until"), most=_most_lines()),
        groups=tuple(tracebacks.groups_of(run.error.traceback)) if run.error else (),
        arguments=tuple(_arguments(run)),
        result=None if run.state is not RunState.SUCCEEDED else shown_json(run.result),
        asks=request.args.get("ask"),
    )


def _most_lines() -> int:
    return min(_number("lines") or LINES_AT_FIRST, MOST_LINES)


def remark_of(story: Story, now: datetime) -> str:
    """Tell what is worth knowing beside the verdict: the same error again, or longer than usual."""
    run, stats = story.run, story.stats
    if story.same_error:
        return f"the same error as the {plural(story.same_error, 'run')} before it"
    if run.started_at is None or stats.p95 is None:
        return ""
    over = ((run.finished_at or now) - run.started_at).total_seconds() - stats.p95
    is_long = run.state in (RunState.RUNNING, RunState.SUCCEEDED) and over > max(1.0, 0.05 * stats.p95)
    return f"longer than p95 by {duration(over)}" if is_long else ""


def gauge_of(run: Run, now: datetime) -> Gauge | None:
    """Return how far a running run says it is; how much time is left only once a tenth is done."""
    progress = run.progress
    if progress is None or run.state is not RunState.RUNNING or run.started_at is None:
        return None
    message = f" · {progress.message}" if progress.message else ""
    if not progress.total or progress.total <= 0:
        return Gauge(share=None, told=f"{progress.current:,g}{message}", left=None)
    share = min(1.0, max(0.0, progress.current / progress.total))
    elapsed = (now - run.started_at).total_seconds()
    return Gauge(
        share=share,
        told=f"{progress.current:,g} of {progress.total:,g}{message}",
        left=elapsed * (1 - share) / share if share >= TELLING_FROM else None,
    )


def _arguments(run: Run) -> Iterator[tuple[str, str]]:
    for number, value in enumerate(run.args):
        yield str(number), shown_json(value)
    for name, value in run.kwargs.items():
        yield loglines.shown(name), shown_json(value)


def shown_json(value: Any) -> str:
    """Return a value as JSON, as a person reads it."""
    return loglines.shown(json.dumps(value, ensure_ascii=False, indent=2))
