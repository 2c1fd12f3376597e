"""Ours: BROKER is the URL of the store. As a program it is a process that only executes."""

import os
import signal
import threading

from flask import Flask

from scheduler_app import Scheduler
from tests.benchmarks.marks import Marker

flask_app = Flask("peers")
flask_app.config.update(SCHEDULER_DATABASE=os.environ["BROKER"])
scheduler = Scheduler(flask_app)
marker = Marker()


@scheduler.task
def noop(sent: float) -> None:
    """Do nothing but be counted."""
    marker.mark(sent)


def add(sent: float) -> None:
    """Queue one; no engine runs where nobody starts one."""
    noop.delay(sent=sent)


def main() -> None:
    """Execute until the signal to end."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    scheduler.start()
    over.wait()
    scheduler.core.close()


if __name__ == "__main__":
    main()
