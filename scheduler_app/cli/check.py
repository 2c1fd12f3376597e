"""`scheduler-app check`: tell every fault of the configuration at once, or what is in force; change nothing.

Tasks files are imported, which is the only way to know that they can be; no bytecode is written for them.
"""

import json
import os
import platform
import stat
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import click

from scheduler_app.app import sought_settings
from scheduler_app.app.loading import load_tasks
from scheduler_app.broker.messaging import require, shown
from scheduler_app.cli.reference import value_of
from scheduler_app.cli.serve import listen
from scheduler_app.domain.task import default_registry
from scheduler_app.domain.text import one_line
from scheduler_app.errors import Fault, NotFound, SchedulerError
from scheduler_app.settings import KEYS, Sought, fault, strange_variables
from scheduler_app.store import schema
from scheduler_app.store.database import Database, default_url
from scheduler_app.store.sqlite import sqlite_version

DEFAULT = "default"


def check(environ: Mapping[str, str], given: Mapping[str, object]) -> bool:
    """Check the configuration and print what was found; whether it is free of faults."""
    sought = sought_settings(environ, given)
    inspection = Inspection(sought)
    faults = [*sought.faults, *strange_variables(environ), *inspection.faults()]
    if faults:
        for wrong in faults:
            click.echo(f"scheduler-app: {one_line(wrong.detail)}", err=True)
        return False
    for line in (*inspection.in_force(), "", *inspection.findings):
        click.echo(one_line(line))
    return True


class Inspection:
    """Looks at what the settings name: folder, store, tasks, port. A setting that is wrong itself is passed over."""

    def __init__(self, sought: Sought) -> None:
        self._sought = sought
        self._settings = sought.settings
        self._wrong = {wrong.pointer.removeprefix("/") for wrong in sought.faults}
        self._store = ""
        self.findings: list[str] = []

    def faults(self) -> list[Fault]:
        """Look at everything and return what is wrong."""
        looks = {
            "data": self._folder,
            "database": self._database,
            "tasks": self._tasks,
            "port": self._port,
            "broker": self._broker,
        }
        found = []
        for key, look_at in looks.items():
            if key not in self._wrong:
                found += [fault(key, self._origin(key), what.removeprefix(f"{key}: ")) for what in look_at()]
        return found

    def in_force(self) -> Iterator[str]:
        """Return each setting with its value, secrets masked, and the place it is from."""
        yield f"scheduler-app {version('scheduler_app')} on Python {platform.python_version()}"
        values = {key: json.dumps(value_of(key, self._settings), ensure_ascii=False) for key in KEYS}
        broker = self._settings.broker
        values |= {"database": self._store, "broker": "null" if broker is None else shown(broker)}
        width = max(len(value) for value in values.values())
        for key in KEYS:
            yield f"  {key:<20} {values[key]:<{width}}  {self._origin(key)}"

    def _origin(self, key: str) -> str:
        return self._sought.origins.get(key, DEFAULT)

    def _folder(self) -> Iterator[str]:
        folder = self._settings.data.absolute()
        if not folder.exists():
            above = next(parent for parent in folder.parents if parent.exists())
            self.findings.append(f"data folder {folder}: not there yet, the first start makes it, for its owner alone")
            if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
                yield f"{folder} cannot be made: {above} cannot be written"
        elif not folder.is_dir():
            yield f"{folder} is a file; name a folder"
        elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            yield f"{folder} cannot be written; choose another with --data"
        else:
            self.findings += [f"data folder {_permissions(folder)}", *_open_files(folder)]

    def _database(self) -> Iterator[str]:
        settings = self._settings
        named = ""
        try:
            database = Database(settings.database or default_url(settings.data), pooler=settings.pooler)
            self._store = database.shown
            named = "" if database.path is not None else f"{database.shown}: "
            yield from self._state_of(database)
        except SchedulerError as error:
            yield named + error.detail

    def _state_of(self, database: Database) -> Iterator[str]:
        path = database.path
        try:
            version, state = database.look(lambda tx: (database.backend.version(tx), schema.state(tx)))
        except NotFound:
            version, state = sqlite_version(), "not there yet, the first start makes it"
            folder = None if path is None or self._settings.database is None else _existing(path.parent)
            if folder is not None and not os.access(folder, os.W_OK | os.X_OK):
                yield f"{path} cannot be made: its folder cannot be written"
        self.findings += [version, f"store {path or database.shown}: {state}"]

    def _broker(self) -> Iterator[str]:
        if self._settings.broker is not None:
            try:
                require()
                self.findings.append(f"broker {shown(self._settings.broker)}")
            except SchedulerError as error:
                yield error.detail

    def _tasks(self) -> Iterator[str]:
        write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            for name in self._settings.tasks:
                try:
                    load_tasks([name], demo=False)
                except SchedulerError as error:
                    yield error.detail.removeprefix("tasks ")
            load_tasks([], demo=self._settings.demo)
        finally:
            sys.dont_write_bytecode = write
        names = ", ".join(task.name for task in default_registry)
        self.findings.append(f"tasks: {names}" if names else "tasks: none, so that no job can be added; give --tasks")

    def _port(self) -> Iterator[str]:
        host, port = self._settings.host, self._settings.port
        try:
            listen(host, port).close()
        except SchedulerError as error:
            yield error.detail.removeprefix("port ")
        else:
            self.findings.append(f"port {port} on {host}: {'free' if port else 'any free one'}")


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _permissions(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    shared = "; others than its owner can reach it: chmod go= it" if mode & 0o077 else ""
    return f"{path}: {mode:04o}{shared}"


def _open_files(folder: Path) -> list[str]:
    """Return the files in the folder that others than their owner can read."""
    files = [*folder.glob("scheduler.db*"), *folder.glob("admin.key*")]
    return [_permissions(file) for file in sorted(files) if stat.S_IMODE(file.stat().st_mode) & 0o077]
