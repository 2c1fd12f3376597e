"""What people do with jobs on the pages: run, pause, resume, skip, delete, one or many. Each works without a script."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from flask import Blueprint, current_app, g, redirect, request, url_for
from werkzeug.exceptions import BadRequest, Forbidden
from werkzeug.wrappers import Response

from scheduler_app.dashboard import addresses, forms, preferences, words
from scheduler_app.dashboard.arguments import fields_of
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.jobs import title_of
from scheduler_app.domain.job import Job
from scheduler_app.domain.run import Run
from scheduler_app.errors import Fault, InvalidInput, SchedulerError
from scheduler_app.schemas.faults import fitting
from scheduler_app.schemas.job import JobPatch, JobPauseIn, RunNowIn, SkipIn
from scheduler_app.services import bulk, jobs, listing, ownership
from scheduler_app.services.changes import JobChanges
from scheduler_app.services.context import Context
from scheduler_app.services.roles import Role, allows
from scheduler_app.services.tasks import get_task

MOST = bulk.MOST_JOBS
SPANS = {"3600": "1 hour", "14400": "4 hours", "86400": "1 day", "604800": "1 week"}
PAST = {
    "run": "queued",
    "pause": "paused",
    "resume": "resumed",
    "delete": "deleted",
    "tag": "tagged",
    "untag": "untagged",
}
FOR_ADMINS = ("delete", "tag", "untag")
ASKED_FIRST = ("pause", "delete", "tag")
VIEWS = "GET", "POST"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of many jobs: in words, and why each that was refused was."""

    told: str
    refused: list[tuple[str, str]]


def register(pages: Blueprint) -> None:
    """Serve the forms."""
    for verb, ask, do in (
        ("run", ask_run, run_job),
        ("pause", ask_pause, pause_job),
        ("delete", ask_delete, delete_job),
    ):
        pages.add_url_rule(f"/jobs/<job_id>/{verb}", ask.__name__, ask)
        pages.add_url_rule(f"/jobs/<job_id>/{verb}", do.__name__, do, methods=["POST"])
    pages.add_url_rule("/jobs/<job_id>/resume", "resume_job", resume_job, methods=["POST"])
    pages.add_url_rule("/jobs/<job_id>/skip", "skip_firings", skip_firings, methods=["POST"])
    pages.add_url_rule("/jobs/actions", "act_on_jobs", act_on_jobs, methods=["POST"])


def ask_run(job_id: str) -> str:
    """Show the arguments of one run, filled with the job's."""
    return _asking_run(jobs.get_job(job_id, ctx=context()))


def _asking_run(job: Job, faults: tuple[Fault, ...] = ()) -> str:
    fields = fields_of(get_task(job.task, ctx=context()), job.args, job.kwargs)
    return render("ask_run.html", active="pages.list_jobs", job=job, title=title_of(job), fields=fields, faults=faults)


def run_job(job_id: str) -> Response | tuple[str, int]:
    """Run a job now, with its own arguments or with those of the form, and go to the run."""
    ctx = context()
    own = "own_arguments" in request.form
    try:
        given = fitting(RunNowIn, {"kwargs": {}, **forms.body_of(request.form)} if own else {})
        run = jobs.run_job(job_id, args=given.args, kwargs=given.kwargs, ctx=ctx)
    except InvalidInput as error:
        if not own:
            raise
        return _asking_run(jobs.get_job(job_id, ctx=ctx), error.faults), 422
    return redirect(_page_of(run), 303)


def _page_of(run: Run) -> str:
    if "pages.show_run" in current_app.view_functions:
        return url_for("pages.show_run", run_id=run.id)
    return url_for("pages.show_job", job_id=run.job_id)


def ask_pause(job_id: str) -> str:
    """Ask until when a job is to be paused, and why."""
    return _asking_pause(jobs.get_job(job_id, ctx=context()))


def _asking_pause(job: Job, faults: tuple[Fault, ...] = ()) -> str:
    told = {"title": title_of(job), "spans": SPANS, "faults": faults, "given": request.form}
    return render("ask_pause.html", active="pages.list_jobs", job=job, **told)


def pause_job(job_id: str) -> Response | tuple[str, int]:
    """Pause a job, for good or until a time."""
    ctx = context()
    try:
        given = fitting(JobPauseIn, _pause_body(ctx.clock.now()))
        jobs.pause_job(job_id, reason=given.reason, until=given.until, ctx=ctx)
    except InvalidInput as error:
        return _asking_pause(jobs.get_job(job_id, ctx=ctx), error.faults), 422
    return _to_job(job_id)


