"""The program of a worker process: `python -m scheduler_app.extension.worker_process SOCKET LIFELINE`, two descriptors.

It builds the app that its engine names, lets no engine start in it, and executes what it is told.
"""

import importlib
import logging
import os
import signal
import socket
import sys
import traceback

from flask import Flask
from flask.cli import ScriptInfo

from scheduler_app.domain.text import one_line
from scheduler_app.engine.channel import Channel, Message
from scheduler_app.engine.engine import Engine
from scheduler_app.engine.worker import Worker, depend_on
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension.core import Core
from scheduler_app.extension.scheduler import CORE
from scheduler_app.settings import Settings

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
START_SECONDS = 60.0


def main(connection: int, lifeline: int) -> None:
    """Build the app and work. What keeps the app from being built is told to the engine."""
    for descriptor in (connection, lifeline):
        os.set_inheritable(descriptor, False)
    depend_on(lifeline)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=connection))
    hello = channel.receive(START_SECONDS)
    assert hello is not None
    try:
        worker = _prepared(hello, channel)
    except BaseException as error:  # noqa: BLE001 - whatever an app raises while it is imported is told
        channel.send({"failed": f"{hello['target']}: {_told(error)}"})
        sys.exit(1)
    worker.work()


def _prepared(hello: Message, channel: Channel) -> Worker:
    sys.path[:] = hello["path"]
    logging.basicConfig(level=hello["level"], format=LOG_FORMAT)
    os.environ["FLASK_RUN_FROM_CLI"] = "true"  # an app.run() at the end of the module is passed over
    Engine.barred = True
    app = _built(hello)
    if CORE not in app.extensions:
        raise ConfigurationError("the app that it gives has no Scheduler")
    core: Core = app.extensions[CORE]
    return Worker(channel, core.engine.surroundings, core.desk.find_task)


def _built(hello: Message) -> Flask:
    target = hello["target"]
    if hello["settings"] is None:
        return ScriptInfo(app_import_path=target, set_debug_flag=False).load_app()
    module, _, factory = target.partition(":")
    app: Flask = getattr(importlib.import_module(module), factory)(Settings.model_validate(hello["settings"]))
    return app


def _told(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {one_line(str(error))} ({last.filename}:{last.lineno})"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
