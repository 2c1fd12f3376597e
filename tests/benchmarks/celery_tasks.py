"""The tasks file of ours: the run of it is in our store, executed by Celery's workers."""

from scheduler_app import task


@task(name="noop", executor="celery")
def noop() -> None:
    """Do nothing."""
