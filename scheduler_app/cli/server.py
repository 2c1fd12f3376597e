"""gunicorn around the service: one worker with threads, which dies with its arbiter and stops as the engine does.

1. The first SIGTERM or SIGINT stops: the worker's engine drains while the worker finishes its requests.
2. The second one ends at once.
3. A worker whose arbiter was killed is killed by the kernel: nobody holds the port or executes runs unseen.
"""

import ctypes
import logging
import os
import signal
import socket
import sys
import threading
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from scheduler_app.extension.core import Core
from scheduler_app.settings import Settings

GRACEFUL_SECONDS = 30
PR_SET_PDEATHSIG = 1
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings, and none from its own files or command line."""

    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Take the options as they are."""
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """Return the app, which was loaded before."""
        return self._app


def run_server(app: Flask, listener: socket.socket, settings: Settings) -> None:
    """Serve the app on a listening socket until a signal ends it. Does not return."""
    logging.basicConfig(level=settings.log_level, format=LOG_FORMAT)
    for chatty in ("apscheduler", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    core: Core = app.extensions["scheduler_core"]
    options = {
        "bind": f"fd://{listener.fileno()}",
        "workers": 1,
        "worker_class": "gthread",
        "threads": settings.web_threads,
        "graceful_timeout": GRACEFUL_SECONDS,
        "loglevel": "warning",
        "control_socket_disable": True,
        "post_fork": _die_with_parent,
        "post_worker_init": lambda worker: _start_engine(worker, core, settings),
        "when_ready": _end_at_second_signal,
    }
    server = Server(app, options)
    Arbiter(server).run()


def _die_with_parent(_arbiter: Any, _worker: Any) -> None:
    """Be killed when the arbiter is (prctl(2)); elsewhere than on Linux the worker notices within a second."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _start_engine(worker: Any, core: Core, settings: Settings) -> None:
    """Start the engine, and drain it from the first signal on, while the worker still answers."""
    stop = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: Any) -> None:
        core.engine.begin_drain()
        if callable(stop):
            stop(signal.SIGTERM, frame)

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if settings.engine != "off":
        core.engine.start()


def _end_at_second_signal(arbiter: Any) -> None:
    """Take Ctrl-C for SIGTERM, and the second signal for an order to end at once."""
    signalled = threading.Event()

    def handle(_number: int, frame: Any) -> None:
        if signalled.is_set():
            for pid in list(arbiter.WORKERS):
                os.kill(pid, signal.SIGKILL)
            os._exit(0)
        signalled.set()
        arbiter.signal(signal.SIGTERM, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