def _pause_body(now: datetime) -> dict[str, str]:
    """Return what the form says; its times are those of the browser's zone."""
    until, span, reason = (request.form.get(name, "").strip() for name in ("until", "for", "reason"))
    body = {"reason": reason} if reason else {}
    if span in SPANS:
        body["until"] = (now + timedelta(seconds=int(span))).isoformat(timespec="seconds")
    if until:
        try:
            body["until"] = (
                datetime.fromisoformat(until).replace(tzinfo=preferences.zone()).isoformat(timespec="seconds")
            )
        except (ValueError, OverflowError):
            body["until"] = until
    return body


def resume_job(job_id: str) -> Response:
    """Let a job fire again."""
    jobs.resume_job(job_id, ctx=context())
    return _to_job(job_id)


def skip_firings(job_id: str) -> Response:
    """Leave out the next firings of a job, one unless the form says how many."""
    given = fitting(SkipIn, {"count": forms.READERS["integer"](request.form.get("count", "1"))})
    jobs.skip_firings(job_id, given.count, ctx=context())
    return _to_job(job_id)


def ask_delete(job_id: str) -> str:
    """Ask before a job is deleted, and say what follows."""
    ctx = context()
    job = jobs.get_job(job_id, ctx=ctx)
    ownership.refuse_outsider(job.id, ctx=ctx)
    return render("ask_delete.html", active="pages.list_jobs", job=job, title=title_of(job))


def delete_job(job_id: str) -> Response:
    """Delete a job."""
    jobs.delete_job(job_id, ctx=context())
    return redirect(addresses.address("pages.list_jobs", {"done": "deleted", "n": "1"}), 303)


def _to_job(job_id: str) -> Response:
    return redirect(addresses.back(url_for("pages.show_job", job_id=job_id)), 303)


def act_on_jobs() -> Response | str | tuple[str, int]:
    """Do something with the jobs that are ticked, or with all that fit a filter; each has a result of its own."""
    wanted = request.form.get("do", "")
    if wanted not in PAST:
        raise BadRequest("what is to be done with the jobs?")
    if wanted in FOR_ADMINS and not allows(Role(g.key.role), Role.ADMIN):
        raise Forbidden(f"to {wanted} jobs needs the role admin")
    ids = _chosen()
    if not ids:
        return redirect(_back(), 303)
    if wanted in ASKED_FIRST and "sure" not in request.form:
        return render("ask_many.html", active="pages.list_jobs", do=wanted, ids=ids, back=_back())
    result = _result(wanted, bulk.act_on_ids(ids, _action(wanted), ctx=context()))
    if result.refused:
        return render("acted.html", active="pages.list_jobs", result=result, back=_back()), 200
    done = addresses.with_query(_back(), done=PAST[wanted], n=str(len(ids)))
    return redirect(done, 303)


def _back() -> str:
    return addresses.back(url_for("pages.list_jobs"))


def _chosen() -> list[str]:
    if "matching" not in request.form:
        return list(dict.fromkeys(request.form.getlist("id")))[:MOST]
    look = request.form.get("look")
    choice = listing.Choice(
        look=look if look in listing.LOOKS else None,
        tag=request.form.get("tag") or None,
        words=request.form.get("q") or None,
    )
    return listing.matching_ids(choice, limit=MOST, ctx=context())


def _action(wanted: str) -> bulk.Action:
    reason = request.form.get("reason", "").strip() or None
    actions: dict[str, Callable[[str, Context], Job | Run | None]] = {
        "run": lambda job_id, ctx: jobs.run_job(job_id, ctx=ctx),
        "pause": lambda job_id, ctx: jobs.pause_job(job_id, reason=reason, ctx=ctx),
        "resume": lambda job_id, ctx: jobs.resume_job(job_id, ctx=ctx),
        "delete": lambda job_id, ctx: jobs.delete_job(job_id, ctx=ctx),
    }
    if wanted == "pause":
        fitting(JobPauseIn, {"reason": reason})
    if wanted in actions:
        return actions[wanted]
    tag = request.form.get("word", "").strip()
    fitting(JobPatch, {"tags": [tag]})
    return partial(_tag, tag=tag, adds=wanted == "tag")


def _tag(job_id: str, ctx: Context, *, tag: str, adds: bool) -> Job:
    """Give a job a tag, or take it away; its others stay."""
    present = [other for other in jobs.get_job(job_id, ctx=ctx).policies.tags if other != tag]
    changes = fitting(JobPatch, {"tags": [*present, tag] if adds else present})
    return jobs.change_job(job_id, JobChanges(fields={}, policies=changes.policies()), ctx=ctx)


def _result(wanted: str, acted: bulk.Acted) -> Result:
    refused = [(job_id, done.detail) for job_id, done in acted.results if isinstance(done, SchedulerError)]
    went_well = len(acted.results) - len(refused)
    told = f"{words.count(went_well)} {PAST[wanted]}" + (f", {words.count(len(refused))} refused" if refused else "")
    return Result(told=told, refused=refused)
