"""Where an engine starts by itself: in a process that serves requests, and in no other.

That is a gunicorn or uWSGI worker (under preload each child, by an after-fork hook) and the serving process of
`flask run`, with and without the reloader. Not a `flask` subcommand, a shell, pytest, a Celery process or an arbiter,
and not the first request: without traffic nothing would fire.
"""

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import click
from flask.cli import ScriptInfo
from flask.helpers import get_debug_flag
from werkzeug.serving import is_running_from_reloader

from scheduler_app.clock import Clock
from scheduler_app.engine.engine import Engine
from scheduler_app.errors import ConfigurationError

LOOK_EVERY = 0.02
GUNICORN_WORKER = "gunicorn.workers.base"
GUNICORN_ARBITER = "gunicorn.arbiter"
UWSGI_THREADS = {"enable-threads", "threads"}


def start_when_serving(engine: Engine, clock: Clock) -> None:
    """Start the engine as soon as its app is loaded, if this process, or a child of it, serves requests."""
    ready = _flask_run() or _gunicorn_worker()
    if ready is not None:
        threading.Thread(target=_start_when, args=(engine, clock, ready), name="scheduler-start", daemon=True).start()
    elif _frame_of(GUNICORN_ARBITER) is not None:
        _start_in_children(engine)
    elif "uwsgi" in sys.modules:
        _start_in_uwsgi(engine, sys.modules["uwsgi"])


def _start_when(engine: Engine, clock: Clock, ready: Callable[[], bool]) -> None:
    """Wait until the app has been loaded, so that all its tasks are registered, and start."""
    never = threading.Event()
    while not ready():
        clock.wait(never, LOOK_EVERY)
    engine.start()


def _flask_run() -> Callable[[], bool] | None:
    """Return what tells that `flask run` has loaded its app, if this is the process of it that serves."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "run" or not isinstance(context.obj, ScriptInfo):
        return None
    reload = context.params.get("reload")
    reloads = get_debug_flag() if reload is None else reload
    if reloads and not is_running_from_reloader():
        return None
    info = context.obj
    return lambda: info._loaded_app is not None


def _gunicorn_worker() -> Callable[[], bool] | None:
    """Return what tells that the gunicorn worker that loads this app has booted."""
    frame = _frame_of(GUNICORN_WORKER)
    worker = None if frame is None else frame.f_locals.get("self")
    return None if worker is None else lambda: bool(worker.booted)


def _frame_of(module: str) -> FrameType | None:
    return next((frame for frame in _frames() if frame.f_globals.get("__name__") == module), None)


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _start_in_children(engine: Engine) -> None:
    """Start in each worker that this arbiter forks, but not in what a worker forks itself."""
    arbiter, held = os.getpid(), weakref.ref(engine)

    def start() -> None:
        engine = held()
        if engine is not None and os.getppid() == arbiter:
            engine.start()

    os.register_at_fork(after_in_child=start)


def _start_in_uwsgi(engine: Engine, uwsgi: Any) -> None:
    """Start after uWSGI has forked this worker, or now when it loads its app in the worker."""
    if not uwsgi.opt.keys() & UWSGI_THREADS:
        raise ConfigurationError(
            "uWSGI lets no thread of the app run, so no job would: start it with --enable-threads, "
            "or set SCHEDULER_ENGINE to 'off' and run the jobs elsewhere"
        )
    if uwsgi.worker_id() > 0:
        engine.start()
        return
    before = getattr(uwsgi, "post_fork_hook", None)

    def hook() -> None:
        if before is not None:
            before()
        engine.start()

    uwsgi.post_fork_hook = hook
