"""Calls about jobs."""

from functools import partial

from flask import Response

from scheduler_app.api.answers import accepted_answer, added_answer, job_answer, page_answer, runs_root
from scheduler_app.api.contract import CONDITIONS, ONCE, WAIT, Answer, context, room, serves
from scheduler_app.api.cursors import decode_job, decode_run, encode_job, encode_run
from scheduler_app.api.once import once
from scheduler_app.api.reading import MERGE_PATCH, OPTIONAL_JSON, read_expected, read_version
from scheduler_app.api.waiting import answer_at_end
from scheduler_app.domain.job import JobSpec
from scheduler_app.errors import Fault, InvalidInput
from scheduler_app.schemas.fields import Nothing
from scheduler_app.schemas.job import (
    JobIn,
    JobList,
    JobOut,
    JobPatch,
    JobPath,
    JobPauseIn,
    JobQuery,
    RunNowIn,
    SkipIn,
    render_job,
)
from scheduler_app.schemas.run import JobRunQuery, RunList, RunOut, render_run
from scheduler_app.services import jobs as service
from scheduler_app.services import replacing
from scheduler_app.services import runs as run_service
from scheduler_app.services.changes import JobChanges

calls = room("jobs", "What runs, and when.")

ENDED = Answer(model=RunOut, means="Its run, which ended while you waited.", headers=("Content-Location", "Location"))
A_JOB = {200: Answer(model=JobOut, means="The job.", headers=("ETag",))}


@serves(
    calls,
    "POST /jobs",
    {
        200: ENDED,
        201: Answer(model=JobOut, means="The job was added.", headers=("ETag", "Location")),
        202: Answer(model=JobOut, means="The job runs once, now; see `last_run`.", headers=("ETag", "Location")),
    },
    refuses=(409, 413, 415, 422),
    told=ONCE + WAIT,
)
def create_job(body: JobIn) -> Response:
    """Add a job.

    Without a trigger it is a one-off that runs now: the answer is 202, and `last_run` leads to its run.
    """
    create = partial(once, body, lambda ctx: service.create_job(body.to_spec(), ctx=ctx), added_answer)
    return answer_at_end(create) if body.trigger is None else create()


@serves(calls, "GET /jobs", {200: Answer(model=JobList, means="A page of jobs.", headers=("Link",))})
def list_jobs(query: JobQuery) -> Response:
    """List jobs.

    Without `state` all but the finished ones.
    """
    where, root = query.to_filter(), runs_root()
    page = service.list_jobs(where, after=decode_job(query.cursor, where), limit=query.limit, ctx=context())
    return page_answer([render_job(job, root) for job in page.jobs], encode_job(page.after, where))


@serves(calls, "GET /jobs/<job_id>", A_JOB, refuses=(404,))
def get_job(path: JobPath) -> Response:
    """Get a job."""
    return job_answer(service.get_job(path.job_id, ctx=context()))


@serves(
    calls,
    "PUT /jobs/<job_id>",
    {
        200: Answer(model=JobOut, means="The job is as it was put.", headers=("ETag",)),
        201: Answer(model=JobOut, means="The job was added.", headers=("ETag", "Location")),
    },
    refuses=(404, 409, 412, 413, 415, 422),
    told=CONDITIONS + " `If-None-Match: *` adds the job only if there is none of that id.",
)
def put_job(path: JobPath, body: JobIn) -> Response:
    """Add or replace a job.

    All of it: what is left out goes back to its default. A paused job stays paused, a trigger that says the same as the
    present one goes on as it is, and what changes nothing is not written. Without a trigger a new job runs once, now.
    """
    put = replacing.put_job(path.job_id, _spec_of(path.job_id, body), expected=read_expected(), ctx=context())
    return added_answer(put.job, 201) if put.is_new else job_answer(put.job)


