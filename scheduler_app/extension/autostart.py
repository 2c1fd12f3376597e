"""Where an engine starts by itself: in a process that serves requests, and in no other.

That is a gunicorn or uWSGI worker (under preload each child, by an after-fork hook) and the serving process of
`flask run`, with and without the reloader. Not a `flask` subcommand, a shell, pytest, a Celery process or an arbiter,
and not the first request: without traffic nothing would fire.

A gunicorn worker that is told to stop, has answered its `max_requests` or has lost its arbiter stops its engine at
once, while it still finishes its requests: both together take no longer than the longer of the two.
"""

import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import click
from flask.cli import ScriptInfo
from flask.helpers import get_debug_flag
from werkzeug.serving import is_running_from_reloader

from scheduler_app.clock import Clock
from scheduler_app.engine.engine import Engine
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension.places import frames

LOOK_EVERY = 0.02
LOOK_WHILE_SERVING = 0.1
LOOK_FOR_RELOADER = 30.0
LONGEST_FIRST_PASS = 5.0
RELOADER = "werkzeug._reloader"
GUNICORN_WORKER = "gunicorn.workers.base"
GUNICORN_ARBITER = "gunicorn.arbiter"
GUNICORN_FORKS_A_WORKER = "spawn_worker"
UWSGI_THREADS = {"enable-threads", "threads"}


@dataclass(frozen=True, kw_only=True)
class Server:
    """What runs the app: whether it has loaded it, and whether it still serves it."""

    has_loaded: Callable[[], bool]
    serves: Callable[[], bool] | None = None


def start_when_serving(engine: Engine, clock: Clock) -> None:
    """Start the engine as soon as its app is loaded, if this process, or a child of it, serves requests."""
    server = _flask_run() or _gunicorn_worker(_frame_of(GUNICORN_WORKER), "self")
    if server is not None:
        _accompany_in_thread(engine, clock, server)
    elif _frame_of(GUNICORN_ARBITER) is not None:
        _start_in_children(engine, clock)
    elif "uwsgi" in sys.modules:
        _start_in_uwsgi(engine, clock, sys.modules["uwsgi"])


def _accompany_in_thread(engine: Engine, clock: Clock, server: Server) -> None:
    engine.expect()
    threading.Thread(target=_accompany, args=(engine, clock, server), name="scheduler-start", daemon=True).start()


def _accompany(engine: Engine, clock: Clock, server: Server) -> None:
    """Start when the app has been loaded, so that all its tasks are registered; stop when it is served no more.

    At the end of the process the engine is stopped in any case, and a stop under way is waited for.
    """
    never = threading.Event()
    while not server.has_loaded():
        clock.wait(never, LOOK_EVERY)
    engine.start()
    load_soon(engine, clock)
    if server.serves is not None:
        while server.serves():
            clock.wait(never, LOOK_WHILE_SERVING)
        engine.stop()


def load_soon(engine: Engine, clock: Clock) -> None:
    """Load what answers requests in a thread of its own, after the first pass, with which it would share the time."""
    threading.Thread(target=_load_after_pass, args=(engine, clock), name="scheduler-load", daemon=True).start()


def _load_after_pass(engine: Engine, clock: Clock) -> None:
    never, limit = threading.Event(), clock.monotonic() + LONGEST_FIRST_PASS
    while engine.running and engine.meter.passed_at is None and clock.monotonic() < limit:
        clock.wait(never, LOOK_EVERY)
    engine.ctx.load()


def _flask_run() -> Server | None:
    """Return `flask run`, if this is the process of it that serves."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "run" or not isinstance(context.obj, ScriptInfo):
        return None
    reload = context.params.get("reload")
    reloads = get_debug_flag() if reload is None else reload
    if reloads and not is_running_from_reloader():
        return None
    info = context.obj
    return Server(has_loaded=lambda: info._loaded_app is not None)


def _gunicorn_worker(frame: FrameType | None, name: str) -> Server | None:
    """Return the gunicorn worker that a frame of gunicorn's has under a name."""
    worker = None if frame is None else frame.f_locals.get(name)
    if worker is None:
        return None
    return Server(has_loaded=lambda: bool(worker.booted), serves=lambda: _serves(worker))


