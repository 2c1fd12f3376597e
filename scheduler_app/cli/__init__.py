"""The command line: `scheduler-app`. What a command is made of is loaded by that command, not by the others."""

import sys

if sys.platform == "win32":
    sys.exit("scheduler-app: it needs Linux or macOS; on Windows run it in WSL or a container")

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from scheduler_app.collector import keep_what_is_loaded, loading
from scheduler_app.domain.text import one_line
from scheduler_app.errors import SchedulerError

CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": None}
# values are taken as text: the settings model checks them, wherever they come from
STORE = (
    click.option("--data", metavar="FOLDER", help="Folder of the embedded store and the admin key (./data)."),
    click.option("--database", metavar="URL", help="SQLAlchemy URL of the store, in place of the one in the folder."),
    click.option("--config", metavar="FILE", help="A TOML file of settings."),
)
TASKS = click.option("--tasks", multiple=True, metavar="FILE_OR_MODULE", help="Whose tasks to offer; may be repeated.")
APP = click.option("--app", metavar="MODULE:FACTORY", help="How a worker process builds the app, other than this one.")
LISTENING = (
    click.option("--host", help="Address to listen on (127.0.0.1)."),
    click.option("--port", help="Port to listen on (8000); 0 takes a free one."),
)
SERVICE = (
    *LISTENING,
    TASKS,
    APP,
    *STORE,
    click.option("--no-engine", is_flag=True, help="Answer only: jobs are fired and run by engines elsewhere."),
)

__all__ = ["cli", "main"]


def options(decorators: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    """Add options to a command, in their order."""

    def add(command: Any) -> Any:
        for decorate in reversed(decorators):
            command = decorate(command)
        return command

    return add


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as settings."""
    settings = {key: value for key, value in values.items() if value not in (None, (), False)}
    return settings | {"engine": "off"} if settings.pop("no_engine", False) else settings


def part(name: str) -> Any:
    """Load a module of this package.

    What is loaded stays: to look through it for garbage, again and again, takes a third of a start and of an end.
    """
    path = f"scheduler_app.{name}"
    if path not in sys.modules:
        with loading():
            importlib.import_module(path)
        keep_what_is_loaded()
    return sys.modules[path]


def settings_of(values: dict[str, Any]) -> Any:
    """Return the settings of the command line, the environment and the file that either names."""
    return part("app").settings_of(os.environ, given(values))


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="scheduler_app", prog_name="scheduler-app")
def cli() -> None:
    """Durable background and scheduled jobs."""


@cli.command("serve")
@options(SERVICE)
def serve_command(**values: Any) -> None:
    """Run the service: HTTP API, engine and embedded store, in the foreground."""
    part("cli.serve").serve(settings_of(values))


@cli.command("worker")
@options((TASKS, APP, *STORE))
def worker_command(**values: Any) -> None:
    """Run an engine without the web part, in the foreground."""
    part("cli.worker").work(settings_of(values))


@cli.command("celery-worker")
@click.option("--broker", metavar="URL", help="The broker; like redis://127.0.0.1:6379/0.")
@click.option(
    "--pool", type=click.Choice(["prefork", "threads"]), default="prefork", help="Processes (prefork) or threads."
)
@click.option("--concurrency", type=click.IntRange(1, 1000), help="How many of them (one for each processor).")
@click.option("--queue", "queues", multiple=True, help="Whose runs to take; may be repeated (all that tasks name).")
@options((TASKS, APP, *STORE))
def celery_worker_command(pool: str, concurrency: int | None, queues: tuple[str, ...], **values: Any) -> None:
    """Execute runs of executor `celery` in processes or threads of Celery's, in the foreground."""
    settings = settings_of(values)
    part("cli.celery_worker").work_for_celery(settings, pool=pool, concurrency=concurrency, queues=queues)


@cli.command("check")
@options(SERVICE)
def check_command(**values: Any) -> None:
    """Tell every fault of the configuration, or what is in force. Changes nothing."""
    sys.exit(0 if part("cli.check").check(os.environ, given(values)) else 1)


@cli.command("audit")
@options(STORE)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def audit_command(as_json: bool, **values: Any) -> None:
    """Check what was promised on a store, also while it is in use. Changes nothing."""
    sys.exit(0 if part("cli.audit").audit_store(settings_of(values), as_json=as_json) else 1)


@cli.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@options(STORE)
def backup_command(file: Path, force: bool, **values: Any) -> None:
    """Copy an SQLite store to FILE, also while it is in use, and check the copy."""
    part("cli.backup").back_up(settings_of(values), file, replace=force)


@cli.group("db")
def db_group() -> None:
    """The schema of a store, without starting a service on it."""


@db_group.command("current")
@options(STORE)
def db_current_command(**values: Any) -> None:
    """Print which schema a store has. Changes nothing."""
    part("cli.db").current(settings_of(values))


@db_group.command("upgrade")
@options(STORE)
def db_upgrade_command(**values: Any) -> None:
    """Bring a store up to this version's schema, as a start would."""
    part("cli.db").upgrade(settings_of(values))


@db_group.command("check")
@options(STORE)
def db_check_command(**values: Any) -> None:
    """Compare the tables of a store with those of this version. Changes nothing."""
    sys.exit(0 if part("cli.db").check(settings_of(values)) else 1)


@cli.command("sign-in-link")
@click.option("--url", metavar="URL", help="Where browsers reach the service (http://HOST:PORT).")
@options((*LISTENING, *STORE))
def sign_in_link_command(url: str | None, **values: Any) -> None:
    """Print a link that signs in to the running service as an admin, once, within 5 minutes."""
    part("cli.signing").print_link(settings_of(values), url)


@cli.command("settings")
@click.option("--markdown", is_flag=True, help="As a table.")
def settings_command(markdown: bool) -> None:
    """Print every setting with its default: a file for --config."""
    reference = part("cli.reference")
    click.echo(reference.as_markdown() if markdown else reference.as_toml(), nl=False)


@cli.command("import-apscheduler")
@click.argument("url")
@click.option("--trust-pickle", is_flag=True, help="Read the pickles in that database, which runs what they say.")
@click.option("--table", default="apscheduler_jobs", show_default=True, help="The table of the jobs.")
@options((TASKS, *STORE))
def import_command(url: str, trust_pickle: bool, table: str, **values: Any) -> None:
    """Take over the jobs of APScheduler's SQL job store at URL, while neither it nor an engine runs.

    They go into the store that --data, --database or --config names; their functions are those of --tasks.
    """
    part("cli.moving").import_apscheduler(url, table, settings_of(values), trust=trust_pickle)


def main() -> None:
    """Run the command line; every foreseen fault is one line on standard error and exit status 1."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(1)
    except click.ClickException as error:
        _refuse(error.format_message())
    except click.exceptions.Abort:
        sys.exit(130)
    except SchedulerError as error:
        _refuse(error.detail)


def _refuse(what: str) -> None:
    click.echo(f"scheduler-app: {one_line(what)}", err=True)
    sys.exit(1)
