"""Calls about runs."""

from dataclasses import asdict

from flask import Response

from scheduler_app.api.answers import accepted_answer, answer, page_answer, runs_root
from scheduler_app.api.contract import WAIT, WAIT_TO_GET, Answer, context, room, serves
from scheduler_app.api.cursors import decode_run, encode_run
from scheduler_app.api.reading import OPTIONAL_JSON
from scheduler_app.api.waiting import answer_at_end, wait_for
from scheduler_app.schemas.fields import Nothing
from scheduler_app.schemas.run import (
    LogOut,
    LogQuery,
    RetriedOut,
    RunDetailOut,
    RunList,
    RunOut,
    RunPath,
    RunQuery,
    render_attempt,
    render_run,
)
from scheduler_app.services import retrying as retry_service
from scheduler_app.services import runs as service
from scheduler_app.services.limits import view_run

calls = room("runs", "What every run did.")


@serves(calls, "GET /runs", {200: Answer(model=RunList, means="A page of runs, newest first.", headers=("Link",))})
def list_runs(query: RunQuery) -> Response:
    """List runs."""
    where = query.to_filter()
    page = service.list_runs(where, after=decode_run(query.cursor, where), limit=query.limit, ctx=context())
    return page_answer([render_run(run) for run in page.runs], encode_run(page.after, where))


@serves(
    calls,
    "GET /runs/<run_id>",
    {200: Answer(model=RunDetailOut, means="The run.")},
    refuses=(404,),
    told=WAIT_TO_GET,
)
def get_run(path: RunPath) -> Response:
    """Get a run."""
    waited = wait_for(path.run_id)
    run, waits_for = view_run(path.run_id, ctx=context())
    same = service.same_error(run, ctx=context())
    content = render_run(run) | {
        "waits_for": waits_for,
        "same_error": None if same is None else asdict(same),
        "earlier_attempts": list(map(render_attempt, service.earlier_attempts(run, ctx=context()))),
    }
    return answer(content, Preference_Applied=f"wait={waited}") if waited else answer(content)


@serves(
    calls,
    "POST /runs/<run_id>/cancel",
    {202: Answer(model=RunOut, means="The run, cancelled or asked to stop.", headers=("Location",))},
    refuses=(404, 409, 413, 415, 422),
    body=OPTIONAL_JSON,
)
def cancel_run(path: RunPath, body: Nothing) -> Response:
    """Cancel a run.

    A waiting run is cancelled at once; a running one is asked to stop.
    """
    return accepted_answer(service.cancel_run(path.run_id, ctx=context()))


@serves(
    calls,
    "POST /runs/<run_id>/retry",
    {
        200: Answer(
            model=RetriedOut, means="The new run, which ended while you waited.", headers=("Content-Location",)
        ),
        202: Answer(model=RetriedOut, means="The new run, queued.", headers=("Location",)),
    },
    refuses=(404, 409, 413, 415, 422),
    body=OPTIONAL_JSON,
    told=WAIT,
)
def retry_run(path: RunPath, body: Nothing) -> Response:
    """Retry a run.

    A new run of the same work, origin `retry`, with the same arguments, scheduled time and idempotency key. Only of a
    run that has ended. `warning` says what may be done twice when the job is `at_most_once`.
    """
    return answer_at_end(lambda: _retried(path.run_id))


def _retried(run_id: int) -> Response:
    retried = retry_service.retry_run(run_id, ctx=context())
    content = render_run(retried.run) | {"warning": retried.warning}
    return answer(content, 202, Location=f"{runs_root()}/{retried.run.id}")


@serves(calls, "GET /runs/<run_id>/log", {200: Answer(model=LogOut, means="A part of the log.")}, refuses=(404,))
def read_log(path: RunPath, query: LogQuery) -> Response:
    """Read the log of a run.

    At most about 256 KiB from `offset` on. Ask again from `next_offset` until `complete`.
    """
    return answer(asdict(service.read_log(path.run_id, offset=query.offset, ctx=context())))
