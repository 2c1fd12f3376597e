"""New and Edit: what will this do, before I save?

A form stands for the JSON body of the API (`forms`), is read by the same schemas and goes through the same services.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from scheduler_app.dashboard import filling, forms, preferences
from scheduler_app.dashboard.arguments import fields_of
from scheduler_app.dashboard.coming import Time, times_of
from scheduler_app.dashboard.falls import falls_of
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.jobs import title_of
from scheduler_app.dashboard.snippets import snippets
from scheduler_app.domain.job import Job
from scheduler_app.domain.policy import Delivery, Executor, Overlap, Policies
from scheduler_app.domain.task import Task
from scheduler_app.domain.zone import find_zone
from scheduler_app.errors import Conflict, Fault, InvalidInput, SchedulerError, VersionMismatch
from scheduler_app.schemas.faults import fitting
from scheduler_app.schemas.job import JobIn, JobPatch
from scheduler_app.services import jobs
from scheduler_app.services.changes import JobChanges
from scheduler_app.services.outlooks import week
from scheduler_app.services.tasks import list_tasks
from scheduler_app.services.triggers import preview_trigger

SHOWN = 5
# a trigger that says no more than this says nothing yet
UNTOLD = {"type", "timezone", "on"}
Answer = str | Response | tuple[str, int]
Form = MultiDict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ahead:
    """What a trigger would do; `faults` when it cannot be read."""

    told: str
    times: list[Time]
    zone: str
    warnings: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Clash:
    """What somebody else made of a job while it was edited, beside what this form would make of it."""

    version: int
    theirs: dict[str, Any]
    ours: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A form on its way: of which job, if it is there already, and what is wrong with it."""

    form: Form
    job: Job | None = None
    version: int | None = None
    faults: tuple[Fault, ...] = ()
    clash: Clash | None = None


def register(pages: Blueprint) -> None:
    """Serve the pages."""
    pages.add_url_rule("/jobs/new", "new_job", new_job)
    pages.add_url_rule("/jobs/new", "create_job", create_job, methods=["POST"])
    pages.add_url_rule("/jobs/<job_id>/edit", "edit_job", edit_job)
    pages.add_url_rule("/jobs/<job_id>/edit", "change_job", change_job, methods=["POST"])


def new_job() -> str:
    """Show the form of a new job: empty, or like one that is there."""
    like = request.args.get("like")
    form = _like(like) if like else filling.empty_form(preferences.zone())
    if request.args.get("task"):
        form["/task:text"] = request.args["task"]
    return _show(Draft(form=form))


def _like(job_id: str) -> Form:
    form = _form_of(jobs.get_job(job_id, ctx=context()))
    form.pop("/id:text")
    return form


def create_job() -> Answer:
    """Add the job that the form says."""
    form, ctx = request.form, context()
    if _is_draft(form):
        return _show(Draft(form=form))
    try:
        job = jobs.create_job(fitting(JobIn, forms.body_of(form)).to_spec(), ctx=ctx)
    except (InvalidInput, Conflict) as error:
        return _show(Draft(form=form, faults=_faults(error))), 409 if isinstance(error, Conflict) else 422
    if form.get("do") == "create-and-run" and job.trigger is not None:
        jobs.run_job(job.id, ctx=ctx)
    return redirect(url_for("pages.show_job", job_id=job.id), 303)


def edit_job(job_id: str) -> str:
    """Show the form of a job as it is."""
    job = jobs.get_job(job_id, ctx=context())
    return _show(Draft(form=_form_of(job), job=job, version=job.version))


def change_job(job_id: str) -> Answer:
    """Change a job to what the form says, unless somebody else has changed it since it was shown."""
    form, ctx = request.form, context()
    job = jobs.get_job(job_id, ctx=ctx)
    given = forms.READERS["integer"](form.get("version", ""))
    version = given if isinstance(given, int) else None
    draft = Draft(form=form, job=job, version=version)
    if _is_draft(form):
        return _show(draft)
    try:
        patch = fitting(JobPatch, _patch(job, form))
        jobs.change_job(job_id, JobChanges(fields=patch.content(), policies=patch.policies()), version=version, ctx=ctx)
    except VersionMismatch:
        return _show(_clashing(job, form)), 412
    except (InvalidInput, Conflict) as error:
        wrong = Draft(form=form, job=job, version=version, faults=_faults(error))
        return _show(wrong), 409 if isinstance(error, Conflict) else 422
    return redirect(url_for("pages.show_job", job_id=job_id), 303)


