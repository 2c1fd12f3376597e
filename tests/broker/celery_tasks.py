"""What the tests let Celery's workers execute."""

import os
import signal
import time

from scheduler_app import current_run, task
from tests.service.witness_tasks import mark


@task(name="add", executor="celery")
def add(a: int, b: int) -> int:
    """Print and add."""
    print(f"adding {a} and {b}")
    current_run.progress(1, 1, "added")
    return a + b


@task(name="sleepy", executor="celery", timeout=1)
def sleepy() -> None:
    """Sleep for an hour, which may take a second."""
    time.sleep(3600)


@task(name="stubborn", executor="celery")
def stubborn() -> None:
    """Never end, whatever is raised here."""
    mark("begin")
    while True:
        try:
            time.sleep(3600)
        except BaseException:  # noqa: BLE001
            print("not me")


@task(name="crash_once", executor="celery")
def crash_once() -> str:
    """Kill the process at the first attempt."""
    mark("begin")
    if current_run.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"