def _serves(worker: Any) -> bool:
    """Whether a worker goes on; one whose arbiter is gone ends now, and not when gunicorn next looks, 15 s on."""
    if worker.alive and os.getppid() != worker.ppid:
        os.kill(os.getpid(), signal.SIGTERM)
        return False
    return bool(worker.alive)


def _frame_of(module: str) -> FrameType | None:
    if module not in sys.modules:
        return None
    return next((frame for frame in frames() if frame.f_globals.get("__name__") == module), None)


def _start_in_children(engine: Engine, clock: Clock) -> None:
    """Start in each worker that this arbiter forks, once it has given up root and set its signals.

    Not in what a worker forks itself, nor in the child that becomes the next arbiter (USR2).
    """
    arbiter, held = os.getpid(), weakref.ref(engine)

    def start() -> None:
        engine, frame = held(), _frame_of(GUNICORN_ARBITER)
        if engine is None or frame is None or os.getppid() != arbiter:
            return
        server = _gunicorn_worker(frame, "worker") if frame.f_code.co_name == GUNICORN_FORKS_A_WORKER else None
        if server is not None:
            _accompany_in_thread(engine, clock, server)

    os.register_at_fork(after_in_child=start)


def leave_to_reloaded(engine: Engine, clock: Clock) -> None:
    """Stop the engine of a script if it turns out to be the one that Werkzeug's reloader starts again and again.

    That one goes on with the code as it was, and serves nothing. It shows when `app.run(debug=True)` is reached.
    """
    if not is_running_from_reloader():
        threading.Thread(target=_leave, args=(engine, clock), name="scheduler-reloader", daemon=True).start()


def _leave(engine: Engine, clock: Clock) -> None:
    never, main = threading.Event(), threading.main_thread().ident
    limit = clock.monotonic() + LOOK_FOR_RELOADER
    while clock.monotonic() < limit:
        frame = sys._current_frames().get(main or 0)
        if any(each.f_globals.get("__name__") == RELOADER for each in frames(frame)):
            engine.stop()
            return
        clock.wait(never, LOOK_WHILE_SERVING)


def is_loading() -> bool:
    """Whether the app is being loaded to be served, or for a command: what it says meanwhile, it says at each start."""
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, ScriptInfo):
        return context.obj._loaded_app is None
    worker = _gunicorn_worker(_frame_of(GUNICORN_WORKER), "self")
    if worker is not None or _frame_of(GUNICORN_ARBITER) is not None:
        return worker is None or not worker.has_loaded()
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and not _has_app(uwsgi)


def _has_app(uwsgi: Any) -> bool:
    """Whether this worker of uWSGI has loaded its app."""
    number = uwsgi.worker_id()
    return number > 0 and any(worker["id"] == number and worker["apps"] for worker in uwsgi.workers())


def _start_in_uwsgi(engine: Engine, clock: Clock, uwsgi: Any) -> None:
    """Start after uWSGI has forked this worker, or now when it loads its app in the worker."""
    if not uwsgi.opt.keys() & UWSGI_THREADS:
        raise ConfigurationError(
            "uWSGI lets no thread of the app run, so no job would: start it with --enable-threads, "
            "or set SCHEDULER_ENGINE to 'off' and run the jobs elsewhere"
        )
    if uwsgi.worker_id() > 0:
        _accompany_in_thread(engine, clock, Server(has_loaded=lambda: _has_app(uwsgi)))
        return
    before = getattr(uwsgi, "post_fork_hook", None)

    def hook() -> None:
        if before is not None:
            before()
        engine.start()

    uwsgi.post_fork_hook = hook