@serves(
    calls,
    "PATCH /jobs/<job_id>",
    A_JOB,
    refuses=(404, 409, 412, 413, 415, 422),
    body=MERGE_PATCH,
    told=CONDITIONS,
)
def change_job(path: JobPath, body: JobPatch) -> Response:
    """Change a job.

    A JSON merge patch: all of it or nothing. Null puts a policy back to its default. A paused job stays paused.
    """
    changes = JobChanges(fields=body.content(), policies=body.policies())
    return job_answer(service.change_job(path.job_id, changes, version=read_version(), ctx=context()))


@serves(
    calls,
    "DELETE /jobs/<job_id>",
    {204: Answer(model=None, means="The job is gone.")},
    refuses=(404, 409, 412),
    told=CONDITIONS,
)
def delete_job(path: JobPath) -> Response:
    """Delete a job.

    Its waiting runs are cancelled, running ones finish, its history stays.
    """
    service.delete_job(path.job_id, version=read_version(), ctx=context())
    return Response(status=204)


@serves(calls, "POST /jobs/<job_id>/pause", A_JOB, refuses=(404, 409, 413, 415, 422), body=OPTIONAL_JSON)
def pause_job(path: JobPath, body: JobPauseIn) -> Response:
    """Pause a job.

    It stops firing; queued and running runs go on. With `until` it resumes by itself. Pausing twice changes only what
    is given.
    """
    return job_answer(service.pause_job(path.job_id, reason=body.reason, until=body.until, ctx=context()))


@serves(calls, "POST /jobs/<job_id>/skip", A_JOB, refuses=(404, 409, 413, 415, 422))
def skip_firings(path: JobPath, body: SkipIn) -> Response:
    """Skip the next firings of a job.

    Sets how many; each is recorded as a run in state `skipped`, reason `requested`. 0 clears.
    """
    return job_answer(service.skip_firings(path.job_id, body.count, ctx=context()))


@serves(calls, "POST /jobs/<job_id>/resume", A_JOB, refuses=(404, 409, 413, 415, 422), body=OPTIONAL_JSON)
def resume_job(path: JobPath, body: Nothing) -> Response:
    """Resume a job.

    What it would have fired meanwhile is recorded as one missed range, reason `paused`.
    """
    return job_answer(service.resume_job(path.job_id, ctx=context()))


@serves(
    calls,
    "POST /jobs/<job_id>/run",
    {200: ENDED, 202: Answer(model=RunOut, means="The run, queued.", headers=("Location",))},
    refuses=(404, 409, 413, 415, 422),
    body=OPTIONAL_JSON,
    told=ONCE + WAIT,
)
def run_job(path: JobPath, body: RunNowIn) -> Response:
    """Run a job now.

    Through the executor, never in the request, also when the job is paused. Arguments given replace all of its own.
    """
    return answer_at_end(
        lambda: once(
            body,
            lambda ctx: service.run_job(path.job_id, args=body.args, kwargs=body.kwargs, ctx=ctx),
            accepted_answer,
        )
    )


@serves(
    calls,
    "GET /jobs/<job_id>/runs",
    {200: Answer(model=RunList, means="A page of runs, newest first.", headers=("Link",))},
    refuses=(404,),
)
def list_job_runs(path: JobPath, query: JobRunQuery) -> Response:
    """List the runs of a job.

    The runs of a deleted job are in `GET /runs?job_id=`.
    """
    where = query.of_job(service.get_job(path.job_id, ctx=context()).id)
    page = run_service.list_runs(where, after=decode_run(query.cursor, where), limit=query.limit, ctx=context())
    return page_answer([render_run(run) for run in page.runs], encode_run(page.after, where))


def _spec_of(job_id: str, body: JobIn) -> JobSpec:
    if body.id not in (None, job_id):
        detail = f"'id' must be {job_id!r}, as in the path, or be left out; got {body.id!r}"
        raise InvalidInput.of(Fault(pointer="/id", detail=detail))
    return body.to_spec()
