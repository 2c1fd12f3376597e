"""Search: jobs, runs and tasks by a few letters, for who has no scripts."""

from dataclasses import dataclass

from flask import Blueprint, request

from scheduler_app.dashboard.frame import context, render
from scheduler_app.domain.job import Job
from scheduler_app.domain.run import Run
from scheduler_app.domain.task import Task
from scheduler_app.errors import NotFound
from scheduler_app.services import jobs, runs, tasks
from scheduler_app.services.context import Context
from scheduler_app.store.jobs import JobFilter

MOST = 50
LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Found:
    """What fits the words: jobs by id, name, task or tag, tasks that have them in their name, the run of a number."""

    words: str
    jobs: list[Job]
    tasks: list[Task]
    run: Run | None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing fits."""
        return not self.jobs and not self.tasks and self.run is None


def register(pages: Blueprint) -> None:
    """Serve the page."""
    pages.add_url_rule("/search", "search", search)


def search() -> str:
    """Show what fits the words."""
    return render("search.html", found=_found(request.args.get("q", "").strip()[:LONGEST], context()))


def _found(words: str, ctx: Context) -> Found:
    if not words:
        return Found(words="", jobs=[], tasks=[], run=None)
    listed = jobs.list_jobs(JobFilter(words=words), after=None, limit=MOST, ctx=ctx)
    named = [task for task in tasks.list_tasks(ctx=ctx) if words.lower() in task.name.lower()]
    return Found(words=words, jobs=listed.jobs, tasks=named[:MOST], run=_run(words, ctx))


def _run(words: str, ctx: Context) -> Run | None:
    if not (words.isascii() and words.isdigit() and len(words) < 16):
        return None
    try:
        return runs.get_run(int(words), ctx=ctx)
    except NotFound:
        return None
