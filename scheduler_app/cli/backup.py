"""`scheduler-app backup FILE`: a consistent copy of an SQLite store that may be in use."""

from pathlib import Path

import click

from scheduler_app.domain.text import one_line
from scheduler_app.errors import ConfigurationError
from scheduler_app.settings import Settings
from scheduler_app.store import backup
from scheduler_app.store.database import Database, default_url

LARGE = 10_000


def back_up(settings: Settings, target: Path, *, replace: bool) -> None:
    """Copy the store of these settings, and say what the copy holds."""
    database = Database(settings.database or default_url(settings.data))
    if database.path is None:
        raise ConfigurationError("backup copies an SQLite store; use pg_dump for this one")
    copy = backup.back_up(database.path, target, replace=replace, progress=Progress())
    click.echo(
        one_line(
            f"{copy.path}: {copy.size / 1e6:.1f} MB, schema {copy.schema}, {copy.jobs} jobs, {copy.runs} runs, checked"
        )
    )


class Progress:
    """Tells how far a large copy is, at each tenth of it."""

    def __init__(self) -> None:
        self._tenths = 0

    def __call__(self, done: int, pages: int) -> None:
        """Hear how many pages are copied."""
        tenths = 10 * done // max(pages, 1)
        if pages >= LARGE and tenths > self._tenths:
            click.echo(f"{10 * tenths} % of {pages} pages", err=True)
        self._tenths = tenths
