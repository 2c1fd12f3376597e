"""The first page of an empty store: three ways to a job, each in under a minute."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from scheduler_app.dashboard import preferences
from scheduler_app.dashboard.frame import context, render, to
from scheduler_app.domain.job import Job, JobSpec
from scheduler_app.domain.task import Task
from scheduler_app.errors import Fault, InvalidInput, SchedulerError
from scheduler_app.services import crontabs
from scheduler_app.services.crontabs import Wanted
from scheduler_app.services.jobs import create_job

DEMO = "demo.count"
MOST_TASKS = 6
LONGEST = 64 * 1024
FIVE_LINES = """from scheduler_app import task

@task
def greet(name: str = "world") -> str:
    return f"hello {name}\""""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A task to begin with; one that needs arguments cannot be run at a click."""

    name: str
    doc: str
    takes: str
    needs: bool


def register(pages: Blueprint) -> None:
    """Serve what the page sends."""
    pages.add_url_rule("/first/run", "run_first", run_first, methods=["POST"])
    pages.add_url_rule("/crontab", "show_crontab", show_crontab, methods=["GET", "POST"])
    pages.add_url_rule("/crontab/save", "save_crontab", save_crontab, methods=["POST"])


def show_first() -> str:
    """Show how to get a job in a minute."""
    registry = context().registry
    names = sorted(registry.names(), key=lambda name: (name != DEMO, not registry.get(name).doc, name))
    tasks = [choice_of(registry.get(name)) for name in names[:MOST_TASKS]]
    root = request.host_url.rstrip("/") + url_for("pages.show_overview").rstrip("/")
    example = tasks[0].name if tasks else "greet"
    snippets = {"root": root, "example": example, "five_lines": FIVE_LINES}
    return render("first.html", active="pages.show_overview", tasks=tasks, number=len(names), **snippets)


def choice_of(task: Task) -> Choice:
    """Return a task as the page offers it."""
    fields: dict[str, Any] = dict(task.schema.get("properties", {}))
    takes = ", ".join(f"{name}: {_kind(field)}" for name, field in fields.items())
    doc = task.doc.strip().partition("\n\n")[0]
    return Choice(name=task.name, doc=doc, takes=takes, needs=bool(task.schema.get("required")))


def _kind(field: dict[str, Any]) -> str:
    kinds = {"string": "text", "integer": "number", "boolean": "yes or no", "array": "list"}
    kind = str(field.get("type", "any"))
    return kinds.get(kind, kind)


def run_first() -> Response:
    """Run a task now, and go to where its run is watched."""
    name = request.form.get("task", "")
    job = create_job(JobSpec(task=name, args=[], kwargs={}), ctx=context())
    run_id = job.last_run.id if job.last_run else 0
    return redirect(to("pages.show_run", run_id=run_id) or url_for("pages.show_overview"), 303)


def show_crontab() -> str:
    """Show what a crontab would become; nothing is saved."""
    return _crontab(request.form.get("crontab", ""))


def _crontab(text: str, wrong: tuple[str, ...] = ()) -> str:
    if len(text) > LONGEST:
        raise InvalidInput.of(Fault(pointer="/crontab", detail=f"a crontab has at most {LONGEST:,} characters here"))
    found = crontabs.plan(text, preferences.zone().key, ctx=context())
    names = sorted(context().registry.names())
    return render("crontab.html", active="pages.show_overview", text=text, found=found, tasks=names, wrong=wrong)


def save_crontab() -> Response:
    """Add a job for each line that a task was chosen for."""
    text = request.form.get("crontab", "")
    zone = preferences.zone().key
    found = crontabs.plan(text[:LONGEST], zone, ctx=context())
    added = crontabs.save(found, _chosen(found), zone, ctx=context())
    wrong = tuple(item.detail for item in added if isinstance(item, SchedulerError))
    if wrong or not added:
        done = sum(isinstance(item, Job) for item in added)
        told = (*wrong, f"{done} were added all the same.") if done else wrong or ("No line has a task yet.",)
        return make_response(_crontab(text, told), 422)
    return redirect(to("pages.list_jobs") or url_for("pages.show_overview"), 303)


def _chosen(found: list[Wanted]) -> dict[int, str]:
    return {one.entry.number: request.form.get(f"task-{one.entry.number}", "") for one in found}
