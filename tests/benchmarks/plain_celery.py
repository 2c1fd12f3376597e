"""A Celery app of somebody who has nothing of ours."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

app = Celery("plain", broker=os.environ["BROKER"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop() -> None:
    """Do nothing."""


@worker_ready.connect
def tell(**_: Any) -> None:
    """Say so, whatever the level of its log."""
    print("ready", flush=True)
