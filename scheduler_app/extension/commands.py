"""`flask scheduler`: what an operator asks of a user's app."""

import sys

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from scheduler_app.clock import SystemClock
from scheduler_app.domain.job import Job
from scheduler_app.domain.text import one_line
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import SchedulerError
from scheduler_app.extension.core import CORE, Core
from scheduler_app.services.declaring import Change, Plan

WOULD_CHANGE, UNKNOWN = 1, 2


def commands() -> AppGroup:
    """Return the commands of `flask scheduler`."""
    group = AppGroup("scheduler", help="Background and scheduled jobs.")
    jobs = click.Group("jobs", help="The jobs that the code declares.")
    jobs.add_command(diff)
    group.add_command(jobs)
    return group


@click.command("diff")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if a start would change anything.")
@with_appcontext
def diff(exit_code: bool) -> None:
    """Tell what a start would add, change and remove. Changes nothing; exits with 2 when it cannot be told."""
    core: Core = current_app.extensions[CORE]
    try:
        plan = core.desk.declared.compare(core.database.look)
    except SchedulerError as error:
        click.echo(one_line(f"flask scheduler: {error.detail}"), err=True)
        sys.exit(UNKNOWN)
    for line in told(plan, core.desk.declared.app):
        click.echo(one_line(line))
    sys.exit(WOULD_CHANGE if exit_code and (plan.changes or plan.faults) else 0)


def told(plan: Plan, app: str) -> list[str]:
    """Return in words what a start would do."""
    lines = [_line(change) for change in plan.changes]
    lines += [f"! {job_id} cannot be added: {why}" for job_id, why in plan.faults.items()]
    if plan.follows:
        return [f"a newer version of {app} is followed as long as engines of it live; a start changes nothing"]
    lines += [f"- {job_id}, as soon as no engine lives whose code declares it" for job_id in plan.waits]
    return lines or ["a start changes nothing"]


def _line(change: Change) -> str:
    if change.after is None:
        return f"- {change.id}"
    if change.before is None:
        return f"+ {change.id}: task {change.after.task}, {_cut(_trigger(change.after))}"
    changes = [f"{name} {' → '.join(_both(change.before, change.after, name))}" for name in change.fields]
    return f"~ {change.id}: {'; '.join(changes) or 'mended'}"


def _both(before: Job, after: Job, name: str) -> tuple[str, str]:
    """Return a field of both in words; when two triggers begin is told only if nothing else tells them apart."""
    if name == "trigger":
        whole = _trigger(before), _trigger(after)
        cut = _cut(whole[0]), _cut(whole[1])
        return cut if cut[0] != cut[1] else whole
    if name == "overrides":
        return str(before.overrides.given()), str(after.overrides.given())
    return str(getattr(before, name)), str(getattr(after, name))


def _trigger(job: Job) -> str:
    if job.trigger is None:
        return "once, now"
    told: str = parse_trigger(job.trigger, now=SystemClock().now()).describe()
    return told[:1].lower() + told[1:]


def _cut(told: str) -> str:
    return told.partition(", from ")[0]