def _clashing(job: Job, form: Form) -> Draft:
    """Show both versions; saving again then means ours."""
    theirs, ours = forms.body_of(_form_of(job)), forms.body_of(form)
    names = [name for name in {**theirs, **ours} if name != "id" and theirs.get(name) != ours.get(name)]
    clash = Clash(
        version=job.version,
        theirs={name: theirs.get(name) for name in names},
        ours={name: ours.get(name) for name in names},
    )
    return Draft(form=form, job=job, version=job.version, clash=clash)


def _is_draft(form: Form) -> bool:
    return form.get("do") in ("preview", "task")


def _form_of(job: Job) -> Form:
    return filling.form_of(job, context().registry.find(job.task), preferences.zone())


def _patch(job: Job, form: Form) -> dict[str, Any]:
    """Return what the form changes of a job; its id is no part of that."""
    patch = filling.difference(forms.body_of(_form_of(job)), forms.body_of(form))
    patch.pop("id", None)
    return patch


def _faults(error: SchedulerError) -> tuple[Fault, ...]:
    return error.faults or (Fault(pointer="", detail=error.detail),)


def _show(draft: Draft) -> str:
    ctx, form = context(), draft.form
    task = ctx.registry.find(form.get("/task:text", ""))
    body, faults = _read(draft)
    ahead, wrong = _ahead(body.get("trigger"))
    now, first = ctx.clock.now(), ahead.times[0].at if ahead and ahead.times else None
    if "do" in form:
        faults += tuple(fault for fault in wrong if fault not in faults)
    return render(
        "editor.html",
        active="pages.list_jobs",
        draft=draft,
        form=form,
        job=draft.job,
        title=None if draft.job is None else title_of(draft.job),
        tasks=list_tasks(ctx=ctx),
        task=task,
        fields=_fields(task, draft.job),
        faults=faults,
        tabs=filling.TITLES,
        types=filling.TYPE_OF,
        shared=filling.SHARED,
        ahead=ahead,
        falls=falls_of(week(now, ctx=ctx), first, now=now, zone=preferences.zone()),
        snippets=_snippets(draft, body),
        usual=Policies.resolve(task.overrides) if task else Policies(),
        choices={"overlap": list(Overlap), "delivery": list(Delivery), "executor": list(Executor)},
        wrong_at=lambda *pointers: [fault for fault in faults if fault.pointer in pointers],
    )


def _read(draft: Draft) -> tuple[dict[str, Any], tuple[Fault, ...]]:
    """Return the body of a draft, and what is wrong with it as far as is known."""
    try:
        return forms.body_of(draft.form), draft.faults
    except InvalidInput as error:
        return {}, draft.faults or error.faults


def _fields(task: Task | None, job: Job | None) -> list[Any]:
    if task is None:
        return []
    is_its = job is not None and job.task == task.name
    return fields_of(task, job.args if job and is_its else [], job.kwargs if job and is_its else {})


def _ahead(trigger: Any) -> tuple[Ahead | None, tuple[Fault, ...]]:
    if not isinstance(trigger, Mapping) or not trigger.keys() - UNTOLD:
        return None, ()
    try:
        found = preview_trigger(dict(trigger), after=None, count=SHOWN, ctx=context())
    except InvalidInput as error:
        return None, tuple(fault.under("/trigger") for fault in error.faults)
    named = trigger.get("timezone")
    zone = (find_zone(named) if isinstance(named, str) else None) or preferences.zone()
    times = times_of(found.next_run_times, skips=0, zone=zone, year=True)
    return Ahead(told=found.description, times=times, zone=zone.key, warnings=found.warnings), ()


def _snippets(draft: Draft, body: dict[str, Any]) -> dict[str, str]:
    url = f"{request.url_root.rstrip('/')}/api/v1/jobs"
    if draft.job is None:
        return snippets(body, url=url)
    try:
        return snippets(_patch(draft.job, draft.form), url=url, job_id=draft.job.id)
    except InvalidInput:
        return snippets({}, url=url, job_id=draft.job.id)
