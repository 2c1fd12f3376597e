"""`scheduler-app import-apscheduler`: take over the jobs of an APScheduler's SQL store, while nothing runs."""

import click

from scheduler_app.app import create_app
from scheduler_app.aps.moving import Fate, Move, move_in
from scheduler_app.domain.text import one_line
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension.core import Core
from scheduler_app.settings import Settings
from scheduler_app.store import apscheduler
from scheduler_app.store.presence import present

WHY_TRUST = (
    "APScheduler keeps its jobs as pickles, and reading a pickle runs whatever it says. If nobody but your own "
    "programs could write to that database, say so with --trust-pickle. Nothing was read"
)


def import_apscheduler(url: str, table: str, settings: Settings, *, trust: bool) -> None:
    """Take over what can be, and tell of each job what became of it. Raises SchedulerError for what prevents all."""
    if not trust:
        raise ConfigurationError(WHY_TRUST)
    core: Core = create_app(settings).extensions["scheduler_core"]
    try:
        _refuse_alive(core)
        rows = apscheduler.read(url, table)
        _tell(move_in(rows, references=core.desk.references, ctx=core.ctx))
    finally:
        core.close()


def _refuse_alive(core: Core) -> None:
    with core.database.read() as tx:
        living = present(tx, core.clock.now())
    if living:
        where = ", ".join(f"process {row.pid} on {row.node}" for row in living)
        raise ConfigurationError(f"an engine works on this store ({where}); stop it, and the old scheduler, first")


def _tell(moves: list[Move]) -> None:
    for move in moves:
        click.echo(one_line(f"{move.id}: {move.fate}: {move.why}"))
    counts = {fate: sum(move.fate is fate for move in moves) for fate in Fate}
    click.echo(", ".join(f"{number} {fate}" for fate, number in counts.items()))
