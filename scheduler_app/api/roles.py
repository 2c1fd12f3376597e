"""Which role each call needs. What is not listed here, and not open to all, needs the highest."""

from flask import g

from scheduler_app.api.refusals import Forbidden
from scheduler_app.services.roles import Role, allows

NEEDS: dict[str, Role] = {
    "jobs.list_jobs": Role.VIEWER,
    "jobs.get_job": Role.VIEWER,
    "jobs.list_job_runs": Role.VIEWER,
    "runs.list_runs": Role.VIEWER,
    "runs.get_run": Role.VIEWER,
    "runs.read_log": Role.VIEWER,
    "tasks.list_tasks": Role.VIEWER,
    "tasks.get_task": Role.VIEWER,
    "triggers.preview_trigger": Role.VIEWER,
    "forecast.forecast_job": Role.VIEWER,
    "forecast.list_upcoming": Role.VIEWER,
    "stats.get_stats": Role.VIEWER,
    "stats.get_job_stats": Role.VIEWER,
    "stats.get_week": Role.VIEWER,
    "stats.get_timeline": Role.VIEWER,
    "scheduler.get_scheduler": Role.VIEWER,
    "events.follow_events": Role.VIEWER,
    # of keys and sign-ins only an admin is told, which its view looks after
    "audit.list_changes": Role.VIEWER,
    "jobs.pause_job": Role.OPERATOR,
    "jobs.resume_job": Role.OPERATOR,
    "jobs.skip_firings": Role.OPERATOR,
    "jobs.run_job": Role.OPERATOR,
    # to delete by it needs more, which its view asks for
    "bulk.act_on_jobs": Role.OPERATOR,
    "runs.cancel_run": Role.OPERATOR,
    "runs.retry_run": Role.OPERATOR,
    "scheduler.pause_scheduler": Role.OPERATOR,
    "scheduler.resume_scheduler": Role.OPERATOR,
    "engines.drain_engine": Role.ADMIN,
    "engines.resume_engine": Role.ADMIN,
    "engines.forget_engine": Role.ADMIN,
    "jobs.create_job": Role.ADMIN,
    "jobs.put_job": Role.ADMIN,
    "jobs.change_job": Role.ADMIN,
    "jobs.delete_job": Role.ADMIN,
    "bulk.create_jobs": Role.ADMIN,
    "keys.create_key": Role.ADMIN,
    "keys.list_keys": Role.ADMIN,
    "keys.revoke_key": Role.ADMIN,
}


def require(needed: Role) -> None:
    """Refuse the present caller unless it has at least this role."""
    check(Role(g.key.role), needed)


def check(role: Role, needed: Role) -> None:
    """Refuse a role that is not at least the one that is needed."""
    if not allows(role, needed):
        raise Forbidden(f"this call needs the role {needed}, and you have the role {role}")
