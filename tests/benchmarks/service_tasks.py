"""The tasks file that `scheduler-app serve` is given."""

from scheduler_app import task


@task
def noop() -> None:
    """Do nothing."""
