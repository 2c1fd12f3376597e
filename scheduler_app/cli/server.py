"""gunicorn around the service: one worker with threads, which dies with its arbiter and stops as the engine does.

1. The first SIGTERM or SIGINT stops: the worker's engine drains while the worker goes on answering, `/readyz` with 503;
   then the worker finishes its requests. It is gone after 27 s, whatever a task or a client still holds on to.
2. The second one ends at once.
3. A worker whose arbiter was killed is killed by the kernel: nobody holds the port or executes runs unseen.
4. No task halts the service: a worker that ends, with whatever status, is replaced.
"""

import ctypes
import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import ParseException

from scheduler_app.cli.running import STOPS, log
from scheduler_app.cli.wire import WireWorker
from scheduler_app.extension.autostart import load_soon
from scheduler_app.extension.core import Core
from scheduler_app.settings import Settings

GRACEFUL_SECONDS = 30
ENGINE_SECONDS = 26.0
REQUEST_SECONDS = 3.0
LAST_SECOND = 26.5
KEEP_ALIVE_SECONDS = 5
PR_SET_PDEATHSIG = 1


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


class Chunks:
    """A body sent in chunks; chunks that are none are told as an OSError, as an app can know them."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        """Read some of it."""
        try:
            content: bytes = self._body.read(size)
        except ParseException as error:
            raise OSError(str(error)) from error
        return content


def with_readable_chunks(app: Any) -> Any:
    """Stand before a WSGI app and make bodies in chunks fail in words that it understands."""

    def serve(environ: Any, start_response: Any) -> Any:
        if "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"] = Chunks(environ["wsgi.input"])
        return app(environ, start_response)

    return serve


class PatientArbiter(Arbiter):  # type: ignore[misc]
    """An arbiter that halts only when a worker cannot boot.

    gunicorn takes exit status 3 and 4 for that, which a task that ends its process may well use.
    """

    WORKER_BOOT_ERROR = 253
    APP_LOAD_ERROR = 254

    def spawn_worker(self) -> Any:
        """Fork a worker with signals held back until it has handlers of its own: the inherited ones swallow them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def run_server(app: Flask, listener: socket.socket, settings: Settings) -> None:
    """Serve the app on a listening socket until a signal ends it. Does not return."""
    log(settings.log_level)
    core: Core = app.extensions["scheduler_core"]
    options = {
        "bind": f"fd://{listener.fileno()}",
        "workers": 1,
        "worker_class": WireWorker,
        "keepalive": KEEP_ALIVE_SECONDS,
        "limit_request_line": 8190,
        "threads": settings.web_threads,
        "graceful_timeout": GRACEFUL_SECONDS,
        "loglevel": "warning",
        "control_socket_disable": True,
        # no request header says where the service is mounted, also none from this host
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        "post_fork": _depend_on_parent,
        "post_worker_init": lambda worker: _start_engine(worker, core, settings),
        "worker_exit": _leave,
        "when_ready": _end_at_second_signal,
    }
    app.wsgi_app = with_readable_chunks(app.wsgi_app)  # type: ignore[method-assign]
    server = Server(app, options)
    gc.freeze()  # what is loaded by now stays: neither the fork copies it to mark it, nor does a stop look through it
    PatientArbiter(server).run()


def _depend_on_parent(_arbiter: Any, _worker: Any) -> None:
    """Be killed when the arbiter is (prctl(2)); elsewhere than on Linux the worker notices within a second.

    Until gunicorn has set its own handlers, a signal ends the worker, also one that was held back since the fork.
    """
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _start_engine(worker: Any, core: Core, settings: Settings) -> None:
    """Start the engine, and stop it at the first signal, while the worker still answers."""
    finish = signal.getsignal(signal.SIGTERM)
    told, tell = os.pipe()
    threading.Thread(target=_stop_when_told, args=(told, core, finish), name="scheduler-stop", daemon=True).start()
    # a handler takes no lock, since it may interrupt whoever holds it
    signal.signal(signal.SIGTERM, lambda _number, _frame: os.write(tell, b"!"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not worker.alive:
        os._exit(0)  # gunicorn's handler had the signal: nothing was begun
    if settings.engine != "off":
        core.engine.start()
    load_soon(core.engine, core.clock)


def _stop_when_told(told: int, core: Core, finish: Any) -> None:
    """Wait for the signal, stop the engine, let the worker finish its requests, and end it if it does not end."""
    os.read(told, 1)
    began = core.clock.monotonic()
    core.engine.begin_drain()
    stopping = threading.Thread(target=core.engine.stop, name="scheduler-stopping", daemon=True)
    stopping.start()
    stopping.join(ENGINE_SECONDS)
    finish(signal.SIGTERM, None)
    left = began + LAST_SECOND - core.clock.monotonic()
    core.clock.wait(threading.Event(), min(left, REQUEST_SECONDS))
    os._exit(0)


def _leave(_arbiter: Any, _worker: Any) -> None:
    """Leave the interpreter its time to finish; one that hangs on a thread of somebody's is ended, and says where."""
    faulthandler.dump_traceback_later(REQUEST_SECONDS, exit=True)


def _end_at_second_signal(arbiter: Any) -> None:
    """Take Ctrl-C for SIGTERM, and the second signal for an order to end at once."""
    signals: list[int] = []

    def handle(number: int, frame: Any) -> None:
        signals.append(number)
        if len(signals) > 1:
            for pid in list(arbiter.WORKERS):
                os.kill(pid, signal.SIGKILL)
            os._exit(0)
        arbiter.signal(signal.SIGTERM, frame)

    for number in STOPS:
        signal.signal(number, handle)
