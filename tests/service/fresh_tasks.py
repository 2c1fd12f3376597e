"""A task that only the newer version of a service has."""

from witness_tasks import mark

from scheduler_app.extension import task


@task(name="fresh")
def fresh() -> None:
    """Leave a mark."""
    mark("begin")
    mark("end")
